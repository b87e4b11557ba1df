"""Scores or log10 likelihood ratios of which it is known whether H1 or H2 is true."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotprint.errors import ShotprintError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
LN10 = float(np.log(10))


@dataclass(frozen=True, eq=False)
class Trials:
    """n values, the hypothesis that is true of each, and how much each counts.

    Attributes
    ----------
    values : (n,) scores or llrs (log10); ±inf allowed, NaN is not
    is_h1 : (n,) True where H1 is true, False where H2 is
    weights : (n,) ≥ 0, in recordings; a value of weight 0 counts for nothing
    """

    values: Floats
    is_h1: Bools
    weights: Floats

    @property
    def has_both(self) -> bool:
        """Whether both hypotheses have a value that counts."""
        return bool(self.weights[self.is_h1].sum() > 0 and self.weights[~self.is_h1].sum() > 0)

    @property
    def shares(self) -> Floats:
        """The weights (n,) divided by their sum within each hypothesis: both count equally."""
        totals = np.array([self.weights[~self.is_h1].sum(), self.weights[self.is_h1].sum()])
        return np.asarray(self.weights / np.where(totals > 0, totals, 1.0)[self.is_h1.astype(int)])

    def with_values(self, values: ArrayLike) -> "Trials":
        """Return the same trials with other values (n,)."""
        return make_trials(values, self.is_h1, self.weights)

    def pick(self, which: NDArray) -> "Trials":
        """Return some of the trials: a mask (n,) or places."""
        return Trials(self.values[which], self.is_h1[which], self.weights[which])

    def require_both(self, purpose: str) -> None:
        """Raise `ShotprintError` unless both hypotheses have a value.

        Parameters
        ----------
        purpose : what needs them, such as ``a calibration``
        """
        if not self.has_both:
            n_h1 = int(self.is_h1.sum())
            raise ShotprintError(
                f"{n_h1} values with H1 true and {len(self.values) - n_h1} with H2 true; "
                f"{purpose} needs values of both hypotheses"
            )


def make_trials(values: ArrayLike, is_h1: ArrayLike, weights: ArrayLike | None = None) -> Trials:
    """Return checked trials; without `weights` each counts once.

    Raises
    ------
    ShotprintError : arrays of different length or not of one dimension, NaN, a negative weight
    """
    values, is_h1 = np.asarray(values, float), np.asarray(is_h1, bool)
    weights = np.ones(values.shape) if weights is None else np.asarray(weights, float)
    if not values.shape == is_h1.shape == weights.shape or values.ndim != 1:
        raise ShotprintError(
            f"values, hypotheses and weights have the shapes {values.shape}, {is_h1.shape} and "
            f"{weights.shape}; three arrays of one length were expected"
        )
    if np.isnan(values).any() or not np.all(weights >= 0):
        raise ShotprintError(
            "a value that is no number, or a negative weight; leave out what is not known"
        )
    return Trials(values, is_h1, weights)
