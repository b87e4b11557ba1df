"""Dealing whole groups to folds, so that labels and sizes are alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError

Ints = NDArray[np.int64]


def deal(
    labels: Sequence[str],
    groups: Sequence[str],
    n_folds: int,
    rng: np.random.Generator,
    what: str = "groups",
) -> Ints:
    """Return the fold of each recording, 0 to `n_folds` − 1.

    Parameters
    ----------
    labels, groups : one value a recording
    what : the word for the groups in an error
    """
    counts, member = count_labels(labels, groups)
    if not 2 <= n_folds <= len(counts):
        raise ShotprintError(
            f"{n_folds} folds of {len(counts)} {what}; give 2 to {len(counts)} folds"
        )
    folds: Ints = _deal_groups(counts, n_folds, rng)[member]
    return folds


def count_labels(labels: Sequence[str], groups: Sequence[str]) -> tuple[Ints, Ints]:
    """Return how many recordings of each label each group has, and the group of each recording."""
    _, label = np.unique(np.array(labels), return_inverse=True)
    _, group = np.unique(np.array(groups), return_inverse=True)
    counts = np.zeros((group.max() + 1, label.max() + 1), dtype=np.int64)
    np.add.at(counts, (group, label), 1)
    return counts, group


def _deal_groups(counts: Ints, n_folds: int, rng: np.random.Generator) -> Ints:
    """Deal groups to folds, the largest first, each to where it unbalances labels least.

    The last group of a label never joins all its others in one fold, as long as another fold
    can take it: that label would never be trained on when it is tested.
    """
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    weights = 1.0 / counts.sum(axis=0) ** 2
    # Sizes count as one more label, so that folds stay alike in size where labels tie.
    counts_and_size = np.column_stack([counts, counts.sum(axis=1)])
    weights = np.append(weights, 1.0 / counts.sum() ** 2)
    in_fold = np.zeros((n_folds, counts_and_size.shape[1]))
    waiting = (counts > 0).sum(axis=0)
    folds = np.zeros(len(counts), dtype=np.int64)
    for group in order:
        added = counts_and_size[group]
        cost = ((2 * in_fold * added + added**2) * weights).sum(axis=1)
        present = counts[group] > 0
        placed = in_fold[:, :-1][:, present] > 0
        last = (waiting[present] == 1) & (placed.sum(axis=0) == 1)
        cost += 1e6 * (placed & last).sum(axis=1)
        folds[group] = np.argmin(cost)
        in_fold[folds[group]] += added
        waiting[present] -= 1
    return folds
