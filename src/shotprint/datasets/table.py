"""Any recordings that a CSV file lists: its columns are named, not guessed."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shotprint.datasets.contract import (
    PROBED_COLUMNS,
    Imported,
    Listing,
    Remark,
    Row,
    finish_import,
    list_folder,
    refuse,
    remark_if,
    remark_on_others,
)
from shotprint.datasets.tables import Table, match_names, read_table, tidy_name
from shotprint.manifest import COLUMNS as MANIFEST_COLUMNS

NAME = "csv"
DESCRIPTION = "Any recordings that a CSV file lists; you name its columns."
SIZE = "any"
LABELS = "the values of the column given with --label"
GROUPS = (
    "the values of the column given with --group; without it every recording (or set of identical "
    "files) is a group of its own"
)
COLUMNS: dict[str, str] = {}
CITATION = "none: your own table, or that of any set"
LICENCE = "as the recordings are published"
HOW_TO_GET = "write a table with a row for each recording, or take the one of a set"
GOOD_FOR = (
    "Good for sets that have no importer here, and for your own notes: all further columns join. "
    "Not for a table with several rows for one recording: the first counts."
)
LAYOUT = "recordings whose paths below the folder, or whose names, stand in the table"

UNKNOWN_GROUPS = (
    "groups are unknown: each recording (or set of identical files) is a group of its own, so "
    "grouped figures may be too good; name a column with --group if the table has one"
)


@dataclass(frozen=True)
class Columns:
    """The names of the columns of a table; empty: there is none.

    Attributes
    ----------
    recording : path below the folder of recordings, or a name that occurs once there
    """

    recording: str
    label: str
    group: str = ""
    fold: str = ""


def matches(listing: Listing) -> bool:
    """Tell nothing by the files alone: the table says which columns count."""
    return False


def import_dir(
    directory: str | os.PathLike[str],
    *,
    table: str | os.PathLike[str],
    columns: Columns,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the recordings below `directory` that a table names; its further columns join.

    A row matches a recording by its path, else by the path without its extension, else by the
    file name if it occurs once. A column of the table that is named group or fold counts as such.

    Raises
    ------
    ShotprintError
        No such folder or table, no such column, no row that names a recording, a label that does
        not occur.
    """
    top, path = Path(directory), Path(table)
    listing = list_folder(top)
    wanted = [name for name in (columns.label, columns.group, columns.fold) if name]
    given = read_table(path, path.name, columns.recording, wanted, tidy_name)
    found, remarks = _match(listing.recordings, given)
    rows = [_make_row(name, row, columns) for name, row in found.items()]
    labelled = [row for row in rows if row["label"]]
    if not labelled:
        n = len(listing.recordings)
        what = f"{n} recordings, of which no row of {table} names one with a label"
        raise refuse(directory, listing, LAYOUT, what)
    own = [name for name in listing.others if (top / name).resolve() == path.resolve()]
    all_remarks = (
        *listing.remarks,
        *given.remarks,
        *remarks,
        *remark_if(
            f"rows of {path.name} without {columns.label}, left out",
            [row["recording"] for row in rows if not row["label"]],
            is_loss=True,
        ),
        *remark_if(
            f"columns of {path.name} that are not joined; rename them to keep them",
            _find_taken(next(iter(given.rows.values())), columns),
        ),
        *_remark_on_groups(labelled),
        *remark_on_others(listing, own),
    )
    return finish_import(top, labelled, all_remarks, only, exclude)


def _match(recordings: Sequence[str], table: Table) -> tuple[dict[str, Row], tuple[Remark, ...]]:
    """Return recording → its row, and remarks on loose matches and on what has no counterpart."""
    matched = match_names(recordings, table.rows)
    exact = {recording: key for recording, key in matched.items() if key}
    ours, theirs = _index_by_name(recordings), _index_by_name(table.rows)
    used = set(exact.values())
    loose = {
        ours[name]: theirs[name]
        for name in sorted(ours.keys() & theirs.keys())
        if ours[name] not in exact and theirs[name] not in used
    }
    both = {**exact, **loose}
    differing = [recording for recording, key in exact.items() if key != tidy_name(recording)]
    unused = sorted({*table.rows} - {*both.values()})
    return {recording: table.rows[key] for recording, key in both.items()}, (
        *remark_if(f"recordings that match {table.name} only without their extension", differing),
        *remark_if(f"recordings that match {table.name} by their file name only", loose),
        *remark_if(
            f"recordings without a row in {table.name}, left out",
            [name for name in recordings if name not in both],
        ),
        *remark_if(f"rows of {table.name} without a recording", unused),
    )


def _index_by_name(paths: Collection[str]) -> dict[str, str]:
    """Return file name → path, for names that occur once."""
    counts = Counter(PurePosixPath(path).name for path in paths)
    return {
        PurePosixPath(path).name: path for path in paths if counts[PurePosixPath(path).name] == 1
    }


def _make_row(name: str, row: Row, columns: Columns) -> Row:
    named = {columns.recording, columns.label, columns.group, columns.fold}
    taken = {*_find_taken(row, columns)}
    further = {key: value for key, value in row.items() if key not in named | taken}
    chosen = {"group": columns.group, "fold": columns.fold}
    return {
        **further,
        **{column: row[source] for column, source in chosen.items() if source},
        "recording": name,
        "label": row[columns.label],
    }


def _find_taken(row: Row, columns: Columns) -> list[str]:
    """Return the columns whose names stand for something else in a manifest."""
    named = {columns.recording, columns.label, columns.group, columns.fold}
    free = {
        column
        for column, source in (("group", columns.group), ("fold", columns.fold))
        if not source
    }
    reserved = {*MANIFEST_COLUMNS, *PROBED_COLUMNS} - free
    return [column for column in row if column in reserved - named]


def _remark_on_groups(rows: Sequence[Row]) -> tuple[Remark, ...]:
    groupless = [row["recording"] for row in rows if not row.get("group")]
    if len(groupless) == len(rows):
        return (Remark(UNKNOWN_GROUPS),)
    return remark_if("recordings without a group; each becomes its own", groupless)
