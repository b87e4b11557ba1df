"""Protocols: which fold each recording belongs to, fixed once, written, then only read.

A fold is the test part once; all the others are its training part. Grouped folds keep every
group whole, because clips of one source resemble each other more than two guns of one model do:
on the guns of the Kaggle set random folds score 0.9 where grouped ones score 0.6.
"""

import csv
import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.files import write_text
from shotprint.manifest import hash_manifest, list_examples

if TYPE_CHECKING:
    from pandas import DataFrame

DEFAULT_N_FOLDS = 5
LEAK_SENTENCE = (
    "random folds leak: recordings of one source stand on both sides, so the accuracy is higher "
    "than for a gun recorded elsewhere; use them only beside published figures"
)

_MARK = "# shotprint-protocol/1 "
_HEADER = ["recording", "label", "group", "fold"]
_Ints = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Folds of a manifest, sorted by recording.

    Attributes
    ----------
    name : ``manifest``, ``group``, ``random``, or the column whose values were held out
    recordings, labels, groups, folds : one value a recording; the groups are what validation
        parts keep whole: the manifest's, or under ``random`` each recording itself
    fold_names : fold → what to call it, such as the recorder that is held out
    seed : of the random choices
    manifest_sha256 : what `hash_manifest` gives for the manifest that the folds were made for
    leaks : whether groups of the manifest stand on both sides of a split
    remarks : sentences to show wherever a result is shown
    """

    name: str
    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    folds: tuple[int, ...]
    fold_names: Mapping[int, str]
    seed: int
    manifest_sha256: str
    leaks: bool
    remarks: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the protocol, whatever file it lies in."""
        digest = hashlib.sha256(json.dumps(_describe(self), sort_keys=True).encode())
        digest.update(_to_csv(self).encode())
        return digest.hexdigest()

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return len(self.fold_names)

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The numbers of the folds, ascending; not always 0, 1, 2, …"""
        return tuple(sorted(self.fold_names))

    def folds_for(self, recordings: Iterable[str]) -> _Ints:
        """Return the fold of each of `recordings`; `ShotprintError` if one is unknown."""
        folds = dict(zip(self.recordings, self.folds, strict=True))
        wanted = list(recordings)
        if unknown := [name for name in wanted if name not in folds]:
            raise ShotprintError(
                f"{len(unknown)} recordings have no fold in the protocol {self.name!r} "
                f"({list_examples(unknown)}); assign folds again for this manifest"
            )
        return np.array([folds[name] for name in wanted], dtype=np.int64)


def assign_folds(
    manifest: "DataFrame", protocol: str = "group", n_folds: int | None = None, seed: int = 0
) -> Protocol:
    """Give every recording of a manifest a fold.

    Parameters
    ----------
    protocol
        ``manifest``: the column `fold` as it is. ``group``: groups stay whole, folds are alike
        in size and labels, and every label with two groups is in every training part.
        ``random``: alike in labels, groups torn apart; leaks. The name of any other column:
        its values stay whole, each held out in turn, or dealt to `n_folds` folds.
    n_folds : None for 5 (``group``, ``random``), for one fold a value (other columns)
    seed : same manifest, protocol and seed: same folds, whatever the order of the rows

    Raises
    ------
    ShotprintError
        No such column, a recording without a value in it, fewer values than folds, or folds of
        the manifest that tear groups apart.
    """
    table = manifest.sort_values("recording", kind="stable")
    recordings, labels = table["recording"].tolist(), table["label"].tolist()
    groups = [g or r for g, r in zip(table["group"], recordings, strict=True)]
    folds, names = _assign(table, protocol, n_folds, groups, np.random.default_rng(seed))
    torn = _find_torn(groups, folds)
    remarks = _remark_on_leaks(protocol, torn) + _remark_on_labels(labels, groups, folds)
    return Protocol(
        name=protocol,
        recordings=tuple(recordings),
        labels=tuple(labels),
        groups=tuple(recordings if protocol == "random" else groups),
        folds=tuple(folds),
        fold_names=names,
        seed=seed,
        manifest_sha256=hash_manifest(manifest),
        leaks=protocol == "random" or bool(torn),
        remarks=remarks,
    )


def assign_validation(
    protocol: Protocol, test_fold: int, seed: int = 0, fraction: float = 0.2
) -> dict[str, str]:
    """Split the training part of a fold once more, for early stopping and for settings.

    About `fraction` of every label of the training part, in whole groups, becomes the validation
    part. Every label keeps at least one group in training: a label with only one there is not
    validated.

    Returns
    -------
    recording → ``train``, ``validation`` or ``test``

    Raises
    ------
    ShotprintError
        No such fold, a fraction outside 0…1, or no group that training could spare.
    """
    if test_fold not in protocol.fold_names:
        known = ", ".join(map(str, protocol.fold_numbers))
        raise ShotprintError(f"there is no fold {test_fold}; the folds are {known}")
    if not 0 < fraction < 1:
        raise ShotprintError(f"validation fraction {fraction}; give one between 0 and 1")
    folds = np.array(protocol.folds)
    training = np.flatnonzero(folds != test_fold)
    counts, member = _count_labels(
        [protocol.labels[i] for i in training], [protocol.groups[i] for i in training]
    )
    chosen = _choose_groups(counts, fraction, np.random.default_rng([seed, test_fold]))
    if not chosen.any():
        raise ShotprintError(
            f"fold {test_fold}: no group can be spared for validation, every label would lose "
            "its last one or most of its recordings; train without a validation part"
        )
    parts = np.full(len(folds), "test", dtype=object)
    parts[training] = np.where(chosen[member], "validation", "train")
    return dict(zip(protocol.recordings, parts.tolist(), strict=True))


def check_no_leakage(
    groups: Iterable[str], folds: Iterable[int | str], *, leaks: bool = False
) -> None:
    """Raise `ShotprintError` if a group stands in two folds (or parts), unless `leaks` admits it.

    Parameters
    ----------
    groups, folds : one value a recording
    leaks : `Protocol.leaks`
    """
    torn = _find_torn(groups, folds)
    if torn and not leaks:
        raise ShotprintError(
            f"{len(torn)} groups stand in more than one fold ({list_examples(torn)}): training "
            "would hear what is tested; correct the columns group and fold, or use the protocol "
            "group"
        )


def write_protocol(protocol: Protocol, path: str | os.PathLike[str]) -> None:
    """Write a protocol: a comment line with its facts and its own hash, then CSV."""
    facts = {**_describe(protocol), "sha256": protocol.sha256}
    head = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    write_text(path, f"{_MARK}{head}\n{_to_csv(protocol)}")


def read_protocol(path: str | os.PathLike[str], manifest: "DataFrame | None" = None) -> Protocol:
    """Read what `write_protocol` wrote, and check that it fits `manifest` if one is given.

    Raises
    ------
    ShotprintError
        Not a protocol file, edited since it was written, or written for another manifest.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ShotprintError(f"{path} cannot be read as a protocol ({error})") from None
    head, _, body = text.partition("\n")
    if not head.startswith(_MARK):
        raise ShotprintError(f"{path} is no protocol; its first line must begin with {_MARK}")
    try:
        protocol, stated = _parse_protocol(json.loads(head.removeprefix(_MARK)), body)
    except (ValueError, KeyError, TypeError):
        raise ShotprintError(f"{path} is a damaged protocol; assign folds again") from None
    if protocol.sha256 != stated:
        raise ShotprintError(f"{path} was edited after it was written; assign folds again")
    if manifest is not None:
        check_fits(protocol, manifest)
    return protocol


def check_fits(protocol: Protocol, manifest: "DataFrame") -> None:
    """Raise `ShotprintError` unless the protocol was made for a manifest of the same content."""
    if hash_manifest(manifest) == protocol.manifest_sha256:
        return
    known, wanted = set(protocol.recordings), set(manifest["recording"])
    raise ShotprintError(
        f"the protocol {protocol.name!r} was made for another manifest ({len(wanted - known)} "
        f"recordings are new, {len(known - wanted)} are gone, or labels, groups, folds or hashes "
        "differ); use the manifest it was made for, or assign folds again"
    )


def _assign(
    table: "DataFrame",
    protocol: str,
    n_folds: int | None,
    groups: Sequence[str],
    rng: np.random.Generator,
) -> tuple[list[int], dict[int, str]]:
    """Return the fold of each row and the names of the folds."""
    labels = table["label"].tolist()
    if protocol == "manifest":
        folds, names = _take_folds(table, n_folds)
        check_no_leakage(groups, folds)
        return folds, names
    if protocol in ("group", "random"):
        units = groups if protocol == "group" else table["recording"].tolist()
        return _deal(labels, units, DEFAULT_N_FOLDS if n_folds is None else n_folds, rng)
    values = _take_values(table, protocol)
    if n_folds is None:
        return _hold_out_each(values, protocol)
    return _deal(labels, values, n_folds, rng)


def _describe(protocol: Protocol) -> dict[str, Any]:
    return {
        "name": protocol.name,
        "seed": protocol.seed,
        "manifest_sha256": protocol.manifest_sha256,
        "leaks": protocol.leaks,
        "remarks": list(protocol.remarks),
        "fold_names": {str(fold): name for fold, name in protocol.fold_names.items()},
    }


def _to_csv(protocol: Protocol) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(
        zip(protocol.recordings, protocol.labels, protocol.groups, protocol.folds, strict=True)
    )
    return text.getvalue()


def _parse_protocol(facts: dict[str, Any], body: str) -> tuple[Protocol, str]:
    header, *rows = csv.reader(io.StringIO(body, newline=""))
    if header != _HEADER:
        raise ValueError(header)
    recordings, labels, groups, folds = zip(*rows, strict=True)
    stated = facts.pop("sha256")
    names = {int(fold): name for fold, name in facts.pop("fold_names").items()}
    protocol = Protocol(
        recordings=recordings,
        labels=labels,
        groups=groups,
        folds=tuple(map(int, folds)),
        fold_names=names,
        remarks=tuple(facts.pop("remarks")),
        **facts,
    )
    return protocol, stated


def _take_folds(table: "DataFrame", n_folds: int | None) -> tuple[list[int], dict[int, str]]:
    values = _take_values(table, "fold")
    try:
        folds = [int(value) for value in values]
        names = {fold: str(fold) for fold in sorted(set(folds))}
    except ValueError:
        folds, names = _hold_out_each(values, "fold")
    if len(names) < 2:
        raise ShotprintError("the manifest has one fold only; two are needed to test anything")
    if n_folds not in (None, len(names)):
        raise ShotprintError(f"the manifest has {len(names)} folds, {n_folds} were asked for")
    return folds, names


def _take_values(table: "DataFrame", column: str) -> list[str]:
    if column not in table.columns:
        raise ShotprintError(
            f"there is no protocol and no column {column!r}; give manifest, group, random or one "
            f"of {', '.join(table.columns)}"
        )
    values = [str(value) for value in table[column]]
    if empty := [r for r, value in zip(table["recording"], values, strict=True) if not value]:
        raise ShotprintError(
            f"{len(empty)} recordings have no {column} ({list_examples(empty)}); "
            "fill the column in, leave them out, or use the protocol group"
        )
    return values


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


def _deal(
    labels: Sequence[str], groups: Sequence[str], n_folds: int, rng: np.random.Generator
) -> tuple[list[int], dict[int, str]]:
    counts, member = _count_labels(labels, groups)
    if not 2 <= n_folds <= len(counts):
        raise ShotprintError(
            f"{n_folds} folds of {len(counts)} groups; give 2 to {len(counts)} folds"
        )
    folds = _deal_groups(counts, n_folds, rng)[member]
    return folds.tolist(), {fold: str(fold) for fold in range(n_folds)}


def _count_labels(labels: Sequence[str], groups: Sequence[str]) -> tuple[_Ints, _Ints]:
    """Return how many recordings of each label each group has, and the group of each recording."""
    _, label = np.unique(np.array(labels), return_inverse=True)
    _, group = np.unique(np.array(groups), return_inverse=True)
    counts = np.zeros((group.max() + 1, label.max() + 1), dtype=np.int64)
    np.add.at(counts, (group, label), 1)
    return counts, group


def _deal_groups(counts: _Ints, n_folds: int, rng: np.random.Generator) -> _Ints:
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


def _choose_groups(counts: _Ints, fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
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


def _find_torn(groups: Iterable[str], folds: Iterable[int | str]) -> list[str]:
    first: dict[str, int | str] = {}
    pairs = zip(groups, folds, strict=True)
    return sorted({group for group, fold in pairs if first.setdefault(group, fold) != fold})


def _remark_on_leaks(protocol: str, torn: Sequence[str]) -> tuple[str, ...]:
    if protocol == "random":
        return (LEAK_SENTENCE,)
    if torn:
        return (
            f"holding out {protocol} leaks: {len(torn)} groups ({list_examples(torn)}) stand on "
            "both sides, such as one shot heard by two recorders",
        )
    return ()


def _remark_on_labels(
    labels: Sequence[str], groups: Sequence[str], folds: Sequence[int]
) -> tuple[str, ...]:
    folds_of: dict[str, set[int]] = {}
    groups_of: dict[str, set[str]] = {}
    for label, group, fold in zip(labels, groups, folds, strict=True):
        folds_of.setdefault(label, set()).add(fold)
        groups_of.setdefault(label, set()).add(group)
    n_folds = len(set(folds))
    alone = sorted(label for label, its in folds_of.items() if len(its) == 1)
    few = sorted(label for label, its in folds_of.items() if 1 < len(its) < n_folds)
    remarks = []
    if alone:
        remarks.append(
            "labels never trained on when they are tested, because they lie in one fold "
            f"({len(alone)}): {_with_counts(alone, groups_of)}"
        )
    if few:
        remarks.append(
            f"labels not tested in every fold ({len(few)}): {_with_counts(few, groups_of)}"
        )
    return tuple(remarks)


def _with_counts(labels: Sequence[str], groups_of: Mapping[str, set[str]]) -> str:
    return list_examples([f"{label} (groups: {len(groups_of[label])})" for label in labels])
