"""The commands recognize and export: formats, files, exit codes, interruption."""

import _thread
import csv
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from shotprint.audio import write_wav
from shotprint.cli import app
from shotprint.cli.running import find_common_folder
from shotprint.errors import ShotprintError
from toy import TOY_LABELS, write_shots


def run(*arguments, expect=0):
    """Run the command line in this process; raise what it raises, check the exit code."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == expect, result.output
    return result


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """A folder ``Schüsse`` with three recordings, one of them nested and in capitals."""
    folder = tmp_path_factory.mktemp("a") / "Schüsse im Wald"
    (folder / "AK 47").mkdir(parents=True)
    paths = write_shots(folder, 3)
    paths[2].rename(folder / "AK 47" / "Shot 3.WAV")
    return folder


@pytest.fixture
def spoilt(tmp_path):
    """A folder with one recording and one text called .wav."""
    write_shots(tmp_path, 1)
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    return tmp_path


def test_table_in_a_pipe_is_separated_by_tabs(shots, toy_model):
    result = run("recognize", shots, "--model", toy_model, "--top", 2, "--whole")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[0] == [
        *("recording", "label", "probability", "label_2", "probability_2"),
        *("calibre", "p_calibre", "category", "p_category"),
        *("decision", "stated", "p_stated"),
    ]
    assert len(lines) == 4
    assert lines[1][1] in TOY_LABELS
    assert float(lines[1][2]) >= float(lines[1][4])
    assert float(lines[1][2]) <= float(lines[1][6]) <= float(lines[1][8]) + 1e-4
    assert result.stderr == ""


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self):
        return True


def test_table_on_a_terminal_is_drawn_below_the_common_folder(shots, toy_model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setattr("sys.stdout", screen := Terminal())
    arguments = ["recognize", str(shots), "--model", str(toy_model), "--top", "2"]
    app(arguments, standalone_mode=False)
    text = re.sub("\x1b\\[[0-9;]*m", "", screen.getvalue())  # without colours
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0].endswith(shots.name)
    names = [line.split("  ")[0].strip().replace("\\", "/") for line in lines]
    found = [name for name in names if name.lower().endswith(".wav")]
    assert found == ["AK 47/Shot 3.WAV", "shot1.wav", "shot2.wav"]
    assert "It answers with one of its labels" in lines[-1]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a/b/c.wav", "a/d.wav"], "a"),
        (["a.wav", "b/c.wav"], ""),
        (["a/b.wav"], "a"),
        (["a/b.wav", str(Path("c.wav").absolute())], ""),
    ],
)
def test_the_common_folder(paths, expected):
    assert find_common_folder(paths) == expected


def test_json_and_csv_agree_and_do_not_depend_on_top(shots, toy_model, tmp_path):
    common = ("recognize", shots, "--model", toy_model)
    texts = [run(*common, "--format", "json", "--top", top).stdout for top in (1, 4)]
    assert texts[0] == texts[1]
    recordings = json.loads(texts[0])["recordings"]
    assert [recording["path"] for recording in recordings] == [
        str(shots / "AK 47" / "Shot 3.WAV"),
        str(shots / "shot1.wav"),
        str(shots / "shot2.wav"),
    ]
    result = run(*common, "-o", tmp_path / "new" / "p.csv")
    assert result.stdout == ""
    assert "3 of 3 recordings recognised" in result.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "new" / "p.csv").read_text("utf-8"))))
    for row, recording in zip(rows, recordings, strict=True):
        assert row["recording"] == recording["path"]
        assert row["predicted"] == recording["label"]
        assert row["sha256"] == recording["sha256"]
        for score in recording["candidates"]:
            assert float(row[f"p_{score['label']}"]) == score["probability"]


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.json", '{\n"schema"'), ("a.csv", "recording,"), ("a.TSV", "recording\t")],
)
def test_the_name_of_the_output_says_its_format(shots, toy_model, tmp_path, name, start):
    run("recognize", shots / "shot1.wav", "--model", toy_model, "-o", tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_labels_and_columns_of_a_manifest_go_into_the_csv(shots, toy_model, tmp_path):
    manifest = (
        "recording,path,sha256,label,group,fold,recorder\n"
        f"one,{shots / 'shot1.wav'},,MP5,g1,0,Zoom\n"
    )
    (tmp_path / "set.csv").write_text(manifest, encoding="utf-8")
    common = ("recognize", "--model", toy_model, "--format", "csv")
    result = run(*common, "--manifest", tmp_path / "set.csv", shots)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["label"] for row in rows] == ["", "MP5", ""]
    assert [row["recorder"] for row in rows] == ["", "Zoom", ""]
    assert rows[1]["group"] == "g1"
    assert list(rows[0])[:4] == ["recording", "label", "predicted", "probability"]
    assert "2 of 3 are not in the manifest" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux only")
def test_odd_names_do_not_break_any_format(tmp_path, toy_model):
    content = write_shots(tmp_path, 1)[0].read_bytes()
    (tmp_path / "shot1.wav").rename(tmp_path / "a\tb\nc.wav")
    with Path(os.fsdecode(os.fsencode(tmp_path) + b"/Schu\xdf.wav")).open("wb") as file:
        file.write(content)
    common = ("recognize", tmp_path, "--model", toy_model, "--format")
    table = run(*common, "table").stdout.splitlines()
    assert [line.split("\t")[0] for line in table[1:]] == [
        f"{tmp_path}/a b c.wav",
        f"{tmp_path}/Schu\\udcdf.wav",
    ]
    recordings = json.loads(run(*common, "json").stdout)["recordings"]
    assert recordings[0]["path"].endswith("a\tb\nc.wav")
    rows = list(csv.DictReader(io.StringIO(run(*common, "csv").stdout, newline="")))
    assert [row["recording"] for row in rows] == [each["path"] for each in recordings]


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_some_failed_is_1_all_failed_is_2(spoilt, toy_model, format):
    common = ("recognize", "--model", toy_model, "--format", format, "--whole")
    result = run(*common, spoilt, expect=1)
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"shotprint: {spoilt / 'text.wav'}: ")
    assert "shot1.wav" in result.stdout
    alone = run(*common, spoilt / "text.wav", expect=2)
    assert "text.wav" in alone.stderr
    if format == "json":
        assert json.loads(alone.stdout)["recordings"][0]["error"]


def test_warnings_are_lines_of_their_own(tmp_path, toy_model):
    shot = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    write_wav(tmp_path / "a.wav", np.stack([shot, -0.99 * shot]), 8000)
    result = run("recognize", tmp_path, "--model", toy_model)
    assert result.stderr.startswith(f"shotprint: {tmp_path / 'a.wav'}: warning: channels 0 and 1")
    for name in "bcde":
        (tmp_path / f"{name}.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    result = run("recognize", tmp_path, "--model", toy_model)
    shared = [f"shotprint: {tmp_path / 'a.wav'} and 4 more: warning: "] * 2
    assert [line[: len(shared[0])] for line in result.stderr.splitlines()] == shared
    assert "no shot was found" in result.stderr


WRONG = [
    (("--format", "xml"), SystemExit, "xml"),
    (("--top", "0"), SystemExit, "--top"),
    (("-o", "answers.docx"), ShotprintError, "not clear from its name"),
    (("--channel", "left"), ShotprintError, "'left' was asked for"),
    (("--model", "absent.onnx"), ShotprintError, "no model absent.onnx"),
    (("--backbone", "panns_cnn14"), ShotprintError, "leave out the backbone"),
    (("--manifest", "absent.csv"), ShotprintError, "absent.csv"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG)
def test_wrong_usage_is_refused_before_anything_is_done(
    shots, toy_model, options, error, message, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    arguments = ["recognize", shots, *options]
    if "--model" not in options:
        arguments += ["--model", toy_model]
    if error is SystemExit:
        assert message in run(*arguments, expect=2).stderr
    else:
        with pytest.raises(error, match=message):
            run(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_found_in_the_folder_of_weights(shots, toy_model, monkeypatch):
    common = ("recognize", shots / "shot1.wav", "--model", toy_model.name)
    by_option = run(*common, "--weights-dir", toy_model.parent).stdout
    monkeypatch.setenv("SHOTPRINT_WEIGHTS", str(toy_model.parent))
    assert run(*common).stdout == by_option
    assert "shot1.wav" in by_option


def test_weights_in_torch_answer_as_the_exported_model(shots, toy_model):
    common = ("recognize", shots, "--format", "json")
    by_onnx = json.loads(run(*common, "--model", toy_model).stdout)
    by_torch = json.loads(run(*common, "--model", toy_model.parent / "run").stdout)
    for mine, other in zip(by_onnx["recordings"], by_torch["recordings"], strict=True):
        assert mine["label"] == other["label"]
        assert mine["probability"] == pytest.approx(other["probability"], abs=1e-4)


def test_your_own_firearms_give_other_calibres(shots, toy_model, tmp_path):
    table = "label,calibre,category\n" + "".join(f"{gun},.22,toy\n" for gun in TOY_LABELS)
    (tmp_path / "mine.csv").write_text(table, encoding="utf-8")
    result = run(
        *("recognize", shots, "--model", toy_model, "--format", "json"),
        *("--firearms", tmp_path / "mine.csv"),
    )
    recording = json.loads(result.stdout)["recordings"][0]
    assert recording["calibre"] == [{"label": ".22", "probability": pytest.approx(1)}]
    assert recording["category"][0]["label"] == "toy"


def test_ctrl_c_keeps_what_is_done(spoilt, toy_model, tmp_path, monkeypatch):
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
    run("recognize", spoilt, "--model", toy_model, "--jobs", 1, "-o", output, expect=130)
    errors = [r["error"] for r in json.loads(output.read_text(encoding="utf-8"))["recordings"]]
    assert len(errors) == 40
    n_done = errors.count(None)
    assert 1 <= n_done <= 20
    assert errors == [None] * n_done + ["interrupted before it was recognised"] * (40 - n_done)


# export


def test_export_writes_a_model_that_recognises(shots, toy_model, tmp_path):
    pytest.importorskip("torch")
    card = 'version = "3"\nlimits = "It knows four guns."\n'
    (tmp_path / "card.toml").write_text(card, encoding="utf-8")
    output = tmp_path / "gun.onnx"
    result = run("export", toy_model.parent / "run", "-o", output, "--card", tmp_path / "card.toml")
    assert re.search(r"gun.onnx: 4 guns, \d\.\d MB; ", result.stdout)
    assert "differ by at most" in result.stdout
    answer = json.loads(run("recognize", shots, "--model", output, "--format", "json").stdout)
    assert answer["model"]["name"] == "gun"
    assert answer["model"]["version"] == "3"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "-o", "gun.pt"), "ends with .onnx"),
        (("absent", "-o", "gun.onnx"), "absent"),
        (("run", "-o", "gun.onnx", "--card", "bad.toml"), "bad.toml cannot be read"),
        (("run", "-o", "gun.onnx", "--backbone", "cnn14"), "'cnn14'"),
    ],
)
def test_export_refuses(toy_model, tmp_path, monkeypatch, arguments, message):
    pytest.importorskip("torch")
    monkeypatch.chdir(toy_model.parent)
    (toy_model.parent / "bad.toml").write_text("= 1", encoding="utf-8")
    with pytest.raises(ShotprintError, match=message):
        run("export", *arguments)
    assert not (toy_model.parent / "gun.onnx").exists()


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="needs no CUDA"
)
def test_the_device_is_chosen_and_changes_no_answer(shots, toy_model):
    common = ("recognize", shots, "--model", toy_model, "--format", "json")
    by_default = run(*common).stdout
    for device in ("cpu", "auto"):
        assert run(*common, "--device", device).stdout == by_default
    for command in (common[:2], ("embed", shots, "-o", shots / "none.parquet")):
        with pytest.raises(ShotprintError, match="onnxruntime-gpu"):
            run(*command, "--device", "cuda")
    assert not (shots / "none.parquet").exists()
