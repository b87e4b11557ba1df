"""The JSON of answers against its schema, and the CSV against what evaluate reads."""

import csv
import io
import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from shotprint.audio import find_recordings
from shotprint.errors import ShotprintError
from shotprint.recognition import OnnxModel, Recognizer
from shotprint.recognition.predictions import (
    KnownRecording,
    Prediction,
    find_known,
    format_predictions,
    read_known,
    to_prediction,
    write_predictions,
)
from shotprint.recognition.results import RecordingResult, printable, rank_scores, sum_scores
from toy import TOY_LABELS, write_shots

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def schema():
    path = resources.files("shotprint") / "schemas" / "shotprint-1.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


@pytest.fixture(scope="module")
def document(tmp_path_factory, toy_model):
    """A run over two shots, a silent file, a text and a missing file: the JSON text."""
    folder = tmp_path_factory.mktemp("réc")
    write_shots(folder, 2)
    (folder / "zz.wav").write_text("no sound", encoding="utf-8")
    recognizer = Recognizer(OnnxModel(toy_model))
    found = find_recordings([folder, folder / "absent.wav"])
    texts = [recognizer.collect(list(recognizer.recognize(found))).to_json() for _ in range(2)]
    assert texts[0] == texts[1]
    return texts[0]


def test_real_output_is_valid(document, schema):
    content = json.loads(document)
    schema.validate(content)
    errors = [recording["error"] for recording in content["recordings"]]
    assert errors[:2] == [None, None]
    assert all(errors[2:])
    assert len(errors) == 4


def test_the_documented_example_is_valid(schema):
    text = (DOCS / "json.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 1
    schema.validate(json.loads(blocks[0]))


def list_fields(value, prefix=""):
    """Return the names of all fields of a JSON value, nested ones with their parents."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{prefix}{name}"
            yield from list_fields(inner, f"{prefix}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from list_fields(inner, prefix)


def test_every_field_is_documented(document):
    text = (DOCS / "json.md").read_text(encoding="utf-8").split("## Example")[0]
    fields = {name.split(".")[-1] for name in list_fields(json.loads(document))}
    assert len(fields) > 25
    assert [name for name in sorted(fields) if not re.search(rf"\b{name}\b", text)] == []


def test_what_is_promised_of_probabilities(document):
    content = json.loads(document)
    recording = content["recordings"][0]
    assert content["model"]["labels"] == list(TOY_LABELS)
    assert {score["label"] for score in recording["candidates"]} == set(TOY_LABELS)
    for name in ("candidates", "calibre", "category"):
        values = [score["probability"] for score in recording[name]]
        assert sum(values) == pytest.approx(1, abs=1e-7)
        assert values == sorted(values, reverse=True)
    assert recording["candidates"][0]["label"] == recording["label"]
    assert recording["candidates"][0]["probability"] == recording["probability"]
    assert recording["shots"] == []


BREAKS = {
    "another schema": lambda d: d.update(schema="shotprint/2"),
    "no model": lambda d: d.pop("model"),
    "no hash": lambda d: d["model"].update(sha256="abc"),
    "no calibration": lambda d: d["settings"].pop("calibration"),
    "a failed one with a label": lambda d: d["recordings"][-1].update(label="MP5"),
    "an answered one without": lambda d: d["recordings"][0].update(label=None),
    "a percentage": lambda d: d["recordings"][0].update(probability=93.0),
    "no shots": lambda d: d["recordings"][0].update(shots=None),
    "no candidates": lambda d: d["recordings"][0].update(candidates=[]),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_schema_refuses(document, schema, name):
    content = json.loads(document)
    BREAKS[name](content)
    assert not schema.is_valid(content)


def test_fields_may_be_added(document, schema):
    content = json.loads(document)
    content["more"] = content["model"]["more"] = content["recordings"][0]["more"] = 1
    assert schema.is_valid(content)


def test_documents_from_before_a_field_was_added_stay_valid(document, schema):
    content = json.loads(document)
    for recording in content["recordings"]:
        for name in ("start_s", "gunshot_probability", "decision", "resemblance", "guns"):
            del recording[name]
    del content["settings"]["decision_level"]
    assert schema.is_valid(content)


def test_equal_scores_stand_in_the_order_of_the_labels():
    scores = rank_scores(["c", "a", "b"], np.array([0.2, 0.4, 0.4]))
    assert [score.label for score in scores] == ["a", "b", "c"]


def test_sums_over_kinds():
    scores = sum_scores(["9 mm", "", "9 mm", ".22"], np.array([0.1, 0.3, 0.4, 0.2]))
    assert [(s.label, s.probability) for s in scores] == [
        ("9 mm", pytest.approx(0.5)),
        ("unknown", pytest.approx(0.3)),
        (".22", pytest.approx(0.2)),
    ]


def test_names_that_are_no_unicode_can_be_written():
    assert printable("Schuß \udcff.wav") == "Schuß \\udcff.wav"


# CSV of predictions


def read_csv(text):
    return list(csv.reader(io.StringIO(text)))


def test_columns_and_rows_of_predictions():
    rows = [
        Prediction("a,b.wav", {"x": 0.25, "y, z": 0.75}, "x", "g1", {"recorder": "Zoom"}),
        Prediction("c.wav", {}, "y, z", "g2", {"fold": "3"}),
        Prediction("d.wav", {"x": 0.5, "y, z": 0.5}),
    ]
    assert read_csv(format_predictions(rows, ["x", "y, z"])) == [
        [
            "recording",
            "label",
            "predicted",
            "probability",
            "p_x",
            "p_y, z",
            "group",
            "recorder",
            "fold",
        ],
        ["a,b.wav", "x", "y, z", "0.75", "0.25", "0.75", "g1", "Zoom", ""],
        ["c.wav", "y, z", "", "", "", "", "g2", "", "3"],
        ["d.wav", "", "x", "0.5", "0.5", "0.5", "", "", ""],
    ]


def test_evaluate_reads_what_is_written(tmp_path):
    from shotprint.evaluation import read_predictions

    rows = [
        Prediction("a.wav", {"x": 0.9, "y": 0.1}, "x", "g1"),
        Prediction("b.wav", {"x": 0.3, "y": 0.7}, "x", "g2"),
        Prediction("c.wav", {}, "y", "g2"),
    ]
    write_predictions(tmp_path / "p.csv", rows, ["x", "y"])
    predictions = read_predictions(tmp_path / "p.csv")
    assert predictions.labels == ("x", "y")
    assert predictions.correct.tolist() == [True, False, False]
    assert predictions.answered.tolist() == [True, True, False]
    assert predictions.probabilities[:2].tolist() == [[0.9, 0.1], [0.3, 0.7]]


def test_a_manifest_is_joined_by_place_or_name(tmp_path):
    text = (
        "recording,path,sha256,label,group,fold,recorder\n"
        "AK/a.wav,sounds/AK/a.wav,,AK-47,g1,0,Zoom\n"
        'b.wav,"/elsewhere/b.wav",,MP5,,,\n'
    )
    (tmp_path / "set.csv").write_text(text, encoding="utf-8")
    known = read_known(tmp_path / "set.csv")
    by_place = find_known(known, "../x/a.wav", tmp_path / "x" / ".." / "sounds" / "AK" / "a.wav")
    assert by_place == KnownRecording(
        "AK-47", "g1", {"sha256": "", "fold": "0", "recorder": "Zoom"}
    )
    assert find_known(known, "b.wav", "b.wav").label == "MP5"
    assert find_known(known, "c.wav", "c.wav") is None
    result = RecordingResult("a.wav", "f" * 64, error="silent")
    assert to_prediction(result, by_place).columns["recorder"] == "Zoom"
    assert to_prediction(result, None).columns == {"sha256": "f" * 64}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"recording,label\n", "no column path"),
        (b"", "no column recording"),
        (b"\xff\xfe", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "set.csv").write_bytes(content)
    with pytest.raises(ShotprintError, match=message):
        read_known(tmp_path / "set.csv")
