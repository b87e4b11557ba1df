"""Tippett curves: how often the llr reaches each value, where H1 is true and where H2 is."""

from dataclasses import dataclass

import numpy as np

from shotprint.likelihood.trials import Floats, Trials


@dataclass(frozen=True, eq=False)
class Tippett:
    """Shares of values at or above each of m llrs; NaN for a hypothesis without values.

    Attributes
    ----------
    llr : (m,) the distinct values, rising; empty without values
    h1, h2 : (m,) falling from 1
    """

    llr: Floats
    h1: Floats
    h2: Floats


def compute_tippett(trials: Trials) -> Tippett:
    """Return the curves of `trials`, with equal weight of the hypotheses."""
    counted = trials.pick(trials.weights > 0)
    llr, place = np.unique(counted.values, return_inverse=True)
    return Tippett(
        llr,
        _share_above(place, counted.shares * counted.is_h1),
        _share_above(place, counted.shares * ~counted.is_h1),
    )


def _share_above(place: np.ndarray, shares: Floats) -> Floats:
    reached: Floats = np.cumsum(np.bincount(place, shares)[::-1])[::-1].astype(float)
    return reached if shares.any() else np.full(reached.shape, np.nan)
