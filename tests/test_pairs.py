"""Two recordings, one model or two: against Bayes' rule written out, and on drawn scores."""

import itertools

import numpy as np
import pytest

from shotprint.calibration import normalize
from shotprint.errors import ShotprintError
from shotprint.evaluation.intervals import Resampling
from shotprint.likelihood.pairs import (
    bootstrap_pairs,
    crossfit_pairs,
    draw_pairs,
    measure_pairs,
)
from shotprint.pairs import compute_pair_scores

P = np.array([0.7, 0.2, 0.1])
Q = np.array([0.5, 0.3, 0.2])


def test_the_score_is_bayes_rule_written_out():
    same = np.mean([P[k] * Q[k] for k in range(3)])
    different = np.mean([P[j] * Q[k] for j, k in itertools.permutations(range(3), 2)])
    assert compute_pair_scores(P, Q) == pytest.approx(np.log10(same / different))
    assert compute_pair_scores(P, Q) == compute_pair_scores(Q, P)


def test_recordings_that_say_nothing_have_a_ratio_of_one():
    even = np.full(4, 0.25)
    assert compute_pair_scores(even, even) == pytest.approx(0)
    assert compute_pair_scores(np.eye(4)[0], even) == pytest.approx(0)


def test_certain_recordings_stay_finite_and_one_model_is_refused():
    certain = np.eye(3)
    assert compute_pair_scores(certain[0], certain[0]) > 8
    assert compute_pair_scores(certain[0], certain[1]) < -8
    with pytest.raises(ShotprintError, match="1 listed model"):
        compute_pair_scores([1.0], [1.0])


@pytest.fixture(scope="module")
def drawn():
    """Perfectly calibrated probabilities of 400 recordings in 40 groups and 4 folds."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    truth = groups % 4
    seen = 1.5 * (rng.standard_normal((400, 4)) + 1.5 * np.eye(4)[truth])
    return normalize(seen), truth, groups, groups // 4 % 4


def test_pairs_are_of_different_groups_and_few_of_each_two(drawn):
    pairs = draw_pairs(*drawn)
    assert (pairs.groups[:, 0] != pairs.groups[:, 1]).all()
    assert len(pairs.groups) == 20 * 40 * 39 / 2
    assert pairs.trials.is_h1.mean() == pytest.approx(9 / 39, abs=0.01)
    assert pairs.n_groups == 40


def test_calibrated_scores_stay_about_as_they_are_and_are_bounded(drawn):
    pairs = draw_pairs(*drawn)
    llrs = crossfit_pairs(pairs)
    assert np.abs(llrs.values).max() <= np.log10(41)
    figures = measure_pairs(pairs, llrs, Resampling(n_resamples=30))
    low, high = figures["cllr"]["interval"]
    assert low < figures["cllr"]["value"] < high < 1
    assert figures["cllr_cal"]["value"] < 0.05
    fits = bootstrap_pairs(pairs, Resampling(n_resamples=30))
    assert fits[:, 0].mean() == pytest.approx(1, abs=0.3)
    assert fits[:, 1].mean() == pytest.approx(0, abs=0.2)


def test_labels_that_mean_nothing_give_no_evidence(drawn):
    probabilities, _, groups, folds = drawn
    chance = np.random.default_rng(1).integers(4, size=40)[groups]
    pairs = draw_pairs(probabilities, chance, groups, folds)
    figures = measure_pairs(pairs, crossfit_pairs(pairs), Resampling(n_resamples=30))
    assert figures["cllr"]["value"] == pytest.approx(1, abs=0.05)
