"""Many short recordings in forked processes: what threads give, whatever becomes of a process.

Run by `test_processes.py` in an interpreter that has no other threads.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from shotprint.audio import find_recordings
from shotprint.detection import Detector, OnnxDetector
from shotprint.recognition import OnnxModel, RecognitionSettings, Recognizer
from shotprint.recognition.processes import MANY, Processes, can_fork
from shotprint.recognition.results import RecordingResult
from shotprint.recognition.running import HELD_BYTES, to_failure
from toy import write_shots


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As many recordings as processes are for, two of them alike and one that is none."""
    folder = tmp_path_factory.mktemp("many")
    originals = write_shots(folder, 5)
    for n in range(MANY):
        content = originals[n % 5].read_bytes()
        (folder / f"copy{n}.wav").write_bytes(content + bytes(n))  # what follows is no sound
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


@pytest.fixture
def recognizer(toy_model, toy_detector):
    settings = RecognitionSettings(jobs=2)
    return Recognizer(OnnxModel(toy_model), settings, Detector(OnnxDetector(toy_detector)))


def test_answers_are_those_of_threads(folder, recognizer, tmp_path):
    found = find_recordings([folder])
    assert can_fork(found, 2)
    assert not can_fork(found[: MANY - 1], 2)
    assert not can_fork(found, 1)
    journal = recognizer.open_journal(tmp_path / "journal", resume=False)
    expected = [recognizer.recognize_file(each.path, each.name) for each in found]
    n_kept = (tmp_path / "journal").stat().st_size
    assert list(recognizer.recognize(found)) == expected  # all but the broken one from the journal
    assert (tmp_path / "journal").stat().st_size == n_kept
    journal.close()
    journal = recognizer.open_journal(tmp_path / "journal", resume=False)
    assert list(recognizer.recognize(found)) == expected
    assert journal.n_done == len({each.sha256 for each in expected if each.error is None})
    journal.close()
    assert not multiprocessing.active_children()


def test_processes_are_given_the_bytes_that_were_read(folder, tmp_path):
    """More than there is room for at once: each process sees those of its own recordings."""
    larger = tmp_path / "larger.wav"
    larger.write_bytes(bytes(HELD_BYTES + 1))
    found = find_recordings([folder, larger])

    def work(recording, sha256, run):
        held = run.content is not None
        assert not held or run.content == recording.path.read_bytes()
        return RecordingResult(recording.name, str(held))

    results = Processes(work, to_failure, 2).run(found)
    assert [each.sha256 for each in results] == ["True"] * (len(found) - 1) + ["False"]


def test_a_process_that_dies_costs_nothing(folder, recognizer):
    found = find_recordings([folder])
    answers = recognizer.recognize(found)
    results = [next(answers) for _ in range(5)]
    child = multiprocessing.active_children()[0]
    os.kill(child.pid, signal.SIGKILL)
    results += list(answers)
    assert [each.path for each in results] == [each.name for each in found]
    assert [each.path for each in results if each.error] == [str(folder / "broken.wav")]


def test_whoever_stops_asking_ends_the_processes(folder):
    found = find_recordings([folder])

    def work(recording, sha256, run):
        time.sleep(0.2)
        return RecordingResult(recording.name, sha256)

    processes = Processes(work, to_failure, 2)
    results = processes.run(found)
    assert next(results).path == found[0].name
    begin_s = time.monotonic()
    results.close()
    assert time.monotonic() - begin_s < 10  # not the 10 s of the rest
    deadline_s = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


def test_processes_end_with_their_parent(folder, tmp_path):
    """Killed, the parent cannot end them; they must not hold its journal either."""
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "shotprint", "recognize", str(folder), "-o", str(out)]
    command += ["--jobs", "2"]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = tmp_path / "out.json.journal"
    while not (journal.exists() and journal.stat().st_size > 3000):
        time.sleep(0.02)
        assert run.poll() is None
    run.kill()
    run.wait()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # one is broken
    assert out.read_text().count('"path"') == MANY + 6
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(out) not in listed.stdout


def test_a_pack_is_the_same_byte_for_byte(folder, tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    from shotprint.manifest import build_manifest
    from shotprint.packing import pack, writing

    rows = [
        {"recording": path.name, "path": str(path), "label": f"gun{n % 2}", "group": path.name}
        for n, path in enumerate(sorted(folder.glob("copy*.wav")))
    ]
    manifest, _ = build_manifest(rows)
    (folder / "copy7.wav").write_bytes(b"RIFF")  # since the manifest was made
    seen = []
    run_many = writing.run_many

    def watch(recordings, *others):
        seen.append(can_fork(recordings, others[-1]))
        return run_many(recordings, *others)

    monkeypatch.setattr(writing, "run_many", watch)
    reports = [pack(manifest, tmp_path / f"{jobs}.h5", jobs=jobs) for jobs in (1, 2)]
    assert seen == [False, True]
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()
    for report in reports:
        assert report.n_packed == MANY - 1
        assert "changed since the manifest" in report.failed["copy7.wav"]


def test_ctrl_c_while_they_are_forked_leaves_nothing_behind(folder):
    """Half of them, or all without the thread that leads them, would be waited for for ever."""
    found = find_recordings([folder])
    script = (
        "import os, signal, sys, time\n"
        "from shotprint.audio import FoundRecording\n"
        "from shotprint.recognition.processes import Processes\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "if os.fork() == 0:\n"
        "    time.sleep(float(sys.argv[1]))\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
        "    os._exit(0)\n"
        "found = [FoundRecording(path, path) for path in sys.argv[2:]]\n"
        "while True:\n"
        "    for _ in Processes(lambda *_: 1, lambda *_: 1, 8).run(found): pass\n"
    )
    for step in range(12):
        command = [sys.executable, "-c", script, str(0.002 * step)]
        run = subprocess.run(
            [*command, *(each.place for each in found[:9])],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert "KeyboardInterrupt" in run.stderr
        assert run.returncode == -signal.SIGINT
