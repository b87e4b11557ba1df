"""From scores to log10 likelihood ratios: four curves fitted to scores of known truth.

`fit_affine` is the one in use: two numbers, a slope and an intercept, so that it can be fitted on
few groups and stored. The others show whether a freer curve would do better. Each weighs the two
hypotheses equally and needs values of both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import gaussian_kde, norm

from shotprint.errors import ShotprintError
from shotprint.evidence import apply_affine
from shotprint.likelihood.pav import fit_pav
from shotprint.likelihood.trials import LN10, Floats, Trials


class Calibrator(Protocol):
    """A curve from scores (n,) to llrs (n,)."""

    def apply(self, values: ArrayLike, /) -> Floats: ...


@dataclass(frozen=True)
class Affine:
    """``llr = slope · score + intercept``; slope ≥ 0."""

    slope: float
    intercept: float

    def apply(self, values: ArrayLike) -> Floats:
        """Return llrs; infinite scores stay infinite unless the slope is 0."""
        return apply_affine(values, self.slope, self.intercept)


@dataclass(frozen=True)
class Densities:
    """The llr as the log10 ratio of two densities of scores, each log10 and fitted to one side."""

    log_h1: Callable[[Floats], Floats]
    log_h2: Callable[[Floats], Floats]

    def apply(self, values: ArrayLike) -> Floats:
        """Return llrs of finite scores; far from all data one density may vanish: ±inf."""
        values = np.asarray(values, float)
        return np.asarray(self.log_h1(values) - self.log_h2(values))


def fit_affine(trials: Trials, n_observations: float | None = None) -> Affine:
    """Fit slope and intercept by logistic regression with equal priors.

    Parameters
    ----------
    n_observations : how many independent observations of each hypothesis there are, such as
        groups; by default the weight of H1. The fewer, the stronger the pull towards slope 0,
        which is llr 0 everywhere.

    Raises
    ------
    ShotprintError : values of one hypothesis only; an infinite score for the wrong side

    Notes
    -----
    Minimises Cllr in nats plus slope² / (2 n_observations): the slope has a normal prior of mean 0
    and standard deviation 1, so that it is finite where scores separate the sides without error.
    A slope below 0 would turn scores round and is not allowed. Infinite scores for the right side
    cost nothing at any slope above 0 and are left out.
    """
    trials.require_both("a calibration")
    n = n_observations or float(trials.weights[trials.is_h1].sum())
    finite = np.isfinite(trials.values)
    wrong = ~finite & ((trials.values > 0) != trials.is_h1) & (trials.weights > 0)
    if wrong.any():
        raise ShotprintError(
            f"{int(wrong.sum())} infinite scores for the hypothesis that is false; no calibration "
            "can mend them: floor the probabilities that they come from"
        )
    trials.pick(finite).require_both("a calibration (infinite scores left out)")
    sides = np.where(trials.is_h1[finite], -LN10, LN10)
    design = np.stack([trials.values[finite], np.ones(finite.sum())]) * sides
    slope, intercept = _descend(design, trials.shares[finite] / 2, np.array([1 / n, 0.0]))
    return Affine(float(slope), float(intercept)) if slope > 0 else Affine(0.0, 0.0)


def _descend(design: Floats, shares: Floats, penalty: Floats) -> Floats:
    """Return the line (2,) of the least mean log(1 + exp(line · design)) + penalty · line² / 2.

    Newton's method; a step that does not lower the convex loss is halved until it does.
    """
    line, loss = np.zeros(2), np.inf
    step = np.zeros(2)
    while True:
        while (found := _lose(line - step, design, shares, penalty)) > loss:
            step = step / 2
        line, gain, loss = line - step, loss - found, found
        if gain <= 1e-15:
            return line
        p = expit(line @ design)
        gradient = design @ (shares * p) + penalty * line
        curvature = (design * (shares * p * (1 - p))) @ design.T + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curvature, gradient)


def _lose(line: Floats, design: Floats, shares: Floats, penalty: Floats) -> float:
    return float(shares @ np.logaddexp(0, line @ design) + penalty @ line**2 / 2)


def fit_gaussian(trials: Trials) -> Densities:
    """Fit a normal density to the finite scores of each side."""

    def fit(scores: Floats, weights: Floats) -> Callable[[Floats], Floats]:
        mean = np.average(scores, weights=weights)
        spread = float(np.sqrt(np.average((scores - mean) ** 2, weights=weights)))
        return lambda values: norm.logpdf(values, mean, spread) / LN10  # type: ignore[no-any-return]

    return _fit_sides(trials, fit)


def fit_kde(trials: Trials) -> Densities:
    """Fit a kernel density with normal kernels and Silverman's width to each side's scores."""

    def fit(scores: Floats, weights: Floats) -> Callable[[Floats], Floats]:
        density = gaussian_kde(scores, "silverman", weights)
        return lambda values: density.logpdf(values) / LN10  # type: ignore[no-any-return]

    return _fit_sides(trials, fit)


CALIBRATORS: dict[str, Callable[[Trials], Calibrator]] = {
    "affine": fit_affine,
    "gaussian": fit_gaussian,
    "kde": fit_kde,
    "pav": fit_pav,
}


def _fit_sides(
    trials: Trials, fit: Callable[[Floats, Floats], Callable[[Floats], Floats]]
) -> Densities:
    trials.require_both("a calibration")
    sides = []
    for side in (trials.is_h1, ~trials.is_h1):
        kept = side & np.isfinite(trials.values) & (trials.weights > 0)
        if len(set(trials.values[kept].tolist())) < 2:
            raise ShotprintError(
                "a density needs two different finite scores of each hypothesis; use the affine "
                "calibration"
            )
        sides.append(fit(trials.values[kept], trials.weights[kept]))
    return Densities(*sides)
