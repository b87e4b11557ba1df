"""The command detect, and recognize where it shows shots: formats, files, exit codes."""

import _thread
import csv
import io
import json
import re
from importlib import resources

import jsonschema
import numpy as np
import pytest

from shotprint.audio import write_wav
from shotprint.errors import ShotprintError
from shotprint.files import place_outputs
from test_cli_recognize import Terminal, run
from toy import make_shots, write_bursts

ONSETS_S = [0.5, 1.2, 1.28, 1.36, 1.44, 2.5]


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """A folder with shots, nothing but noise, and shots in a folder below."""
    folder = tmp_path_factory.mktemp("a") / "Schüsse im Wald"
    (folder / "b").mkdir(parents=True)
    write_bursts(folder / "a.wav", ONSETS_S)
    write_wav(folder / "noise.wav", make_shots([], 1.0, 8000), 8000)
    write_bursts(folder / "b" / "a.wav", [1.0], 2.0, 16000)
    return folder


def detect(toy_detector, *arguments, **expected):
    return run("detect", "--detector", toy_detector, *arguments, **expected)


def test_the_table_in_a_pipe_has_a_row_a_shot(shots, toy_detector):
    result = detect(toy_detector, shots)
    rows = list(csv.DictReader(io.StringIO(result.stdout), delimiter="\t"))
    assert [row["recording"].removeprefix(str(shots)) for row in rows] == [
        *["/a.wav"] * 6,
        "/b/a.wav",
    ]
    assert [row["shot"] for row in rows] == [*map(str, range(1, 7)), "1"]
    assert [float(row["onset_s"]) for row in rows[:6]] == pytest.approx(ONSETS_S, abs=0.006)
    for i, row in enumerate(rows[:6]):
        assert float(row["end_s"]) > float(row["onset_s"])
        assert 0.5 <= float(row["detection_probability"]) <= 1
        expected_dbfs = 20 * np.log10(0.4 * 0.75)  # the mean of 1 and ½
        assert float(row["peak_dbfs"]) == pytest.approx(expected_dbfs, abs=0.6)
        assert row["clipped"] == "no"
        gap = float(row["gap_s"] or "nan")
        assert gap == pytest.approx(([np.nan, *np.diff(ONSETS_S)])[i], abs=0.006, nan_ok=True)
        assert bool(row["rate_of_fire_rpm"]) == (1 <= i <= 4)
    assert float(rows[1]["rate_of_fire_rpm"]) == pytest.approx(750, abs=25)
    assert result.stderr == ""


def test_json_is_valid_and_a_recording_without_shots_is_no_failure(shots, toy_detector):
    document = json.loads(detect(toy_detector, shots, "--format", "json").stdout)
    schema = resources.files("shotprint").joinpath("schemas/shotprint-shots-1.json")
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    assert document["detector"]["name"] == "rise"
    first, below, noise = document["recordings"]
    assert (len(first["shots"]), len(below["shots"]), noise["shots"]) == (6, 1, [])
    assert noise["error"] is None
    assert noise["warnings"] == []
    assert first["bursts"][0]["n_shots"] == 4
    assert "label" not in first
    assert "label" not in first["shots"][0]


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.json", '{\n"schema"'), ("a.csv", "recording,shot,"), ("a.tsv", "recording\tshot\t")],
)
def test_the_name_of_the_output_says_its_format(shots, toy_detector, tmp_path, name, start):
    result = detect(toy_detector, shots, "-o", tmp_path / "new" / name)
    assert (tmp_path / "new" / name).read_text(encoding="utf-8").startswith(start)
    assert result.stdout == ""
    assert "7 shots in 3 of 3 recordings" in result.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_the_table_on_a_terminal_names_each_recording_once(shots, toy_detector, monkeypatch):
    from shotprint.cli import app

    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setattr("sys.stdout", screen := Terminal())
    app(["detect", str(shots), "--detector", str(toy_detector)], standalone_mode=False)
    text = re.sub("\x1b\\[[0-9;]*m", "", screen.getvalue())
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0].endswith(shots.name)
    assert sum(line.startswith("a.wav") for line in lines) == 1
    assert [line.split()[1] for line in lines if line.startswith("noise")] == ["none"]
    assert sum(bool(re.match(r"\d", line)) for line in lines) == 5
    assert "peak (dBFS)" in text


def test_answers_do_not_depend_on_the_jobs(shots, toy_detector):
    texts = [
        detect(toy_detector, shots, "--jobs", jobs, "--format", "json").stdout for jobs in (1, 5)
    ]
    assert texts[0] == texts[1]


def test_a_threshold_decides(shots, toy_detector):
    common = (toy_detector, shots / "a.wav", "--threshold")
    n_shots = [len(detect(*common, each).stdout.splitlines()) - 1 for each in (0.001, 0.5, 0.999)]
    assert n_shots[0] >= n_shots[1] == 6 >= n_shots[2]


@pytest.mark.parametrize(
    ("format", "name"),
    [("audacity", "a.txt"), ("raven", "a.selections.txt"), ("textgrid", "a.TextGrid")],
)
def test_label_tracks_of_many_go_into_a_folder(shots, toy_detector, tmp_path, format, name):
    common = (toy_detector, "--format", format)
    detect(*common, shots, "-o", tmp_path / "tracks")
    ending = name.removeprefix("a")
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert found == [f"tracks/{stem}{ending}" for stem in ("a", "b/a", "noise")]
    text = (tmp_path / "tracks" / name).read_text(encoding="utf-8")
    assert detect(*common, shots / "a.wav").stdout == text
    detect(*common, shots / "a.wav", "-o", tmp_path / "one.x")
    assert (tmp_path / "one.x").read_text(encoding="utf-8") == text
    for output in ((), ("-o", tmp_path / "one.x")):
        with pytest.raises(ShotprintError, match=r"3 recordings were found.*--output"):
            detect(*common, shots, *output)


def test_outputs_have_names_of_their_own(tmp_path):
    names = ["a.wav", "a.mp3", "A.flac", "b/a.wav", "a.wav.ogg", "./a.wav", "c.d/e"]
    outputs = place_outputs([tmp_path / name for name in names], "out", ".txt")
    assert [path.as_posix() for path in outputs] == [
        *("out/a.txt", "out/a.mp3.txt", "out/A.flac.txt", "out/b/a.txt"),
        *("out/a.wav.txt", "out/a.wav-2.txt", "out/c.d/e.txt"),
    ]


def test_failures_are_lines_of_their_own(shots, toy_detector, tmp_path):
    write_wav(tmp_path / "silent.wav", np.zeros(9000, np.float32), 8000)
    result = detect(toy_detector, tmp_path / "silent.wav", shots, tmp_path / "absent", expect=1)
    assert [line.split(": ")[2] for line in result.stderr.splitlines()] == [
        "silent",
        "no such file or folder; check the path",
    ]
    assert len(result.stdout.splitlines()) == 8
    detect(toy_detector, tmp_path / "silent.wav", expect=2)
    json_text = detect(toy_detector, tmp_path, "--format", "json", expect=2).stdout
    assert json.loads(json_text)["recordings"][0]["error"].startswith("silent")


WRONG = [
    (("--format", "xml"), SystemExit, "xml"),
    (("--threshold", "1"), SystemExit, "--threshold"),
    (("-o", "shots.docx"), ShotprintError, "not clear from its name"),
    (("--channel", "left"), ShotprintError, "'left' was asked for"),
    (("--detector", "absent.onnx"), ShotprintError, "absent.onnx"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG)
def test_wrong_usage_is_refused(shots, tmp_path, monkeypatch, options, error, message):
    monkeypatch.chdir(tmp_path)
    if error is SystemExit:
        assert message in run("detect", shots, *options, expect=2).stderr
    else:
        with pytest.raises(error, match=message):
            run("detect", shots, *options)
    assert list(tmp_path.iterdir()) == []


def test_a_recogniser_is_no_detector(shots, toy_model):
    with pytest.raises(ShotprintError, match="shotprint-detector/1"):
        detect(toy_model, shots)


def test_ctrl_c_keeps_what_is_done(shots, toy_detector, tmp_path, monkeypatch):
    import shotprint.audio

    class Interrupting(list):
        """Recordings of which the twentieth comes with Ctrl-C."""

        def __iter__(self):
            for i, recording in enumerate(super().__iter__()):
                if i == 20:
                    _thread.interrupt_main()
                yield recording

    find = shotprint.audio.find_recordings
    monkeypatch.setattr(
        shotprint.audio, "find_recordings", lambda paths: Interrupting(find(paths)[:1] * 40)
    )
    output = tmp_path / "a.json"
    detect(toy_detector, shots, "--jobs", 1, "-o", output, expect=130)
    errors = [r["error"] for r in json.loads(output.read_text(encoding="utf-8"))["recordings"]]
    n_done = errors.count(None)
    assert 1 <= n_done <= 20
    assert errors == [None] * n_done + ["interrupted before it was searched"] * (40 - n_done)


# recognize


def test_recognize_shows_shots_in_every_format(shots, toy_model, toy_detector, tmp_path):
    common = ("recognize", shots / "a.wav", "--model", toy_model, "--detector", toy_detector)
    (recording,) = json.loads(run(*common, "--format", "json").stdout)["recordings"]
    assert len(recording["shots"]) == 6
    rows = list(csv.DictReader(io.StringIO(run(*common, "--format", "shots").stdout)))
    for row, shot in zip(rows, recording["shots"], strict=True):
        assert float(row["onset_s"]) == shot["onset_s"]
        assert row["predicted"] == shot["label"]
        assert float(row["probability"]) == shot["probability"]
    for format in ("audacity", "raven", "textgrid"):
        text = run(*common, "--format", format).stdout
        for shot in recording["shots"]:
            assert f"{shot['label']} {shot['probability']:.2f}" in text
    run(*common, "--format", "textgrid", "-o", tmp_path / "labels")
    assert (tmp_path / "labels" / "a.TextGrid").is_file()
    assert "--whole" in run(*common, "--format", "shots", "--whole", expect=2).stderr
