"""Calibration: against scikit-learn, SciPy's optimiser, and forecasts whose truth is known."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from shotprint.calibration import apply_calibration, normalize
from shotprint.decisions import decide
from shotprint.evaluation.calibration import (
    bin_reliability,
    compute_brier,
    compute_ece,
    describe_calibration,
    fit_calibration,
    fit_temperature,
    measure_correlation,
)
from shotprint.evaluation.decisions import Judged, decide_all, evaluate_decisions
from shotprint.evaluation.intervals import Resampling
from shotprint.firearms import Firearm
from shotprint.recognition.results import sum_scores

FEW = Resampling(n_resamples=50)


def draw(n=4000, k=4, sharpness=2.0, seed=0):
    """Return logits, and truths drawn with exactly their probabilities."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.standard_normal((n, k))
    p = normalize(logits)
    truth = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits, truth


def test_a_perfect_forecaster_is_calibrated_and_an_overconfident_one_is_not():
    logits, truth = draw()
    errors = []
    for factor in (1.0, 3.0):
        p = normalize(factor * logits)
        errors.append(compute_ece(p.max(axis=1), p.argmax(axis=1) == truth))
    assert errors[0] < 0.03
    assert errors[1] > 0.1


def test_ece_of_two_bins_by_hand():
    confidence = np.array([0.6, 0.9, 0.5, 0.8])
    correct = np.array([True, True, False, False])
    # Bins 0.5, 0.6 (one right of two) and 0.8, 0.9 (one right of two).
    assert compute_ece(confidence, correct, 2) == pytest.approx((0.1 + 0.7) / 4)
    assert np.isnan(compute_ece(np.zeros(0), np.zeros(0, bool)))
    assert [b.n for b in bin_reliability(confidence, correct, 3)] == [2, 1, 1]


def test_brier_is_that_of_scikit_learn():
    logits, truth = draw(300)
    p = normalize(logits)
    expected = sum(brier_score_loss(truth == k, p[:, k]) for k in range(4))
    assert compute_brier(p, truth) == pytest.approx(expected)
    assert np.isnan(compute_brier(np.zeros((0, 4)), np.zeros(0, int)))


def test_the_temperature_is_found_again_and_is_that_of_scipy():
    logits, truth = draw()
    temperature = fit_temperature(2.5 * logits, truth)
    assert temperature == pytest.approx(2.5, rel=0.06)
    best = minimize_scalar(
        lambda t: log_loss(truth, normalize(2.5 * logits / t)), bounds=(0.1, 10), method="bounded"
    )
    assert temperature == pytest.approx(best.x, rel=1e-3)


def test_clips_that_repeat_each_other_do_not_count_twice():
    logits, truth = draw()
    log_probabilities = np.log(normalize(logits))
    same = [np.repeat(row[None], 3, axis=0) for row in log_probabilities]
    groups = np.arange(len(truth)) // 4
    repeated = fit_calibration(same, truth, groups)
    assert repeated["temperature"] == pytest.approx(1, abs=0.06)
    assert repeated["correlation"] > 0.9


def test_independent_clips_count_in_full():
    rng = np.random.default_rng(1)
    truth = rng.integers(4, size=2000)
    clips = []
    for label in truth:
        # Observations with unit noise: the log-likelihood ratio of a label is the sum of them.
        seen = rng.standard_normal((3, 4)) + np.eye(4)[label]
        clips.append(np.log(normalize(seen)))
    fitted = fit_calibration(clips, truth, np.arange(2000))
    assert fitted["temperature"] == pytest.approx(1, abs=0.1)
    assert fitted["correlation"] < 0.1
    means = np.stack([each.mean(axis=0) for each in clips])
    p = apply_calibration(means, np.full(2000, 3), fitted)
    assert compute_ece(p.max(axis=1), p.argmax(axis=1) == truth) < 0.04


@pytest.mark.parametrize(("between", "expected"), [(0.0, 0.0), (1.0, 0.5), (3.0, 0.9)])
def test_correlation_is_the_share_of_variance_between_groups(between, expected):
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(2000), rng.integers(2, 6, 2000))
    evidence = between * rng.standard_normal(2000)[groups] + rng.standard_normal(len(groups))
    assert measure_correlation(evidence, groups) == pytest.approx(expected, abs=0.04)


def test_correlation_where_nothing_repeats():
    assert measure_correlation(np.arange(3.0), np.arange(3)) == 1
    assert measure_correlation(np.ones(4), np.array([0, 0, 1, 1])) == 1


def test_figures_have_intervals_over_groups():
    logits, truth = draw(200)
    described = describe_calibration(normalize(logits), truth, np.arange(200) // 10, FEW)
    assert described["log_loss"]["value"] == pytest.approx(log_loss(truth, normalize(logits)))
    for name in ("log_loss", "brier", "ece"):
        low, high = described[name]["bootstrap"]
        assert low < high
    assert sum(b["n"] for b in described["bins"]) == 200
    alone = describe_calibration(normalize(logits), truth, np.zeros(200), FEW)
    assert alone["ece"]["bootstrap"] is None


GUNS = {
    "A": Firearm("A", "", "9 mm", "pistol"),
    "B": Firearm("B", "", "9 mm", "pistol"),
    "C": Firearm("C", "", "5.56 mm", "rifle"),
    "D": Firearm("D", "", "unknown (several)", "rifle"),
}
P = np.array(
    [[0.92, 0.03, 0.03, 0.02], [0.5, 0.45, 0.03, 0.02], [0.1, 0, 0.5, 0.4], [0.3, 0.2, 0.3, 0.2]]
)


def test_what_is_stated_of_each_and_whether_it_is_true():
    names = [list(GUNS), [g.calibre for g in GUNS.values()], [g.category for g in GUNS.values()]]
    place, correct = decide_all(P, np.array([0, 1, 0, 0]), names, 0.9)
    assert place.tolist() == [0, 1, 2, 3]
    assert correct.tolist() == [True, True, False, False]


def test_shares_and_errors_by_level():
    judged = Judged(P, np.array([0, 1, 0, 0]), np.array(["a", "b", "c", "d"]))
    rows = {row["level"]: row for row in evaluate_decisions(judged, list(GUNS), GUNS, FEW)}
    assert rows[0.9]["coverage"] == 0.75
    assert rows[0.9]["error"] == pytest.approx(1 / 3)
    assert list(rows[0.9]["counts"].values()) == [1, 1, 1, 1]
    assert rows[0.99]["error"] is None
    assert rows[0.5]["counts"]["model"] == 3


def test_wrong_statements_stay_below_the_complement_of_the_level():
    logits, truth = draw(seed=3)
    judged = Judged(normalize(logits), truth, np.arange(len(truth)))
    for row in evaluate_decisions(judged, list(GUNS), GUNS, FEW):
        assert row["error"] <= 1 - row["level"] + 0.01


def test_it_decides_as_recognition_does():
    p = np.random.default_rng(4).dirichlet(np.full(4, 0.3), 200)
    names = [list(GUNS), [g.calibre for g in GUNS.values()], [g.category for g in GUNS.values()]]
    place, _ = decide_all(p, np.zeros(200, int), names, 0.8)
    levels = ("model", "calibre", "category", "inconclusive")
    for row, found in zip(p, place.tolist(), strict=True):
        rankings = [sum_scores(kinds, row) for kinds in names]
        assert decide(rankings, 0.8).level == levels[found]
    assert set(place.tolist()) == {0, 1, 2, 3}
