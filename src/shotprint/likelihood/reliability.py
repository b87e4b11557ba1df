"""Do llrs mean what they say? Among those near x, H1 must be 10^x times as frequent as H2."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shotprint.likelihood.trials import Trials

N_BINS = 8


@dataclass(frozen=True)
class Bin:
    """A range of stated llrs and the llr that its trials turn out to have.

    Attributes
    ----------
    stated : mean of the llrs in it, both hypotheses counting equally
    observed : log10 of (share of H1 in it / share of H2 in it); ±inf where one has none
    h1, h2 : these shares, 0…1
    """

    stated: float
    observed: float
    h1: float
    h2: float


def compute_reliability(trials: Trials, n_bins: int = N_BINS) -> list[Bin]:
    """Return up to `n_bins` ranges of equal weight, from the lowest llrs up; equal llrs share one.

    Raises
    ------
    ShotprintError : values of one hypothesis only, or none
    """
    trials.require_both("a picture of reliability")
    return list(_fill_bins(trials.pick(trials.weights > 0), n_bins))


def _fill_bins(trials: Trials, n_bins: int) -> Iterator[Bin]:
    _, place = np.unique(trials.values, return_inverse=True)
    reached = np.cumsum(np.bincount(place, trials.shares)) / 2  # both hypotheses: 2 in all
    number = np.minimum((reached - 1e-9) * n_bins, n_bins - 1).astype(int)[place]
    for i in np.unique(number):
        inside = number == i
        shares = trials.shares[inside]
        h1 = float(shares[trials.is_h1[inside]].sum())
        h2 = float(shares[~trials.is_h1[inside]].sum())
        with np.errstate(divide="ignore"):
            observed = float(np.log10(h1) - np.log10(h2))
        yield Bin(float(np.average(trials.values[inside], weights=shares)), observed, h1, h2)
