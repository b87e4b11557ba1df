"""Figures of a classifier from counts and probabilities.

Codes are indices into a list of k labels; answer −1 means that recognition failed. Functions on
tallies (n_correct, support, n_answers: per class) take any leading axes, (…, k), so that a
bootstrap computes all resamples at once. A class with no test recordings (support 0) has no
recall and stays out of macro averages.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def count_confusions(truth: Codes, answer: Codes, n_labels: int) -> NDArray[np.int64]:
    """Return counts (k, k), rows truth, columns answer; failed recordings (−1) are left out."""
    counts = np.zeros((n_labels, n_labels), np.int64)
    answered = answer >= 0
    np.add.at(counts, (truth[answered], answer[answered]), 1)
    return counts


def divide(above: ArrayLike, below: ArrayLike) -> Floats:
    """Return above / below, NaN where below is 0: recall = n_correct / support, and so on."""
    quotients = np.asarray(above, float) / np.where(np.asarray(below) > 0, below, np.nan)
    return np.asarray(quotients)


def compute_f1(n_correct: ArrayLike, support: ArrayLike, n_answers: ArrayLike) -> Floats:
    """Return the harmonic mean of precision and recall (…, k); 0 if none is right.

    It is NaN for a class that neither occurs nor is answered.
    """
    return divide(2 * np.asarray(n_correct), np.asarray(support) + n_answers)


def average_classes(figures: Floats, support: Floats) -> Floats:
    """Return the macro average (…) of `figures` (…, k) over classes with test recordings."""
    present = support > 0
    return divide(np.where(present, figures, 0.0).sum(-1), present.sum(-1))


def rank_truth(probabilities: Floats, truth: Codes) -> Codes:
    """Return the rank (n,) of the true label, 1 = most probable; ties rank it last.

    Parameters
    ----------
    probabilities : (n, k) without NaN
    truth : (n,) codes
    """
    of_truth = probabilities[np.arange(len(truth)), truth]
    return np.asarray((probabilities >= of_truth[:, None]).sum(axis=1))


def compute_log_loss(probabilities: Floats, truth: Codes) -> float:
    """Return the mean of −ln p(truth), p at least the float64 epsilon; NaN with no recording.

    Parameters
    ----------
    probabilities : (n, k), rows sum to one
    truth : (n,) codes
    """
    if not len(truth):
        return float("nan")
    of_truth = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(of_truth, np.finfo(float).eps)).mean())
