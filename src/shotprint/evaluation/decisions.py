"""How much is stated, and how much of it is wrong, at every level of statement.

What is stated is decided as `shotprint.decisions.decide` does: the most specific of model,
calibre, category whose probability reaches the stated level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.decisions import INCONCLUSIVE, SPECIFIC, can_state
from shotprint.evaluation.classification import divide
from shotprint.evaluation.intervals import Resampling, bootstrap_over_groups, sum_by_group
from shotprint.evaluation.levels import Level, name_levels
from shotprint.firearms import Firearm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STATED_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_COARSER: tuple[Level, ...] = ("calibre", "category")


@dataclass(frozen=True, eq=False)
class Judged:
    """Calibrated probabilities (n, k), the true codes (n,), and groups (n,)."""

    probabilities: Floats
    truth: Ints
    groups: NDArray[Any]


def decide_all(
    probabilities: Floats, truth: Ints, names: Sequence[Sequence[str]], level: float
) -> tuple[Ints, NDArray[np.bool_]]:
    """Return what is stated of each recording, and whether it is true.

    Parameters
    ----------
    probabilities : (n, k)
    truth : (n,) codes
    names : of the k labels: models, calibres, categories

    Returns
    -------
    place : (n,) index into `SPECIFIC`, 3 where nothing is stated
    correct : (n,) False where nothing is stated
    """
    place = np.full(len(truth), len(SPECIFIC))
    correct = np.zeros(len(truth), bool)
    for index, named in reversed(list(enumerate(names))):
        distinct = list(dict.fromkeys(named))
        codes = np.array([distinct.index(name) for name in named])
        sums = probabilities @ (codes[:, None] == np.arange(len(distinct)))
        best = sums.argmax(axis=1)
        statable = np.array([can_state(name) for name in distinct])
        stated = (sums[np.arange(len(truth)), best] >= level) & statable[best]
        place[stated] = index
        correct[stated] = best[stated] == codes[truth[stated]]
    return place, correct


def evaluate_decisions(
    judged: Judged,
    labels: Sequence[str],
    firearms: Mapping[str, Firearm],
    resampling: Resampling,
) -> list[dict[str, Any]]:
    """Return for each of `STATED_LEVELS` what share is stated, how, and what share is wrong."""
    probabilities, truth, groups = judged.probabilities, judged.truth, judged.groups
    names = [labels, *(name_levels(labels, firearms, level) for level in _COARSER)]
    rows = []
    for level in STATED_LEVELS:
        place, correct = decide_all(probabilities, truth, names, level)
        stated = place < len(SPECIFIC)
        wrong = stated & ~correct
        sums = sum_by_group(np.stack([wrong, stated], axis=1), groups)
        low, high = bootstrap_over_groups(sums, lambda s: divide(s[:, :1], s[:, 1:]), resampling)
        ends = [float(low[0]), float(high[0])] if np.isfinite([low[0], high[0]]).all() else None
        counts = np.bincount(place, minlength=len(SPECIFIC) + 1).tolist()
        rows.append(
            {
                "level": level,
                "n": len(truth),
                "coverage": float(stated.mean()) if len(truth) else None,
                "n_wrong": int(wrong.sum()),
                "error": float(wrong.sum() / stated.sum()) if stated.any() else None,
                "error_bootstrap": ends,
                "counts": dict(zip((*SPECIFIC, INCONCLUSIVE), counts, strict=True)),
            }
        )
    return rows
