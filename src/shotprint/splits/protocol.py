"""The record of a protocol, and the parts into which each of its folds divides the recordings."""

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.manifest import hash_manifest, list_examples

if TYPE_CHECKING:
    from pandas import DataFrame

TRAIN, TEST, EXCLUDED = "train", "test", "excluded"
HEADER = ("recording", "label", "group", "fold")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Folds of a manifest, sorted by recording.

    Attributes
    ----------
    name : ``manifest``, one of `NAMED`, or the column whose values were held out
    recordings, labels, groups, folds : one value a recording; the groups are what validation
        parts keep whole: the manifest's, or under ``shot`` the shots, or under ``random`` each
        recording itself
    fold_names : fold → what to call it, such as the recorder that is held out
    seed : of the random choices
    manifest_sha256 : what `hash_manifest` gives for the manifest that the folds were made for
    leaks : whether groups of the manifest stand in the training and the test part of a fold
    remarks : sentences to show wherever a result is shown
    apart : column → one value a recording; what shares a value with the test part of a fold is
        left out of its training part. Empty where the training part is all other folds
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
    apart: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the protocol, whatever file it lies in."""
        digest = hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode())
        digest.update(self.to_csv().encode())
        return digest.hexdigest()

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return len(self.fold_names)

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The numbers of the folds, ascending; not always 0, 1, 2, …"""
        return tuple(sorted(self.fold_names))

    def folds_for(self, recordings: Iterable[str]) -> NDArray[np.int64]:
        """Return the fold of each of `recordings`; `ShotprintError` if one is unknown."""
        return np.array(self._find(recordings, self.folds), dtype=np.int64)

    def split_for(self, recordings: Iterable[str], test_fold: int) -> NDArray[np.str_]:
        """Return what `split` gives for each of `recordings`."""
        return np.array(self._find(recordings, self.split(test_fold).tolist()), dtype="<U10")

    def _find(self, recordings: Iterable[str], values: Iterable[Any]) -> list[Any]:
        known = dict(zip(self.recordings, values, strict=True))
        wanted = list(recordings)
        if unknown := [name for name in wanted if name not in known]:
            raise ShotprintError(
                f"{len(unknown)} recordings have no fold in the protocol {self.name!r} "
                f"({list_examples(unknown)}); assign folds again for this manifest"
            )
        return [known[name] for name in wanted]

    def split(self, test_fold: int) -> NDArray[np.str_]:
        """Return the part of each recording when a fold is tested: (n,).

        ``test``; ``excluded``, if it shares a value of `apart` with the test part; ``train``.
        """
        if test_fold not in self.fold_names:
            known = ", ".join(map(str, self.fold_numbers))
            raise ShotprintError(f"there is no fold {test_fold}; the folds are {known}")
        tested = np.array(self.folds) == test_fold
        shares = np.zeros(len(tested), dtype=np.bool_)
        for column in self.apart.values():
            values = np.array(column)
            shares |= np.isin(values, values[tested])
        return np.where(tested, TEST, np.where(shares, EXCLUDED, TRAIN))

    def describe(self) -> dict[str, Any]:
        """Return what holds for all recordings, as plain values."""
        facts = {
            "name": self.name,
            "seed": self.seed,
            "manifest_sha256": self.manifest_sha256,
            "leaks": self.leaks,
            "remarks": list(self.remarks),
            "fold_names": {str(fold): name for fold, name in self.fold_names.items()},
        }
        return facts | ({"apart": list(self.apart)} if self.apart else {})

    def to_csv(self) -> str:
        """Return one row a recording; the columns of `apart`, but for ``group``, stand last."""
        others = [name for name in self.apart if name != "group"]
        columns = [self.recordings, self.labels, self.groups, self.folds]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*HEADER, *others])
        writer.writerows(zip(*columns, *(self.apart[name] for name in others), strict=True))
        return text.getvalue()


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
