"""Damaged and strange recordings of every format give shots or one line, and nothing else."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

import fuzzing
from shotprint import audio
from shotprint.detection import Listening, find_shots
from shotprint.errors import RecordingError
from shotprint.recognition import Recognizer
from sounds import encode
from toy import make_shots

RATE_HZ = 48000


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    return fuzzing.make_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("name", fuzzing.NAMES)
def test_the_seeds_hold_shots(contents, tmp_path, name):
    (tmp_path / name).write_bytes(contents[name])
    shots, heard = find_shots(tmp_path / name, fuzzing.open_shipped()[0])
    last_s = min(abs(shot.onset_s - fuzzing.SHOTS_S[-1]) for shot in shots)
    assert last_s < 0.05  # FFmpeg's Windows Media is 46 ms early
    assert heard.warnings == ()


@pytest.mark.parametrize("hundred", range(8))
def test_damage_gives_shots_or_one_line(contents, tmp_path, hundred):
    n_shots = 0
    for case in range(100 * hundred, 100 * (hundred + 1)):
        name, content = fuzzing.make_case(contents, case)
        (tmp_path / name).write_bytes(content)
        n_shots += len(fuzzing.judge_shots(tmp_path / name, case))
    assert n_shots > 50


def find_both(path):
    """Return what finding and recognising make of a recording: onsets, result."""
    detector, model = fuzzing.open_shipped()
    result = Recognizer(model, None, detector).recognize_file(path)
    json.dumps(dataclasses.asdict(result), allow_nan=False)
    if result.error is not None:
        with pytest.raises(RecordingError) as caught:
            find_shots(path, detector)
        assert str(caught.value) == f"{path}: {result.error}"
        return None, result
    shots, heard = find_shots(path, detector)
    assert result.warnings[: len(heard.warnings)] == heard.warnings
    assert len(shots) == len(result.shots)
    return [shot.onset_s for shot in shots], result


def write_floats(path, waveform):
    soundfile.write(path, waveform, RATE_HZ, subtype="FLOAT")
    return path


ONSETS_S = [0.5, 1.2]


def test_nan_here_and_there_hides_no_shot(tmp_path):
    waveform = make_shots(ONSETS_S, 2.0)
    waveform[1000:1010], waveform[50_000], waveform[60_000] = np.nan, np.inf, -np.inf
    onsets_s, result = find_both(write_floats(tmp_path / "a.wav", waveform))
    assert onsets_s == pytest.approx(ONSETS_S, abs=0.02)
    found, unlike = result.warnings  # made shots are unlike real ones, and it says so
    assert found == "12 samples that are no finite numbers are set to 0"
    assert unlike.startswith("it is unlike the recordings")


def test_a_constant_part_hides_no_shot(tmp_path):
    onsets_s, result = find_both(write_floats(tmp_path / "a.wav", make_shots(ONSETS_S, 2.0) + 0.3))
    assert onsets_s[-2:] == pytest.approx(ONSETS_S, abs=0.02)
    found, unlike = result.warnings  # made shots are unlike real ones, and it says so
    assert found == "its samples lie around +0.30 of full scale instead of 0"
    assert unlike.startswith("it is unlike the recordings")


def test_sound_clipped_all_the_time_is_said(tmp_path):
    noise = np.random.default_rng(0).standard_normal(2 * RATE_HZ)
    _, result = find_both(write_floats(tmp_path / "a.wav", np.sign(noise).astype(np.float32)))
    assert result.error is None
    assert result.warnings[0] == "clipped: 100% of its samples are at full scale"


@pytest.mark.parametrize(
    ("waveform", "error"),
    [
        (np.zeros(RATE_HZ, np.float32), "silent: there is no sound in it"),
        (np.full(RATE_HZ, 0.5, np.float32), "silent: there is no sound in it"),
        (np.full(RATE_HZ, np.nan, np.float32), "48000 of its 48000 samples are no finite numbers"),
        (np.ones(1, np.float32), "only 0.0208 ms long"),
        (np.zeros(0, np.float32), "there are no samples in it"),
    ],
)
def test_what_holds_no_sound_is_an_error_of_one_line(tmp_path, waveform, error):
    onsets_s, result = find_both(write_floats(tmp_path / "a.wav", waveform))
    assert onsets_s is None
    assert result.error.startswith(error)


def test_shots_are_found_on_both_sides_of_a_change_of_rate(tmp_path):
    content = b""
    for rate_hz in (44100, 32000):
        encode(
            tmp_path / "part.mp3", make_shots(ONSETS_S, 2.0, rate_hz)[None], rate_hz, "libmp3lame"
        )
        content += (tmp_path / "part.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(content)
    onsets_s, result = find_both(tmp_path / "a.mp3")
    expected = [0.5, 1.2, 2.5, 3.2]
    late_s = [min(onset - each for onset in onsets_s if onset > each - 0.02) for each in expected]
    assert max(late_s) < 0.1  # priming again
    assert any("the sound changes to 32000 Hz" in text for text in result.warnings)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_what_breaks_off_gives_the_shots_before(tmp_path, name):
    audio.write_wav(tmp_path / "whole.wav", make_shots([0.5, 1.2, 2.9], 4.0), RATE_HZ)
    whole = audio.read(tmp_path / "whole.wav").waveform
    soundfile.write(tmp_path / name, whole.T, RATE_HZ, subtype="PCM_16")
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    onsets_s, result = find_both(tmp_path / name)
    assert onsets_s[:2] == pytest.approx([0.5, 1.2], abs=0.02)
    assert any("cut short" in text for text in result.warnings)
    sections = Listening(section_s=0.256)
    shots, _ = find_shots(tmp_path / name, fuzzing.open_shipped()[0], sections)
    assert [shot.onset_s for shot in shots][:2] == pytest.approx([0.5, 1.2], abs=0.02)
