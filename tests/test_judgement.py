"""Gunshot or not, and what a clip is like: against arithmetic and physics."""

import numpy as np
import pytest

from shotprint.audio import resample
from shotprint.recognition.judgement import (
    MEASURES,
    Judgement,
    explain_unusual,
    find_gunshot_probability,
    join_traits,
    measure_clips,
)

RATE_HZ = 32000
ONSET_S = 0.1


def make_judgement(**ranges):
    return Judgement(
        mean=np.array([1, 2], np.float32),
        scale=np.array([1, 2], np.float32),
        weights=np.array([1, -1], np.float32),
        bias=0.5,
        known_at=0.3,
        ranges=ranges,
    )


def make_clip(decay_s=0.05, noise=1e-4, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(RATE_HZ) / RATE_HZ - ONSET_S
    blast = np.where(t >= 0, np.exp(-np.maximum(t, 0) / decay_s), 0) * rng.standard_normal(RATE_HZ)
    clip = 0.5 * blast / np.abs(blast).max() + noise * rng.standard_normal(RATE_HZ)
    return clip.astype(np.float32)


def measure(clip):
    names = MEASURES[:-1]
    values = measure_clips(clip[None], RATE_HZ, ONSET_S)[0]
    return dict(zip(names, values.tolist(), strict=True))


def test_log_odds_and_distance_are_those_of_the_formula():
    rated = make_judgement().rate(np.array([[1, 2], [2, 6]], np.float32))
    assert rated[:, 0] == pytest.approx([0.5, 1 - 2 + 0.5])
    assert rated[:, 1] == pytest.approx([0, np.sqrt((1 + 4) / 2)])


def test_it_survives_the_metadata():
    judgement = make_judgement(band_hz=(1000.0, 16000.0))
    again = Judgement.from_mapping(judgement.to_mapping())
    assert again.to_mapping() == judgement.to_mapping()
    assert again.weights.dtype == np.float32


@pytest.mark.parametrize("name", ["mean", "weights", "bias", "ranges"])
def test_half_a_judgement_is_none(name):
    values = make_judgement().to_mapping()
    del values[name]
    with pytest.raises(KeyError):
        Judgement.from_mapping(values)
    with pytest.raises(ValueError, match="differ in length"):
        Judgement.from_mapping({**make_judgement().to_mapping(), "mean": [1.0]})


def test_the_clip_most_like_a_gunshot_decides():
    traits = np.array([[-5, 0], [2, 0]], np.float32)
    assert find_gunshot_probability(traits) == pytest.approx(1 / (1 + np.exp(-2)))
    assert find_gunshot_probability(traits[:, :0]) is None


def test_no_judgement_no_traits():
    embeddings = np.zeros((3, 2), np.float32)
    measures = measure_clips(np.zeros((3, 100), np.float32), RATE_HZ, ONSET_S)
    assert join_traits(None, embeddings, measures).shape == (3, 0)
    traits = join_traits(make_judgement(), embeddings, measures)
    assert traits.shape == (3, 1 + len(MEASURES))
    assert np.isfinite(traits).all()


def test_a_lower_rate_ends_the_band():
    clip = make_clip()
    narrow = resample(resample(clip[None], RATE_HZ, 8000), 8000, RATE_HZ)[0, :RATE_HZ]
    assert measure(clip)["band_hz"] == 16000
    assert 3500 <= measure(narrow)["band_hz"] <= 4500


def test_clipping_fills_the_peak():
    clip = make_clip()
    assert measure(clip)["clipped_share"] < 0.002
    assert measure(np.clip(clip, -0.1, 0.1))["clipped_share"] > 0.05


@pytest.mark.parametrize("decay_s", [0.02, 0.1])
def test_decay_is_that_of_the_envelope(decay_s):
    # The energy of exp(-t/τ) still to come falls by 20 dB in τ ln(10).
    assert measure(make_clip(decay_s))["decay_s"] == pytest.approx(decay_s * np.log(10), rel=0.25)


def test_level_and_noise_in_decibels():
    clip = make_clip(noise=1e-3)
    found = measure(clip)
    assert found["level_dbfs"] == pytest.approx(20 * np.log10(np.abs(clip).max()), abs=0.1)
    assert found["noise_db"] == pytest.approx(20 * np.log10(1e-3 / 0.5), abs=1)
    silence = measure(np.zeros(RATE_HZ, np.float32))
    assert silence["level_dbfs"] == silence["noise_db"] == -120


def test_only_what_lies_outside_is_said():
    traits = np.zeros((3, 1 + len(MEASURES)), np.float32)
    traits[:, 2] = [5900, 6000, 6100]
    usual = make_judgement(band_hz=(5000.0, 16000.0), distance=(-1.0, 1.0)).compare(traits)
    assert explain_unusual(usual) == ()
    measures = make_judgement(band_hz=(8000.0, 16000.0), distance=(-1.0, 1.0)).compare(traits)
    (text,) = explain_unusual(measures)
    assert text.endswith("for it: less high frequency")
    (text,) = explain_unusual(
        make_judgement(band_hz=(0.0, 5000.0), distance=(1.0, 2.0)).compare(traits)
    )
    assert text.endswith("for it: more high frequency, nearer to the known shots")
