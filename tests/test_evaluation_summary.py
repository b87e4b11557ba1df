"""Whole evaluations of predictions: figures, levels, conditions, and the files written."""

import csv
import json

import numpy as np
import pytest
from sklearn import metrics as reference

from shotprint.errors import ShotprintError
from shotprint.evaluation import (
    Resampling,
    evaluate_matrix,
    evaluate_predictions,
    format_report,
    format_summary,
    read_matrix,
    read_predictions,
    write_evaluation,
)
from shotprint.firearms import Firearm

GUNS = {
    label: Firearm(label, "", calibre, category)
    for label, calibre, category in [
        ("A9", "9 mm Luger", "pistol"),
        ("B9", "9 mm Luger", "pistol"),
        ("C45", ".45 Auto", "pistol"),
        ("R308", ".308 Win", "rifle"),
    ]
}
LABELS = tuple(GUNS)
FAST = Resampling(n_resamples=200)


def write_predictions(path, n=120, n_failed=0, seed=0):
    """Random answers that are right more often than not; return truth, answers, probabilities."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 4
    probabilities = generator.dirichlet(np.full(4, 0.5), n)
    probabilities[np.arange(n), truth] += generator.uniform(0, 1, n)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    answer = probabilities.argmax(axis=1)
    names = [f"p_{label}" for label in LABELS]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        extra = ["group", "recorder", "distance_m", "place", "make", "only"]
        writer.writerow(["recording", "label", "predicted", *names, *extra])
        for i in range(n):
            failed = i < n_failed
            row = [f"{i}.wav", LABELS[truth[i]], "" if failed else LABELS[answer[i]]]
            row += ["" if failed else value for value in probabilities[i]]
            conditions = [("Zoom", "iPhone")[i // 4 % 2], (0.5, 20, 3)[i % 3], i, truth[i], "x"]
            writer.writerow([*row, f"g{i // 6}", *conditions])
    return truth, answer, probabilities


@pytest.fixture
def case(tmp_path):
    truth, answer, probabilities = write_predictions(tmp_path / "p.csv")
    predictions = read_predictions(tmp_path / "p.csv")
    return evaluate_predictions(predictions, GUNS, None, FAST), truth, answer, probabilities


def test_headline_figures_equal_scikit_learn(case):
    evaluation, truth, answer, probabilities = case
    metrics = evaluation.metrics
    assert metrics["accuracy"]["value"] == reference.accuracy_score(truth, answer)
    recall = reference.recall_score(truth, answer, average="macro")
    assert metrics["macro_recall"]["value"] == pytest.approx(recall, rel=1e-12)
    f1 = reference.f1_score(truth, answer, average="macro")
    assert metrics["macro_f1"]["value"] == pytest.approx(f1, rel=1e-12)
    loss = reference.log_loss(truth, probabilities)
    assert metrics["log_loss"]["value"] == pytest.approx(loss, rel=1e-9)
    for k in (2, 3):
        expected = reference.top_k_accuracy_score(truth, probabilities, k=k)
        assert metrics["top_k"][str(k)]["value"] == pytest.approx(expected)
    assert set(metrics["top_k"]) == {"2", "3"}
    precision = reference.precision_score(truth, answer, average=None)
    rows = {row["label"]: row for row in metrics["per_class"]}
    assert [rows[label]["precision"] for label in LABELS] == pytest.approx(precision)


def test_every_bootstrap_interval_holds_its_figure(case):
    metrics = case[0].metrics
    figures = [metrics[name] for name in ("accuracy", "macro_recall", "macro_f1", "calibre")]
    figures += [*metrics["per_category"].values(), metrics["top_k"]["2"]]
    for figure in figures:
        low, high = figure["bootstrap"]
        assert 0 < low < figure["value"] < high <= 1
    assert (metrics["grouping"], metrics["n_groups"]) == ("group", 20)


def test_calibre_takes_sums_of_probabilities_where_there_are_any(tmp_path):
    rows = "1.wav,A9,C45,0.3,0.3,0.4,0\n2.wav,C45,C45,0.3,0.3,0.4,0\n3.wav,R308,R308,0,0,0,1\n"
    names = ",".join(f"p_{label}" for label in LABELS)
    path = tmp_path / "p.csv"
    path.write_text(f"recording,label,predicted,{names}\n{rows}", encoding="utf-8")
    summed = evaluate_predictions(read_predictions(path), GUNS, None, FAST).metrics
    assert (summed["calibre"]["n_correct"], summed["calibre"]["n"]) == (2, 3)
    assert summed["calibre"]["method"] == "sums of probabilities"
    bare = "".join(",".join(row.split(",")[:3]) + "\n" for row in rows.splitlines())
    path.write_text(f"recording,label,predicted\n{bare}", encoding="utf-8")
    mapped = evaluate_predictions(read_predictions(path), GUNS, None, FAST).metrics
    assert mapped["calibre"]["n_correct"] == 2
    assert mapped["calibre"]["method"] == "mapped answers"
    assert summed["category"]["value"] == mapped["category"]["value"] == 1.0
    assert mapped["top_k"] is mapped["log_loss"] is None


def test_calibre_hits_are_where_the_sums_say(case):
    evaluation, truth, _, probabilities = case
    calibre = np.array([0, 0, 1, 2])
    sums = np.stack([probabilities[:, calibre == c].sum(axis=1) for c in range(3)], 1)
    expected = (sums.argmax(axis=1) == calibre[truth]).mean()
    assert evaluation.metrics["calibre"]["value"] == pytest.approx(expected)


def test_guns_of_unknown_calibre_never_count_as_one_calibre(tmp_path):
    (tmp_path / "p.csv").write_text(
        "recording,label,predicted\n1,X,Y\n2,A9,B9\n3,X,X\n", encoding="utf-8"
    )
    metrics = evaluate_predictions(read_predictions(tmp_path / "p.csv"), GUNS, None, FAST).metrics
    assert (metrics["calibre"]["n_correct"], metrics["calibre"]["n"]) == (1, 1)
    assert any("2 labels are not in the table" in text for text in metrics["warnings"])


def test_failed_recordings_are_counted_both_ways(tmp_path):
    truth, answer, _ = write_predictions(tmp_path / "p.csv", n_failed=5)
    predictions = read_predictions(tmp_path / "p.csv")
    metrics = evaluate_predictions(predictions, GUNS, None, FAST).metrics
    right = int((truth == answer)[5:].sum())
    assert (metrics["n_failed"], metrics["n_answered"]) == (5, 115)
    assert metrics["accuracy"]["value"] == pytest.approx(right / 115)
    assert metrics["accuracy_failures_wrong"]["value"] == pytest.approx(right / 120)
    assert sum(row["n_failed"] for row in metrics["per_class"]) == 5
    assert sum(row["n_failed"] for row in metrics["by_column"]["recorder"]) == 5


def test_a_truth_the_model_does_not_know_is_wrong_and_has_no_log_loss(tmp_path):
    text = "recording,label,predicted,p_A9,p_B9,p_C45\n1,A9,A9,0.8,0.1,0.1\n2,R308,A9,0.8,0.1,0.1\n"
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    metrics = evaluate_predictions(read_predictions(tmp_path / "p.csv"), GUNS, None, FAST).metrics
    assert metrics["accuracy"]["value"] == 0.5
    assert metrics["top_k"]["2"]["n_correct"] == 1
    assert metrics["log_loss"]["n"] == 1
    assert metrics["log_loss"]["value"] == pytest.approx(-np.log(0.8))


def test_columns_are_chosen_by_sense(case):
    evaluation, truth, answer, _ = case
    by_column = evaluation.metrics["by_column"]
    assert list(by_column) == ["recorder", "distance_m"]
    assert [row["column_value"] for row in by_column["distance_m"]] == ["0.5", "3", "20"]
    near = by_column["distance_m"][0]
    chosen = np.arange(120) % 3 == 0
    assert (near["n"], near["n_correct"]) == (40, int((truth == answer)[chosen].sum()))


def test_columns_are_those_asked_for(tmp_path):
    write_predictions(tmp_path / "p.csv")
    predictions = read_predictions(tmp_path / "p.csv")
    asked = evaluate_predictions(predictions, GUNS, ["make"], FAST).metrics["by_column"]
    assert [len(rows) for rows in asked.values()] == [4]
    assert evaluate_predictions(predictions, GUNS, [], FAST).metrics["by_column"] == {}
    with pytest.raises(ShotprintError, match=r"'weather'.*recorder, distance_m"):
        evaluate_predictions(predictions, GUNS, ["weather"], FAST)


def test_without_groups_the_interval_says_what_it_ignores(tmp_path):
    (tmp_path / "p.csv").write_text(
        "recording,label,predicted\n1,A9,A9\n2,A9,B9\n", encoding="utf-8"
    )
    evaluation = evaluate_predictions(read_predictions(tmp_path / "p.csv"), GUNS, None, FAST)
    assert evaluation.metrics["grouping"] == "recording"
    assert "too narrow" in format_summary(evaluation)
    assert any("only 2 recordings" in text for text in evaluation.metrics["warnings"])


def write_rows(path, rows):
    lines = ["recording,label,predicted,group", *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_predictions(path)


def test_bootstrap_draws_the_groups_of_the_answered_recordings(tmp_path):
    group = np.arange(400) ** 2 // 4000  # 40 groups, the first ones large
    right = group % 3 > 0
    rows = [(f"f{i}", "A9", "", "g0") for i in range(3)]
    rows += [(f"{i}", "A9", ["C45", "A9"][int(right[i])], f"g{group[i]}") for i in range(400)]
    metrics = evaluate_predictions(write_rows(tmp_path / "p.csv", rows), GUNS, None).metrics
    size = np.bincount(group)
    drawn = np.random.default_rng(1).integers(0, 40, (4000, 40))
    means = (size * (np.arange(40) % 3 > 0))[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    assert metrics["accuracy"]["value"] == right.mean()
    expected = np.percentile(means, [2.5, 97.5])
    assert metrics["accuracy"]["bootstrap"] == pytest.approx(expected, abs=0.02)


def test_the_interval_of_macro_f1_is_one_of_macro_f1(tmp_path):
    rows = [(f"a{i}", "A9", "A9", f"g{i % 10}") for i in range(10)]
    rows += [(f"c{i}", "C45", "A9", f"g{i % 10}") for i in range(90)]
    metrics = evaluate_predictions(write_rows(tmp_path / "p.csv", rows), GUNS, None, FAST).metrics
    assert metrics["macro_recall"]["bootstrap"] == [0.5, 0.5]
    assert metrics["macro_f1"]["value"] == pytest.approx(1 / 11)
    assert metrics["macro_f1"]["bootstrap"] == pytest.approx([1 / 11, 1 / 11])


def test_groups_of_one_recording_are_no_groups(tmp_path):
    rows = [(f"{i}", "A9", "A9", f"g{i // 2}") for i in range(20)]
    said = "every group holds one recording"
    metrics = evaluate_predictions(write_rows(tmp_path / "p.csv", rows), GUNS, None, FAST).metrics
    assert not any(said in text for text in metrics["warnings"])
    metrics = evaluate_predictions(
        write_rows(tmp_path / "p.csv", rows[::2]), GUNS, None, FAST
    ).metrics
    assert any(said in text for text in metrics["warnings"])


def test_a_rate_within_one_group_has_no_bootstrap_interval(tmp_path):
    rows = [(f"{i}", "A9", "A9", f"g{i}") for i in range(5)] + [("r", "R308", "A9", "g1")]
    metrics = evaluate_predictions(write_rows(tmp_path / "p.csv", rows), GUNS, None, FAST).metrics
    assert metrics["per_category"]["rifle"]["bootstrap"] is None
    assert metrics["per_category"]["pistol"]["bootstrap"] == [1.0, 1.0]


def test_a_column_with_another_value_for_every_recording_is_no_condition(tmp_path):
    text = "recording,label,predicted,take,room\n1,A9,A9,1,x\n2,A9,C45,2,x\n3,C45,C45,3,y\n"
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    metrics = evaluate_predictions(read_predictions(tmp_path / "p.csv"), GUNS, None, FAST).metrics
    assert list(metrics["by_column"]) == []
    text = text.replace("2,A9,C45,2,x", "2,A9,C45,2,y")
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    metrics = evaluate_predictions(read_predictions(tmp_path / "p.csv"), GUNS, None, FAST).metrics
    assert list(metrics["by_column"]) == ["room"]


def test_one_group_has_no_bootstrap_interval(tmp_path):
    text = "recording,label,predicted,group\n1,A9,A9,g\n2,A9,B9,g\n"
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    metrics = evaluate_predictions(read_predictions(tmp_path / "p.csv"), GUNS, None, FAST).metrics
    assert metrics["accuracy"]["bootstrap"] is None
    assert metrics["macro_f1"]["bootstrap"] is None


def test_the_files_agree_with_each_other_and_repeat_themselves(case, tmp_path):
    evaluation = case[0]
    written = write_evaluation(tmp_path / "a", evaluation)
    assert sorted(path.name for path in written) == sorted(
        path.name for path in (tmp_path / "a").iterdir()
    )
    for path, again in zip(written, write_evaluation(tmp_path / "b", evaluation), strict=True):
        assert path.read_bytes() == again.read_bytes()
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == evaluation.metrics
    from_matrix = evaluate_matrix(read_matrix(tmp_path / "a" / "confusion.csv"), GUNS).metrics
    assert from_matrix["accuracy"]["wilson"] == metrics["accuracy"]["wilson"]
    assert from_matrix["macro_f1"]["value"] == metrics["macro_f1"]["value"]
    with (tmp_path / "a" / "per_class.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["recall"]) for row in rows] == [row["recall"] for row in metrics["per_class"]]
    with (tmp_path / "a" / "by_column.csv").open(encoding="utf-8", newline="") as file:
        assert {row["column"] for row in csv.DictReader(file)} == {"recorder", "distance_m"}


def test_a_table_of_an_earlier_evaluation_does_not_stay(case, tmp_path):
    write_evaluation(tmp_path / "a", case[0])
    write_evaluation(tmp_path / "a", evaluate_matrix(case[0].matrix, GUNS))
    assert not (tmp_path / "a" / "by_column.csv").exists()


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("true", "true"), "Simulated shots – not real recordings"),
        (("true", "false"), "1 of 2 recordings are simulated shots"),
        (("", ""), None),
    ],
)
def test_simulated_shots_are_named_in_every_text(tmp_path, flags, line):
    text = "recording,label,predicted,simulated\n1,A9,A9,{}\n2,A9,B9,{}\n".format(*flags)
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    evaluation = evaluate_predictions(read_predictions(tmp_path / "p.csv"), GUNS, None, FAST)
    for shown in (format_summary(evaluation), format_report(evaluation)):
        assert line in shown if line else "imulated" not in shown
