"""A run that was killed goes on from where it was, and answers the same."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shotprint.audio import write_wav
from shotprint.decisions import Decision
from shotprint.detection import DetectedShot
from shotprint.errors import OutputError, ShotprintError
from shotprint.recognition.journal import Journal, KeptResults
from shotprint.recognition.judgement import Measure
from shotprint.recognition.results import (
    BurstResult,
    GunSet,
    GunsResult,
    RecordingResult,
    Score,
    ShotResult,
)
from shotprint.recognition.shots import AnsweredShot

IDENTITY = {"model": {"sha256": "a"}, "detector": None, "settings": {"channel": "mix"}}
SCORES = (Score("A", 0.1 + 0.2), Score("B", 1 / 3))
SHOT = ShotResult(
    1.5, 1.75, 0.9, -3.0, True, None, 0, "A", 0.1 + 0.2, SCORES, SCORES[:1], SCORES[1:]
)
RESULT = RecordingResult(
    path="a \udcff.wav",
    sha256="f" * 64,
    duration_s=2.0,
    sample_rate_hz=48000,
    channels=2,
    label="A",
    probability=0.3,
    candidates=SCORES,
    calibre=SCORES,
    category=SCORES,
    gunshot_probability=0.75,
    decision=Decision("calibre", "A", 0.95),
    resemblance={"band_hz": Measure(5900.0, 8000.0, 16000.0)},
    guns=GunsResult((0.75, 0.25, 0.0), (GunSet(("A", "B"), 0.25),), (2, 1, 3)),
    shots=(SHOT,),
    bursts=(BurstResult(1.5, 1.75, 3, 600.0),),
    warnings=("cut short",),
)
ANSWERED = AnsweredShot(
    DetectedShot(1.5, 1.75, 0.9, -3.0, True),
    np.array([-0.1, -2.3], np.float32),
    np.zeros(3, np.float32),
    np.array([1.5, -3.0], np.float32),
)


def test_what_was_kept_is_found_again_to_the_bit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", IDENTITY, resume=False)
    journal.add_recording(RESULT)
    journal.add_section("e" * 64, 4, [ANSWERED])
    journal.close()
    again = Journal(tmp_path / "j", IDENTITY, resume=True)
    assert again.find_recording("f" * 64) == RESULT
    (shot,) = again.find_section("e" * 64, 4) or []
    assert shot.detected == ANSWERED.detected
    assert shot.log_probabilities.tobytes() == ANSWERED.log_probabilities.tobytes()
    assert again.find_recording("e" * 64) is None
    assert again.find_section("e" * 64, 5) is None
    again.remove()
    assert not (tmp_path / "j").exists()


def test_a_line_cut_off_counts_as_not_written(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path, IDENTITY, resume=False)
    journal.add_section("e" * 64, 0, [])
    journal.add_recording(RESULT)
    journal.close()
    path.write_bytes(path.read_bytes()[:-20])
    again = Journal(path, IDENTITY, resume=True)
    assert again.find_section("e" * 64, 0) == []
    assert again.n_done == 0
    again.close()


def test_answers_of_another_model_are_not_taken_over(tmp_path: Path) -> None:
    Journal(tmp_path / "j", IDENTITY, resume=False).close()
    with pytest.raises(ShotprintError, match="another model or of other settings"):
        Journal(tmp_path / "j", {**IDENTITY, "model": {"sha256": "b"}}, resume=True)
    Journal(tmp_path / "j", {**IDENTITY, "model": {"sha256": "b"}}, resume=False).close()


@pytest.mark.parametrize("text", ["no json\n", '{"schema": "x"}\n', "[]\n"])
def test_a_foreign_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "j").write_text(text)
    with pytest.raises(ShotprintError, match="is no journal"):
        Journal(tmp_path / "j", IDENTITY, resume=True)


def test_a_damaged_line_is_said(tmp_path: Path) -> None:
    Journal(tmp_path / "j", IDENTITY, resume=False).close()
    with (tmp_path / "j").open("a") as file:
        file.write('{"recording": "f"}\n')
    with pytest.raises(ShotprintError, match="is damaged"):
        Journal(tmp_path / "j", IDENTITY, resume=True)


@contextlib.contextmanager
def disk_full_at(n_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_lines_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path, IDENTITY, resume=False)
    journal.add_recording(RESULT)
    kept = path.read_bytes()
    other = dataclasses.replace(RESULT, sha256="d" * 64)
    with disk_full_at(len(kept) + 100), pytest.raises(OutputError, match="make room and") as raised:
        journal.add_recording(other)
    assert str(raised.value).startswith(f"{path} cannot be written (")
    assert path.read_bytes() == kept
    journal.add_recording(other)
    journal.close()
    again = Journal(path, IDENTITY, resume=True)
    assert [again.find_recording(each * 64) for each in "fd"] == [RESULT, other]
    again.close()


def test_going_on_writes_nothing_that_a_kill_could_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", IDENTITY, resume=False)
    journal.add_recording(RESULT)
    journal.close()
    with disk_full_at(0):
        again = Journal(tmp_path / "j", IDENTITY, resume=True)
    assert again.find_recording("f" * 64) == RESULT
    again.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there a file can be opened twice")
def test_two_runs_do_not_share_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", IDENTITY, resume=False)
    journal.add_recording(RESULT)
    for resume in (True, False):
        with pytest.raises(ShotprintError, match="is in use by another run"):
            Journal(tmp_path / "j", IDENTITY, resume=resume)
    assert journal.find_recording("f" * 64) == RESULT
    journal.close()


def test_kept_results_are_what_was_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", IDENTITY, resume=False)
    journal.add_recording(RESULT)
    results = [
        dataclasses.replace(RESULT, path="other name"),
        RecordingResult("b", "e" * 64, error="silent"),
        RecordingResult("c", None, error="gone"),
        RESULT,
    ]
    kept = KeptResults(journal)
    for result in results:
        kept.append(result)
    assert list(kept) == results
    assert kept[1:] == results[1:]
    assert kept[-1] == RESULT
    assert (len(kept), kept.n_failed) == (4, 2)
    journal.close()


def make_long_recording(path: Path, n_sections: int) -> None:
    """A burst of noise every five seconds."""
    rng = np.random.default_rng(0)
    rate_hz = 12000
    waveform = 1e-3 * rng.standard_normal(n_sections * 30 * rate_hz)
    decay = np.exp(-np.arange(rate_hz) / (0.03 * rate_hz))
    for start in range(rate_hz, len(waveform) - rate_hz, 5 * rate_hz):
        waveform[start : start + rate_hz] += 0.3 * rng.standard_normal(rate_hz) * decay
    write_wav(path, waveform.astype(np.float32), rate_hz)


def recognize(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "shotprint", "recognize", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(run: subprocess.Popen[bytes]) -> int:
    run.communicate()
    return run.returncode


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, toy_detector: Path) -> None:
    """Killed in the middle of a long recording; what was done is in the journal and used."""
    (tmp_path / "in").mkdir()
    make_long_recording(tmp_path / "in" / "long.wav", 40)
    make_long_recording(tmp_path / "in" / "other.wav", 1)
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    common = (tmp_path / "in", "--jobs", 1, "--detector", toy_detector, "-o")
    assert finish(recognize(*common, whole)) == 0
    assert not (tmp_path / "whole.json.journal").exists()
    run = recognize(*common, parts)
    journal = tmp_path / "parts.json.journal"
    while not journal.exists() or journal.read_bytes().count(b'"section"') < 5:
        assert run.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    finish(run)
    assert not parts.exists()
    # What the journal says is taken as it is: a shot's level is changed to see that.
    lines = journal.read_text().splitlines()
    marked = next(i for i, line in enumerate(lines) if '"shots": [{' in line)
    entry = json.loads(lines[marked])
    entry["shots"][0]["peak_dbfs"] = -77.0
    journal.write_text("\n".join([*lines[:marked], json.dumps(entry), *lines[marked + 1 :], ""]))
    assert finish(recognize(*common, parts, "--resume")) == 0
    text = parts.read_text()
    assert text.count("-77.0") == 1
    expected = whole.read_text()
    real = json.loads(expected)["recordings"][0]["shots"]
    place = next(s for s in json.loads(text)["recordings"][0]["shots"] if s["peak_dbfs"] == -77.0)
    (own,) = [s for s in real if s["onset_s"] == place["onset_s"]]
    assert text.replace('"peak_dbfs": -77.0', f'"peak_dbfs": {own["peak_dbfs"]}') == expected


def test_resume_needs_an_output(tmp_path: Path) -> None:
    run = recognize(tmp_path, "--resume")
    assert run.communicate()[1].count(b"needs --output") == 1
    assert run.returncode == 2
