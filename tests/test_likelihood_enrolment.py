"""Calibration with whole guns left out, on drawn scores."""

import dataclasses

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.evaluation.intervals import Resampling
from shotprint.likelihood.enrolment import (
    bootstrap_trials,
    collect_trials,
    crossfit_trials,
    fit_trials,
    measure_trials,
)

FEW = Resampling(n_resamples=30)


def draw(separation, n_guns=12, n_each=30, seed=0):
    """Scores that are natural-log ratios of two normal densities, in log10: calibrated."""
    rng = np.random.default_rng(seed)
    enrolled, questioned = (x.ravel() for x in np.mgrid[:n_guns, : n_guns * n_each])
    source = questioned // 10
    questioned = questioned // n_each
    sign = np.where(enrolled == questioned, 1, -1)
    values = separation * (sign * separation / 2 + rng.standard_normal(len(sign)))
    scores = values / np.log(10)
    return collect_trials(scores, enrolled, questioned, source, np.ones(len(sign), int))


def test_calibrated_scores_stay_about_as_they_are():
    trials = draw(2.0)
    slope, intercept = bootstrap_trials(trials, FEW).mean(axis=0)
    assert 0.7 < slope < 1  # few guns pull it a little towards 0
    assert intercept == pytest.approx(0, abs=0.1)
    figures = measure_trials(crossfit_trials(trials), FEW)
    low, high = figures["cllr"]["interval"]
    assert low < figures["cllr"]["value"] < high < 1
    assert figures["n_guns"] == 12


def test_bounds_take_a_gun_as_one_observation():
    _, lower, upper = fit_trials(draw(4.0))
    assert -np.log10(13) <= lower < -0.5
    assert 0.5 < upper <= np.log10(13)


def test_scores_that_say_nothing_give_no_evidence():
    figures = measure_trials(crossfit_trials(draw(0.0)), FEW)
    assert figures["cllr"]["value"] == pytest.approx(1, abs=0.02)


def test_a_trial_is_calibrated_without_both_of_its_guns():
    trials = draw(2.0, n_guns=6)
    mine = (trials.enrolled == 1) & (trials.questioned == 4)
    touches = np.isin(trials.enrolled, (1, 4)) | np.isin(trials.questioned, (1, 4))
    spoilt = np.where(touches & ~mine, -trials.trials.values, trials.trials.values)
    changed = dataclasses.replace(trials, trials=trials.trials.with_values(spoilt))
    before, after = (crossfit_trials(each).trials.values for each in (trials, changed))
    assert after[mine] == pytest.approx(before[mine])
    assert after[trials.enrolled == 2] != pytest.approx(before[trials.enrolled == 2])


def test_sources_weigh_the_same_whatever_their_size():
    codes = np.arange(4)
    enrolled, questioned = np.repeat(codes, 8), np.tile(np.repeat(codes, 2), 4)
    trials = collect_trials(np.zeros(32), enrolled, questioned, questioned, np.ones(32, int))
    assert trials.trials.weights == pytest.approx(0.5)


def test_few_guns_are_refused():
    with pytest.raises(ShotprintError, match="3 guns were left out"):
        draw(1.0, n_guns=3)
