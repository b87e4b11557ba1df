"""Which recordings are trained on, watched for early stopping, and tested."""

import csv
import dataclasses
import io
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.files import write_text
from shotprint.splits import (
    EACH,
    Protocol,
    assign_folds,
    assign_validation,
    check_no_leakage,
    read_protocol,
)
from shotprint.training.recipe import Recipe

if TYPE_CHECKING:
    from pandas import DataFrame

NO_FOLD = -1


@dataclass(frozen=True, eq=False)
class Parts:
    """The part of each recording of a pack.

    Attributes
    ----------
    protocol : None where neither a test nor a validation part was asked for
    part : (n,) ``train``, ``validation``, ``test``, or ``excluded``: in none of them, because a
        protocol keeps it apart from what is tested
    fold : (n,) of the protocol, -1 without one
    """

    protocol: Protocol | None
    part: NDArray[np.str_]
    fold: NDArray[np.int64]

    def rows(self, part: str) -> NDArray[np.int64]:
        """Return the rows of a part, ascending."""
        return np.flatnonzero(self.part == part)

    def count(self) -> dict[str, int]:
        """Return how many recordings each part has."""
        counts = Counter(self.part.tolist())
        parts = ("train", "validation", "test", *(["excluded"] if counts["excluded"] else []))
        return {part: counts[part] for part in parts}

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences to show wherever a result is shown."""
        return self.protocol.remarks if self.protocol else ()


def choose_protocol(manifest: "DataFrame", recipe: Recipe) -> Protocol:
    """Return the folds of a recipe.

    ``auto`` takes the folds of the manifest where every recording has one, and else keeps
    groups whole.

    Raises
    ------
    ShotprintError : as `assign_folds` and `read_protocol`; the protocol is ``all``
    """
    if recipe.protocol_file is not None:
        return read_protocol(recipe.protocol_file, manifest)
    name = recipe.protocol
    if name == "all":
        raise ShotprintError(
            "protocol = all compares protocols, each trained on its own: use shotprint crossval, "
            "or give one protocol"
        )
    if name == "auto":
        name = "manifest" if (manifest["fold"] != "").all() else "group"
    n_folds = EACH if recipe.leave_one_out else recipe.n_folds
    return assign_folds(
        manifest,
        name,
        n_folds if name != "manifest" else None,
        recipe.seed,
        purge=recipe.purge,
    )


def divide(manifest: "DataFrame", recipe: Recipe) -> Parts:
    """Divide the recordings of a pack as a recipe says.

    Raises
    ------
    ShotprintError
        No such fold, folds that cannot be made, or a part left without recordings.
    """
    n = len(manifest)
    part = np.full(n, "train", dtype="<U10")
    if recipe.test_fold is None and recipe.validation == "none":
        return Parts(None, part, np.full(n, NO_FOLD))
    protocol = choose_protocol(manifest, recipe)
    fold = protocol.folds_for(manifest["recording"])
    for number, name in ((recipe.test_fold, "test"), (recipe.validation_fold, "validation")):
        if number is None:
            continue
        if number not in protocol.fold_names:
            known = ", ".join(map(str, protocol.fold_numbers))
            raise ShotprintError(f"{name} fold {number} does not exist; the folds are {known}")
        split = protocol.split_for(manifest["recording"], number)
        part[(split == "test") & (part == "train")] = name
        part[(split == "excluded") & (part == "train")] = "excluded"
    if recipe.validation == "groups":
        part = _spare_groups(manifest, protocol, recipe)
    if not (part == "train").any():
        raise ShotprintError("no recording is left to train on; hold out fewer folds")
    groups = dict(zip(protocol.recordings, protocol.groups, strict=True))
    check_no_leakage(
        [groups[name] for name in manifest["recording"]], part.tolist(), leaks=protocol.leaks
    )
    return Parts(protocol, part, fold)


def _spare_groups(manifest: "DataFrame", protocol: Protocol, recipe: Recipe) -> NDArray[np.str_]:
    """Take whole groups out of the training part for validation."""
    test_fold = recipe.test_fold
    if test_fold is None:
        # Everything is training part: as if an empty fold were tested.
        test_fold = max(protocol.fold_numbers) + 1
        names = {**protocol.fold_names, test_fold: "none"}
        protocol = dataclasses.replace(protocol, fold_names=names)
    parts = assign_validation(protocol, test_fold, recipe.seed)
    return np.array([parts[name] for name in manifest["recording"]], dtype="<U10")


def write_parts(manifest: "DataFrame", parts: Parts, path: str | os.PathLike[str]) -> None:
    """Write recording, label, group, fold and part of every recording as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["recording", "label", "group", "fold", "part"])
    folds = ["" if fold == NO_FOLD else fold for fold in parts.fold.tolist()]
    columns = (manifest["recording"], manifest["label"], manifest["group"], folds, parts.part)
    writer.writerows(zip(*columns, strict=True))
    write_text(path, text.getvalue())
