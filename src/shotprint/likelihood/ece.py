"""Empirical cross-entropy: what the evidence leaves uncertain, for every prior.

D. Ramos and J. Gonzalez-Rodriguez, "Reliable support: measuring calibration of likelihood ratios",
Forensic Science International 230 (2013), 156–169.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from shotprint.likelihood.metrics import bits
from shotprint.likelihood.pav import transform
from shotprint.likelihood.trials import LN10, Floats, Trials


@dataclass(frozen=True, eq=False)
class EceCurves:
    """Bits left uncertain at m priors, by the llrs, by their PAV, and without any evidence.

    Attributes
    ----------
    prior_log_odds : (m,) log10 of the odds of H1 before the evidence
    system, pav, neutral : (m,) bits; `system` above `neutral` means that the evidence does harm
    """

    prior_log_odds: Floats
    system: Floats
    pav: Floats
    neutral: Floats


def compute_ece(trials: Trials, prior_log_odds: ArrayLike) -> Floats:
    """Return the empirical cross-entropy in bits at priors (m,); at 0 it is Cllr.

    NaN without values of both hypotheses; infinite where an infinite llr misleads.
    """
    priors = np.asarray(prior_log_odds, float)
    if not trials.has_both:
        return np.full(priors.shape, np.nan)
    counted = trials.pick(trials.weights > 0)
    h1, shares = counted.is_h1, counted.shares

    def lose(prior: float) -> float:
        posterior = prior + counted.values
        p = expit(LN10 * prior)
        lost_h1 = bits(-posterior[h1]) @ shares[h1]
        return float(p * lost_h1 + (1 - p) * (bits(posterior[~h1]) @ shares[~h1]))

    return np.array([lose(prior) for prior in priors])


def compute_ece_curves(trials: Trials, prior_log_odds: ArrayLike) -> EceCurves:
    """Return the three curves of an ECE plot.

    Raises
    ------
    ShotprintError : values of one hypothesis only, or none
    """
    priors = np.asarray(prior_log_odds, float)
    neutral = trials.with_values(np.zeros(trials.values.shape))
    return EceCurves(
        prior_log_odds=priors,
        system=compute_ece(trials, priors),
        pav=compute_ece(transform(trials), priors),
        neutral=compute_ece(neutral, priors),
    )
