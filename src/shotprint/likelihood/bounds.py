"""How strong evidence may get: the bounds that the validation's own recordings support."""

import numpy as np

from shotprint.likelihood.trials import Trials

STEP = 0.01  # of the llr


def fit_elub(trials: Trials, n_observations: float | None = None) -> tuple[float, float]:
    """Return the empirical lower and upper bound of the llr (ELUB), lower ≤ 0 ≤ upper.

    Parameters
    ----------
    trials : llrs; infinite ones are as good as very large ones
    n_observations : how many independent observations of each hypothesis there are, such as
        groups; by default the weight of each hypothesis

    Returns
    -------
    lower, upper : multiples of 0.01; (0, 0) where nothing but llr 0 can be defended

    Raises
    ------
    ShotprintError : values of one hypothesis only, or none

    Notes
    -----
    P. Vergeer, A. van Es, A. de Jongh, I. Alberink and R. Stoel, "Numerical likelihood ratios
    outputted by LR systems are often based on extrapolation: when to stop extrapolating?", Science
    and Justice 56 (2016), 482–491. One further observation of each hypothesis is imagined that
    misleads as much as can be. A decision that the llr takes at a threshold must then still cost no
    more than the same decision without evidence; the bounds end where it first does.
    """
    trials.require_both("a bound")
    shares, h1 = trials.shares, trials.is_h1
    n_h1 = n_observations or float(trials.weights[h1].sum())
    n_h2 = n_observations or float(trials.weights[~h1].sum())
    counted = trials.values[trials.weights > 0]
    lowest = max(counted.min(), -np.log10(n_h1 + 1))
    highest = min(counted.max(), np.log10(n_h2 + 1))
    first, last = min(0, int(lowest // STEP)), max(0, int(highest // STEP) + 1)
    places = np.arange(first, last + 1)
    thresholds = places * STEP
    order = np.argsort(trials.values, kind="stable")
    below = np.searchsorted(trials.values[order], thresholds, side="right")

    def share_below(side: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum((shares * side)[order])])[below]

    misses = (n_h1 * share_below(h1) + 1) / (n_h1 + 1)
    false_alarms = (n_h2 * (1 - share_below(~h1)) + 1) / (n_h2 + 1)
    odds = 10.0**thresholds
    harms = np.minimum(odds, 1) < (misses + odds * false_alarms) * (1 - 1e-12)
    lower = max([first, *(places[harms & (places <= 0)] + 1)])
    upper = min([last, *(places[harms & (places >= 0)] - 1)])
    return round(min(lower, 0) * STEP, 2), round(max(upper, 0) * STEP, 2)
