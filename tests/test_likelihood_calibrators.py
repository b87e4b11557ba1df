"""Calibrations, bounds and intervals: against NFI's lir, known densities, and degenerate input."""

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.evaluation import Resampling
from shotprint.likelihood import (
    compute_cllr,
    fit_affine,
    fit_elub,
    fit_gaussian,
    fit_kde,
    fit_pav,
    make_trials,
)
from shotprint.likelihood.intervals import bootstrap_affine, bootstrap_figures
from shotprint.likelihood.metrics import measure

bayeserror = pytest.importorskip("lir.algorithms.bayeserror")
from lir.algorithms.kde import KDECalibrator  # noqa: E402
from lir.algorithms.logistic_regression import LogitCalibrator  # noqa: E402

INF = float("inf")
LN10 = np.log(10)


def draw(n_h1=40, n_h2=60, distance=1.5, seed=0):
    generator = np.random.default_rng(seed)
    scores = np.concatenate([generator.normal(distance, 1, n_h1), generator.normal(0, 1, n_h2)])
    return scores, np.repeat([1, 0], [n_h1, n_h2])


@pytest.mark.parametrize("distance", [0.3, 1.5, 12])
@pytest.mark.parametrize("seed", range(3))
def test_affine_equals_lir_with_the_same_penalty(distance, seed):
    scores, truth = draw(distance=distance, seed=seed)
    # lir weighs its loss, a sum over n scores, with C and penalises half the squared slope in nats.
    strength = LN10**2 * 40 / len(scores)
    theirs = LogitCalibrator(C=strength, tol=1e-10, max_iter=10_000).fit(scores, truth)
    ours = fit_affine(make_trials(scores, truth), n_observations=40)
    assert ours.apply(scores) == pytest.approx(theirs.transform(scores), abs=1e-5)


def test_affine_finds_the_line_of_known_densities():
    # Scores N(2, 1) and N(0, 1): ln LR = 2 · score − 2.
    scores, truth = draw(100_000, 100_000, distance=2)
    line = fit_affine(make_trials(scores, truth))
    assert line.slope * LN10 == pytest.approx(2, abs=0.03)
    assert line.intercept * LN10 == pytest.approx(-2, abs=0.03)


def test_fewer_observations_pull_towards_no_information():
    trials = make_trials(*draw())
    slopes = [fit_affine(trials, n).slope for n in (2, 10, 100, 10_000)]
    assert slopes == sorted(slopes)
    assert 0 < slopes[0] < 0.7 * slopes[-1]


@pytest.mark.parametrize(
    ("scores", "truth"),
    [
        ([1, 1, 1, 1], [1, 1, 0, 0]),
        ([-1, -2, 1, 2], [1, 1, 0, 0]),
        ([0.0, 0.0], [1, 0]),
    ],
)
def test_scores_that_tell_nothing_or_the_contrary_give_an_llr_of_zero(scores, truth):
    line = fit_affine(make_trials(scores, truth))
    assert line.apply([-5, 0, 5, INF]).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
@pytest.mark.parametrize("shift", [0, 100])
def test_separated_scores_of_any_size_give_finite_lines_and_help(scale, shift):
    scores, truth = draw(distance=20)
    trials = make_trials(scores * scale + shift, truth)
    line = fit_affine(trials)
    assert np.isfinite([line.slope, line.intercept]).all()
    assert compute_cllr(trials.with_values(line.apply(trials.values))) <= 1


def test_affine_leaves_out_infinities_that_are_right_and_refuses_others():
    scores, truth = draw()
    more = make_trials([*scores, INF, -INF], [*truth, 1, 0])
    plain = make_trials(scores, truth)
    weights = more.shares[:-2] / plain.shares  # the infinite ones took their part
    assert fit_affine(more, 40).slope == pytest.approx(fit_affine(plain, 40).slope, rel=0.1)
    assert weights[0] == pytest.approx(40 / 41)
    with pytest.raises(ShotprintError, match="1 infinite scores"):
        fit_affine(make_trials([*scores, -INF], [*truth, 1]))
    with pytest.raises(ShotprintError, match="infinite scores left out"):
        fit_affine(make_trials([1.0, -INF], [1, 0]))


@pytest.mark.parametrize("fit", [fit_affine, fit_gaussian, fit_kde, fit_pav, fit_elub])
@pytest.mark.parametrize(("scores", "truth"), [([], []), ([1.0, 2.0], [1, 1]), ([1.0], [0])])
def test_one_hypothesis_alone_calibrates_nothing(fit, scores, truth):
    with pytest.raises(ShotprintError, match="both hypotheses"):
        fit(make_trials(scores, truth))


def test_gaussian_is_the_ratio_of_the_fitted_normal_densities():
    scores, truth = draw(50_000, 50_000, distance=2)
    llrs = fit_gaussian(make_trials(scores, truth)).apply([-1, 0, 1, 2])
    assert llrs * LN10 == pytest.approx([-4, -2, 0, 2], abs=0.1)


def test_kde_equals_lir_with_the_same_width():
    scores, truth = draw()
    widths = [np.std(x, ddof=1) * (3 * len(x) / 4) ** -0.2 for x in (scores[40:], scores[:40])]
    theirs = KDECalibrator(tuple(map(float, widths))).fit(scores, truth).transform(scores)
    assert fit_kde(make_trials(scores, truth)).apply(scores) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("fit", [fit_gaussian, fit_kde])
def test_a_density_needs_two_scores_of_each_hypothesis(fit):
    with pytest.raises(ShotprintError, match="two different finite scores"):
        fit(make_trials([1, 1, 2, 3], [1, 1, 0, 0]))


@pytest.mark.parametrize("case", range(8))
def test_elub_equals_lir(case):
    scores, truth = draw(30 + 20 * case, 200 - 20 * case, distance=case, seed=case)
    llrs = case * 0.5 * (scores - case / 2)
    if case == 4:
        llrs = np.round(llrs)
    if case == 5:
        llrs = llrs * 5  # far too strong
    theirs = bayeserror.elub(llrs.copy(), truth)
    assert fit_elub(make_trials(llrs, truth)) == pytest.approx(theirs, abs=1e-9)


def test_elub_of_infinite_llrs_equals_that_of_large_ones():
    scores, truth = draw(distance=6)
    infinite = np.where(scores > 3, INF, -INF)
    large = np.where(scores > 3, 9.0, -9.0)
    assert fit_elub(make_trials(infinite, truth)) == fit_elub(make_trials(large, truth))


def test_elub_of_perfect_evidence_is_set_by_the_number_of_observations():
    # One more misleading observation among n + 1: no bound beyond log10(n + 1).
    trials = make_trials([9.0] * 300 + [-9.0] * 300, np.repeat([1, 0], 300))
    for n in (5, 30, 300):
        lower, upper = fit_elub(trials, n)
        assert 0.8 * np.log10(n) < upper <= np.log10(n + 1)
        assert lower == -upper


def test_elub_of_useless_evidence_allows_none():
    scores, truth = draw(distance=0)
    assert fit_elub(make_trials(scores, truth), 6) == (0, 0)


def test_the_bootstrap_of_a_line_covers_the_truth_and_is_repeatable():
    scores, truth = draw(400, 400, distance=2)
    groups = np.arange(800) % 80
    trials = make_trials(scores, truth)
    lines = bootstrap_affine(trials, groups, Resampling(200, seed=3))
    assert lines.shape == (200, 2)
    assert np.array_equal(lines, bootstrap_affine(trials, groups, Resampling(200, seed=3)))
    low, high = np.percentile(lines * LN10, [2.5, 97.5], axis=0)
    assert (low < (2, -2)).all()
    assert (high > (2, -2)).all()


def test_intervals_of_figures_hold_them_and_grow_where_groups_are_few():
    trials = make_trials(*draw(200, 200))
    figures = measure(trials)
    many = bootstrap_figures(trials, np.arange(400), Resampling(200))
    few = bootstrap_figures(trials, np.arange(400) % 4, Resampling(200))
    assert many["cllr"][0] < figures["cllr"] < many["cllr"][1]
    alike = np.repeat(np.arange(100), 4)
    doubled = make_trials(np.repeat(trials.values[::4], 4), np.repeat(trials.is_h1[::4], 4))
    wide = bootstrap_figures(doubled, alike, Resampling(200))
    assert np.diff(wide["cllr"]) > 1.5 * np.diff(many["cllr"])
    assert set(few) == set(figures)


def test_one_group_has_no_interval():
    intervals = bootstrap_figures(make_trials(*draw()), np.zeros(100), Resampling(100))
    assert np.isnan([*intervals.values()]).all()


def test_the_interval_of_a_rate_is_as_wide_as_the_binomial_says():
    trials = make_trials(*draw(200, 200, distance=0.5))
    rate = measure(trials)["misleading_h1"]
    low, high = bootstrap_figures(trials, np.arange(400), Resampling(1000))["misleading_h1"]
    width = 2 * 1.96 * np.sqrt(rate * (1 - rate) / 200)
    assert high - low == pytest.approx(width, rel=0.15)
