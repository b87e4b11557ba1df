"""From predictions to pairs of recordings of which it is known whether one model fired in both.

Pairs within a group are left out: recordings of one session are alike for more than their gun. Few
pairs are drawn for each two groups, so that large groups do not outweigh others. A calibration for
a pair is fitted on pairs that touch neither of its folds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.evaluation.intervals import Resampling
from shotprint.likelihood.bounds import fit_elub
from shotprint.likelihood.calibrators import Affine, fit_affine
from shotprint.likelihood.metrics import measure
from shotprint.likelihood.trials import Floats, Trials, make_trials
from shotprint.pairs import compute_pair_scores

Ints = NDArray[np.int64]

PAIRS_A_GROUP_PAIR = 20


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of recordings of different groups.

    Attributes
    ----------
    trials : scores; H1: one model
    groups, folds : (n_pairs, 2) codes of the groups and folds of the two
    """

    trials: Trials
    groups: Ints
    folds: Ints

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(np.unique(self.groups))

    def pick(self, which: NDArray[Any]) -> "Pairs":
        """Return some of the pairs: a mask or places."""
        return Pairs(self.trials.pick(which), self.groups[which], self.folds[which])


def draw_pairs(
    probabilities: Floats, truth: Ints, groups: NDArray[Any], folds: NDArray[Any], seed: int = 0
) -> Pairs:
    """Draw up to `PAIRS_A_GROUP_PAIR` pairs of recordings of every two groups.

    Parameters
    ----------
    probabilities : (n, k) out of fold
    truth, groups, folds : (n,)
    """
    rng = np.random.default_rng(seed)
    _, group = np.unique(groups, return_inverse=True)
    _, fold = np.unique(folds, return_inverse=True)
    members = [np.flatnonzero(group == g) for g in range(int(group.max()) + 1)]
    rows = []
    for a in range(len(members)):
        for b in range(a + 1, len(members)):
            n = min(PAIRS_A_GROUP_PAIR, len(members[a]) * len(members[b]))
            drawn = rng.choice(len(members[a]) * len(members[b]), n, replace=False)
            first, second = np.divmod(drawn, len(members[b]))
            rows.append(np.stack([members[a][first], members[b][second]], axis=1))
    pairs = np.concatenate(rows)
    scores = compute_pair_scores(probabilities[pairs[:, 0]], probabilities[pairs[:, 1]])
    trials = make_trials(scores, truth[pairs[:, 0]] == truth[pairs[:, 1]])
    return Pairs(trials, group[pairs], fold[pairs])


def crossfit_pairs(pairs: Pairs) -> Trials:
    """Return the llrs of pairs, each by a calibration without the folds of both, bounded."""
    llrs = np.full(len(pairs.trials.values), np.nan)
    names = np.unique(pairs.folds).tolist()
    for two in combinations_with_replacement(names, 2):
        mine = (np.sort(pairs.folds, axis=1) == np.array(two)).all(axis=1)
        touches = np.isin(pairs.folds, two).any(axis=1)
        rest = pairs.pick(np.flatnonzero(~touches))
        if not mine.any():
            continue
        fitted = fit_affine(rest.trials, rest.n_groups)
        lower, upper = bound_pairs(rest, fitted)
        llrs[mine] = np.clip(fitted.apply(pairs.trials.values[mine]), lower, upper)
    return pairs.trials.with_values(llrs)


def bound_pairs(pairs: Pairs, fitted: Affine) -> tuple[float, float]:
    """Return the ELUB of calibrated pairs, each group one observation."""
    trials = pairs.trials.with_values(fitted.apply(pairs.trials.values))
    return fit_elub(trials, pairs.n_groups)


def bootstrap_pairs(pairs: Pairs, resampling: Resampling) -> Floats:
    """Return slope and intercept refitted on resampled groups: (m, 2)."""
    fits = [fit_affine(drawn, pairs.n_groups) for drawn in _draw(pairs, pairs.trials, resampling)]
    return np.array([(fit.slope, fit.intercept) for fit in fits])


def measure_pairs(pairs: Pairs, llrs: Trials, resampling: Resampling) -> dict[str, Any]:
    """Return every figure of `metrics.measure` with an interval from resampled groups."""
    tables = [measure(drawn) for drawn in _draw(pairs, llrs, resampling)]
    tail = 50 * (1 - resampling.confidence)
    figures: dict[str, Any] = {}
    for name, value in measure(llrs).items():
        values = np.array([table[name] for table in tables])
        ends = np.nanpercentile(values, [tail, 100 - tail])
        figures[name] = {"value": float(value), "interval": [float(end) for end in ends]}
    n_h1 = int(llrs.is_h1.sum())
    return {"n_h1": n_h1, "n_h2": len(llrs.values) - n_h1, "n_groups": pairs.n_groups, **figures}


def _draw(pairs: Pairs, trials: Trials, resampling: Resampling) -> Iterator[Trials]:
    """Yield trials weighted by how often both of their groups were drawn."""
    n = int(pairs.groups.max()) + 1
    generator = np.random.default_rng(resampling.seed)
    for times in generator.multinomial(n, np.full(n, 1 / n), resampling.n_resamples):
        weights = trials.weights * times[pairs.groups].prod(axis=1)
        drawn = Trials(trials.values, trials.is_h1, weights).pick(weights > 0)
        if drawn.has_both:
            yield drawn
