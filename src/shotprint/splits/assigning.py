"""Make the folds of a protocol, and what its training parts must leave out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from shotprint.errors import ShotprintError
from shotprint.manifest import hash_manifest, list_examples
from shotprint.splits.dealing import deal
from shotprint.splits.leakage import (
    check_no_leakage,
    count_untrained,
    find_shared,
    leaves_enough,
    measure_excluded,
)
from shotprint.splits.named import (
    LEAK_SENTENCE,
    NAMED,
    fill_groups,
    find_values,
    remark_on_confounding,
    remark_on_single_groups,
)
from shotprint.splits.protocol import Protocol

if TYPE_CHECKING:
    from pandas import DataFrame

DEFAULT_N_FOLDS = 5
EACH: Literal["each"] = "each"
MAX_EACH = 12
"""Up to so many values of a column are held out one at a time where nothing else is said."""

NFolds = int | Literal["each"] | None
_WORDS = {"random": "recordings", "group": "groups", "shot": "shots"}
# Their folds keep together what they mean to; groups that they tear apart are told, not mended.
_NEVER_PURGED = ("random", "shot", "manifest")


def assign_folds(
    manifest: "DataFrame",
    protocol: str = "group",
    n_folds: NFolds = None,
    seed: int = 0,
    *,
    purge: bool = True,
) -> Protocol:
    """Give every recording of a manifest a fold.

    Parameters
    ----------
    protocol
        ``manifest``: the column `fold` as it is. A name of `NAMED`, or any other column: its
        values stay whole; what is dealt to folds is alike in size and labels, and every label
        with two values is in every training part. ``random``: each recording for itself; leaks.
    n_folds
        A number: values are dealt to so many folds. `EACH`: leave one out, a fold a value. None:
        5 for ``random``, ``group`` and ``shot``; other columns a fold a value, or 5 folds of more
        than 12 values.
    seed : same manifest, protocol and seed: same folds, whatever the order of the rows
    purge
        Where the values tear groups apart, leave out of the training part what shares a group
        with the test part. Where that would leave too little to train on (see `leaves_enough`),
        each fold is tested in parts, 5 or as many as there are groups, so that most groups remain.

    Raises
    ------
    ShotprintError
        No such column, a recording without a value in it, fewer values than folds, or folds of
        the manifest that tear groups apart.
    """
    table = manifest.sort_values("recording", kind="stable")
    rng = np.random.default_rng(seed)
    folds, names = _assign(table, protocol, n_folds, rng)
    groups = fill_groups(table)
    kept_whole = find_values(table, protocol) if protocol in ("random", "shot") else groups
    made = Protocol(
        name=protocol,
        recordings=tuple(table["recording"]),
        labels=tuple(table["label"]),
        groups=tuple(kept_whole),
        folds=tuple(folds),
        fold_names=names,
        seed=seed,
        manifest_sha256=hash_manifest(manifest),
        leaks=False,
        remarks=(),
    )
    if purge and protocol not in _NEVER_PURGED and find_shared(made, groups):
        made = _purge(made, rng)
    shared = find_shared(made, groups)
    remarks = (
        *_describe_meaning(made, shared),
        *(remark_on_single_groups(groups) if protocol in ("group", "manifest") else ()),
        *_remark_on_labels(made, groups),
        *remark_on_confounding(table),
    )
    return dataclasses.replace(made, leaks=protocol == "random" or bool(shared), remarks=remarks)


def _assign(
    table: "DataFrame", protocol: str, n_folds: NFolds, rng: np.random.Generator
) -> tuple[list[int], dict[int, str]]:
    """Return the fold of each row and the names of the folds."""
    if protocol == "manifest":
        folds, names = _take_folds(table, n_folds)
        check_no_leakage(fill_groups(table), folds)
        return folds, names
    values = find_values(table, protocol)
    if n_folds is None:
        dealt = NAMED[protocol].is_dealt if protocol in NAMED else False
        n_folds = DEFAULT_N_FOLDS if dealt or len(set(values)) > MAX_EACH else EACH
    if n_folds == EACH:
        return _hold_out_each(values, protocol)
    what = _WORDS.get(protocol, f"values of {protocol}")
    dealt_folds = deal(table["label"].tolist(), values, n_folds, rng, what)
    return dealt_folds.tolist(), {fold: str(fold) for fold in range(n_folds)}


def _take_folds(table: "DataFrame", n_folds: NFolds) -> tuple[list[int], dict[int, str]]:
    values = find_values(table, "fold")
    try:
        folds = [int(value) for value in values]
        names = {fold: str(fold) for fold in sorted(set(folds))}
    except ValueError:
        folds, names = _hold_out_each(values, "fold")
    if len(names) < 2:
        raise ShotprintError("the manifest has one fold only; two are needed to test anything")
    if n_folds not in (None, EACH, len(names)):
        raise ShotprintError(f"the manifest has {len(names)} folds, {n_folds} were asked for")
    return folds, names


def _hold_out_each(values: Sequence[str], column: str) -> tuple[list[int], dict[int, str]]:
    names = dict(enumerate(sorted(set(values), key=_natural_key)))
    if len(names) < 2:
        raise ShotprintError(
            f"every recording has the same {column} ({values[0]}); nothing to hold out"
        )
    numbers = {name: fold for fold, name in names.items()}
    return [numbers[value] for value in values], names


def _natural_key(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _purge(protocol: Protocol, rng: np.random.Generator) -> Protocol:
    """Keep the groups of the test part out of training; test in parts where too little is left."""
    purged = dataclasses.replace(protocol, apart={"group": protocol.groups})
    if leaves_enough(purged):
        return purged
    n_parts = min(DEFAULT_N_FOLDS, len(set(protocol.groups)))
    if n_parts < 2:
        return protocol
    parts = deal(protocol.labels, protocol.groups, n_parts, rng)
    pairs = list(zip(protocol.folds, parts.tolist(), strict=True))
    numbers = {pair: fold for fold, pair in enumerate(sorted(set(pairs)))}
    names = {
        number: f"{protocol.fold_names[fold]}, part {part + 1} of {n_parts}"
        for (fold, part), number in numbers.items()
    }
    held_out = tuple(protocol.fold_names[fold] for fold in protocol.folds)
    return dataclasses.replace(
        protocol,
        folds=tuple(numbers[pair] for pair in pairs),
        fold_names=names,
        apart={protocol.name: held_out, "group": protocol.groups},
    )


def _describe_meaning(protocol: Protocol, shared: Sequence[str]) -> tuple[str, ...]:
    """Say what a protocol guards against, what leaks, and what was left out against leaks."""
    name = protocol.name
    if name == "random":
        return (LEAK_SENTENCE,)
    named = NAMED.get("group" if name == "manifest" else name)
    remarks = [named.remark] if named else []
    if shared:
        remarks.append(
            f"{name} leaks: {len(shared)} groups ({list_examples(shared)}) stand on both sides, "
            "such as one place, or one shot heard by two recorders"
        )
    if protocol.apart:
        share = f"{100 * measure_excluded(protocol):.0f} %"
        remarks.append(
            f"{name}: {share} of the recordings outside the test part are left out of training, "
            f"because they share {' or '.join(protocol.apart)} with it"
        )
    return tuple(remarks)


def _remark_on_labels(protocol: Protocol, groups: Sequence[str]) -> tuple[str, ...]:
    folds_of: dict[str, set[int]] = {}
    groups_of: dict[str, set[str]] = {}
    n_of: dict[str, int] = {}
    for label, group, fold in zip(protocol.labels, groups, protocol.folds, strict=True):
        folds_of.setdefault(label, set()).add(fold)
        groups_of.setdefault(label, set()).add(group)
        n_of[label] = n_of.get(label, 0) + 1
    untrained = count_untrained(protocol)
    never = sorted(label for label, n in untrained.items() if n == n_of[label])
    sometimes = sorted(set(untrained) - set(never))
    few = sorted(label for label, its in folds_of.items() if 1 < len(its) < protocol.n_folds)
    sentences = {
        "labels never trained on when they are tested": never,
        "labels not trained on in some fold that tests them": sometimes,
        "labels not tested in every fold": few if len(few) < len(folds_of) else [],
    }
    return tuple(
        f"{sentence} ({len(labels)}): {_with_counts(labels, groups_of)}"
        for sentence, labels in sentences.items()
        if labels
    )


def _with_counts(labels: Sequence[str], groups_of: Mapping[str, set[str]]) -> str:
    return list_examples([f"{label} (groups: {len(groups_of[label])})" for label in labels])
