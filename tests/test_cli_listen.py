"""shotprint listen with real pipes and signals: what it writes, how it ends."""

import importlib.resources
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from shotprint.audio import write_wav
from shotprint.cli import app
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.live import HeardShot
from toy_live import make_sound, write_detector

RATE_HZ = 16000
AT_S = (1.0, 2.5)
SOUND = make_sound(AT_S, 4.0, RATE_HZ)
RAW = (SOUND.T * 32767).astype("<i2").tobytes()
COMMAND = [sys.executable, "-m", "shotprint", "listen", "-", "--rate", str(RATE_HZ)]
needs_posix = pytest.mark.skipif(os.name == "nt", reason="signals and pipes of POSIX")


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    pytest.importorskip("onnx")
    return str(write_detector(tmp_path_factory.mktemp("rise") / "rise.onnx"))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    write_wav(path, SOUND, RATE_HZ)
    return path


def run(*arguments, expect=0):
    """Run the command line in this process; raise what it raises, check the exit code."""
    result = CliRunner().invoke(app, ["listen", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == expect, result.output
    return result


def pipe(data, *options, expect=0):
    """Run it in a process of its own with bytes on standard input."""
    done = subprocess.run([*COMMAND, *options], input=data, capture_output=True, check=False)
    assert done.returncode == expect, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def test_lines_of_json_keep_their_schema_and_agree_with_recognize(detector, recording):
    jsonschema = pytest.importorskip("jsonschema")
    folder = importlib.resources.files("shotprint") / "schemas"
    schema = json.loads((folder / "shotprint-live-1.json").read_text(encoding="utf-8"))
    out, err = pipe(RAW, "--format", "json", "--detector", detector)
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        jsonschema.validate(line, schema)
    assert lines[0]["schema"] == "shotprint-live/1"
    assert lines[1]["text"] in err
    shots = [line for line in lines if line.get("kind") == "shot"]
    answers = CliRunner().invoke(
        app, ["recognize", str(recording), "--detector", detector, "--format", "json"]
    )
    expected = json.loads(answers.stdout)["recordings"][0]["shots"]
    assert len(shots) == len(expected) == 2
    for shot, other in zip(shots, expected, strict=True):
        assert set(other) < set(shot)
        assert shot["onset_s"] == pytest.approx(other["onset_s"], abs=1e-3)
        assert (shot["label"], shot["gap_s"]) == (other["label"], other["gap_s"])


@pytest.mark.parametrize("options", [(), ("--top", 3), ("--from",)])
def test_a_line_a_shot(detector, recording, options):
    top = 3 if options else 1
    chosen = ("--top", top, "--from", recording) if "--from" in options else (*options, recording)
    lines = run("--detector", detector, *chosen).stdout.splitlines()
    assert len(lines) == 2
    for line, at_s in zip(lines, AT_S, strict=True):
        parts = line.split("  ")
        assert parts[0] == "-"  # a recording that is not played has no time of day
        assert re.fullmatch(rf"0:00:0{at_s:.1f}\d\d", parts[1])
        assert len(parts) == 2 + top + 2 + 2
        assert parts[-1].endswith(" dBFS")


def test_shots_of_which_the_gun_is_not_sure_are_left_out(detector, recording):
    result = run(recording, "--detector", detector, "--min-probability", 1)
    assert result.stdout == ""
    assert "0 shots in 4.0 s" in result.stderr


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"hello\n", 2, "the stream is text"),
        (b"", 2, "no sound came from standard input"),
        (RAW + b"x", 1, "broke off in mid-sample: 1 of 2 bytes"),
    ],
)
def test_a_stream_that_is_not_what_was_promised(detector, data, code, message):
    out, err = pipe(data, "--detector", detector, expect=code)
    assert message in err
    assert "Traceback" not in err
    assert len(out.splitlines()) == (2 if code == 1 else 0)


def start(detector, *options):
    """Start it on a pipe and write a sound that ends 0.2 s after its second shot."""
    process = subprocess.Popen(
        [*COMMAND, "--detector", detector, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(RAW[: 2 * round(2.7 * RATE_HZ)])
    process.stdin.flush()
    return process


@needs_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_is_begun(detector, number):
    process = start(detector)
    first = process.stdout.readline()  # written while the pipe is open
    time.sleep(0.3)
    process.send_signal(number)
    rest, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"0:00:01.0" in first
    assert b"0:00:02.5" in rest
    assert "2 shots in 2.7 s" in err.decode()
    assert b"Traceback" not in err


@needs_posix
def test_a_reader_that_goes_away_ends_it_quietly(detector):
    process = start(detector)
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(RAW)
    process.stdin.close()
    err = process.stderr.read().decode()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in err
    assert "Broken" not in err
    process.stderr.close()


WRONG = [
    (("a.wav", "--from", "b.wav"), SystemExit, "name one source"),
    (("absent.wav",), ShotprintError, "no such file"),
    (("-", "--rate", "48"), ShotprintError, "48 Hz was found"),
    (("a.wav", "--channel", "loudest"), ShotprintError, "end of a recording"),
    (("a.wav", "--format", "xml"), SystemExit, "xml"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG)
def test_wrong_usage_is_one_line(options, error, message):
    if error is SystemExit:
        assert message in run(*options, expect=2).stderr
        return
    with pytest.raises(error, match=message) as raised:
        run(*options)
    assert "\n" not in str(raised.value)


def test_without_the_extra_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match="live"):
        run("--list-devices")
    with pytest.raises(MissingExtraError, match="live"):
        run("--device", "0")


def test_the_screen_shows_level_shots_and_messages(detector, recording):
    from shotprint.detection import Detector, OnnxDetector
    from shotprint.live import FileSource, Session
    from shotprint.live.screen import Screen
    from shotprint.recognition import OnnxModel
    from shotprint.weights import shipped_model

    model = OnnxModel(shipped_model())
    session = Session(FileSource(recording), Detector(OnnxDetector(detector)), model, "mix")
    console = Console(file=io.StringIO(), width=150, force_terminal=True)
    with Screen(session, 1, console) as screen:
        labels = []
        for event in session.run():
            screen.add(event)
            labels += [event.shot.label] if isinstance(event, HeardShot) else []
    with console.capture() as capture:
        console.print(screen.draw())
    text = re.sub("\x1b\\[[0-9;]*m", "", capture.get())
    assert "0:00:04" in text
    assert "2 shots" in text
    assert f"{labels[0]} " in text
    assert text.index("0:00:02.5") < text.index("0:00:01.0")  # the newest first
    assert "listening to 16000 Hz" in text


@pytest.mark.parametrize(("peak", "level_dbfs"), [(1.0, 0.0), (0.1, -20.0), (0.0, -60.0)])
def test_the_level_of_the_meter(peak, level_dbfs):
    from shotprint.live.screen import to_dbfs

    assert to_dbfs(peak) == pytest.approx(level_dbfs)


def test_an_impossible_sample_is_no_crash(detector):
    noise = np.random.default_rng(0).integers(0, 256, 4 * RATE_HZ, np.uint8).tobytes()
    _, err = pipe(noise, "--detector", detector, "--sample-format", "f32le")
    assert "Traceback" not in err
