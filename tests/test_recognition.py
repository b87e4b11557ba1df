"""Recognition: one answer a recording, whatever its length, and none for what is no recording."""

import dataclasses
import hashlib
import os
import re
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
import soundfile

from shotprint.audio import (
    FoundRecording,
    HeldFile,
    find_recordings,
    read,
    resample,
    write_wav,
)
from shotprint.clips import ClipRule, cut_clips, normalize_level, pick_onset_frames, place_clips
from shotprint.detection import DetectedShot, Detector, Listening, OnnxDetector, Section
from shotprint.errors import OutputError, ShotprintError
from shotprint.files import compute_sha256
from shotprint.firearms import Firearm
from shotprint.recognition import ModelMetadata, OnnxModel, RecognitionSettings, Recognizer
from shotprint.recognition.listening import BLOCK_S, listen
from shotprint.recognition.recognizer import NO_SHOT
from shotprint.recognition.running import HELD_BYTES, run_recordings
from shotprint.recognition.shots import average, cut_shots
from shotprint.weights import shipped_model
from toy import TOY_LABELS, make_shot, write_bursts, write_shots, write_toy_detector

GUNS = (Firearm("a", "", "9 mm", "pistol"), Firearm("b", "", "9 mm", "rifle"))


class LoudnessModel:
    """A model without a network: answers by the mean power of a clip, remembers nothing."""

    sha256 = "0" * 64

    def __init__(self, **changes):
        settings = {
            "name": "loudness",
            "version": "1",
            "labels": GUNS,
            "sample_rate_hz": 8000,
            "min_samples": 400,
            "clip_rule": ClipRule(),
            "level": "as_recorded",
            "backbone": "none",
        }
        self.metadata = ModelMetadata(**{**settings, **changes})

    def run(self, waveforms):
        power = np.clip((waveforms**2).mean(axis=1), 1e-9, 0.5)
        return np.log(np.stack([power, 1 - power], axis=1)), waveforms[:, :2]


def hear(path, metadata, channel="mix"):
    """Return the clips (n, n_samples) that a model would hear, and the facts."""
    clips = []
    heard = listen(path, metadata, Listening(channel), clips.extend)
    return np.stack(clips), heard


def write_long(path, duration_s, rate_hz=8000, n_channels=1):
    """Write noise with shots, the loudest ones across the edges of the blocks."""
    rng = np.random.default_rng(1)
    waveform = 1e-3 * rng.standard_normal((n_channels, round(duration_s * rate_hz)))
    for i, at_s in enumerate((BLOCK_S - 0.05, 20.0, duration_s - 0.3, 70.5)):
        start = round(at_s * rate_hz)
        for channel in waveform[:, start : start + rate_hz]:
            channel += make_shot(i, 1.0, rate_hz, at_s=0.0)[: len(channel)] * (1 - 0.2 * i)
    write_wav(path, waveform.astype(np.float32), rate_hz)
    return path


# One answer a recording


def test_an_answer_is_the_mean_of_the_log_probabilities_of_its_clips(tmp_path, toy_model):
    path = write_shots(tmp_path, 3)[2]
    model = OnnxModel(toy_model)
    result = Recognizer(model).recognize_file(path)
    waveform = read(path, sample_rate_hz=32000).waveform[0]
    clips = cut_clips(waveform, 32000, ClipRule()).waveforms
    log_probabilities, _ = model.run(normalize_level(clips))
    logits = log_probabilities.astype(np.float64).mean(axis=0)
    expected = np.exp(logits) / np.exp(logits).sum()
    found = {score.label: score.probability for score in result.candidates}
    assert [found[label] for label in TOY_LABELS] == pytest.approx(expected.tolist(), abs=1e-6)
    assert result.label == TOY_LABELS[int(expected.argmax())]
    assert result.probability == result.candidates[0].probability == max(found.values())
    assert (result.duration_s, result.sample_rate_hz, result.channels) == (2.0, 48000, 2)


def test_a_recording_without_shots_is_answered_from_its_loudest_sounds(tmp_path, toy_detector):
    """It is read once; the answer is that of one read for nothing else."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (2, 3 * 44100)) * np.hanning(3 * 44100)
    write_wav(tmp_path / "a.wav", noise.astype(np.float32), 44100)
    model = OnnxModel(shipped_model())
    for channel in ("mix", "each"):
        settings = RecognitionSettings(channel)
        whole = Recognizer(model, settings).recognize_file(tmp_path / "a.wav")
        found = Recognizer(model, settings, Detector(OnnxDetector(toy_detector)))
        result = found.recognize_file(tmp_path / "a.wav")
        assert (result.shots, whole.shots) == ((), ())
        assert result.warnings[0] == NO_SHOT
        assert result.duration_s == 3.0
        probabilities = [[each.probability for each in r.candidates] for r in (result, whole)]
        assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-6)


@pytest.mark.parametrize(("rate_hz", "start"), [(44100, 0), (44100, 12345), (8000, 4001)])
def test_clips_of_shots_are_those_of_the_recording_resampled_whole(rate_hz, start):
    """Also where they overlap, where a section begins later, and beyond the ends."""
    rng = np.random.default_rng(1)
    waveform = rng.normal(0, 0.1, (2, 6 * rate_hz)).astype(np.float32)
    onsets_s = [start / rate_hz + at_s for at_s in (0.05, 1.2, 1.27, 1.9)] + [5.9]
    section = Section(0 if start == 0 else 1, waveform[:, start:], rate_hz, start, start, 1, True)
    rule = ClipRule(short_length_s=0.5)
    shots = [DetectedShot(at_s, at_s + 0.1, 0.9, -3.0, False) for at_s in onsets_s]
    whole = resample(waveform, rate_hz, 32000)
    places = np.array([round(at_s * 32000) for at_s in onsets_s])
    for clips, view in zip(cut_shots(section, shots, 32000, rule.views), rule.views, strict=True):
        starts = place_clips(places, whole.shape[1], 32000, view)
        length = round(view.length_s * 32000)
        for shot, begin in enumerate(starts.tolist()):
            missing = max(0, round((start / rate_hz + 0.02) * 32000) - begin) if start else 0
            expected = whole[:, begin + missing : begin + length]
            assert clips[:, shot, missing:] == pytest.approx(expected, abs=2e-4)


def test_calibre_and_category_are_sums_over_models(tmp_path, toy_model):
    result = Recognizer(OnnxModel(toy_model)).recognize_file(write_shots(tmp_path, 1)[0])
    p = {score.label: score.probability for score in result.candidates}
    for scores in (result.candidates, result.calibre, result.category):
        values = [score.probability for score in scores]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-9)
    calibre = {score.label: score.probability for score in result.calibre}
    category = {score.label: score.probability for score in result.category}
    assert calibre["7.62x39 mm"] == pytest.approx(p["AK-47"])
    assert calibre["unknown"] == category["unknown"] == pytest.approx(p["Škorpion"])
    assert category["rifle"] == pytest.approx(p["AK-47"] + p["M16"])


def test_level_does_not_change_the_answer(tmp_path, toy_model):
    shot = make_shot(1)
    recognizer = Recognizer(OnnxModel(toy_model))
    answers = []
    for name, gain, offset in (("a.wav", 1.0, 0.0), ("b.wav", 0.01, 1e-4)):
        write_wav(tmp_path / name, gain * shot + offset, 48000, "FLOAT")
        answers.append(recognizer.recognize_file(tmp_path / name).probability)
    assert answers[0] == pytest.approx(answers[1], abs=1e-3)


def test_the_order_is_that_of_the_paths_whatever_the_jobs(tmp_path, toy_model):
    write_shots(tmp_path, 11)
    found = find_recordings([tmp_path])
    model = OnnxModel(toy_model)
    alone = list(Recognizer(model, RecognitionSettings(jobs=1)).recognize(found))
    together = list(Recognizer(model, RecognitionSettings(jobs=5)).recognize(found))
    assert alone == together
    assert [result.path for result in alone] == [recording.name for recording in found]
    assert alone[1].path.endswith("shot2.wav")
    assert len({result.probability for result in alone}) > 5


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(1.0, [0.8, 0.2]), (2.0, [2 / 3, 1 / 3]), (0.5, [16 / 17, 1 / 17])],
)
def test_temperature_divides_log_probabilities(temperature, expected):
    calibration = {"method": "temperature", "temperature": temperature}
    log_probabilities = np.log(np.array([[0.8, 0.2], [0.8, 0.2]], np.float32))
    assert average(log_probabilities, calibration) == pytest.approx(expected, abs=1e-6)


def test_an_average_is_geometric():
    log_probabilities = np.log(np.array([[0.9, 0.1], [0.5, 0.5]], np.float32))
    assert average(log_probabilities, {}) == pytest.approx([0.75, 0.25], abs=1e-6)


# Channels


def test_each_averages_the_clips_of_the_channels_with_sound(tmp_path):
    shot = make_shot(0, 1.0, 8000)
    silent = np.zeros_like(shot)
    write_wav(tmp_path / "one.wav", shot[None], 8000, "FLOAT")
    write_wav(tmp_path / "two.wav", np.stack([0.1 * shot, shot]), 8000, "FLOAT")
    write_wav(tmp_path / "half.wav", np.stack([silent, shot]), 8000, "FLOAT")
    model = LoudnessModel()

    def answer(name, channel):
        settings = RecognitionSettings(channel=channel)
        result = Recognizer(model, settings).recognize_file(tmp_path / name)
        assert result.error is None
        return {score.label: score.probability for score in result.candidates}["a"]

    one = answer("one.wav", "mix")
    assert answer("half.wav", "each") == pytest.approx(one)
    assert answer("two.wav", "1") == answer("two.wav", "loudest") == pytest.approx(one)
    assert answer("half.wav", "mix") == pytest.approx(one / 4, rel=0.01)
    assert answer("two.wav", "0") < answer("two.wav", "each") < one


def test_a_channel_that_is_not_there_fails_that_recording(tmp_path):
    paths = write_shots(tmp_path, 1)
    recognizer = Recognizer(LoudnessModel(), RecognitionSettings(channel="2"))
    assert "channel 2 was asked for" in recognizer.recognize_file(paths[0]).error
    with pytest.raises(ShotprintError, match="'left' was asked for"):
        RecognitionSettings(channel="left")


# What cannot be recognised


def make_bad_recordings(folder):
    """Write what is no recording; return {name: what its error says}."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp3").write_text("not a sound", encoding="utf-8")
    write_wav(folder / "silent.wav", np.zeros(8000, np.float32), 8000)
    write_wav(folder / "none.wav", np.zeros(0, np.float32), 8000)
    write_wav(folder / "brief.wav", np.array([0.5, -0.5, 0.1, 0.2], np.float32), 8000)
    write_wav(folder / "nan.wav", np.zeros(8000, np.float32), 8000, "FLOAT")
    content = bytearray((folder / "nan.wav").read_bytes())
    content[-16000:] = np.full(4000, np.nan, "<f4").tobytes()
    (folder / "nan.wav").write_bytes(content)
    return {
        "absent.wav": "no such file",
        "empty.wav": r"empty \(0 bytes\)",
        "text.mp3": "no sound",
        "silent.wav": "silent",
        "none.wav": "no samples",
        "brief.wav": "only 0.5 ms long; a shot needs 10 ms or more",
        "nan.wav": "no finite numbers",
    }


def test_one_bad_recording_never_stops_the_others(tmp_path):
    good = write_shots(tmp_path, 2)
    bad = make_bad_recordings(tmp_path)
    paths = [good[0], *(tmp_path / name for name in bad), good[1]]
    results = list(Recognizer(LoudnessModel()).recognize(find_recordings(paths)))
    assert [result.error is None for result in results] == [True, *[False] * len(bad), True]
    for result, (name, message) in zip(results[1:-1], bad.items(), strict=True):
        assert result.path == str(tmp_path / name)
        assert re.search(message, result.error), result.error
        assert name not in result.error  # the path stands in its own field
        assert "\n" not in result.error
        assert result.label is result.probability is result.candidates is None
        assert (result.sha256 is None) == (name == "absent.wav")


@pytest.mark.parametrize("size", [0, 1])
def test_a_recording_that_changes_while_it_is_read_has_no_answer(tmp_path, size):
    """Nor does the journal keep one: it would be that of other bytes."""
    (path,) = write_shots(tmp_path, 1)

    class Meddling(LoudnessModel):
        def run(self, waveforms):
            path.write_bytes(path.read_bytes() + bytes(size))
            return super().run(waveforms)

    recognizer = Recognizer(Meddling())
    changed = "it changed while it was read; repeat when it is complete"
    assert recognizer.recognize_file(path).error == changed
    journal = recognizer.open_journal(tmp_path / "j", resume=False)
    assert recognizer.recognize_file(path).error == changed
    journal.close()
    assert journal.n_done == 0


def test_what_cannot_be_kept_ends_the_run(tmp_path):
    resource = pytest.importorskip("resource")
    recognizer = Recognizer(LoudnessModel())
    journal = recognizer.open_journal(tmp_path / "j", resume=False)
    found = find_recordings(write_shots(tmp_path, 3))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "j").stat().st_size, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            list(recognizer.recognize(found))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.close()


def test_what_nobody_expected_is_that_recordings_error(tmp_path):
    class Faulty(LoudnessModel):
        def run(self, waveforms):
            if np.abs(waveforms).max() < 0.05:
                raise ZeroDivisionError("a fault\nin the model")
            return super().run(waveforms)

    write_wav(tmp_path / "faint.wav", 0.01 * make_shot(0, 1.0, 8000), 8000)
    write_wav(tmp_path / "loud.wav", make_shot(0, 1.0, 8000), 8000)
    faint, loud = Recognizer(Faulty()).recognize(find_recordings([tmp_path]))
    assert faint.error == "unexpected ZeroDivisionError: a fault in the model"
    assert loud.error is None


def test_a_model_that_gives_nan_fails_the_recording(tmp_path):
    class Broken(LoudnessModel):
        def run(self, waveforms):
            log_probabilities, embedding = super().run(waveforms)
            return log_probabilities * np.float32(np.nan), embedding

    result = Recognizer(Broken()).recognize_file(write_shots(tmp_path, 1)[0])
    assert "no finite probabilities" in result.error


def test_a_recording_cut_short_is_answered_with_a_warning(tmp_path):
    path = write_shots(tmp_path, 1)[0]
    path.write_bytes(path.read_bytes()[:200_000])
    result = Recognizer(LoudnessModel()).recognize_file(path)
    assert result.error is None
    assert "cut short" in result.warnings[0]
    assert result.duration_s == pytest.approx(1.04, abs=0.01)


def test_an_answer_for_a_recording_that_was_trained_on_is_warned_of(tmp_path):
    paths = write_shots(tmp_path, 2)
    data = {"trained_on": ["0" * 12, compute_sha256(paths[1])[:12]]}
    first, second = Recognizer(LoudnessModel(data=data)).recognize(find_recordings(paths))
    assert first.warnings == ()
    assert "trained on this very recording" in second.warnings[0]


# Any length


@pytest.mark.parametrize("channel", ["mix", "each", "1"])
@pytest.mark.parametrize(("rate_hz", "model_hz"), [(8000, 8000), (11025, 8000), (8000, 11025)])
def test_a_long_recording_gives_the_clips_that_reading_it_whole_gives(
    tmp_path, channel, rate_hz, model_hz
):
    path = write_long(tmp_path / "long.wav", 1.5 * BLOCK_S, rate_hz, n_channels=2)
    metadata = LoudnessModel(sample_rate_hz=model_hz).metadata
    found, heard = hear(path, metadata, channel)
    whole = read(path, sample_rate_hz=model_hz, channel=channel).waveform
    expected = []
    for waveform in whole:
        clips = cut_clips(waveform, model_hz, metadata.clip_rule)
        expected += list(clips.waveforms[np.argsort(clips.start_samples)])
    assert len(expected) == len(whole) * 4
    assert np.array_equal(found, np.stack(expected))
    assert heard.duration_s == pytest.approx(1.5 * BLOCK_S, abs=1e-3)
    assert (heard.sample_rate_hz, heard.channels) == (rate_hz, 2)


@pytest.mark.parametrize("duration_s", [3.0, 1.5 * BLOCK_S])
def test_clips_of_two_lengths_stand_at_the_same_onsets(tmp_path, duration_s):
    path = write_long(tmp_path / "long.wav", duration_s)
    rule = ClipRule(short_length_s=0.5)
    found = []
    listen(path, LoudnessModel(clip_rule=rule).metadata, Listening(), found.extend)
    waveform = read(path).waveform[0]
    expected = [clip for view in rule.views for clip in cut_clips(waveform, 8000, view).waveforms]
    assert {len(clip) for clip in found} == {8000, 4000}
    assert sorted(map(bytes, found)) == sorted(map(bytes, expected))


def test_the_answer_for_a_shot_is_the_mean_over_its_clips_of_both_lengths(tmp_path):
    onsets_s = (0.5, 1.25)
    path = write_bursts(tmp_path / "two.wav", onsets_s)
    detector = Detector(OnnxDetector(write_toy_detector(tmp_path / "rise.onnx")))
    rule = ClipRule(0.4, 0.1, short_length_s=0.2)
    model = LoudnessModel(clip_rule=rule, sample_rate_hz=48000)
    result = Recognizer(model, detector=detector).recognize_file(path)
    waveform = read(path).waveform.mean(axis=0)
    answers = []
    for shot in result.shots:
        start = round(shot.onset_s * 48000) - 4800
        clips = [waveform[start : start + length] for length in (19200, 9600)]
        answers.append(np.mean([model.run(clip[None])[0][0] for clip in clips], axis=0))
        scores = {score.label: score.probability for score in shot.candidates}
        assert scores["a"] == pytest.approx(average(answers[-1][None], {})[0], rel=1e-4)
    assert len(answers) == 2
    overall = {score.label: score.probability for score in result.candidates}
    assert overall["a"] == pytest.approx(average(np.array(answers), {})[0], rel=1e-4)


def test_onsets_of_many_hours_are_rated_span_by_span(monkeypatch):
    power = np.random.default_rng(0).exponential(1e-6, 5000)
    places = (0, 98, 199, 1000, 2450, 4994)  # on both sides of the edges of spans
    for place in places:
        power[place : place + 6] += 0.1 - place * 1e-5
    rule = ClipRule(max_clips=6)
    expected = pick_onset_frames(power, rule)
    assert sorted(expected.tolist()) == list(places)
    monkeypatch.setattr("shotprint.clips.SPAN_FRAMES", 100)
    assert pick_onset_frames(power, rule).tolist() == expected.tolist()


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for n_minutes in (8, 28):
        minute = np.random.default_rng(0).integers(-99, 99, 60 * 8000, dtype=np.int16)
        soundfile.write(tmp_path / "long.wav", np.tile(minute, n_minutes), 8000)
        tracemalloc.start()
        result = Recognizer(LoudnessModel()).recognize_file(tmp_path / "long.wav")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.duration_s == 60 * n_minutes
    more_bytes = 20 * 60 * 8000 * 4
    assert peaks[1] - peaks[0] < 0.3 * more_bytes


@pytest.mark.parametrize(
    ("duration_s", "lengths"),
    [(0.02, [400]), (1.5, [12000]), (BLOCK_S + 1, [BLOCK_S * 8000, 8000])],
)
def test_a_model_that_hears_recordings_whole(tmp_path, duration_s, lengths):
    path = tmp_path / "a.wav"
    write_wav(path, make_shot(0, duration_s, 8000, at_s=0.0), 8000)
    metadata = LoudnessModel(clip_rule=ClipRule(length_s=0, onset_at_s=0)).metadata
    clips = []
    listen(path, metadata, Listening(), clips.extend)
    assert [len(clip) for clip in clips] == lengths
    heard = np.concatenate(clips)[: round(duration_s * 8000)]
    assert np.array_equal(heard, read(path).waveform[0])


def test_a_long_silence_is_an_error(tmp_path):
    write_wav(tmp_path / "a.wav", np.zeros(round(8000 * (BLOCK_S + 1)), np.float32), 8000)
    for rule in (ClipRule(), ClipRule(length_s=0, onset_at_s=0)):
        result = Recognizer(LoudnessModel(clip_rule=rule)).recognize_file(tmp_path / "a.wav")
        assert "silent" in result.error


class Slow(LoudnessModel):
    """A model that takes its time and counts how often it is run."""

    def __init__(self, **changes):
        super().__init__(**changes)
        self.n_run = 0

    def run(self, waveforms):
        self.n_run += 1
        time.sleep(0.05)
        return super().run(waveforms)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_recordings_are_read_ahead(tmp_path):
    """While the first one is worked on, the fourth is read: who fills its pipe gets rid of it."""
    paths = [tmp_path / f"{n}.wav" for n in range(4)]
    is_read = threading.Event()

    def fill(path):
        path.write_bytes(b"sound")
        if path == paths[3]:
            is_read.set()

    for path in paths:
        os.mkfifo(path)
        threading.Thread(target=fill, args=(path,), daemon=True).start()

    def work(recording, sha256, run):
        assert is_read.wait(10)
        return sha256

    def fail(recording, error, sha256):  # a pipe that is written to is another file afterwards
        return sha256 if "changed" in error else error

    found = [FoundRecording(str(path), path.name) for path in paths]
    expected = hashlib.sha256(b"sound").hexdigest()
    assert list(run_recordings(found, work, fail, jobs=1)) == [expected] * 4


def test_a_short_recording_is_opened_once(tmp_path):
    """What is decoded are the bytes that were hashed; a larger one is streamed."""
    paths = write_shots(tmp_path, 2)
    with paths[1].open("ab") as file:
        file.write(bytes(HELD_BYTES))
    contents = [path.read_bytes() for path in paths]
    opened = dict.fromkeys(map(str, paths), 0)

    def count(event, given):
        if event == "open" and str(given[0]) in opened:
            opened[str(given[0])] += 1

    sys.addaudithook(count)

    def work(recording, sha256, run):
        place = run.place(recording)
        assert isinstance(place, HeldFile) == (recording.path == paths[0])
        content = contents[paths.index(recording.path)]
        assert sha256 == hashlib.sha256(content).hexdigest()
        return read(place)

    def fail(recording, error, sha256):
        raise AssertionError(error)

    first, second = run_recordings(find_recordings(paths), work, fail, jobs=1)
    assert opened[str(paths[0])] == 1
    assert opened[str(paths[1])] > 1  # a guard: the hook sees what is opened
    for path, audio in zip(paths, (first, second), strict=True):
        expected = read(path)
        np.testing.assert_array_equal(audio.waveform, expected.waveform)
        assert audio.warnings == expected.warnings


def test_whoever_stops_asking_does_not_wait_for_the_rest(tmp_path):
    model = Slow()
    found = find_recordings(write_shots(tmp_path, 1)) * 200
    answers = Recognizer(model, RecognitionSettings(jobs=2)).recognize(found)
    next(answers)
    answers.close()
    assert 1 <= model.n_run <= 8


def test_whoever_stops_asking_does_not_wait_for_a_long_recording(tmp_path):
    minute = np.random.default_rng(0).integers(-99, 99, 60 * 8000, dtype=np.int16)
    soundfile.write(tmp_path / "long.wav", np.tile(minute, 20), 8000)
    paths = [*write_shots(tmp_path, 1), tmp_path / "long.wav"]
    model = Slow(clip_rule=ClipRule(length_s=0, onset_at_s=0))
    answers = Recognizer(model, RecognitionSettings(jobs=1)).recognize(find_recordings(paths))
    next(answers)
    answers.close()
    assert model.n_run < 10  # of one block and twenty


# Model files


def test_a_model_file_says_what_it_is(toy_model):
    model = OnnxModel(toy_model)
    assert model.metadata.label_names == TOY_LABELS
    assert model.metadata.labels[1].calibre == ".223 Rem / 5.56 mm"
    assert model.metadata.labels[3] == Firearm("Škorpion", "", "", "")
    assert model.metadata.clip_rule == ClipRule()
    assert ModelMetadata.from_json(model.metadata.to_json()) == model.metadata
    log_probabilities, embedding = model.run(np.zeros((3, 40000), np.float32))
    assert log_probabilities.shape == (3, 4)
    assert embedding.shape[0] == 3
    assert embedding.shape[1] >= 384
    assert np.exp(log_probabilities).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def build_tiny_onnx(onnx, text):
    """Build a model of the right inputs and outputs, for four labels, around metadata."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    sizes = {"log_probabilities": 4, "embedding": 2}
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["waveform"], ["mean"], axes=[1], keepdims=1),
            *(helper.make_node("MatMul", ["mean", f"w_{name}"], [name]) for name in sizes),
        ],
        "tiny",
        [helper.make_tensor_value_info("waveform", kind, ["n", "n_samples"])],
        [helper.make_tensor_value_info(name, kind, ["n", size]) for name, size in sizes.items()],
        [helper.make_tensor(f"w_{n}", kind, [1, size], [1.0] * size) for n, size in sizes.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {} if text is None else {"shotprint": text})
    return model


def write_bad_models(folder, toy_model):
    """Write files that are not models of shotprint; return {name: expected message}."""
    onnx = pytest.importorskip("onnx")
    (folder / "text.onnx").write_text("not a model", encoding="utf-8")
    (folder / "half.onnx").write_bytes(toy_model.read_bytes()[:1_000_000])
    (folder / "empty.onnx").write_bytes(b"")
    good = onnx.load(toy_model).metadata_props[0].value
    texts = {
        "foreign.onnx": None,
        "newer.onnx": good.replace("shotprint-model/1", "shotprint-model/2"),
        "list.onnx": "[1]",
        "lacking.onnx": good.replace('"level"', '"lvl"'),
        "level.onnx": good.replace("peak_half", "loudest"),
        "twice.onnx": good.replace('"MP5"', '"M16"'),
        "other.onnx": good.replace('{"label": "Škorpion"', '{"label": "x"').replace(
            '"labels": [',
            '"labels": [{"label": "y", "make_model": "", "calibre": "", "category": ""}, ',
        ),
        "calibration.onnx": good.replace('"method": "none"', '"method": "magic"'),
    }
    for name, text in texts.items():
        onnx.save(build_tiny_onnx(onnx, text), folder / name)
    return {
        "absent.onnx": "there is no file",
        "text.onnx": "cannot be opened as an ONNX model",
        "half.onnx": "cannot be opened as an ONNX model",
        "empty.onnx": "cannot be opened as an ONNX model",
        "foreign.onnx": "none of shotprint's",
        "newer.onnx": "'shotprint-model/2'.*install a newer shotprint",
        "list.onnx": "no JSON object",
        "lacking.onnx": "incomplete or unknown .*lvl",
        "level.onnx": "level rule 'loudest'",
        "twice.onnx": "label twice",
        "other.onnx": "for 4 labels.*promise.*for 5 labels",
        "calibration.onnx": "magic",
    }


def test_files_that_are_no_models_are_named(tmp_path, toy_model):
    for name, message in write_bad_models(tmp_path, toy_model).items():
        with pytest.raises(ShotprintError, match=message) as error:
            OnnxModel(tmp_path / name)
        assert "\n" not in str(error.value)
        assert name in str(error.value)


def test_a_tiny_model_of_right_metadata_is_taken(tmp_path, toy_model):
    onnx = pytest.importorskip("onnx")
    good = onnx.load(toy_model).metadata_props[0].value
    onnx.save(build_tiny_onnx(onnx, good), tmp_path / "good.onnx")
    assert OnnxModel(tmp_path / "good.onnx").metadata.label_names == TOY_LABELS


def test_a_model_without_labels_recognises_nothing():
    with pytest.raises(ShotprintError, match="embeddings only"):
        Recognizer(LoudnessModel(labels=()))


def test_another_table_of_firearms_replaces_calibres():
    metadata = LoudnessModel().metadata
    table = {"b": Firearm("b", "B", ".22 LR", "rifle"), "c": Firearm("c", "C", "x", "y")}
    changed = metadata.with_firearms(table)
    assert [gun.calibre for gun in changed.labels] == ["9 mm", ".22 LR"]
    assert dataclasses.replace(changed, labels=GUNS) == metadata
