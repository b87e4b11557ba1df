"""The published matrix and its published figures; reading and writing matrices."""

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.evaluation import (
    ConfusionMatrix,
    evaluate_matrix,
    read_matrix,
    write_matrix,
)
from shotprint.firearms import read_firearms

SMALL = ConfusionMatrix(("A", "B"), np.array([[3, 1], [0, 2]]))


def test_the_published_matrix_gives_the_published_figures(shared):
    published = read_matrix(shared / "reference" / "baseline-confusion-matrix.csv")
    metrics = evaluate_matrix(published, read_firearms()).metrics
    accuracy = metrics["accuracy"]
    assert (accuracy["n_correct"], accuracy["n"]) == (453, 579)
    assert accuracy["value"] == pytest.approx(0.7824, abs=5e-5)
    assert accuracy["wilson"] == pytest.approx([0.747, 0.814], abs=5e-4)
    assert metrics["macro_recall"]["value"] == pytest.approx(0.7604, abs=5e-5)
    assert metrics["macro_f1"]["value"] == pytest.approx(0.7485, abs=5e-5)
    assert metrics["calibre"]["value"] == pytest.approx(0.8670, abs=5e-5)
    assert metrics["category"]["value"] == pytest.approx(0.9879, abs=5e-5)
    within = metrics["per_category"]
    assert {name: rate["n"] for name, rate in within.items()} == {
        "pistol": 314, "revolver": 88, "rifle": 177,
    }  # fmt: skip
    assert {name: rate["value"] for name, rate in within.items()} == pytest.approx(
        {"pistol": 0.7420, "revolver": 0.9886, "rifle": 0.7514}, abs=5e-5
    )
    recalls = {row["label"]: row["recall"] for row in metrics["per_class"]}
    worst = {"Sig9": 0.235, "Kimber45": 0.344, "WASR-10": 0.459}
    assert {label: recalls[label] for label in worst} == pytest.approx(worst, abs=5e-4)
    assert metrics["warnings"] == []


def test_a_matrix_comes_back_as_it_was_written(tmp_path):
    write_matrix(tmp_path / "m.csv", SMALL)
    assert (tmp_path / "m.csv").read_bytes() == b"true\\predicted,A,B\nA,3,1\nB,0,2\n"
    back = read_matrix(tmp_path / "m.csv")
    assert back.labels == SMALL.labels
    np.testing.assert_array_equal(back.counts, SMALL.counts)


def test_reordering_moves_rows_and_columns_alike():
    turned = SMALL.reorder(("B", "A"))
    assert turned.counts.tolist() == [[2, 0], [1, 3]]
    assert SMALL.counts.tolist() == [[3, 1], [0, 2]]


def test_labels_on_one_side_only_are_filled_with_zeros(tmp_path):
    (tmp_path / "m.csv").write_text("t,A,C\nB,1,2\nA,3,4\n", encoding="utf-8")
    matrix = read_matrix(tmp_path / "m.csv")
    assert matrix.labels == ("B", "A", "C")
    assert matrix.counts.tolist() == [[0, 1, 2], [0, 3, 4], [0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no row"),
        ("t,A,B\n", "no row"),
        ("t\nA\n", "without a label"),
        ("t,A,B\nA,1,2\nA,1,2\n", "'A' twice"),
        ("t,A,A\nA,1,2\n", "A"),
        ("t,A,\nA,1,2\n", "without a label"),
        ("t,A,B\nA,1.5,2\nB,0,1\n", "'1.5' in row 'A', column 'A'"),
        ("t,A,B\nA,-1,2\nB,0,1\n", "'-1'"),
        ("t,A,B\nA,,2\nB,0,1\n", "''"),
        ("t,A,B\nA,1\n", "2 values"),
        ("t,A\nA,0\n", "every count is 0"),
    ],
)
def test_what_is_no_matrix_is_refused(tmp_path, text, says):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ShotprintError, match=r"m\.csv") as error:
        read_matrix(tmp_path / "m.csv")
    assert says in str(error.value)


def test_the_record_refuses_counts_that_do_not_fit():
    with pytest.raises(ValueError, match="3 labels"):
        ConfusionMatrix(("A", "B", "C"), np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match="2 labels"):
        ConfusionMatrix(("A", "A"), np.zeros((2, 2), np.int64))


def test_a_class_without_recordings_has_no_recall_and_no_part_in_the_averages():
    matrix = ConfusionMatrix(("A", "B", "C"), np.array([[3, 0, 1], [0, 2, 0], [0, 0, 0]]))
    metrics = evaluate_matrix(matrix, {}).metrics
    rows = {row["label"]: row for row in metrics["per_class"]}
    assert (rows["C"]["support"], rows["C"]["recall"], rows["C"]["precision"]) == (0, None, 0.0)
    assert metrics["macro_recall"] == {
        "value": pytest.approx((0.75 + 1) / 2), "n_classes": 2, "bootstrap": None,
    }  # fmt: skip
    assert any("1 labels have no answered recording" in text for text in metrics["warnings"])
    assert any("3 labels are not in the table" in text for text in metrics["warnings"])
    assert (metrics["calibre"]["n"], metrics["calibre"]["value"]) == (0, None)


def test_one_class_is_enough():
    metrics = evaluate_matrix(ConfusionMatrix(("M16",), np.array([[4]])), read_firearms()).metrics
    assert metrics["accuracy"]["value"] == metrics["macro_f1"]["value"] == 1.0
