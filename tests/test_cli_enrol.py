"""Guns enrolled from a few recordings, as it is typed: a toy network with random weights."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from shotprint import cli
from shotprint.evidence import LikelihoodCalibration
from shotprint.files import compute_sha256
from shotprint.recognition import OnnxModel
from shotprint.recognition.enrolment import read_references
from shotprint.references import fit_space
from toy import TOY_LABELS, write_shots

pytest.importorskip("torch")

CALIBRATION = LikelihoodCalibration(
    hypothesis="enrolled",
    values={label: label for label in TOY_LABELS},
    slope=0.05,
    intercept=0.1,
    lower=-0.6,
    upper=0.5,
    replicates=((0.04, 0.1), (0.06, 0.2)),
    confidence=0.95,
    n_recordings=40,
    n_groups=8,
    predictions_sha256="0" * 64,
)


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [os.fspath(str(word)) for word in words])


@pytest.fixture(scope="module")
def shots(tmp_path_factory) -> list[Path]:
    return write_shots(tmp_path_factory.mktemp("shots"), 6)


@pytest.fixture(scope="module")
def model(toy_model: Path, shots: list[Path], tmp_path_factory) -> Path:
    """The toy with a space of its own embeddings, exported as it is typed."""
    folder = tmp_path_factory.mktemp("enrolment")
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((16, 32000)).astype(np.float32)
    clips *= np.exp(-np.arange(32000) / rng.uniform(300, 4000, (16, 1))).astype(np.float32)
    space = fit_space(OnnxModel(toy_model).run(clips)[1], [*TOY_LABELS] * 4)
    content = {
        "schema": "shotprint-enrolment/1",
        "weights_sha256": compute_sha256(toy_model.parent / "run" / "model.safetensors"),
        "enrolment": {
            "space": space.to_mapping(),
            "calibration": json.loads(CALIBRATION.to_json()),
        },
    }
    path = folder / "enrolment.json"
    path.write_text(json.dumps(content))
    run = toy_model.parent / "run"
    done = invoke("export", run, "-o", folder / "m.onnx", "--enrolment", path)
    assert done.exit_code == 0, done.output
    path.write_text(json.dumps({**content, "weights_sha256": "1" * 64}))
    refused = invoke("export", run, "-o", folder / "n.onnx", "--enrolment", path)
    assert "made for other weights" in str(refused.exception)
    return folder / "m.onnx"


@pytest.fixture(scope="module")
def use(model: Path, toy_detector: Path):
    return ("--model", model, "--detector", toy_detector)


@pytest.fixture
def lab(tmp_path: Path, use, shots: list[Path]) -> Path:
    path = tmp_path / "lab.json"
    done = invoke("enrol", "exhibit", *shots[:2], "-o", path, "--calibre", "9 mm", *use)
    assert done.exit_code == 0, done.output
    assert invoke("enrol", "other", shots[2], "-o", path, *use).exit_code == 0
    return path


def test_references_state_hashes_quality_and_model(lab: Path, model: Path, shots) -> None:
    references = read_references(lab)
    assert references.model["sha256"] == compute_sha256(model)
    assert [gun.name for gun in references.guns] == ["exhibit", "other"]
    assert references.guns[0].calibre == "9 mm"
    first = references.guns[0].references[0]
    assert first.sha256 == compute_sha256(shots[0])
    assert first.n_shots == 1
    assert np.isfinite(first.embedding).all()
    rows = [line.split("\t") for line in invoke("enrol", "--list", "-o", lab).stdout.splitlines()]
    assert [row[0] for row in rows] == ["gun", "exhibit", "exhibit", "other"]
    assert rows[1][6] == first.sha256


def test_a_gun_is_replaced_and_removed(lab: Path, use, shots) -> None:
    before = read_references(lab)
    assert invoke("enrol", "exhibit", shots[3], "-o", lab, *use).exit_code == 0
    after = read_references(lab)
    assert [len(gun.references) for gun in after.guns] == [1, 1]
    assert after.guns[1] == before.guns[1]
    assert invoke("enrol", "exhibit", "--remove", "-o", lab).exit_code == 0
    assert [gun.name for gun in read_references(lab).guns] == ["other"]
    done = invoke("enrol", "exhibit", "--remove", "-o", lab)
    assert "there are: other" in str(done.exception)


def test_the_same_file_counts_once_and_silence_is_left_out(lab: Path, use, shots, tmp_path) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(shots[4].read_bytes())
    done = invoke("enrol", "third", shots[4], copy, "-o", lab, *use)
    assert done.exit_code == 0
    assert "the same file again" in done.stderr
    assert len(read_references(lab).guns[2].references) == 1
    bytes_before = lab.read_bytes()
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    done = invoke("enrol", "fourth", tmp_path / "broken.wav", "-o", lab, *use)
    assert done.exit_code != 0
    assert lab.read_bytes() == bytes_before


def test_recordings_are_compared_with_each_gun(lab: Path, use, shots, read_schema) -> None:
    done = invoke("recognize", shots[0], shots[5], "--enrolled", lab, "--format", "json", *use)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    read_schema("shotprint-1").validate(document)
    assert document["settings"]["enrolled"] == compute_sha256(lab)
    ratios = document["recordings"][0]["enrolled"]
    assert {ratio["gun"] for ratio in ratios} == {"exhibit", "other"}
    assert ratios[0]["gun"] == "exhibit"  # its own reference
    assert -0.6 <= ratios[1]["log10_lr"] < ratios[0]["log10_lr"] <= 0.5
    assert len(document["recordings"][0]["candidates"]) == len(TOY_LABELS)
    done = invoke("compare", shots[0], shots[5], "--enrolled", lab, "--format", "json", *use)
    compared = json.loads(done.stdout)
    read_schema("shotprint-ratios-1").validate(compared)
    assert "the enrolled gun X fired" in compared["h1"]
    found = {(r["recordings"][0], r["value"]): r["log10_lr"] for r in compared["ratios"]}
    assert len(found) == 4
    assert found[str(shots[0]), "exhibit"] == ratios[0]["log10_lr"]
    plain = json.loads(invoke("recognize", shots[0], "--format", "json", *use).stdout)
    assert "enrolled" not in plain["recordings"][0]


def test_a_gun_that_is_listed_is_not_compared_with_itself(lab: Path, use, shots) -> None:
    assert invoke("enrol", "AK-47", *shots[:2], "-o", lab, *use).exit_code == 0
    done = invoke("compare", shots[5], "--enrolled", lab, *use)
    values = {line.split("\t")[1]: line.split("\t")[2:] for line in done.stdout.splitlines()}
    assert values["AK-47"] != values["exhibit"]


def test_a_run_goes_on_with_the_same_guns(lab: Path, use, shots, tmp_path) -> None:
    output = tmp_path / "answers.json"
    journal = tmp_path / "answers.json.journal"
    done = invoke("recognize", shots[0], "--enrolled", lab, "-o", output, *use)
    assert done.exit_code == 0, done.output
    from shotprint.recognition.journal import Journal
    from shotprint.recognition.results import EnrolledRatio, RecordingResult

    ratio = EnrolledRatio("exhibit", 0.1, 0.0, 0.2, False, "weak")
    kept = Journal(journal, {}, resume=False)
    kept.add_recording(RecordingResult("a.wav", "2" * 64, enrolled=(ratio,)))
    kept.close()
    again = Journal(journal, {}, resume=True)
    assert again.find_recording("2" * 64).enrolled == (ratio,)
    again.close()


def test_embeddings_of_another_model_are_refused(lab: Path, use, toy_model, shots) -> None:
    content = json.loads(lab.read_text())
    content["model"]["sha256"] = "3" * 64
    lab.write_text(json.dumps(content))
    for words in (
        ("enrol", "new", shots[0], "-o", lab),
        ("recognize", shots[0], "--enrolled", lab),
        ("compare", shots[0], "--enrolled", lab),
    ):
        assert "holds embeddings of the model" in str(invoke(*words, *use).exception)
    done = invoke("enrol", "new", shots[0], "-o", lab, "--model", toy_model)
    assert "cannot compare with enrolled guns" in str(done.exception)


def test_a_file_that_is_none_or_damaged_is_refused(lab: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[]")
    assert "is no file of references" in str(invoke("enrol", "--list", "-o", wrong).exception)
    absent = invoke("enrol", "--list", "-o", tmp_path / "absent.json")
    assert "cannot be read" in str(absent.exception)
    content = json.loads(lab.read_text())
    content["guns"][0]["references"][0]["embedding"] = [1.0]
    lab.write_text(json.dumps(content))
    assert "or damaged" in str(invoke("enrol", "--list", "-o", lab).exception)


def test_what_to_do_must_be_clear(tmp_path: Path) -> None:
    assert invoke("enrol", "-o", tmp_path / "lab.json").exit_code == 2
    assert invoke("enrol", "gun", "-o", tmp_path / "lab.json").exit_code == 2


def test_the_hypotheses_are_of_models_not_of_individual_guns() -> None:
    assert "or another one of its model" in CALIBRATION.h1
    again = LikelihoodCalibration.from_json(CALIBRATION.to_json())
    assert dataclasses.asdict(again) == dataclasses.asdict(CALIBRATION)
