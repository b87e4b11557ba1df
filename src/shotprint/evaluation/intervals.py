"""How far a rate could be off: Wilson's interval, and a bootstrap that resamples whole groups.

Recordings of one shot, one session or one video resemble each other. Resampling whole groups
keeps that dependence; Wilson's interval takes every recording as independent and is too narrow
where groups matter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_NUMBERS_AT_ONCE = 4_000_000  # resampled weights held at one time: 32 MB


@dataclass(frozen=True)
class Resampling:
    """How a bootstrap draws: number of resamples, seed, and coverage of the interval."""

    n_resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95


def wilson_interval(
    n_correct: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the ends of Wilson's score interval of a proportion.

    Parameters
    ----------
    n_correct, n : counts of one shape, 0 ≤ n_correct ≤ n
    confidence : coverage, 0…1

    Returns
    -------
    low, high : of the same shape; NaN where n is 0

    Notes
    -----
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927), 209–212.
    """
    n_correct, n = np.asarray(n_correct, float), np.asarray(n, float)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    safe_n = np.where(n > 0, n, np.nan)
    share = n_correct / safe_n
    centre = share + z**2 / (2 * safe_n)
    half_width = z * np.sqrt(share * (1 - share) / safe_n + z**2 / (4 * safe_n**2))
    scale = 1 + z**2 / safe_n
    return (
        np.maximum((centre - half_width) / scale, 0.0),
        np.minimum((centre + half_width) / scale, 1.0),
    )


def sum_by_group(terms: ArrayLike, groups: ArrayLike) -> Floats:
    """Return the sums of `terms` (n, d) within each distinct group of `groups` (n,): (g, d)."""
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    terms = np.asarray(terms, float)
    sums = np.zeros((int(codes.max(initial=-1)) + 1, terms.shape[1]))
    np.add.at(sums, codes, terms)
    return sums


def bootstrap_over_groups(
    group_sums: Floats, statistic: Callable[[Floats], Floats], resampling: Resampling
) -> tuple[Floats, Floats]:
    """Return percentile intervals of statistics of sums, resampling whole groups.

    Parameters
    ----------
    group_sums : (g, d), what each group adds to the d sums (see `sum_by_group`)
    statistic : sums (m, d) of m resamples → (m, s) figures; NaN where one is undefined
    resampling : the same seed and g give the same resamples, whatever d

    Returns
    -------
    low, high : (s,); NaN with fewer than two groups, or where no resample defines the figure

    Notes
    -----
    Cluster bootstrap, percentile method: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and
    their Application" (1997), §3.8 and §5.3. Each resample draws g groups with replacement.
    """
    n_groups = len(group_sums)
    at_once = max(1, _NUMBERS_AT_ONCE // max(n_groups, group_sums.shape[1], 1))
    generator = np.random.default_rng(resampling.seed)
    blocks = []
    for start in range(0, resampling.n_resamples, at_once):
        n_rows = min(at_once, resampling.n_resamples - start)
        weights = _draw_weights(generator, n_rows, n_groups)
        blocks.append(statistic(weights @ group_sums))
    return _percentiles(np.concatenate(blocks), resampling.confidence, enough=n_groups >= 2)


def _draw_weights(generator: np.random.Generator, n_rows: int, n_groups: int) -> Floats:
    """How often each group is drawn in each resample: (n_rows, n_groups)."""
    drawn = generator.integers(n_groups, size=(n_rows, n_groups))
    drawn += np.arange(n_rows)[:, None] * n_groups
    counts = np.bincount(drawn.ravel(), minlength=n_rows * n_groups)
    return counts.reshape(n_rows, n_groups).astype(float)


def _percentiles(figures: Floats, confidence: float, *, enough: bool) -> tuple[Floats, Floats]:
    low, high = np.full((2, figures.shape[1]), np.nan)
    defined = ~np.isnan(figures).all(axis=0)
    if enough and defined.any():
        tail = 50 * (1 - confidence)
        low[defined], high[defined] = np.nanpercentile(
            figures[:, defined], [tail, 100 - tail], axis=0
        )
    return low, high
