"""Reading predictions: what is accepted, mended with a warning, or refused."""

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.evaluation import read_predictions
from shotprint.recognition.predictions import Prediction, write_predictions

GOOD = """\
recording,label,predicted,probability,p_A,p_B,group,recorder
1.wav,A,A,0.9,0.9,0.1,g1,Zoom
2.wav,A,B,0.6,0.4,0.6,g1,iPhone
3.wav,B,B,0.7,0.3,0.7,g2,Zoom
4.wav,B,,,,,g2,iPhone
"""
HEADER = GOOD.splitlines()[0] + "\n"
SHA = {name: name * 64 for name in "ab"}


def write(folder, text, name="p.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def manifest(tmp_path):
    return write(
        tmp_path,
        "recording,path,sha256,label,group,fold,distance_m\n"
        f"1.wav,set/1.wav,{SHA['a']},A,m1,0,3\n"
        f"2.wav,set/2.wav,{SHA['a']},A,m1,0,20\n"
        f"3.wav,set/3.wav,{SHA['b']},B,m2,1,3\n"
        "5.wav,set/5.wav,,C,m3,1,20\n",
        "set.csv",
    )


def test_a_good_file_is_read_whole(tmp_path):
    predictions = read_predictions(write(tmp_path, GOOD))
    assert predictions.labels == predictions.model_labels == ("A", "B")
    assert predictions.truth.tolist() == [0, 0, 1, 1]
    assert predictions.answer.tolist() == [0, 1, 1, -1]
    assert predictions.correct.tolist() == [True, False, True, False]
    assert predictions.probabilities[:3].tolist() == [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]
    assert np.isnan(predictions.probabilities[3]).all()
    assert len(set(predictions.groups.tolist())) == 2
    assert predictions.columns == {"recorder": ("Zoom", "iPhone", "Zoom", "iPhone")}
    assert predictions.warnings == ("recognition failed for 1 of 4 recordings",)
    assert predictions.n_simulated == 0


def test_what_recognition_and_training_write_is_read(tmp_path):
    rows = [
        Prediction("1.wav", {"A": 0.25, "B": 0.75}, "B", "g", {"recorder": "Zoom"}),
        Prediction("2.wav", {}, "A", "g"),
    ]
    write_predictions(tmp_path / "p.csv", rows, ["A", "B"])
    predictions = read_predictions(tmp_path / "p.csv")
    assert predictions.answer.tolist() == [1, -1]
    assert predictions.probabilities[0].tolist() == [0.25, 0.75]
    assert predictions.columns == {"recorder": ("Zoom", "")}
    assert predictions.warnings == ("recognition failed for 1 of 2 recordings",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_any_letter_and_a_byte_order_mark_are_read(tmp_path, encoding):
    text = "recording,label,predicted\nŻółw 射撃.wav,Смит,Смит\n"
    predictions = read_predictions(write(tmp_path, text, encoding=encoding))
    assert predictions.labels == ("Смит",)
    assert predictions.recordings == ("Żółw 射撃.wav",)
    assert predictions.probabilities is None
    assert predictions.groups is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "recording, predicted"),
        (HEADER, "no row"),
        ("recording,label\n1.wav,A\n", "no column predicted"),
        ("label,predicted\nA,A\n", "no column recording"),
        ("recording,predicted\n1.wav,A\n", "no recording has a true label"),
        ("recording,label,predicted\n1.wav,,A\n", "no recording has a true label"),
        ("recording,label,predicted\n1.wav,A,\n", "no recording has an answer"),
        ("recording,label,predicted\n,A,A\n", "without recording"),
        (GOOD + "1.wav,A,B,0.6,0.4,0.6,g1,Zoom\n", "'1.wav' stands twice"),
        (GOOD + "5.wav,A,B,0.6,0.4\n", "5 values"),
        (GOOD + "5.wav,A,A,-0.1,-0.1,-2.3,g1,Zoom\n", "not scores, percentages or logarithms"),
        (GOOD + "5.wav,A,A,90,90,10,g1,Zoom\n", "90 in a column p_<label>"),
        (GOOD + "5.wav,A,A,0.9,much,0.1,g1,Zoom\n", "column p_A holds 'much'"),
    ],
)
def test_what_cannot_be_counted_is_refused(tmp_path, text, says):
    with pytest.raises(ShotprintError, match=r"p\.csv") as error:
        read_predictions(write(tmp_path, text))
    assert says in str(error.value)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    with pytest.raises(ShotprintError, match="UTF-8"):
        read_predictions(write(tmp_path, GOOD + "é.wav,A,A,,,,,\n", encoding="latin-1"))


def test_no_file_is_refused(tmp_path):
    with pytest.raises(ShotprintError, match=r"none\.csv"):
        read_predictions(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("row", "warning"),
    [
        ("1.wav,A,A,0.9,0.9,0.1,g1,Zoom", "1 rows repeat another row exactly"),
        ("5.wav,,A,0.9,0.9,0.1,g1,Zoom", "1 of 5 recordings have no true label"),
        ("5.wav,A,A,0.9,,,g1,Zoom", "1 answered recordings lack usable probabilities"),
        ("5.wav,A,A,0.9,nan,0.1,g1,Zoom", "1 answered recordings lack usable probabilities"),
        ("5.wav,A,A,0,0,0,g1,Zoom", "1 answered recordings lack usable probabilities"),
        ("5.wav,A,A,0.9,0.9,0.6,g1,Zoom", "of 1 recordings do not sum to one"),
        ("5.wav,C,A,0.9,0.9,0.1,g1,Zoom", "1 recordings have a true label without a column"),
        ("5.wav,A,C,0.9,0.9,0.1,g1,Zoom", "1 recordings have an answer without a column"),
        ("5.wav,A,B,0.9,0.9,0.1,g1,Zoom", "the answer of 1 recordings is not the most probable"),
        ("5.wav,A,A,0.9,0.9,0.1,,Zoom", "1 recordings have no group"),
    ],
)
def test_what_is_mended_or_left_out_is_counted(tmp_path, row, warning):
    predictions = read_predictions(write(tmp_path, GOOD + row + "\n"))
    assert any(warning in text for text in predictions.warnings), predictions.warnings


def test_probabilities_are_divided_by_their_sum(tmp_path):
    predictions = read_predictions(write(tmp_path, GOOD + "5.wav,A,A,,0.9,0.6,g1,Zoom\n"))
    assert predictions.probabilities[4] == pytest.approx([0.6, 0.4])


def test_rounded_probabilities_are_no_reason_to_warn(tmp_path):
    predictions = read_predictions(write(tmp_path, GOOD + "5.wav,A,A,,0.667,0.334,g1,Zoom\n"))
    assert len(predictions.warnings) == 1


def test_a_label_unknown_to_the_model_has_probability_zero(tmp_path):
    predictions = read_predictions(write(tmp_path, GOOD + "5.wav,C,A,0.9,0.9,0.1,g1,Zoom\n"))
    assert predictions.labels == ("A", "B", "C")
    assert predictions.model_labels == ("A", "B")
    assert predictions.probabilities[4].tolist() == [0.9, 0.1, 0.0]


def test_a_manifest_fills_labels_groups_and_columns(tmp_path, manifest):
    text = "recording,predicted\n1.wav,A\n2.wav,B\n3.wav,B\n"
    predictions = read_predictions(write(tmp_path, text), manifest)
    assert [predictions.labels[i] for i in predictions.truth] == ["A", "A", "B"]
    assert len(set(predictions.groups.tolist())) == 2
    assert predictions.columns["distance_m"] == ("3", "20", "3")
    assert predictions.columns["fold"] == ("0", "0", "1")
    assert predictions.warnings == (
        "1 of 4 recordings of the manifest have no answer",
        "1 recordings hold the same bytes as another (sha256) and count twice",
    )


def test_what_the_predictions_say_goes_before_the_manifest(tmp_path, manifest):
    text = "recording,predicted,group,fold\n1.wav,A,mine,\n2.wav,B,mine,7\n3.wav,B,,\n"
    predictions = read_predictions(write(tmp_path, text), manifest)
    assert predictions.groups.tolist() == ["group mine", "group mine", "group m2"]
    assert predictions.columns["fold"] == ("0", "7", "1")


def test_a_manifest_is_joined_by_path_where_names_differ(tmp_path, manifest):
    files = [tmp_path / "set" / f"{n}.wav" for n in (1, 3)]
    text = f"recording,predicted\n{files[0]},A\n{files[1]},A\nother.wav,B\n"
    predictions = read_predictions(write(tmp_path, text), manifest)
    assert predictions.correct.tolist() == [True, False]
    assert "1 of 3 recordings are not in the manifest" in predictions.warnings
    assert "1 of 3 recordings have no true label; they are left out" in predictions.warnings


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("recording,predicted\nx.wav,A\n", "lists none of the recordings"),
        ("recording,label,predicted\n1.wav,B,A\n", "'1.wav' is 'B' in"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, manifest, text, says):
    with pytest.raises(ShotprintError) as error:
        read_predictions(write(tmp_path, text), manifest)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("column", "values", "n_simulated"),
    [
        ("simulated", ["true", "True", "1"], 3),
        ("simulated", ["false", "", "yes"], 1),
        ("source_kind", ["simulated", "real", ""], 1),
    ],
)
def test_simulated_recordings_are_known(tmp_path, column, values, n_simulated):
    rows = "".join(f"{i}.wav,A,A,{value}\n" for i, value in enumerate(values))
    text = f"recording,label,predicted,{column}\n{rows}"
    assert read_predictions(write(tmp_path, text)).n_simulated == n_simulated
