"""How well shots are found and timed.

A found onset is right if it lies within a tolerance of a true one; the matching is one to one
and as large as possible (as for onsets in music: MIREX, Raffel et al. 2014, mir_eval).
Precision is the share of found onsets that are right, recall the share of true ones that are
found, F1 their harmonic mean. Where only windows are marked, a mark is found by any onset from
`BEFORE_MARK_S` before to `AFTER_MARK_S` after its start. Times in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Times = NDArray[np.float64]

TOLERANCE_S = 0.02
BEFORE_MARK_S, AFTER_MARK_S = 0.05, 0.25
EXACT_S = 1e-6
"""Rounding that is forgiven."""


@dataclass(frozen=True, eq=False)
class Found:
    """The shots found in one recording, and what is known of it.

    Attributes
    ----------
    onsets_s, probability : (n_found,) in order of time
    true_s : (n_shots,) of every shot, empty: there are none; None: only marks are known
    marks_s : (n_marks,) starts of windows in which there is a shot
    group : recordings that belong together
    """

    onsets_s: Times
    probability: Times
    true_s: Times | None
    marks_s: Times | None = None
    group: str = ""

    def above(self, threshold: float) -> Times:
        """Return the onsets that are at least so probable."""
        onsets_s: Times = self.onsets_s[self.probability >= threshold]
        return onsets_s


@dataclass(frozen=True)
class OnsetFigures:
    """Figures at one threshold; NaN where there is nothing to count.

    Attributes
    ----------
    precision, recall, f1, median_error_s : of recordings with shots whose onsets are known
    marks_found : share of marks
    false_alarms : share of recordings without shots in which something was found
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    median_error_s: float
    marks_found: float
    false_alarms: float


def match_onsets(
    found_s: ArrayLike, true_s: ArrayLike, tolerance_s: float = TOLERANCE_S
) -> list[tuple[int, int]]:
    """Return the largest one-to-one matching: pairs of an index into each.

    Both must rise. With one tolerance for all, taking the earliest pair that fits is optimal.
    """
    found, true = np.asarray(found_s, np.float64), np.asarray(true_s, np.float64)
    pairs, i, j = [], 0, 0
    while i < len(found) and j < len(true):
        if abs(found[i] - true[j]) <= tolerance_s + EXACT_S:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif found[i] < true[j]:
            i += 1
        else:
            j += 1
    return pairs


def count_marks_found(found_s: ArrayLike, marks_s: ArrayLike) -> int:
    """Return how many marks have an onset in their window."""
    late = np.asarray(found_s, np.float64)[:, None] - np.asarray(marks_s, np.float64)
    inside = (late >= -BEFORE_MARK_S - EXACT_S) & (late <= AFTER_MARK_S + EXACT_S)
    return int(inside.any(axis=0).sum())


def evaluate_onsets(
    recordings: Sequence[Found], threshold: float, tolerance_s: float = TOLERANCE_S
) -> OnsetFigures:
    """Return the figures of recordings at one threshold."""
    counts = count_onsets(recordings, threshold, tolerance_s)
    n_found, n_right, n_true, n_marks, n_marked, n_alarms, n_without = counts.sum(axis=0).tolist()
    errors = []
    for each in recordings:
        if each.true_s is not None and len(each.true_s):
            onsets_s = each.above(threshold)
            pairs = match_onsets(onsets_s, each.true_s, tolerance_s)
            errors += [abs(onsets_s[i] - each.true_s[j]) for i, j in pairs]
    return OnsetFigures(
        threshold=threshold,
        precision=_divide(n_right, n_found),
        recall=_divide(n_right, n_true),
        f1=_divide(2 * n_right, n_found + n_true),
        median_error_s=float(np.median(errors)) if errors else float("nan"),
        marks_found=_divide(n_marks, n_marked),
        false_alarms=_divide(n_alarms, n_without),
    )


def count_onsets(
    recordings: Sequence[Found], threshold: float, tolerance_s: float = TOLERANCE_S
) -> NDArray[np.int64]:
    """Return counts of each recording, (n, 7), which add up over any set of recordings.

    Found, right and true onsets; marks found and marked; whether there is a false alarm, and
    whether there could be one.
    """
    rows = []
    for each in recordings:
        onsets_s = each.above(threshold)
        if each.true_s is None:
            marks_s = np.zeros(0) if each.marks_s is None else each.marks_s
            rows.append([0, 0, 0, count_marks_found(onsets_s, marks_s), len(marks_s), 0, 0])
        elif len(each.true_s) == 0:
            rows.append([0, 0, 0, 0, 0, int(len(onsets_s) > 0), 1])
        else:
            n_right = len(match_onsets(onsets_s, each.true_s, tolerance_s))
            rows.append([len(onsets_s), n_right, len(each.true_s), 0, 0, 0, 0])
    return np.array(rows, np.int64).reshape(-1, 7)


def _divide(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
