"""How good log10 likelihood ratios are, where it is known which hypothesis is true.

Every figure weighs the two hypotheses equally, whatever their numbers. A figure is NaN where it is
not defined: no value at all, or values of one hypothesis only. An infinite llr for the wrong side
makes Cllr infinite; for the right side it costs nothing.
"""

import numpy as np

from shotprint.likelihood.pav import Pav, fit_pav
from shotprint.likelihood.trials import LN10, Floats, Trials

NAN = float("nan")


def compute_cllr(trials: Trials) -> float:
    """Return the log-likelihood-ratio cost: 0 perfect, 1 as good as saying nothing, above: harm.

    Half the mean of log2(1 + 1/LR) where H1 is true, plus half the mean of log2(1 + LR) where H2
    is (Brümmer and du Preez 2006).
    """
    return _sum_costs(trials) if trials.has_both else NAN


def compute_cllr_min(trials: Trials) -> float:
    """Return the Cllr after PAV: what is lost by telling apart alone, not by calibration."""
    return _cost_of_pav(fit_pav(trials)) if trials.has_both else NAN


def compute_cllr_cal(trials: Trials) -> float:
    """Return Cllr − Cllr_min: what is lost by stating too strong or too weak evidence."""
    return compute_cllr(trials) - compute_cllr_min(trials)


def compute_eer(trials: Trials) -> float:
    """Return the equal error rate on the convex hull of the ROC curve: 0 perfect, 0.5 useless.

    The rate at which as many H1 as H2 values fall on the wrong side of one threshold.
    """
    return _cross_hull(fit_pav(trials)) if trials.has_both else NAN


def compute_auc(trials: Trials) -> float:
    """Return the probability that an H1 value exceeds an H2 value; a tie counts half."""
    if not trials.has_both:
        return NAN
    _, place = np.unique(trials.values, return_inverse=True)
    h1 = np.bincount(place, trials.shares * trials.is_h1)
    h2 = np.bincount(place, trials.shares * ~trials.is_h1)
    return float(h1 @ (np.cumsum(h2) - h2 / 2))


def compute_misleading_rates(trials: Trials) -> tuple[float, float]:
    """Return how often evidence points the wrong way: llr < 0 under H1, llr > 0 under H2.

    An llr of exactly 0 points nowhere and does not mislead. Each rate is NaN without values of its
    hypothesis.
    """
    h1, values, shares = trials.is_h1, trials.values, trials.shares
    return (
        float(shares[h1 & (values < 0)].sum()) if shares[h1].sum() > 0 else NAN,
        float(shares[~h1 & (values > 0)].sum()) if shares[~h1].sum() > 0 else NAN,
    )


def measure(trials: Trials) -> dict[str, float]:
    """Return all figures by name, with one PAV for those that need it."""
    pav = fit_pav(trials) if trials.has_both else None
    cllr, cllr_min = compute_cllr(trials), _cost_of_pav(pav) if pav else NAN
    misleading_h1, misleading_h2 = compute_misleading_rates(trials)
    return {
        "cllr": cllr,
        "cllr_min": cllr_min,
        "cllr_cal": cllr - cllr_min,
        "eer": _cross_hull(pav) if pav else NAN,
        "auc": compute_auc(trials),
        "misleading_h1": misleading_h1,
        "misleading_h2": misleading_h2,
    }


def bits(log10_odds: Floats) -> Floats:
    """Return log2(1 + 10^x): the cost in bits of odds 10^x on what is false."""
    return np.asarray(np.logaddexp(0, LN10 * log10_odds) / np.log(2))


def _sum_costs(trials: Trials) -> float:
    counted = trials.pick(trials.weights > 0)  # 0 times an infinite cost would be NaN
    costs = bits(np.where(counted.is_h1, -counted.values, counted.values))
    return float(counted.shares @ costs) / 2


def _cost_of_pav(pav: Pav) -> float:
    in_h1, in_h2 = pav.h1 > 0, pav.h2 > 0
    cost_h1 = pav.h1[in_h1] @ bits(-pav.llr[in_h1])
    return float(cost_h1 + pav.h2[in_h2] @ bits(pav.llr[in_h2])) / 2


def _cross_hull(pav: Pav) -> float:
    misses = np.concatenate([[0.0], np.cumsum(pav.h1)])
    false_alarms = 1 - np.concatenate([[0.0], np.cumsum(pav.h2)])
    return float(np.interp(0.0, misses - false_alarms, misses))
