"""Augmentation: physics where there is some, and nothing changed that should stay."""

import dataclasses

import numpy as np
import pytest
import torch

from shotprint.clips import normalize_level
from shotprint.training.augmentation import (
    Chance,
    add_noise,
    augment_waveforms,
    clip_peaks,
    draw_equaliser_db,
    draw_lowpass_db,
    make_chance,
    mask_spectrograms,
    mix_styles,
    mix_up,
    normalize_batch,
)
from shotprint.training.devices import Share
from shotprint.training.recipe import Recipe

RATE_HZ = 32000
LENGTH = 8000
OFF = Recipe(
    gain_db=0.0,
    eq_db=0.0,
    lowpass_probability=0.0,
    noise_probability=0.0,
    clipping_probability=0.0,
)


@pytest.fixture
def chance() -> Chance:
    return make_chance((0, 1, 2))


def make_clips(n: int = 6) -> torch.Tensor:
    rng = np.random.default_rng(3)
    clips = rng.normal(size=(n, LENGTH)) * np.exp(-np.arange(LENGTH) / 1000)
    return torch.from_numpy((clips * rng.uniform(0.01, 1, (n, 1)) + 0.02).astype(np.float32))


def frequencies() -> torch.Tensor:
    return torch.fft.rfftfreq(LENGTH, 1 / RATE_HZ)


def measure_db(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return 20 * torch.log10(torch.fft.rfft(after).abs() / torch.fft.rfft(before).abs())


def test_with_everything_off_only_the_level_is_set(chance: Chance) -> None:
    clips = make_clips()
    found = augment_waveforms(clips, RATE_HZ, OFF, chance)
    np.testing.assert_allclose(found, normalize_level(clips.numpy()), atol=1e-6)


def test_an_equaliser_of_0_db_is_none(chance: Chance) -> None:
    assert draw_equaliser_db(5, frequencies(), OFF, chance) is None
    recipe = dataclasses.replace(OFF, eq_db=1e-9, eq_probability=1.0)
    clips = make_clips()
    found = augment_waveforms(clips, RATE_HZ, recipe, chance)
    torch.testing.assert_close(found, normalize_batch(clips), atol=1e-5, rtol=0)


def test_the_equaliser_is_smooth_and_as_strong_as_asked(chance: Chance) -> None:
    recipe = dataclasses.replace(OFF, eq_db=6.0, eq_probability=1.0)
    response = draw_equaliser_db(2000, frequencies(), recipe, chance)
    assert response is not None
    f = frequencies()
    for point_hz in (50.0, 16000.0):
        nearest = int((f - point_hz).abs().argmin())
        assert float(response[:, nearest].std()) == pytest.approx(6.0, rel=0.1)
    below = response[:, f < 50]
    torch.testing.assert_close(below, below[:, :1].expand_as(below))
    # Piecewise linear over log frequency: five straight pieces have four corners.
    octave = torch.log2(f[f > 60])
    slope = response[0, f > 60].diff() / octave.diff()
    assert int((slope.diff().abs() > 0.02 * slope.abs().max()).sum()) <= 2 * 4


def test_an_equaliser_comes_as_often_as_asked(chance: Chance) -> None:
    recipe = dataclasses.replace(OFF, eq_db=6.0, eq_probability=0.25)
    response = draw_equaliser_db(2000, frequencies(), recipe, chance)
    assert response is not None
    assert float((response.abs().sum(dim=1) > 0).float().mean()) == pytest.approx(0.25, abs=0.04)


def test_filters_reach_the_waveform(chance: Chance) -> None:
    recipe = dataclasses.replace(OFF, eq_db=6.0, eq_probability=1.0)
    clips = normalize_batch(make_clips())
    expected = draw_equaliser_db(len(clips), frequencies(), recipe, make_chance((0, 1, 2)))
    found = measure_db(clips, augment_waveforms(clips, RATE_HZ, recipe, chance))
    assert expected is not None
    difference = (found - expected)[:, 10:-10]
    # Up to the level, which is set again.
    spread = difference - difference.median(dim=1, keepdim=True).values
    assert float(spread.abs().max()) < 0.1


def test_the_lowpass_falls_by_36_db_an_octave_from_its_corner(chance: Chance) -> None:
    response = draw_lowpass_db(200, frequencies(), 1.0, chance)
    assert response is not None
    f = frequencies()
    assert float(response[:, f < 2000].abs().max()) < 0.1
    corner = torch.tensor([float(f[(row + 3.01).abs().argmin()]) for row in response])
    assert 3400 < float(corner.min()) < 4200
    assert 12500 < float(corner.max()) < 15100
    low = response[corner < 5000]
    at = (f - 2 * corner[corner < 5000, None]).abs().argmin(dim=1)
    assert torch.allclose(low.gather(1, at[:, None]), torch.tensor(-36.1), atol=0.5)
    assert draw_lowpass_db(5, frequencies(), 0.0, chance) is None


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_has_the_stated_ratio(snr_db: float, chance: Chance) -> None:
    recipe = dataclasses.replace(
        OFF, noise_probability=1.0, noise_snr_min_db=snr_db, noise_snr_max_db=snr_db
    )
    spectrum = torch.fft.rfft(make_clips(50))
    noise = add_noise(spectrum, frequencies(), recipe, chance) - spectrum
    ratio = spectrum.abs().square().sum(dim=1) / noise.abs().square().sum(dim=1)
    found_db = 10 * torch.log10(ratio)
    assert float(found_db.mean()) == pytest.approx(snr_db, abs=0.1)
    # Red noise has few strong components, so single clips scatter.
    assert float((found_db - snr_db).abs().max()) < 2.0


def test_noise_is_between_white_and_one_over_f(chance: Chance) -> None:
    recipe = dataclasses.replace(OFF, noise_probability=1.0)
    spectrum = torch.ones(400, LENGTH // 2 + 1, dtype=torch.complex64)
    noise = add_noise(spectrum, frequencies(), recipe, chance) - spectrum
    f = frequencies()
    octaves = [(f >= low) & (f < 2 * low) for low in (200.0, 6400.0)]
    low, high = (noise[:, part].abs().square().mean(dim=1) for part in octaves)
    fall_db = 10 * torch.log10(low / high) / 5
    assert float(fall_db.min()) > -0.7
    assert 5.0 < float(fall_db.max()) < 7.0


def test_noise_comes_as_often_as_asked(chance: Chance) -> None:
    recipe = dataclasses.replace(OFF, noise_probability=0.3)
    spectrum = torch.fft.rfft(make_clips(1)).expand(1000, -1)
    changed = (add_noise(spectrum, frequencies(), recipe, chance) != spectrum).any(dim=1)
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.05)


def test_clipping_cuts_peaks_only(chance: Chance) -> None:
    clips = normalize_batch(make_clips(40))
    clipped = clip_peaks(clips, 1.0, chance)
    limit = clipped.abs().amax(dim=1, keepdim=True)
    lost_db = -20 * torch.log10(limit / 0.5)
    assert float(lost_db.min()) >= 0
    assert 6 < float(lost_db.max()) <= 12
    kept = clips.abs() < limit
    torch.testing.assert_close(clipped[kept], clips[kept])
    assert clip_peaks(clips, 0.0, chance) is clips


def test_gain_is_within_its_range(chance: Chance) -> None:
    recipe = dataclasses.replace(OFF, gain_db=6.0)
    found = augment_waveforms(make_clips(300), RATE_HZ, recipe, chance)
    level_db = 20 * torch.log10(found.abs().amax(dim=1) / 0.5)
    assert -6.01 < float(level_db.min()) < -5
    assert 5 < float(level_db.max()) < 6.01


def test_a_silent_clip_stays_finite(chance: Chance) -> None:
    recipe = dataclasses.replace(Recipe(), lowpass_probability=1.0, clipping_probability=1.0)
    found = augment_waveforms(torch.zeros(3, LENGTH), RATE_HZ, recipe, chance)
    assert torch.isfinite(found).all()


def test_the_same_seeds_give_the_same_batch_and_others_another() -> None:
    clips, recipe = make_clips(), dataclasses.replace(Recipe(), lowpass_probability=0.5)
    kept = clips.clone()
    a, b, c = (
        augment_waveforms(clips, RATE_HZ, recipe, make_chance(seeds))
        for seeds in ((1, 2, 3), (1, 2, 3), (1, 2, 4))
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(clips, kept)


def test_masks_cover_what_they_say_and_nothing_else(chance: Chance) -> None:
    logmel = torch.randn(200, 32, 40)
    masked = mask_spectrograms(logmel, 2, 6, 8, chance)
    mean = logmel.mean(dim=(1, 2), keepdim=True)
    changed = masked != logmel
    assert torch.equal(masked[changed], mean.expand_as(logmel)[changed])
    bands, frames = changed.all(dim=2), changed.all(dim=1)
    assert torch.equal(changed, bands[:, :, None] | frames[:, None, :])
    assert int(bands.sum(dim=1).max()) <= 12
    assert int(frames.sum(dim=1).max()) <= 16
    # Two masks of 0…6 bands, seldom overlapping: 6 on average, a little less.
    assert 5 < float(bands.sum(dim=1).float().mean()) < 6.2
    assert bands[:, 0].any()
    assert bands[:, -1].any()


@pytest.mark.parametrize(("n_masks", "bands", "frames"), [(0, 6, 8), (2, 0, 0)])
def test_no_masks(n_masks: int, bands: int, frames: int, chance: Chance) -> None:
    logmel = torch.randn(4, 32, 40)
    assert torch.equal(mask_spectrograms(logmel, n_masks, bands, frames, chance), logmel)


def test_mixup_mixes_targets_as_it_mixes_spectrograms(chance: Chance) -> None:
    n = 50
    targets = torch.eye(n)
    logmel = targets[:, :, None].repeat(1, 1, 3)  # each clip is its own target
    mixed, mixed_targets = mix_up(logmel, targets, 0.5, chance)
    torch.testing.assert_close(mixed[:, :, 0], mixed_targets)
    torch.testing.assert_close(mixed_targets.sum(dim=1), torch.ones(n))
    own = mixed_targets.diagonal()
    assert float(own.min()) >= 0.5
    assert float(own.min()) < 0.9
    same, same_targets = mix_up(logmel, targets, 0.0, chance)
    assert torch.equal(same, logmel)
    assert torch.equal(same_targets, targets)


def test_mixstyle_exchanges_the_channel_and_keeps_the_event(chance: Chance) -> None:
    event = torch.randn(16, 8, 50)
    gain, offset = torch.rand(16, 8, 1) + 0.5, 5 * torch.randn(16, 8, 1)
    recipe = Recipe(mixstyle_probability=1.0)
    mixed = mix_styles(event * gain + offset, recipe, chance)

    def strip(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(dim=2, keepdim=True)) / x.std(dim=2, keepdim=True)

    torch.testing.assert_close(strip(mixed), strip(event), atol=1e-3, rtol=0)
    assert not torch.allclose(mixed.mean(dim=2), (event * gain + offset).mean(dim=2), atol=0.1)
    means = (event * gain + offset).mean(dim=2)
    found = mixed.mean(dim=2)
    assert bool((found >= means.amin(dim=0) - 1e-3).all())
    assert bool((found <= means.amax(dim=0) + 1e-3).all())
    assert mix_styles(event, Recipe(mixstyle_probability=0.0), chance) is event


@pytest.mark.parametrize("world", [2, 3])
def test_a_clip_sounds_the_same_whoever_augments_it(world: int) -> None:
    clips = torch.randn(12, 4000, generator=torch.Generator().manual_seed(1))
    recipe = Recipe(lowpass_probability=0.5, noise_probability=0.5, clipping_probability=0.5)
    whole = augment_waveforms(clips, RATE_HZ, recipe, make_chance((0, 1, 2)))
    for rank in range(world):
        share = Share(rank, world)
        chance = make_chance((0, 1, 2), share=share)
        found = augment_waveforms(share.take(clips), RATE_HZ, recipe, chance)
        torch.testing.assert_close(found, share.take(whole), rtol=0, atol=1e-6)
