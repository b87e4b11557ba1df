"""Pool adjacent violators: the best that any rising curve could make of scores.

It looks at the truth of the very values that it is applied to, so it is a measure of what scores
could tell, not a way to report them. N. Brümmer and J. du Preez, "Application-independent
evaluation of speaker detection", Computer Speech and Language 20 (2006), 230–275.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from shotprint.likelihood.trials import Floats, Trials


@dataclass(frozen=True, eq=False)
class Pav:
    """Blocks of neighbouring values that get one llr, from the smallest values up.

    Attributes
    ----------
    first, last : (b,) smallest and largest value of each block
    h1, h2 : (b,) part of all H1 (H2) weight that lies in each block; each sums to 1
    """

    first: Floats
    last: Floats
    h1: Floats
    h2: Floats

    @property
    def llr(self) -> Floats:
        """The log10 LR of each block (b,), rising; −inf (+inf) where it holds no H1 (H2)."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(self.h1) - np.log10(self.h2))

    def apply(self, values: ArrayLike) -> Floats:
        """Return the llr of any values (n,).

        Between blocks the probability of H1 (at equal priors) runs straight from one to the next;
        beyond the ends it stays. An infinite value is taken as just beyond the finite ones.
        """
        knots = np.stack([self.first, self.last], 1).ravel()
        finite = knots[np.isfinite(knots)]
        ends = (finite.min(initial=0.0) - 1, finite.max(initial=0.0) + 1)
        p = np.repeat(self.h1 / (self.h1 + self.h2), 2)
        p = np.interp(np.clip(values, *ends), np.clip(knots, *ends), p)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(p) - np.log10(1 - p))


def fit_pav(trials: Trials) -> Pav:
    """Pool the values of `trials` into blocks of rising llr.

    Raises
    ------
    ShotprintError : values of one hypothesis only, or none
    """
    trials.require_both("PAV")
    counted = trials.pick(trials.weights > 0)
    values, place = np.unique(counted.values, return_inverse=True)
    h1 = np.bincount(place, counted.shares * counted.is_h1)
    h2 = np.bincount(place, counted.shares * ~counted.is_h1)
    starts = isotonic_regression(h1 / (h1 + h2), weights=h1 + h2).blocks[:-1]
    lasts = np.append(starts[1:], len(values)) - 1
    return Pav(
        first=values[starts],
        last=values[lasts],
        h1=np.add.reduceat(h1, starts),
        h2=np.add.reduceat(h2, starts),
    )


def transform(trials: Trials) -> Trials:
    """Return the trials with the llrs that PAV gives their own values."""
    pav = fit_pav(trials)
    place = np.searchsorted(pav.first, trials.values, side="right") - 1
    return trials.with_values(pav.llr[np.maximum(place, 0)])
