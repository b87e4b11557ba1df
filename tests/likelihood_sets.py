"""Predictions whose truth about itself is known: honest, useless, or too sure."""

import numpy as np

from shotprint.evaluation import Predictions
from shotprint.firearms import Firearm

LABELS = ("A9", "B9", "C45", "D308")
GUNS = {
    label: Firearm(label, "", calibre, category)
    for label, calibre, category in [
        ("A9", "9 mm Luger", "pistol"),
        ("B9", "9 mm Luger", "pistol"),
        ("C45", ".45 Auto", "pistol"),
        ("D308", ".308 Win", "rifle"),
    ]
}


def make_predictions(
    n_groups: int = 40, distance: float = 2.0, sureness: float = 1.0, **columns
) -> Predictions:
    """Six recordings a group, one gun a group, from normal densities of known distance.

    The network's log-probabilities are `sureness` times those of Bayes' rule.
    """
    generator = np.random.default_rng(5)
    n = 6 * n_groups
    truth = np.arange(n) // 6 % 4
    sounds = generator.normal(0, 1, (n, 4))
    sounds[np.arange(n), truth] += distance
    logits = sureness * distance * sounds
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    groups = np.array([f"g{i // 6}" for i in range(n)])
    folds = tuple(str(i // 24 % 5) for i in range(n))  # four groups, one of each gun, at a time
    return Predictions(
        recordings=tuple(f"{i}.wav" for i in range(n)),
        labels=LABELS,
        truth=truth,
        answer=probabilities.argmax(axis=1),
        model_labels=LABELS,
        probabilities=probabilities,
        groups=groups,
        columns={"fold": folds, **columns},
    )
