"""Which of the named protocols a manifest allows, and why not the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shotprint.errors import ShotprintError
from shotprint.splits.assigning import EACH, NFolds, assign_folds
from shotprint.splits.leakage import count_untrained
from shotprint.splits.named import NAMED
from shotprint.splits.protocol import Protocol

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Survey:
    """The protocols of a manifest.

    Attributes
    ----------
    protocols : name → protocol, for those that it allows
    refused : name → why not, for the others
    """

    protocols: Mapping[str, Protocol]
    refused: Mapping[str, str]


def survey_protocols(
    manifest: "DataFrame", n_folds: NFolds = None, seed: int = 0, *, purge: bool = True
) -> Survey:
    """Make every named protocol, and that of the column `fold`, where the manifest allows it.

    A protocol under which most recordings are of a label that is not trained on when they are
    tested is refused: it measures nothing.

    Parameters
    ----------
    n_folds : a number counts for ``random``, ``group`` and ``shot`` alone, since other columns
        have few values; `EACH` for all
    seed, purge : as in `assign_folds`
    """
    protocols: dict[str, Protocol] = {}
    refused: dict[str, str] = {}
    has_folds = "fold" in manifest.columns and bool((manifest["fold"] != "").any())
    for name in ("random", *(["manifest"] if has_folds else []), *list(NAMED)[1:]):
        try:
            made = assign_folds(manifest, name, fit_n_folds(name, n_folds), seed, purge=purge)
        except ShotprintError as error:
            refused[name] = str(error)
            continue
        untrained = count_untrained(made)
        if 2 * sum(untrained.values()) > len(made.recordings):
            refused[name] = (
                f"{len(untrained)} of {len(set(made.labels))} labels are not trained on when they "
                f"are tested, because each has a single {name}: the two are confounded"
            )
            continue
        protocols[name] = made
    return Survey(protocols, refused)


def fit_n_folds(name: str, n_folds: NFolds) -> NFolds:
    """Return the `n_folds` of one protocol where `n_folds` is asked for all of them."""
    is_dealt = name in NAMED and NAMED[name].is_dealt
    return n_folds if is_dealt or n_folds == EACH else None
