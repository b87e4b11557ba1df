"""A validation part, in whole groups of the training part."""

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.splits.dealing import Ints, count_labels
from shotprint.splits.protocol import TRAIN, Protocol


def assign_validation(
    protocol: Protocol, test_fold: int, seed: int = 0, fraction: float = 0.2
) -> dict[str, str]:
    """Split the training part of a fold once more, for early stopping and for settings.

    About `fraction` of every label of the training part, in whole groups, becomes the validation
    part. Every label keeps at least one group in training: a label with only one there is not
    validated.

    Returns
    -------
    recording → ``train``, ``validation``, ``test`` or ``excluded``

    Raises
    ------
    ShotprintError
        No such fold, a fraction outside 0…1, or no group that training could spare.
    """
    parts = protocol.split(test_fold).astype(object)
    if not 0 < fraction < 1:
        raise ShotprintError(f"validation fraction {fraction}; give one between 0 and 1")
    training = np.flatnonzero(parts == TRAIN)
    counts, member = count_labels(
        [protocol.labels[i] for i in training], [protocol.groups[i] for i in training]
    )
    chosen = _choose_groups(counts, fraction, np.random.default_rng([seed, test_fold]))
    if not chosen.any():
        raise ShotprintError(
            f"fold {test_fold}: no group can be spared for validation, every label would lose "
            "its last one or most of its recordings; train without a validation part"
        )
    parts[training] = np.where(chosen[member], "validation", TRAIN)
    return dict(zip(protocol.recordings, parts.tolist(), strict=True))


def _choose_groups(counts: Ints, fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose groups, in random order, as long as each brings labels nearer to their share."""
    totals = counts.sum(axis=0)
    missing = fraction * totals
    left = (counts > 0).sum(axis=0)
    chosen = np.zeros(len(counts), dtype=np.bool_)
    for group in rng.permutation(len(counts)):
        present = counts[group] > 0
        gain = ((missing**2 - (missing - counts[group]) ** 2) / totals**2).sum()
        if gain > 0 and (left[present] > 1).all():
            chosen[group] = True
            missing = missing - counts[group]
            left[present] -= 1
    return chosen
