"""From a cross-validation to a model that says how far its answers go, as it is typed."""

import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from shotprint import cli
from shotprint.manifest import read_manifest, write_manifest
from shotprint.packing import pack
from training_sets import SETTINGS, SMALL, make_others, make_set


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [os.fspath(str(word)) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a cross-validation by the same recipe, their pack, and one of other sounds."""
    folder = tmp_path_factory.mktemp("calibrate")
    manifest = make_set(folder / "shots", n_each=6, n_groups=2)
    write_manifest(manifest, folder / "set.csv")
    pack(manifest, folder / "set.h5", SETTINGS)
    pack(make_others(folder / "others"), folder / "others.h5", SETTINGS)
    options = []
    for name, value in {**SMALL, "epochs": 3}.items():
        option = name.replace("_", "-")
        is_flag = isinstance(value, bool)
        options += [f"--{'' if value else 'no-'}{option}"] if is_flag else [f"--{option}", value]
    done = invoke("crossval", folder / "set.h5", "-o", folder / "cv", "--jobs", 1, *options)
    assert done.exit_code == 0, done.output
    done = invoke("train", folder / "set.h5", "-o", folder / "run", *options)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    done = invoke(
        *("calibrate", folder / "run", "--crossval", folder / "cv", "--pack", folder / "set.h5"),
        *("--others", folder / "others.h5", "-o", folder / "calibration.json"),
    )
    assert done.exit_code == 0, done.output
    assert "gunshots against other sounds at 16000 Hz: AUROC" in done.stdout
    assert "calibrated (18): log-loss" in done.stdout
    path = folder / "model.onnx"
    done = invoke(
        *("export", folder / "run", "-o", path),
        *("--calibration", folder / "calibration.json"),
    )
    assert done.exit_code == 0, done.output
    return path


def test_figures_are_out_of_fold(folder: Path, model: Path) -> None:
    content = json.loads((folder / "calibration.json").read_text())
    assert content["schema"] == "shotprint-calibration/1"
    assert content["figures"]["recordings"]["n"] == 18
    assert content["figures"]["gunshots"]["auroc"] > 0.9
    assert 0 <= content["calibration"]["correlation"] <= 1
    done = invoke("evaluate", folder / "calibration.predictions.csv")
    assert done.exit_code == 0, done.output
    assert "of recordings (model" in done.stdout


def test_the_model_states_rejects_and_warns(folder: Path, model: Path) -> None:
    def recognize(*paths: object) -> dict:
        done = invoke("recognize", *paths, "--model", model, "--whole", "--format", "json")
        return json.loads(done.stdout)

    recording = read_manifest(folder / "set.csv")["path"].iloc[0]
    document = recognize(recording, folder / "others" / "3.wav")
    schema = Path(cli.__file__).parents[1] / "schemas" / "shotprint-1.json"
    jsonschema.validate(document, json.loads(schema.read_text()))
    shot, hum = document["recordings"]
    assert document["settings"]["calibration"]["method"] == "temperature"
    assert shot["gunshot_probability"] > 0.5 > hum["gunshot_probability"]
    assert hum["decision"]["level"] in ("not_a_gunshot", "inconclusive")
    assert set(shot["resemblance"]) == set(hum["resemblance"])
    assert not hum["resemblance"]["decay_s"]["is_usual"]
    assert any("unlike the recordings" in text for text in hum["warnings"])


def test_recordings_of_one_gun_speak_together(folder: Path, model: Path) -> None:
    manifest = read_manifest(folder / "set.csv")
    paths = manifest.loc[manifest["label"] == "high", "path"].tolist()
    others = folder / "others" / "3.wav"
    done = invoke(
        *("recognize", *paths, others, "--model", model, "--whole", "--same-source"),
        *("--format", "json"),
    )
    document = json.loads(done.stdout)
    combined = document["same_source"]
    assert combined["n_recordings"] + len(combined["left_out"]) == len(paths) + 1
    assert str(others) in combined["left_out"]
    alone = [
        {score["label"]: score["probability"] for score in recording["candidates"]}
        for recording in document["recordings"]
        if recording["path"] not in combined["left_out"]
    ]
    means = {label: np.mean(np.log([each[label] for each in alone])) for label in alone[0]}
    assert combined["label"] == max(means, key=means.__getitem__)
    calibration = json.loads((folder / "calibration.json").read_text())["calibration"]
    n = len(alone) / (1 + (len(alone) - 1) * calibration["source_correlation"])
    odds = np.exp(n * np.array(list(means.values())))
    assert combined["probability"] == pytest.approx(odds.max() / odds.sum(), rel=1e-3)
    done = invoke("recognize", *paths, "--model", model, "--whole", "--same-source")
    assert "recordings as one gun" in done.stderr


def test_what_does_not_belong_together_is_named(folder: Path, model: Path, tmp_path: Path) -> None:
    calibrate = ("calibrate", folder / "run", "--pack", folder / "set.h5")
    done = invoke(*calibrate, "--crossval", tmp_path)
    assert "holds no finished cross-validation" in str(done.exception)
    done = invoke(*calibrate, "--crossval", folder / "cv", "--shots", folder / "set.h5")
    assert "give --others" in str(done.exception)
    foreign = json.loads((folder / "calibration.json").read_text())
    foreign["weights_sha256"] = "0" * 64
    (tmp_path / "c.json").write_text(json.dumps(foreign))
    (tmp_path / "bad.json").write_text("{}")
    export = ("export", folder / "run", "-o", tmp_path / "m.onnx", "--calibration")
    assert "made for other weights" in str(invoke(*export, tmp_path / "c.json").exception)
    assert "is no calibration" in str(invoke(*export, tmp_path / "bad.json").exception)
    assert "cannot be read" in str(invoke(*export, tmp_path / "absent.json").exception)
    assert not (tmp_path / "m.onnx").exists()


def test_likelihood_ratios_come_from_the_model_file(folder: Path, model: Path) -> None:
    manifest = read_manifest(folder / "set.csv")
    paths = manifest["path"].iloc[[0, 7]].tolist()
    done = invoke("lr", *paths, folder / "others" / "3.wav", "--model", model, "--format", "json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    schema = Path(cli.__file__).parents[1] / "schemas" / "shotprint-ratios-1.json"
    jsonschema.validate(document, json.loads(schema.read_text()))
    assert len(document["ratios"]) == 3 * 3
    assert document["n_recordings"] == 18
    for ratio in document["ratios"]:
        assert document["lower"] <= ratio["log10_lr"] <= document["upper"]
        assert ratio["low"] <= ratio["high"]
    assert "supposes that one of the listed guns fired" in done.stderr
    done = invoke("lr", *paths, "--model", model, "--for", "high")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["recording", "H1", "log10_lr", "low", "high", "bounded", "words"]
    assert [line[1] for line in lines[1:]] == ["high", "high"]
    assert "a gun of the model X fired" in done.stderr
    assert "know no model 'AK-47'" in str(
        invoke("lr", *paths, "--model", model, "--for", "AK-47").exception
    )
    done = invoke("lr", *paths, "--model", model, "--hypothesis", "calibre")
    assert "holds likelihood ratios for model, not for calibre" in str(done.exception)


def test_a_calibration_of_a_validation_can_be_used_instead(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    done = invoke(
        *("validate", folder / "calibration.predictions.csv", "-o", tmp_path / "validation"),
        *("--resamples", 100),
    )
    assert done.exit_code == 0, done.output
    path = read_manifest(folder / "set.csv")["path"].iloc[0]
    own = invoke("lr", path, "--model", model)
    given = invoke(
        *("lr", path, "--model", model),
        *("--calibration", tmp_path / "validation" / "calibration.json"),
    )
    assert [row.split("\t")[:3] for row in own.stdout.splitlines()] == [
        row.split("\t")[:3] for row in given.stdout.splitlines()
    ]
    done = invoke("lr", path, "--model", model, "--calibration", folder / "calibration.json")
    assert "was expected" in str(done.exception)


def test_two_recordings_are_compared_only_with_a_calibration_of_pairs(
    folder: Path, model: Path
) -> None:
    paths = read_manifest(folder / "set.csv")["path"].tolist()[:2]
    done = invoke("compare", *paths, "--model", model)
    assert "not for pair" in str(done.exception)  # two folds only
