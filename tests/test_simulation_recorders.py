import dataclasses

import numpy as np
import pytest

from shotprint.simulation.recorders import (
    IPHONE,
    RECORDERS,
    SAMSUNG,
    ZOOM,
    Recorder,
    apply_mu_law,
    apply_recorder,
    apply_transform_codec,
    control_gain,
    overload,
)

RATE_HZ = 48000
PLAIN = Recorder("Plain", "PL", RATE_HZ, full_scale_db=120.0, noise_db=-200.0)
FULL_SCALE_PA = 20.0  # 120 dB SPL


def tone(frequency_hz, amplitude=1.0, n_samples=RATE_HZ):
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / RATE_HZ)[None]


def rms(waveform):
    return float(np.sqrt(np.mean(np.asarray(waveform, float) ** 2)))


def record(pressure_pa, recorder=PLAIN, **options):
    return apply_recorder(pressure_pa, recorder, np.random.default_rng(0), **options)


def test_full_scale_is_the_level_stated():
    waveform = record(tone(1000, FULL_SCALE_PA / 2))
    assert waveform.dtype == np.float32
    assert np.abs(waveform).max() == pytest.approx(0.5, rel=0.01)


def test_clipping_clips():
    waveform = record(tone(1000, 3 * FULL_SCALE_PA))
    assert waveform.max() == 1
    assert waveform.min() == -1
    assert np.mean(np.abs(waveform) == 1) > 0.7


def test_the_operators_level_goes_before_the_recorders():
    louder = record(tone(1000), full_scale_db=100.0)
    assert rms(louder) == pytest.approx(10 * rms(record(tone(1000))), rel=1e-4)


def test_a_recorder_without_a_level_asks_for_one():
    with pytest.raises(ValueError, match="give full_scale_db"):
        record(np.zeros((2, 960)), ZOOM)


@pytest.mark.parametrize(("frequency_hz", "drop_db"), [(100, 3.01), (50, 12.3), (8000, 3.01)])
def test_the_band_ends_where_it_says(frequency_hz, drop_db):
    narrow = dataclasses.replace(PLAIN, low_hz=100.0, high_hz=8000.0)
    ratio = rms(record(tone(frequency_hz), narrow)) / rms(tone(frequency_hz) / FULL_SCALE_PA)
    assert -20 * np.log10(ratio) == pytest.approx(drop_db, abs=0.1)


def test_noise_has_its_level():
    noisy = dataclasses.replace(PLAIN, noise_db=-60.0)
    assert 20 * np.log10(rms(record(np.zeros((1, RATE_HZ)), noisy))) == pytest.approx(-60, abs=0.1)


def test_overload_is_linear_at_first_and_never_passes_its_limit():
    pressure = np.array([-1e9, -4.0, 0.0, 4.9, 7.0, 1e9])
    heard = overload(pressure, 10.0)
    assert heard[1:4] == pytest.approx([-4, 0, 4.9])
    assert 5 < heard[4] < 7
    assert heard[[0, -1]] == pytest.approx([-10, 10])


def test_gain_control_lets_the_bang_pass_and_then_turns_down():
    quiet = tone(1000, 0.01)
    bang = quiet.copy()
    bang[:, 24000:24960] += tone(1000, 0.9, 960)
    ratio = control_gain(bang, RATE_HZ) / np.where(bang == 0, 1, bang)
    assert ratio[0, 20001:23901].max() == pytest.approx(10 ** (12 / 20), rel=1e-3)
    assert abs(ratio[0, 24013]) > 3  # the first quarter of a millisecond
    assert ratio[0, 26001] < 1
    assert ratio[0, 26001] < ratio[0, 40001] < ratio[0, 20001]


def test_gain_control_serves_all_channels_alike():
    pair = np.concatenate([tone(1000, 0.5), tone(1000, 0.05)])
    controlled = control_gain(pair, RATE_HZ)
    assert controlled[0] == pytest.approx(10 * controlled[1], abs=1e-12)


def test_transform_codec_keeps_the_band_and_little_else():
    noise = np.random.default_rng(1).standard_normal((1, RATE_HZ)) * 0.1
    coded = apply_transform_codec(noise, RATE_HZ, band_hz=12000.0, snr_db=20.0)
    spectrum, before = np.abs(np.fft.rfft(coded[0])) ** 2, np.abs(np.fft.rfft(noise[0])) ** 2
    error = np.abs(np.fft.rfft((coded - noise)[0])) ** 2
    assert spectrum[12200:].sum() < 1e-3 * before[12200:].sum()
    kept_db = 10 * np.log10(before[:11800].sum() / error[:11800].sum())
    assert 18 < kept_db < 24


def test_transform_codec_smears_before_the_onset():
    click = np.zeros((1, 4800))
    click[0, 2400:2440] = np.random.default_rng(2).standard_normal(40)
    coded = apply_transform_codec(click, RATE_HZ, 16000.0, 12.0)
    assert rms(coded[0, 2200:2390]) > 1e-3
    assert not coded[0, :1800].any()


def test_transform_codec_at_high_quality_gives_back_what_it_got():
    noise = np.random.default_rng(3).standard_normal((2, 5001)) * 0.1
    assert np.allclose(apply_transform_codec(noise, RATE_HZ, 48000.0, 200.0), noise, atol=1e-9)


def test_transform_codec_of_silence():
    assert not apply_transform_codec(np.zeros((1, 1000)), RATE_HZ, 16000.0, 18.0).any()


def test_the_coder_gets_what_was_clipped_and_roughens_it():
    coder = dataclasses.replace(PLAIN, codec="transform", codec_band_hz=20000, codec_snr_db=20)
    loud = tone(1000, 3 * FULL_SCALE_PA)
    at_full_scale, coded = (np.mean(np.abs(record(loud, r)) == 1) for r in (PLAIN, coder))
    assert coded < 0.8 * at_full_scale


def test_mu_law_has_256_steps_and_a_constant_relative_error():
    waveform = np.linspace(-1, 1, 100_001)
    coded = apply_mu_law(waveform)
    assert len(np.unique(coded)) == 255  # plus and minus zero are one
    loud = np.abs(waveform) > 0.1
    assert np.max(np.abs(coded[loud] / waveform[loud] - 1)) < 0.03


def test_a_recorder_with_mu_law():
    coded = record(tone(1000, 10.0), dataclasses.replace(PLAIN, codec="mu-law"))
    assert len(np.unique(coded)) < 255


def test_the_shipped_recorders():
    assert {r.prefix: (r.sample_rate_hz, r.n_channels) for r in RECORDERS.values()} == {
        "ZM": (96000, 2),
        "SA": (48000, 1),
        "IP": (48000, 1),
    }
    for phone in (SAMSUNG, IPHONE):
        quiet = tone(1000, 0.05)
        uncontrolled = dataclasses.replace(phone, gain_control=False)
        assert rms(record(quiet, phone)) > 3.5 * rms(record(quiet, uncontrolled))
