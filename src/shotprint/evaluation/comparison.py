"""Two sets of predictions on the same recordings: which is better, and could it be chance?"""

from typing import Any

import numpy as np

from shotprint.errors import ShotprintError
from shotprint.evaluation.intervals import Resampling, bootstrap_over_groups, sum_by_group
from shotprint.evaluation.predictions import Predictions


def compute_mcnemar_p(n_only_a: int, n_only_b: int) -> float:
    """Return the two-sided exact p value of McNemar's test.

    Parameters
    ----------
    n_only_a, n_only_b : recordings that only A, or only B, answers rightly

    Notes
    -----
    Twice the binomial tail of the smaller count at probability ½, at most 1 (Q. McNemar,
    Psychometrika 12 (1947), 153–157). It takes recordings as independent.
    """
    n, fewer = n_only_a + n_only_b, min(n_only_a, n_only_b)
    steps = np.arange(1, fewer + 1)
    log_binomials = np.concatenate([[0.0], np.cumsum(np.log((n - steps + 1) / steps))])
    return float(min(1.0, 2 * np.exp(log_binomials - n * np.log(2)).sum()))


def compare_predictions(
    a: Predictions, b: Predictions, resampling: Resampling = Resampling()
) -> dict[str, Any]:
    """Compare A with B on the recordings that both have; a failed one counts as wrong.

    Returns
    -------
    Counts of who is right, both accuracies, their difference (A − B) with a bootstrap interval
    over the groups of A (or of B, or else recordings), and McNemar's exact p.

    Raises
    ------
    ShotprintError : no recording in common, or a recording with two true labels
    """
    place = {name: i for i, name in enumerate(b.recordings)}
    pairs = [(i, place[name]) for i, name in enumerate(a.recordings) if name in place]
    if not pairs:
        raise ShotprintError(
            "the two predictions have no recording in common; they name "
            f"{a.recordings[0]!r} and {b.recordings[0]!r}"
        )
    in_a, in_b = np.array(pairs).T
    _refuse_different_truth(a, b, in_a, in_b)
    right_a, right_b = a.correct[in_a], b.correct[in_b]
    groups = np.array(a.recordings)[in_a]
    grouped = a.groups is not None or b.groups is not None
    if a.groups is not None:
        groups = a.groups[in_a]
    elif b.groups is not None:
        groups = b.groups[in_b]
    n = len(pairs)
    difference = right_a.astype(float) - right_b
    sums = sum_by_group(np.stack([difference, np.ones(n)], 1), groups)
    low, high = bootstrap_over_groups(sums, lambda drawn: drawn[:, :1] / drawn[:, 1:], resampling)
    n_only_a, n_only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return {
        "n": n,
        "n_only_in_a": len(a.recordings) - n,
        "n_only_in_b": len(b.recordings) - n,
        "n_both_right": int((right_a & right_b).sum()),
        "n_only_a_right": n_only_a,
        "n_only_b_right": n_only_b,
        "n_neither_right": int((~right_a & ~right_b).sum()),
        "accuracy_a": float(right_a.mean()),
        "accuracy_b": float(right_b.mean()),
        "difference": float(difference.mean()),
        "bootstrap": [float(low[0]), float(high[0])] if len(sums) > 1 else None,
        "grouping": "group" if grouped else "recording",
        "n_groups": len(sums),
        "mcnemar_p": compute_mcnemar_p(n_only_a, n_only_b),
    }


def _refuse_different_truth(
    a: Predictions, b: Predictions, in_a: np.ndarray, in_b: np.ndarray
) -> None:
    for i, j in zip(in_a, in_b, strict=True):
        label_a, label_b = a.labels[a.truth[i]], b.labels[b.truth[j]]
        if label_a != label_b:
            raise ShotprintError(
                f"the true label of {a.recordings[i]!r} is {label_a!r} in one file and "
                f"{label_b!r} in the other; correct one of them"
            )
