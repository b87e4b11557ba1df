"""Two predictions on the same recordings."""

import numpy as np
import pytest
from scipy.stats import binomtest

from shotprint.errors import ShotprintError
from shotprint.evaluation import Predictions, compare_predictions, compute_mcnemar_p


def predict(answers, *, truth=None, names=None, groups=None):
    answers = np.array(answers)
    truth = np.zeros(len(answers), np.int64) if truth is None else np.array(truth)
    names = names or [f"{i}.wav" for i in range(len(answers))]
    groups = None if groups is None else np.array(groups)
    return Predictions(tuple(names), ("A", "B"), truth, answers, groups=groups)


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 0), (1, 0), (5, 5), (3, 9), (0, 30), (700, 800), (4000, 3900)]
)
def test_mcnemar_equals_scipys_binomial_test(only_a, only_b):
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert compute_mcnemar_p(only_a, only_b) == pytest.approx(expected, rel=1e-9)
    assert compute_mcnemar_p(only_b, only_a) == compute_mcnemar_p(only_a, only_b)


def test_counts_difference_and_interval():
    a = predict([0] * 60 + [1] * 20 + [-1] * 20)
    b = predict([0] * 40 + [1] * 50 + [0] * 10)
    comparison = compare_predictions(a, b)
    assert comparison["n"] == 100
    assert [
        comparison[key]
        for key in ("n_both_right", "n_only_a_right", "n_only_b_right", "n_neither_right")
    ] == [40, 20, 10, 30]
    assert comparison["difference"] == pytest.approx(0.1)
    half_width = 1.96 * np.sqrt((0.3 - 0.1**2) / 100)
    assert comparison["bootstrap"] == pytest.approx([0.1 - half_width, 0.1 + half_width], abs=0.02)
    assert comparison["mcnemar_p"] == pytest.approx(binomtest(10, 30).pvalue)
    mirrored = compare_predictions(b, a)
    assert mirrored["difference"] == -comparison["difference"]


def test_groups_of_either_file_widen_the_interval():
    groups = [f"g{i // 10}" for i in range(100)]
    answers = [0] * 60 + [1] * 40, [0] * 40 + [1] * 60
    alone = compare_predictions(predict(answers[0]), predict(answers[1]))
    for of_a, of_b in ((groups, None), (None, groups)):
        grouped = compare_predictions(
            predict(answers[0], groups=of_a), predict(answers[1], groups=of_b)
        )
        assert (grouped["grouping"], grouped["n_groups"]) == ("group", 10)
        assert np.ptp(grouped["bootstrap"]) > 2 * np.ptp(alone["bootstrap"])


def test_recordings_are_paired_by_name_not_by_place():
    a = predict([1, 0, 0], names=["x", "y", "z"])
    b = predict([0, 1, 1], names=["z", "y", "w"])
    comparison = compare_predictions(a, b)
    assert (comparison["n"], comparison["n_both_right"], comparison["n_only_a_right"]) == (2, 1, 1)
    assert (comparison["n_only_in_a"], comparison["n_only_in_b"]) == (1, 1)


def test_nothing_in_common_is_refused():
    with pytest.raises(ShotprintError, match=r"no recording in common.*'x'.*'y'"):
        compare_predictions(predict([0], names=["x"]), predict([0], names=["y"]))


def test_two_truths_are_refused():
    with pytest.raises(ShotprintError, match=r"'0\.wav' is 'A' in one file and 'B'"):
        compare_predictions(predict([0]), predict([0], truth=[1]))
