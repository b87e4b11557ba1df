"""How far figures and llrs could be off: whole groups are drawn again, all that follows is redone.

Recordings of one group (a session, a video, a firing position) resemble each other, so the group
is what is drawn. Percentile intervals, as in `shotprint.evaluation.intervals`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shotprint.evaluation.intervals import Resampling
from shotprint.likelihood.calibrators import fit_affine
from shotprint.likelihood.metrics import measure
from shotprint.likelihood.trials import Floats, Trials


def bootstrap_affine(trials: Trials, groups: NDArray, resampling: Resampling) -> Floats:
    """Return slope and intercept refitted on resampled groups: (m, 2).

    Parameters
    ----------
    groups : (n,) the group of each trial
    """
    fits = [fit_affine(drawn, n) for drawn, n in _draw(trials, groups, resampling)]
    return np.array([(fit.slope, fit.intercept) for fit in fits])


def bootstrap_figures(
    trials: Trials, groups: NDArray, resampling: Resampling
) -> dict[str, tuple[float, float]]:
    """Return the interval of each figure of `measure`; NaN with fewer than two groups.

    Parameters
    ----------
    groups : (n,) the group of each trial
    """
    figures = [measure(drawn) for drawn, _ in _draw(trials, groups, resampling)]
    names = list(measure(trials))
    table = np.array([[figure[name] for name in names] for figure in figures])
    enough = len(np.unique(groups)) >= 2
    tail = 50 * (1 - resampling.confidence)
    intervals = {}
    for name, column in zip(names, table.T, strict=True):
        defined = column[~np.isnan(column)]
        ends = (
            np.percentile(defined, [tail, 100 - tail]) if enough and len(defined) else [np.nan] * 2
        )
        intervals[name] = (float(ends[0]), float(ends[1]))
    return intervals


def _draw(trials: Trials, groups: NDArray, resampling: Resampling) -> Iterator[tuple[Trials, int]]:
    """Yield trials weighted by how often their group was drawn, and the number of groups."""
    _, place = np.unique(groups, return_inverse=True)
    n = int(place.max()) + 1
    generator = np.random.default_rng(resampling.seed)
    for times in generator.multinomial(n, np.full(n, 1 / n), resampling.n_resamples):
        weights = trials.weights * times[place]
        yield Trials(trials.values, trials.is_h1, weights).pick(weights > 0), n
