"""Wilson's interval against SciPy; the bootstrap against what statistics predicts."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from shotprint.evaluation import Resampling, bootstrap_over_groups, intervals, wilson_interval
from shotprint.evaluation.intervals import sum_by_group


def bootstrap_mean(values, groups, **options):
    terms = np.stack([values, np.ones(len(values))], 1)
    low, high = bootstrap_over_groups(
        sum_by_group(terms, groups), lambda sums: sums[:, :1] / sums[:, 1:], Resampling(**options)
    )
    return low[0], high[0]


@pytest.mark.parametrize(("n_correct", "n"), [(453, 579), (0, 12), (12, 12), (1, 1), (5, 9)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_equals_scipy(n_correct, n, confidence):
    expected = binomtest(n_correct, n).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(n_correct, n, confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_takes_arrays_and_says_nothing_of_no_recordings():
    low, high = wilson_interval([3, 0, 1], [4, 0, 2])
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, False]
    assert low[0] == wilson_interval(3, 4)[0]


def test_group_sums_keep_every_term():
    sums = sum_by_group(np.array([[1, 2], [3, 4], [5, 6]]), np.array(["b", "a", "b"]))
    assert sums.tolist() == [[3, 4], [6, 8]]


def test_bootstrap_over_single_recordings_is_as_wide_as_the_normal_approximation():
    correct = np.arange(400) % 4 > 0
    low, high = bootstrap_mean(correct, np.arange(400))
    half_width = norm.ppf(0.975) * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half_width, 0.75 + half_width), abs=0.006)


def test_bootstrap_over_groups_of_twins_is_as_wide_as_for_the_groups_alone():
    correct = np.arange(40) % 4 > 0
    alone = bootstrap_mean(correct, np.arange(40))
    assert bootstrap_mean(np.repeat(correct, 10), np.repeat(np.arange(40), 10)) == alone
    assert alone[1] - alone[0] > 0.2  # 10 % if the 400 recordings were independent


def test_bootstrap_repeats_itself_whatever_fits_into_memory(monkeypatch):
    correct, groups = np.random.default_rng(0).normal(size=90), np.arange(90) // 2
    whole = bootstrap_mean(correct, groups, n_resamples=500, seed=3)
    assert bootstrap_mean(correct, groups, n_resamples=500, seed=4) != whole
    monkeypatch.setattr(intervals, "_NUMBERS_AT_ONCE", 45 * 7)
    assert bootstrap_mean(correct, groups, n_resamples=500, seed=3) == whole


def test_one_group_has_no_interval():
    assert np.isnan(bootstrap_mean(np.array([1, 0, 1]), np.zeros(3))).all()


def test_resamples_without_the_figure_are_left_out():
    def nan_unless_drawn(sums):
        return np.stack([np.where(sums[:, 0] > 0, 0.5, np.nan), np.full(len(sums), np.nan)], 1)

    low, high = bootstrap_over_groups(np.eye(5), nan_unless_drawn, Resampling())
    assert (low[0], high[0]) == (0.5, 0.5)
    assert np.isnan([low[1], high[1]]).all()
