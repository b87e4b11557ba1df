"""Protocols by name: what each keeps on one side, what that guards against and what it does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shotprint.errors import ShotprintError
from shotprint.manifest import list_examples

if TYPE_CHECKING:
    from pandas import DataFrame

LEAK_SENTENCE = (
    "random folds leak: recordings of one source stand on both sides, so the accuracy is higher "
    "than for a gun recorded elsewhere; use them only beside published figures"
)
_TABLE = "the table given to: shotprint import folder --groups"
_CADRE = f"shotprint import cadre reads it from the file names, or add it to {_TABLE}"


@dataclass(frozen=True)
class NamedProtocol:
    """A protocol with a fixed meaning.

    Attributes
    ----------
    column : of the manifest, whose values stay whole; empty: each recording for itself
    is_dealt : whether its values are dealt to folds, not held out one at a time, by default
    remark : what it guards against and what it does not
    origin : where the column comes from
    """

    name: str
    column: str
    is_dealt: bool
    remark: str
    origin: str = ""


_ALL = (
    NamedProtocol("random", "", True, LEAK_SENTENCE),
    NamedProtocol(
        "group",
        "group",
        True,
        "group keeps every group whole; it does not guard against recorder, place or individual "
        "gun that several groups share",
    ),
    NamedProtocol(
        "shot",
        "shot_id",
        True,
        "shot keeps the recordings of one physical shot together, whichever recorder heard it; "
        "further shots of the same gun at the same place and time may be trained on",
        _CADRE,
    ),
    NamedProtocol(
        "position",
        "position",
        False,
        "position tests where nothing was recorded in training; it does not guard against "
        "recorders, site or individual guns, which are the same",
        _CADRE,
    ),
    NamedProtocol(
        "recorder",
        "recorder",
        False,
        "recorder tests with recorders that were not trained on; it does not guard against site "
        "or individual guns, which are the same",
        _CADRE,
    ),
    NamedProtocol(
        "session",
        "session",
        False,
        "session tests on occasions that were not trained on; it does not guard against an "
        "individual gun or a recorder that was there on several",
        f"add it to {_TABLE}",
    ),
    NamedProtocol(
        "source",
        "source",
        False,
        "source tests on physical guns or videos that were not trained on; it does not guard "
        "against recorder or place that several share",
        f"add it to {_TABLE}",
    ),
)
NAMED = {protocol.name: protocol for protocol in _ALL}
# Columns that say which individual gun or which occasion it was, and the word for their values.
_INDIVIDUALS = {"source": "source", "set_number": "gun set", "session": "session"}


def find_values(table: "DataFrame", protocol: str) -> list[str]:
    """Return the value of each recording that a protocol keeps whole.

    Raises
    ------
    ShotprintError : no such column, or recordings without a value in it
    """
    named = NAMED.get(protocol)
    column = named.column if named else protocol
    recordings: list[str] = table["recording"].tolist()
    if not column:
        return recordings
    if column not in table.columns:
        if named:
            raise ShotprintError(
                f"the protocol {protocol} needs the column {column}, which the manifest lacks; "
                f"{named.origin}"
            )
        raise ShotprintError(
            f"there is no protocol and no column {protocol!r}; give manifest, {', '.join(NAMED)} "
            f"or one of {', '.join(table.columns)}"
        )
    values = [str(value) for value in table[column]]
    if protocol == "group":
        return fill_groups(table)
    if empty := [r for r, value in zip(recordings, values, strict=True) if not value]:
        raise ShotprintError(
            f"{len(empty)} recordings have no {column} ({list_examples(empty)}); "
            "fill the column in, leave them out, or use the protocol group"
        )
    return values


def fill_groups(table: "DataFrame") -> list[str]:
    """Return the group of each recording; one without is a group of its own."""
    return [g or r for g, r in zip(table["group"], table["recording"], strict=True)]


def remark_on_confounding(table: "DataFrame") -> tuple[str, ...]:
    """Say if most labels are one individual gun or occasion each, as far as the manifest knows."""
    for column, what in _INDIVIDUALS.items():
        if column not in table.columns:
            continue
        n_values = table.groupby("label")[column].nunique()
        n_single = int((n_values == 1).sum())
        if 2 * n_single > len(n_values):
            return (
                f"{n_single} of {len(n_values)} labels come from a single {what}: gun model, "
                "individual gun and session are confounded, and no protocol can tell them apart",
            )
    return ()


def remark_on_single_groups(groups: Sequence[str]) -> tuple[str, ...]:
    """Say if groups are no more than recordings."""
    if len(set(groups)) < len(groups):
        return ()
    return (
        "every recording is a group of its own: group folds are no better than random ones, "
        "unless no two recordings belong together",
    )
