"""Front-ends against the reference implementations' outputs and against mathematics."""

import dataclasses

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.frontends import (
    EFFICIENTAT,
    FRONTENDS,
    PANNS,
    compute_logmel,
    mel_filterbank,
    window,
)

BOTH = pytest.mark.parametrize("frontend", [PANNS, EFFICIENTAT], ids=lambda f: f.name)


@pytest.mark.parametrize(
    ("file", "frontend", "is_transposed"),
    [("efficientat_mn04.npz", EFFICIENTAT, False), ("panns_cnn14.npz", PANNS, True)],
)
def test_logmel_equals_the_reference(shared, file, frontend, is_transposed):
    golden = np.load(shared / "golden" / file)
    expected = np.swapaxes(golden["logmel"], 1, 2) if is_transposed else golden["logmel"]
    found = compute_logmel(golden["waveform"], frontend)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-3


@BOTH
def test_torch_front_end_equals_numpy(frontend):
    torch = pytest.importorskip("torch")
    from shotprint.backbones.logmel import LogMel

    rng = np.random.default_rng(3)
    waveform = (rng.standard_normal((3, 12345)) * [[1.0], [0.1], [0.001]]).astype(np.float32)
    waveform[1, 4000:] = 0
    with torch.inference_mode():
        found = LogMel(frontend)(torch.from_numpy(waveform)).numpy()
    assert np.abs(found - compute_logmel(waveform, frontend)).max() < 1e-3


@BOTH
def test_a_tone_is_loudest_in_its_own_band(frontend):
    """The band whose triangle weighs the tone's frequency most, wherever the tone lies."""
    filterbank = mel_filterbank(frontend)
    t = np.arange(frontend.sample_rate_hz // 2) / frontend.sample_rate_hz
    for i_bin in (16, 48, 160, 320):
        tone_hz = i_bin * frontend.sample_rate_hz / frontend.n_fft
        tone = np.sin(2 * np.pi * tone_hz * t).astype(np.float32)
        middle = compute_logmel(tone, frontend)[:, 25]
        assert middle.argmax() == filterbank[:, i_bin].argmax()


def test_ten_times_the_amplitude_is_20_db_more():
    waveform = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    louder = compute_logmel(10 * waveform, PANNS) - compute_logmel(waveform, PANNS)
    assert np.abs(louder - 20).max() < 1e-3


@pytest.mark.parametrize(
    ("frontend", "floor"), [(PANNS, -100.0), (EFFICIENTAT, (np.log(1e-5) + 4.5) / 5)]
)
def test_silence_is_the_floor_of_the_logarithm(frontend, floor):
    silence = np.zeros(4000, dtype=np.float32)
    assert compute_logmel(silence, frontend) == pytest.approx(floor, abs=1e-4)


@BOTH
def test_a_delay_of_one_hop_moves_the_frames_by_one(frontend):
    waveform = np.random.default_rng(1).standard_normal(16000).astype(np.float32)
    delayed = np.roll(waveform, frontend.hop_length)
    late, early = compute_logmel(delayed, frontend), compute_logmel(waveform, frontend)
    assert late[:, 6:-6] == pytest.approx(early[:, 5:-7], abs=1e-4)


@BOTH
def test_batches_give_what_single_waveforms_give(frontend):
    waveforms = np.random.default_rng(2).standard_normal((2, 3, 5000)).astype(np.float32)
    together = compute_logmel(waveforms, frontend)
    assert together.shape == (2, 3, frontend.n_mels, frontend.count_frames(5000))
    for i, j in np.ndindex(2, 3):
        alone = compute_logmel(waveforms[i, j], frontend)
        assert together[i, j] == pytest.approx(alone, abs=1e-4)


@BOTH
def test_the_shortest_waveform_gives_frames_and_is_left_alone(frontend):
    waveform = np.random.default_rng(4).standard_normal(frontend.min_samples).astype(np.float32)
    before = waveform.copy()
    logmel = compute_logmel(waveform, frontend)
    assert logmel.shape == (frontend.n_mels, frontend.count_frames(frontend.min_samples))
    assert np.isfinite(logmel).all()
    assert np.array_equal(waveform, before)


def test_shortest_waveforms():
    """512 samples are mirrored about the first one; pre-emphasis takes one away before."""
    assert (PANNS.min_samples, EFFICIENTAT.min_samples) == (513, 514)
    assert [f.count_frames(64000) for f in (PANNS, EFFICIENTAT)] == [201, 200]


@BOTH
def test_window_is_hann_in_the_middle_of_the_frame(frontend):
    found = window(frontend)
    assert found.shape == (frontend.n_fft,)
    assert found.dtype == np.float32
    margin = (frontend.n_fft - frontend.win_length) // 2
    assert not found[:margin].any()
    assert found.max() == pytest.approx(1.0, abs=1e-5)
    # Half-overlapped periodic Hann windows add up to one; a symmetric one is its own mirror.
    if frontend.periodic_window:
        half = frontend.win_length // 2
        assert found[:half] + found[half:] == pytest.approx(1.0, abs=1e-6)
    else:
        assert found == pytest.approx(found[::-1], abs=1e-6)


@BOTH
def test_mel_bands_lie_between_their_limits_in_rising_order(frontend):
    bands = mel_filterbank(frontend)
    bins_hz = np.linspace(0, frontend.sample_rate_hz / 2, frontend.n_fft // 2 + 1)
    assert bands.shape == (frontend.n_mels, len(bins_hz))
    assert (bands >= 0).all()
    used_hz = bins_hz[bands.any(axis=0)]
    assert used_hz.min() >= frontend.fmin_hz
    assert used_hz.max() <= frontend.fmax_hz
    assert not bands[:, -1].any()
    peaks = bands.argmax(axis=1)[bands.any(axis=1)]
    assert (np.diff(peaks) >= 0).all()


def test_slaney_triangles_have_unit_area():
    wide = mel_filterbank(dataclasses.replace(PANNS, n_fft=2**16, win_length=2**16))
    area = wide.sum(axis=1) * PANNS.sample_rate_hz / 2**16
    assert area == pytest.approx(1.0, rel=1e-3)


@BOTH
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda w, f: w[: f.min_samples - 1], ShotprintError, "too short"),
        (lambda w, f: w[:0], ShotprintError, "too short"),
        (lambda w, f: w[0], ShotprintError, "too short"),
        (lambda w, f: np.where(np.arange(len(w)) == 7, np.nan, w), ShotprintError, "NaN"),
        (lambda w, f: np.where(np.arange(len(w)) == 7, np.inf, w), ShotprintError, "NaN"),
        (lambda w, f: (w * 32767).astype(np.int16), TypeError, "int16"),
        (lambda w, f: w.astype(np.complex64), TypeError, "complex64"),
    ],
    ids=["one sample short", "empty", "a number", "nan", "inf", "int16", "complex"],
)
def test_bad_waveforms_are_refused(frontend, change, error, message):
    waveform = np.sin(np.arange(2000, dtype=np.float32))
    with pytest.raises(error, match=message):
        compute_logmel(change(waveform, frontend), frontend)


def test_front_ends_are_found_by_name():
    assert {name: f.name for name, f in FRONTENDS.items()} == {
        "panns": "panns",
        "efficientat": "efficientat",
    }
