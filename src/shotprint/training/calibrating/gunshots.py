"""What tells gunshots from other sounds, and what the recordings of the validation are like."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from shotprint.recognition.judgement import FLOOR_DB, MEASURES, Judgement, join_traits
from shotprint.training.calibrating.sets import MAX_CLIPS, Heard, Set

PENALTY = 0.01
RANGE = (1.0, 99.0)
LEAST = {"clipped_share": 0.0, "distance": 0.0, "noise_db": FLOOR_DB}
"""Measures that cannot be too low: less clipping, distance or noise is no reason to doubt."""


def fit_judgement(
    sets: Sequence[Set], heard: Sequence[tuple[Heard, Heard]], without: int | None
) -> Judgement:
    """Fit what tells gunshots from other sounds, each set and each side with the same weight.

    Parameters
    ----------
    without : a fold to leave out; None: none
    """
    embeddings, targets, weights = [], [], []
    for sounds, (full, narrow) in zip(sets, heard, strict=True):
        rows = np.flatnonzero(sounds.folds != without)
        parts = [
            each.embeddings[row][:MAX_CLIPS] for row in rows.tolist() for each in (full, narrow)
        ]
        joined = np.concatenate(parts)
        n_alike = sum(other.is_shot == sounds.is_shot for other in sets)
        embeddings.append(joined)
        targets.append(np.full(len(joined), sounds.is_shot))
        weights.append(np.full(len(joined), 1 / (len(joined) * n_alike)))
    joined, target = np.concatenate(embeddings), np.concatenate(targets)
    own = embeddings[0]
    mean, scale = own.mean(axis=0), own.std(axis=0) + 1e-6
    standard = (joined - mean) / scale
    weight = np.concatenate(weights)
    regression = LogisticRegression(C=PENALTY, max_iter=2000)
    regression.fit(standard, target, sample_weight=weight * len(weight) / weight.sum())
    return Judgement(
        mean,
        scale,
        regression.coef_[0].astype(np.float32),
        float(regression.intercept_[0]),
        0.0,
        {},
    )


def measure_usual(
    own: Set, heard: Mapping[int, Any], crossed: Mapping[int, Judgement]
) -> dict[str, tuple[float, float]]:
    """Return the range of each measure over recordings, each by a network that never heard it."""
    rows = []
    for row, fold in enumerate(own.folds.tolist()):
        embeddings = heard[fold][0][0].embeddings[row]
        traits = join_traits(crossed[fold], embeddings, own.measures[row])
        rows.append(np.median(traits[:, 1:], axis=0))
    low, high = np.percentile(np.stack(rows), RANGE, axis=0)
    ranges = {name: (float(a), float(b)) for name, a, b in zip(MEASURES, low, high, strict=True)}
    return {name: (LEAST.get(name, low), high) for name, (low, high) in ranges.items()}


def measure_rejection(
    sets: Sequence[Set], heard: Mapping[int, Any], crossed: Mapping[int, Judgement]
) -> dict[str, Any]:
    """Return how well gunshots and other sounds are told apart, all limited to the common rate."""
    scores = [np.zeros(len(sounds.folds)) for sounds in sets]
    for fold, judgement in crossed.items():
        for place, sounds in enumerate(sets):
            narrow: Heard = heard[fold][place][1]
            for row in np.flatnonzero(sounds.folds == fold).tolist():
                scores[place][row] = judgement.rate(narrow.embeddings[row])[:, 0].max()
    others = np.concatenate(
        [s for s, sounds in zip(scores, sets, strict=True) if not sounds.is_shot]
    )
    return {
        "auroc": _compute_auroc(scores[0], others),
        "n_guns": len(scores[0]),
        "n_others": len(others),
        "guns_accepted": float((scores[0] > 0).mean()),
        "others_accepted": float((others > 0).mean()),
        "other_shots": [
            {"n": len(s), "accepted": float((s > 0).mean()), "auroc": _compute_auroc(s, others)}
            for s, sounds in zip(scores[1:], sets[1:], strict=True)
            if sounds.is_shot
        ],
    }


def _compute_auroc(shots: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    truth = np.repeat([1, 0], [len(shots), len(others)])
    return float(roc_auc_score(truth, np.concatenate([shots, others])))
