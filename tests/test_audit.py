"""`shotprint.audit`: copies are found, other shots are not; faults, confounds, groups."""

import numpy as np
import pytest
import soxr
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.naive_bayes import CategoricalNB

from shotprint.audio import read, write_wav
from shotprint.audit.comparison import (
    Kind,
    align,
    compare,
    count_bins,
    find_longest_run,
    measure_agreement,
    prepare,
)
from shotprint.audit.confounds import MAX_BINS, measure_confounds
from shotprint.audit.fingerprints import RATE_HZ, compute_fingerprint, find_candidates
from shotprint.audit.groups import find_joined, propose_groups
from shotprint.audit.levels import LevelMeter, count_clipped, find_band_edge
from shotprint.audit.pairs import Pair, find_pairs
from shotprint.audit.records import Clip, ClipRow, Shelf, hear_clip
from sounds import encode, make_noise

WAV_RATE_HZ = 44100


def make_shot(seed, duration_s=1.5, rate_hz=WAV_RATE_HZ, decay_s=0.15, floor=0.01):
    """Return noise that begins at 0.5 s and dies away, in faint noise: (1, n_samples)."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    envelope = np.where(time_s < 0.5, 0, np.exp(-(time_s - 0.5) / decay_s))
    noise = make_noise(2, len(time_s), seed)
    return (envelope * noise[:1] + floor * noise[1:]).astype(np.float32)


@pytest.fixture
def shelf():
    with Shelf() as shelf:
        yield shelf


def judge(first, second):
    n_fft = count_bins(len(first) + len(second))
    return compare(prepare(first, n_fft), prepare(second, n_fft))


def hear(paths, shelf):
    return [
        Clip(ClipRow(path.name, path, "", "", "", ""), str(i), hear_clip(path, shelf, None))
        for i, path in enumerate(paths)
    ]


def plant(folder, waveform, rate_hz):
    """Write copies of a waveform (1, n_samples) as sets come by them; return kind → path."""
    other_rate_hz = 22050 if rate_hz == 48000 else 32000
    resampled = soxr.resample(waveform[0], rate_hz, other_rate_hz)[None]
    folder.mkdir()
    write_wav(folder / "resampled.wav", resampled, other_rate_hz)
    write_wav(folder / "shifted.wav", waveform[:, round(0.3 * rate_hz) :], rate_hz)
    write_wav(folder / "quieter.wav", waveform * 10 ** (-12 / 20), rate_hz)
    encode(folder / "mp3.mp3", waveform, rate_hz, "libmp3lame", bit_rate=64_000)
    return {path.stem: path for path in sorted(folder.iterdir())}


# ---- comparison


@pytest.mark.parametrize("lag", [0.0, 1234.0, -777.3, 0.45])
@pytest.mark.parametrize("gain", [1.0, -0.01])
def test_a_delayed_copy_is_found_to_a_part_of_a_sample(lag, gain):
    whole = make_noise(1, 40_000)[0]
    first = whole[5_000:21_000]
    shifted = np.fft.irfft(
        np.fft.rfft(whole) * np.exp(-2j * np.pi * np.fft.rfftfreq(len(whole)) * -lag)
    ).astype(np.float32)
    shared = judge(first, gain * shifted[5_000:21_000])
    assert shared is not None
    assert shared.kind is Kind.copy
    assert shared.lag_s * RATE_HZ == pytest.approx(lag, abs=0.06)
    assert shared.agreement > 0.99


def test_other_noise_is_no_copy():
    assert judge(make_noise(1, 16_000, 1)[0], make_noise(1, 16_000, 2)[0]) is None


def test_shots_with_the_same_echo_in_other_noise_are_no_copies():
    shot, noise = make_shot(0, rate_hz=RATE_HZ, floor=0.0)[0], make_noise(2, 12_000, 9)
    first, second = (shot + 0.02 * each for each in noise)
    n_fft = count_bins(24_000)
    alignment = align(prepare(first, n_fft), prepare(second, n_fft))
    agreement, _ = measure_agreement(alignment)
    assert (agreement > 0.9).sum() >= 4  # they do agree at the blast: that alone is not enough
    assert judge(first, second) is None


def test_a_stretch_cut_into_other_sound_is_a_part():
    same, one, two = make_noise(3, 8_000, 4)
    shared = judge(np.hstack([one, same]), np.hstack([two, same]))
    assert shared is not None
    assert shared.kind is Kind.part
    assert shared.start_s == pytest.approx(1.0, abs=0.06)
    assert shared.shared_s == pytest.approx(1.0, abs=0.06)


def test_silence_shares_nothing():
    assert judge(np.zeros(8_000, np.float32), np.zeros(8_000, np.float32)) is None


def test_longest_run():
    assert find_longest_run(np.array([1, 0, 1, 1, 1, 0, 1, 1], bool)) == (2, 5)
    assert find_longest_run(np.zeros(3, bool)) == (0, 0)


# ---- fingerprints and pairs


def test_whitened_sketches_find_a_copy_among_alike_shots():
    shots = [make_shot(seed, rate_hz=RATE_HZ)[0] for seed in range(30)]
    moved = np.roll(shots[7], 1003)
    candidates = find_candidates([compute_fingerprint(each) for each in [*shots, moved]])
    best = max(candidates, key=lambda each: each.likeness)
    assert (best.first, best.second) == (7, 30)
    assert best.second_sample - best.first_sample == pytest.approx(1003, abs=40)


def test_a_waveform_too_short_for_a_window_has_a_fingerprint():
    assert len(compute_fingerprint(np.ones(5, np.float32)).sketches) <= 1


def test_planted_copies_are_found_and_other_shots_are_not(tmp_path, shelf):
    paths, source = [], {}
    for seed in range(12):
        path = tmp_path / f"{seed}.wav"
        write_wav(path, make_shot(seed), WAV_RATE_HZ)
        paths.append(path)
    for seed in range(4):
        for path in plant(tmp_path / f"of{seed}", make_shot(seed), WAV_RATE_HZ).values():
            source[len(paths)] = seed
            paths.append(path)
    pairs = find_pairs(hear(paths, shelf), shelf, 1)
    found = {pair.second: pair.first for pair in pairs if pair.first < 12}
    assert found == source


def test_real_planted_copies_are_found(tmp_path, shared, shelf):
    originals = sorted((shared / "data/guns9").rglob("*.flac"))[5::60]
    paths, source = list(originals), {}
    for i, path in enumerate(originals):
        audio = read(path)
        for copy in plant(tmp_path / str(i), audio.waveform, audio.sample_rate_hz).values():
            source[len(paths)] = i
            paths.append(copy)
    pairs = find_pairs(hear(paths, shelf), shelf, 2)
    found = {(pair.first, pair.second) for pair in pairs}
    right = {(first, second) for second, first in source.items()}
    assert len(right & found) >= 0.95 * len(right)
    assert {(first, second) for first, second in found if second < len(originals)} == set()


def test_the_same_samples_in_another_file_are_identical(tmp_path, shelf):
    shot = make_shot(3)
    write_wav(tmp_path / "a.wav", shot, WAV_RATE_HZ)
    write_wav(tmp_path / "b.wav", shot, WAV_RATE_HZ, comment="other bytes")
    write_wav(tmp_path / "c.wav", 0 * shot, WAV_RATE_HZ)
    write_wav(tmp_path / "d.wav", 0 * shot, WAV_RATE_HZ)
    clips = hear(sorted(tmp_path.iterdir()), shelf)
    assert find_pairs(clips, shelf, 1) == [Pair(0, 1, "samples")]  # silence is no copy of silence
    assert clips[2].sound.is_silent


def test_only_the_stretch_around_alike_sketches_of_long_clips_is_compared(tmp_path, shelf):
    noise = make_noise(1, 90 * RATE_HZ, 5)[0]
    shot = make_shot(1, rate_hz=RATE_HZ)[0]
    noise[60 * RATE_HZ : 60 * RATE_HZ + len(shot)] += 20 * shot
    write_wav(tmp_path / "a.wav", noise / 5, RATE_HZ)
    write_wav(tmp_path / "b.wav", noise[58 * RATE_HZ : 62 * RATE_HZ] / 5, RATE_HZ)
    (pair,) = find_pairs(hear(sorted(tmp_path.iterdir()), shelf), shelf, 1)
    assert pair.kind == "copy"
    assert pair.shared.lag_s == pytest.approx(58, abs=0.001)


# ---- levels


def measure(waveform, rate_hz):
    meter = LevelMeter(rate_hz)
    meter.add(waveform, waveform.mean(axis=0))
    return meter.finish()


def test_levels_of_a_sine():
    time_s = np.arange(48_000) / 48_000
    tone = (0.5 * np.sin(2 * np.pi * 997 * time_s) + 0.02).astype(np.float32)[None]
    levels = measure(tone, 48_000)
    assert levels.peak_dbfs == pytest.approx(20 * np.log10(0.52), abs=0.01)
    assert levels.rms_dbfs == pytest.approx(10 * np.log10(0.125 + 0.0004), abs=0.01)
    assert levels.offset == pytest.approx(0.02, abs=1e-4)
    assert levels.clipped_samples == 0


def test_runs_at_full_scale_are_clipped():
    samples = np.array([0, 1, 1, 0, -1, -1, -1, 0.5, 1, 1, 1, 1], np.float32)
    assert count_clipped(samples) == 7


@pytest.mark.parametrize(("from_hz", "edge_hz"), [(8_000, 4_000), (16_000, 8_000)])
def test_the_band_of_an_upsampled_sound_ends_where_it_did(from_hz, edge_hz):
    noise = soxr.resample(make_noise(1, 2 * from_hz)[0], from_hz, 44_100)
    assert measure(noise[None], 44_100).band_edge_hz == pytest.approx(edge_hz, rel=0.1)


def test_a_full_band_and_one_that_falls_slowly_have_no_edge():
    noise = make_noise(1, 88_200)
    assert measure(noise, 44_100).band_edge_hz == 22_050
    falling = np.geomspace(1, 1e-9, 1025)
    assert find_band_edge(falling, 44_100) == 22_050
    assert find_band_edge(np.where(np.arange(1025) % 900 < 300, 1.0, 1e-9), 44_100) == 22_050


# ---- confounds


def test_guesses_agree_with_another_naive_bayes():
    rng = np.random.default_rng(0)
    n = 240
    labels = np.repeat(["a", "b", "c"], n // 3)
    rate = np.where(rng.random(n) < 0.7, labels, rng.choice(["a", "b"], n)).tolist()
    length = (rng.normal(size=n) + (labels == "b")).tolist()
    folds = np.arange(n) % 5
    groups = [f"{label}{fold}" for label, fold in zip(labels, folds, strict=True)]
    facts = {"rate": rate, "length": length, "same": ["x"] * n}
    found = {each.fact: each for each in measure_confounds(facts, labels, groups, folds)}
    assert set(found) == {"rate", "length", "all together"}
    right = {name: np.zeros(n) for name in found}
    words = np.unique(rate, return_inverse=True)[1]
    for fold in range(5):
        test = folds == fold
        edges = np.quantile(np.array(length)[~test], np.linspace(0, 1, MAX_BINS + 1)[1:-1])
        columns = np.stack([words, np.searchsorted(edges, length, side="right")], axis=1)
        for name, chosen in (("rate", [0]), ("length", [1]), ("all together", [0, 1])):
            model = CategoricalNB(
                alpha=0.5, fit_prior=False, min_categories=columns.max(0)[chosen] + 1
            )
            model.fit(columns[~test][:, chosen], labels[~test])
            odds = model.predict_proba(columns[test][:, chosen])
            of = np.searchsorted(model.classes_, labels[test])
            right[name][test] = odds[np.arange(test.sum()), of]
    for name, each in found.items():
        expected = np.mean([right[name][labels == label].mean() for label in "abc"])
        assert each.value == pytest.approx(expected, abs=1e-4)


def test_a_rate_for_each_class_gives_it_away_and_a_rate_by_chance_does_not():
    rng = np.random.default_rng(1)
    labels = ["a", "b"] * 100
    groups = [f"{label}{i // 20}" for i, label in enumerate(labels)]
    folds = [i // 20 % 5 for i in range(200)]
    (tied,) = measure_confounds({"rate": labels}, labels, groups, folds)
    assert tied.value > 0.97
    assert tied.skill > 0.9
    chance = rng.choice(["x", "y"], 200).tolist()
    (free,) = measure_confounds({"rate": chance}, labels, groups, folds)
    assert free.interval[0] < 0.5 < free.interval[1] + 0.02
    assert measure_confounds({"rate": labels}, ["a"] * 200, groups, folds) == []


# ---- groups


def test_groups_are_connected_components():
    rng = np.random.default_rng(2)
    names = [f"r{i:02d}" for i in range(60)]
    ends = rng.integers(0, 60, (2, 25))
    proposed = propose_groups(names, [""] * 60, [Pair(a, b, "copy") for a, b in ends.T.tolist()])
    n, expected = connected_components(coo_array((np.ones(25), ends), (60, 60)), directed=False)
    assert len(set(proposed)) == n
    assert len(set(zip(proposed, expected.tolist(), strict=True))) == n


def test_known_groups_are_joined_whole():
    known = ["a", "a", "b", "b", ""]
    proposed = propose_groups(list("12345"), known, [Pair(1, 2, "part")])
    assert proposed == ["a", "a", "a", "a", "5"]
    assert find_joined(known[:4], proposed[:4]) == {"a": ["a", "b"]}
