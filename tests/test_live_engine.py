"""Live sound gives the shots of a file of the same sound, soon, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from shotprint.audio import read, write_wav
from shotprint.clips import ClipRule
from shotprint.detection import Detector, DetectorMetadata, Section, append_shots
from shotprint.detection.sections import AHEAD_S
from shotprint.live import LiveEngine
from shotprint.recognition import OnnxModel, RecognitionSettings, Recognizer
from shotprint.recognition.shots import answer
from shotprint.weights import shipped_detector, shipped_model
from toy_live import make_sound, open_toy, write_detector

# At both ends, alone, in a burst, across the 30 s at which the sections of files meet.
AT_S = (0.09, 1.5, 1.58, 1.66, 4.0, 7.77, 7.83, 12.3456, 29.97, 30.03, 33.3, 34.2, 35.7)
DURATION_S = 36.0


@pytest.fixture(scope="module")
def model():
    return OnnxModel(shipped_model())


@pytest.fixture(scope="module")
def toy_path(tmp_path_factory):
    pytest.importorskip("onnx")
    return write_detector(tmp_path_factory.mktemp("rise") / "rise.onnx")


@pytest.fixture(scope="module")
def detector(toy_path):
    return open_toy(toy_path)


def hear(engine, waveform, n_block):
    """Push a sound in blocks; return the shots, and how much of it each needed."""
    shots, needed = [], []
    for begin in range(0, waveform.shape[1], n_block):
        found = engine.push(waveform[:, begin : begin + n_block])
        shots += found
        needed += [min(begin + n_block, waveform.shape[1])] * len(found)
    rest = engine.finish()
    return shots + rest, needed + [waveform.shape[1]] * len(rest)


@pytest.mark.parametrize(
    ("rate_hz", "channel"), [(48000, "mix"), (44100, "mix"), (11025, "mix"), (8000, "each")]
)
def test_shots_are_those_of_the_file(tmp_path, detector, model, rate_hz, channel):
    sound = make_sound(AT_S, DURATION_S, rate_hz, n_channels=2)
    sound[1] *= 0.3
    write_wav(tmp_path / "a.wav", sound, rate_hz)
    whole = read(tmp_path / "a.wav", channel=channel).waveform
    settings = RecognitionSettings(channel)
    expected = Recognizer(model, settings, detector).recognize_file(tmp_path / "a.wav").shots
    shots, _ = hear(LiveEngine(detector, model, rate_hz), whole, rate_hz // 10)
    assert len(shots) == len(expected) == len(AT_S)
    for shot, other in zip(shots, expected, strict=True):
        best = answer(shot.log_probabilities[None], shot.traits[None], model.metadata).candidates[0]
        assert shot.onset_s == pytest.approx(other.onset_s, abs=1e-4)
        assert shot.detected.end_s == pytest.approx(other.end_s, abs=1e-3)
        assert (best.label, shot.detected.clipped) == (other.label, other.clipped)
        assert best.probability == pytest.approx(other.probability, abs=1e-3)
        assert shot.probability == pytest.approx(other.detection_probability, abs=1e-3)


def test_the_shipped_detector_hears_live_what_it_hears_in_a_file(tmp_path, model):
    write_wav(tmp_path / "a.wav", make_sound(AT_S, DURATION_S), 48000)
    detector = open_toy(shipped_detector(), threshold=0.05)
    expected = Recognizer(model, None, detector).recognize_file(tmp_path / "a.wav").shots
    sound = read(tmp_path / "a.wav").waveform
    shots, _ = hear(LiveEngine(detector, model, 48000), sound, 960)
    assert len(shots) > 0
    onsets_s = [shot.onset_s for shot in shots]
    assert onsets_s == pytest.approx([shot.onset_s for shot in expected], abs=1e-3)


@pytest.mark.parametrize("n_block", [7, 4096, 1 << 30])
def test_blocks_change_nothing(detector, model, n_block):
    sound = make_sound((0.5, 1.1, 1.2), 3.0, 8000)
    shots, _ = hear(LiveEngine(detector, model, 8000), sound, n_block)
    expected, _ = hear(LiveEngine(detector, model, 8000), sound, 160)
    assert [shot.detected for shot in shots] == [shot.detected for shot in expected]
    assert len(shots) == 3


def test_a_shot_comes_soon_after_its_clip(detector, model):
    at_s = np.cumsum(np.random.default_rng(1).uniform(0.05, 2, 40)).tolist()
    sound = make_sound(at_s, at_s[-1] + 3)
    shots, needed = hear(LiveEngine(detector, model, 48000), sound, 960)
    clip_s = model.metadata.clip_rule.length_s - model.metadata.clip_rule.onset_at_s
    late_s = [n / 48000 - shot.onset_s - clip_s for n, shot in zip(needed, shots, strict=True)]
    assert len(shots) == 40
    assert max(late_s) < 0.26
    assert min(late_s) >= AHEAD_S - clip_s


class Written:
    """A detector's network whose log-odds stand in the sound itself, one in 48 samples."""

    metadata = DetectorMetadata(name="written", version="1", threshold=0.5)
    sha256 = "0" * 64

    def run(self, waveforms):
        return 40 * waveforms[:, ::48] - 20


def test_two_that_count_as_one_do_so_wherever_a_look_ends(model):
    detector = Detector(Written())
    # Maxima 28 ms apart of which the centres of gravity are 20 ms apart; the second is stronger.
    pair = np.array([0.6, 0.59, 0.59, 0, 0, 0.58, 0.59, 0.62], np.float32)
    for first in range(250, 370, 2):
        sound = np.zeros((1, 12000 * 4), np.float32)
        sound[0, 48 * first : 48 * (first + len(pair)) : 48] = pair
        expected = []
        section = Section(0, sound, 12000, 0, 0, sound.shape[1], is_last=True)
        append_shots(expected, detector.find(section))
        shots, _ = hear(LiveEngine(detector, model, 12000), sound, 240)
        assert len(expected) == 1
        assert [shot.detected.onset_s for shot in shots] == [each.onset_s for each in expected]


def test_a_longer_clip_is_waited_for(detector, model):
    sound = make_sound((1.0,), 6.0)
    longer = OnnxModel(shipped_model())
    object.__setattr__(longer.metadata, "clip_rule", ClipRule(2.0, 0.1))
    shots, needed = hear(LiveEngine(detector, longer, 48000), sound, 960)
    assert len(shots) == 1
    assert 2.9 < needed[0] / 48000 < 3.2


def test_memory_does_not_grow(detector, model):
    sound = make_sound((1.0,), 30.0, 8000)
    engine = LiveEngine(detector, model, 8000)
    hear(engine, sound, 8000)
    tracemalloc.start()
    for _ in range(20):
        engine.push(sound)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6


def test_times_stay_right_after_years(detector, model):
    years_s = 1e8
    shots, _ = hear(LiveEngine(detector, model, 8000, years_s), make_sound((1.0,), 3.0, 8000), 160)
    assert [shot.onset_s - years_s for shot in shots] == [pytest.approx(1.0, abs=0.01)]


def test_nothing_heard_no_shots(detector, model):
    assert LiveEngine(detector, model, 48000).finish() == []
    silent = LiveEngine(detector, model, 48000)
    assert hear(silent, np.zeros((1, 48000 * 5), np.float32), 4800)[0] == []
