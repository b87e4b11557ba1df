"""Every figure of a classifier against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from shotprint.evaluation.classification import (
    average_classes,
    compute_f1,
    compute_log_loss,
    count_confusions,
    divide,
    rank_truth,
)

N_LABELS = 5
codes = st.integers(0, N_LABELS - 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(codes, codes), min_size=1, max_size=30))
def test_counts_recall_precision_f1_and_macros_equal_scikit_learn(pairs):
    truth, answer = np.array(pairs).T
    counts = count_confusions(truth, answer, N_LABELS)
    labels = range(N_LABELS)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(truth, answer, labels=labels))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, answer, labels=labels, zero_division=np.nan
    )
    correct, n_answers = np.diagonal(counts), counts.sum(axis=0)
    np.testing.assert_array_equal(counts.sum(axis=1), support)
    np.testing.assert_allclose(divide(correct, support), recall, rtol=1e-12)
    np.testing.assert_allclose(divide(correct, n_answers), precision, rtol=1e-12)
    ours = compute_f1(correct, support, n_answers)
    np.testing.assert_allclose(ours, f1, rtol=1e-12)
    present = np.flatnonzero(support)
    expected = metrics.f1_score(truth, answer, labels=present, average="macro")
    assert average_classes(ours, support) == pytest.approx(expected, rel=1e-12)


def test_failed_recordings_are_no_confusions():
    assert count_confusions(np.array([0, 1, 1]), np.array([0, -1, 0]), 2).tolist() == [
        [1, 0],
        [1, 0],
    ]


def test_figures_of_many_resamples_at_once_equal_those_one_by_one():
    tallies = np.random.default_rng(0).integers(0, 9, (3, 7, 4)).astype(float)
    together = average_classes(compute_f1(*tallies), tallies[1])
    one_by_one = [average_classes(compute_f1(*tallies[:, i]), tallies[1, i]) for i in range(7)]
    np.testing.assert_array_equal(together, one_by_one)


@pytest.fixture
def guesses():
    generator = np.random.default_rng(0)
    return generator.dirichlet(np.full(6, 0.3), 200), generator.integers(0, 6, 200)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_top_k_equals_scikit_learn(guesses, k):
    probabilities, truth = guesses
    expected = metrics.top_k_accuracy_score(truth, probabilities, k=k, labels=range(6))
    assert (rank_truth(probabilities, truth) <= k).mean() == pytest.approx(expected)


def test_equal_probabilities_earn_no_rank():
    assert rank_truth(np.full((1, 4), 0.25), np.array([0])).tolist() == [4]


def test_log_loss_equals_scikit_learn_and_stays_finite_at_zero(guesses):
    probabilities, truth = guesses
    expected = metrics.log_loss(truth, probabilities, labels=range(6))
    assert compute_log_loss(probabilities, truth) == pytest.approx(expected, rel=1e-9)
    assert compute_log_loss(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(36.04, abs=0.01)
    assert np.isnan(compute_log_loss(np.zeros((0, 2)), np.zeros(0, int)))
