"""What training hears of what is tested: groups on both sides, and labels that it never hears."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from shotprint.errors import ShotprintError
from shotprint.manifest import list_examples
from shotprint.splits.protocol import EXCLUDED, TEST, TRAIN, Protocol

MIN_SHARE_LEFT = 0.5


def check_no_leakage(
    groups: Iterable[str], parts: Iterable[int | str], *, leaks: bool = False
) -> None:
    """Raise `ShotprintError` if a group stands in two folds (or parts), unless `leaks` admits it.

    Parameters
    ----------
    groups, parts : one value a recording; what is ``excluded`` (see `Protocol.split`) is in no part
    leaks : `Protocol.leaks`
    """
    torn = find_torn(groups, parts)
    if torn and not leaks:
        raise ShotprintError(
            f"{len(torn)} groups stand in more than one fold ({list_examples(torn)}): training "
            "would hear what is tested; correct the columns group and fold, or use the protocol "
            "group"
        )


def find_torn(groups: Iterable[str], parts: Iterable[int | str]) -> list[str]:
    """Return the groups that stand in more than one fold or part, sorted."""
    first: dict[str, int | str] = {}
    pairs = [pair for pair in zip(groups, parts, strict=True) if pair[1] != EXCLUDED]
    return sorted({group for group, part in pairs if first.setdefault(group, part) != part})


def find_shared(protocol: Protocol, groups: Sequence[str]) -> list[str]:
    """Return the groups that some fold both trains on and tests, sorted."""
    if not protocol.apart:
        return find_torn(groups, protocol.folds)
    splits = [protocol.split(fold).tolist() for fold in protocol.fold_numbers]
    return sorted({group for parts in splits for group in find_torn(groups, parts)})


def count_untrained(protocol: Protocol) -> dict[str, int]:
    """Return label → how many of its recordings are tested without it being trained on."""
    labels = np.array(protocol.labels)
    counts: dict[str, int] = {}
    for fold in protocol.fold_numbers:
        parts = protocol.split(fold)
        tested = labels[parts == TEST]
        unknown = tested[~np.isin(tested, labels[parts == TRAIN])]
        for label, n in zip(*np.unique(unknown, return_counts=True), strict=True):
            counts[str(label)] = counts.get(str(label), 0) + int(n)
    return counts


def leaves_enough(protocol: Protocol) -> bool:
    """Whether keeping apart costs no fold a label, nor more than half of its training part."""
    labels = np.array(protocol.labels)
    plain = dataclasses.replace(protocol, apart={})
    for fold in protocol.fold_numbers:
        left, all_others = protocol.split(fold) == TRAIN, plain.split(fold) == TRAIN
        if left.sum() < MIN_SHARE_LEFT * all_others.sum():
            return False
        if set(labels[left]) != set(labels[all_others]):
            return False
    return True


def measure_excluded(protocol: Protocol) -> float:
    """Return which share of the recordings outside the test part is left out of training."""
    splits = [protocol.split(fold) for fold in protocol.fold_numbers]
    n_excluded = sum(int((parts == EXCLUDED).sum()) for parts in splits)
    return n_excluded / sum(int((parts != TEST).sum()) for parts in splits)
