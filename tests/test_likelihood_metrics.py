"""Figures of likelihood ratios: published values, NFI's lir, scikit-learn, and degenerate input."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from shotprint.errors import ShotprintError
from shotprint.likelihood import (
    compute_auc,
    compute_cllr,
    compute_cllr_cal,
    compute_cllr_min,
    compute_ece,
    compute_ece_curves,
    compute_eer,
    compute_misleading_rates,
    compute_tippett,
    fit_pav,
    make_trials,
)
from shotprint.likelihood.metrics import measure
from shotprint.likelihood.reliability import compute_reliability

lir_metrics = pytest.importorskip("lir.metrics")
from lir.algorithms.isotonic_regression import IsotonicCalibrator  # noqa: E402
from lir.data.models import LLRData  # noqa: E402
from lir.plotting.expected_calibration_error import calculate_ece  # noqa: E402

INF = float("inf")
KINDS = ("overlapping", "separated", "constant", "tied", "one each", "reversed", "infinite")


def draw(kind, seed=0):
    """Return llrs and truth that are usual, or extreme in one way."""
    generator = np.random.default_rng(seed)
    h1, h2 = generator.normal(0.7, 1, 40), generator.normal(-0.7, 1, 60)
    if kind == "separated":
        h1, h2 = np.abs(h1) + 0.1, -np.abs(h2)
    elif kind == "constant":
        h1, h2 = np.zeros(40), np.zeros(60)
    elif kind == "tied":
        h1, h2 = np.round(h1), np.round(h2)
    elif kind == "one each":
        h1, h2 = h1[:1], h2[:1]
    elif kind == "reversed":
        h1, h2 = -h1, -h2
    elif kind == "infinite":
        h1[:3], h2[:5] = INF, -INF
    return np.concatenate([h1, h2]), np.repeat([1, 0], [len(h1), len(h2)])


def make(h2, h1):
    lrs = np.array([*h2, *h1], float)
    with np.errstate(divide="ignore"):
        return make_trials(np.log10(lrs), np.repeat([False, True], [len(h2), len(h1)]))


@pytest.mark.parametrize(
    ("h2", "h1", "expected"),
    [
        ([1, 1], [1, 1], 1.0),
        ([3, 3], [1 / 3, 1 / 3], 2.0),
        ([1 / 3, 1 / 3], [3, 3], 0.4150374992788437),
        ([1 / 3, 1 / 3], [1], 0.7075187496394219),
        ([0.01] * 100, [1], 0.507177646488535),
        ([*[0.01] * 100, 100], [1], 0.5400680236656377),
        ([2], [2, 2], 1.0849625007211563),
        ([8], [8] * 8, 1.6699250014423126),
        ([INF, 1], [1, 1], INF),
        ([0, 0], [INF, INF], 0.0),
    ],
)
def test_published_values_of_cllr(h2, h1, expected):
    assert compute_cllr(make(h2, h1)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_cllr_and_its_parts_equal_lir(kind, seed):
    llrs, truth = draw(kind, seed)
    trials, theirs = make_trials(llrs, truth), LLRData(features=llrs, labels=truth)
    assert compute_cllr(trials) == pytest.approx(lir_metrics.cllr(theirs), rel=1e-12)
    assert compute_cllr_min(trials) == pytest.approx(lir_metrics.cllr_min(theirs), abs=1e-9)
    assert compute_cllr_cal(trials) == pytest.approx(lir_metrics.cllr_cal(theirs), abs=1e-9)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "infinite"])
def test_pav_of_new_values_equals_lir(kind):
    llrs, truth = draw(kind)
    new = np.linspace(-3, 3, 101)
    with np.errstate(divide="ignore"):
        theirs = IsotonicCalibrator().fit(llrs, truth).transform(new)
    assert fit_pav(make_trials(llrs, truth)).apply(new) == pytest.approx(theirs, abs=1e-9)


def test_pav_takes_infinite_scores_as_just_beyond_the_others():
    pav = fit_pav(make_trials([-INF, 0, 0, INF], [False, False, True, True]))
    assert pav.apply([-INF, 0, INF]).tolist() == [-INF, 0.0, INF]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "infinite"])
def test_ece_equals_lir_and_is_cllr_at_even_odds(kind):
    llrs, truth = draw(kind)
    priors = np.linspace(-2, 2, 9)
    odds = 10**priors
    ours = compute_ece(make_trials(llrs, truth), priors)
    assert ours == pytest.approx(calculate_ece(10**llrs, truth, odds / (1 + odds)), rel=1e-9)
    assert ours[4] == pytest.approx(compute_cllr(make_trials(llrs, truth)))


def test_ece_without_evidence_is_the_entropy_of_the_prior():
    curves = compute_ece_curves(make_trials(*draw("overlapping")), [0.0, np.log10(3)])
    assert curves.neutral == pytest.approx([1.0, -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25)])
    assert (curves.pav <= curves.system).all()


@pytest.mark.parametrize("kind", ["overlapping", "tied", "reversed", "constant"])
def test_auc_equals_scikit_learn(kind):
    llrs, truth = draw(kind)
    expected = sklearn_metrics.roc_auc_score(truth, llrs)
    assert compute_auc(make_trials(llrs, truth)) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["overlapping", "separated", "tied", "reversed", "constant"])
def test_eer_of_the_hull_is_the_worst_bayes_error_over_priors(kind):
    # On the hull, max over priors of the least error is where misses equal false alarms.
    llrs, truth = draw(kind)
    false_alarms, hits, _ = sklearn_metrics.roc_curve(truth, llrs, drop_intermediate=False)
    priors = np.linspace(0, 1, 2001)[:, None]
    errors = (priors * (1 - hits) + (1 - priors) * false_alarms).min(axis=1)
    assert compute_eer(make_trials(llrs, truth)) == pytest.approx(errors.max(), abs=1e-3)


def test_misleading_evidence_by_hand():
    trials = make_trials([-1, 0, 2, 3, 1, 0, -1, -5], [1, 1, 1, 1, 0, 0, 0, 0])
    assert compute_misleading_rates(trials) == (0.25, 0.25)


def test_a_weight_of_two_is_a_value_twice_and_of_zero_none():
    llrs, truth = draw("overlapping")
    times = np.random.default_rng(1).integers(0, 3, len(llrs))
    times[:2] = times[-2:] = 1
    weighted = make_trials(llrs, truth, times)
    repeated = make_trials(np.repeat(llrs, times), np.repeat(truth, times))
    assert measure(weighted) == pytest.approx(measure(repeated))


def test_a_misleading_infinity_of_weight_zero_costs_nothing():
    trials = make_trials([INF, -1, 1], [False, False, True], [0, 1, 1])
    assert compute_cllr(trials) == pytest.approx(np.log2(1.1))
    assert np.isfinite(compute_ece(trials, [0.0])).all()


@pytest.mark.parametrize(("llrs", "truth"), [([], []), ([1.0, 2.0], [1, 1]), ([1.0], [0])])
def test_without_both_hypotheses_figures_are_undefined_and_curves_say_why(llrs, truth):
    trials = make_trials(llrs, truth)
    rates = set(compute_misleading_rates(trials))
    others = {name: x for name, x in measure(trials).items() if "misleading" not in name}
    assert all(np.isnan(value) for value in others.values())
    assert any(np.isnan(rate) for rate in rates)
    assert np.isnan(compute_ece(trials, [0.0])).all()
    for fit in (fit_pav, compute_reliability, lambda trials: compute_ece_curves(trials, [0.0])):
        with pytest.raises(ShotprintError, match="both hypotheses"):
            fit(trials)


@pytest.mark.parametrize(
    ("values", "truth", "weights"),
    [([1, 2], [1], None), ([np.nan], [1], None), ([1], [1], [-1]), ([[1]], [[1]], None)],
)
def test_impossible_trials_are_errors(values, truth, weights):
    with pytest.raises(ShotprintError):
        make_trials(values, truth, weights)


def test_tippett_curves_by_hand():
    curves = compute_tippett(make_trials([-1, 0, 1, -1, -2], [1, 1, 1, 0, 0]))
    assert curves.llr.tolist() == [-2, -1, 0, 1]
    assert curves.h1 == pytest.approx([1, 1, 2 / 3, 1 / 3])
    assert curves.h2 == pytest.approx([1, 0.5, 0, 0])


def test_tippett_without_one_hypothesis_has_no_curve_for_it():
    curves = compute_tippett(make_trials([0.0, 1.0], [1, 1]))
    assert curves.h1.tolist() == [1.0, 0.5]
    assert np.isnan(curves.h2).all()
    assert len(compute_tippett(make_trials([], [])).llr) == 0


def test_likelihood_ratios_of_known_densities_come_true():
    # Scores N(±1, 1): the log likelihood ratio is 2 · score nats, whatever the range.
    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.normal(1, 1, 40000), generator.normal(-1, 1, 40000)])
    trials = make_trials(2 * scores / np.log(10), np.repeat([1, 0], 40000))
    bins = compute_reliability(trials)
    assert len(bins) == 8
    assert sum(each.h1 for each in bins) == pytest.approx(1)
    inner = [each for each in bins if abs(each.stated) < 1]
    assert len(inner) >= 4
    for each in inner:
        assert each.observed == pytest.approx(each.stated, abs=0.08)
