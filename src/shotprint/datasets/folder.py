"""Any sounds with one folder a class, and a table of groups beside them if there is one."""

import os
from collections.abc import Sequence

from shotprint.datasets.contract import (
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
from shotprint.datasets.tables import match_names, tidy_name
from shotprint.errors import ShotprintError
from shotprint.manifest import list_examples, read_rows

NAME = "folder"
DESCRIPTION = "Any sounds: the class is the folder directly below DIR, whatever is nested inside."
SIZE = "any"
LABELS = "the names of the folders"
GROUPS = (
    "the column group of the table given with --groups; without it every recording (or set of "
    "identical files) is a group of its own"
)
COLUMNS: dict[str, str] = {}
CITATION = "none: your own recordings, or any set in this layout"
LICENCE = "as the recordings are published"
HOW_TO_GET = "put the recordings of each class into a folder named after it"
GOOD_FOR = (
    "Good for your own guns and sounds. Without groups, grouped figures are no better than "
    "random ones."
)
LAYOUT = "<class>/…/<any recording>: a folder for each class"

UNKNOWN_GROUPS = (
    "groups are unknown: each recording (or set of identical files) is a group of its own, so "
    "grouped figures may be too good; give --groups groups.csv if you know which recordings "
    "come from one source"
)
BESIDE = " (one lies in the folder)"
_NOT_JOINED = ("recording", "path", "sha256", "label")


def matches(listing: Listing) -> bool:
    """Tell whether there are recordings in folders."""
    return any("/" in name for name in listing.recordings)


def import_dir(
    directory: str | os.PathLike[str],
    *,
    groups: str | os.PathLike[str] | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the recordings below `directory`, labelled by its folders.

    Parameters
    ----------
    groups : a CSV file with the column recording (path relative to `directory`) and any of
        group, fold and others, which are joined; rows match by the exact path, else by the path
        without its extension
    only, exclude : labels to keep, labels to leave out

    Raises
    ------
    ShotprintError
        No such folder, no recording in a class folder, a bad table of groups, a label in
        `only` or `exclude` that does not occur.
    """
    listing = list_folder(directory)
    rows = [
        {"recording": name, "label": name.split("/")[0]}
        for name in listing.recordings
        if "/" in name
    ]
    unclassed = [name for name in listing.recordings if "/" not in name]
    if not rows:
        found = (
            f"no recordings in class folders ({len(unclassed)} recordings directly in it, "
            f"{len(listing.others)} other files)"
        )
        raise refuse(directory, listing, LAYOUT, found)
    remarks = [
        *listing.remarks,
        *remark_if("recordings in no class folder, left out", unclassed),
        *remark_on_others(listing),
    ]
    if groups is None:
        beside = "groups.csv" in listing.others
        remarks.append(Remark(UNKNOWN_GROUPS + (BESIDE if beside else "")))
    else:
        rows, unmatched = join_groups(rows, groups)
        remarks += unmatched
    return finish_import(directory, rows, remarks, only, exclude)


def join_groups(
    rows: Sequence[Row], groups: str | os.PathLike[str]
) -> tuple[list[Row], tuple[Remark, ...]]:
    """Return `rows` with the columns of a table of groups, and what did not match.

    Raises
    ------
    ShotprintError
        A table without the column recording, or with two rows for one recording.
    """
    table, _ = read_rows(groups, ("recording",))
    keys = table["recording"].map(tidy_name)
    if keys.duplicated().any():
        names = keys[keys.duplicated()].tolist()
        raise ShotprintError(f"{groups} has two rows for {list_examples(names)}; keep one")
    given: dict[str, Row] = dict(zip(keys, table.to_dict("records"), strict=True))
    matches = match_names([row["recording"] for row in rows], given)
    empty = {column: "" for column in table.columns if column not in _NOT_JOINED}
    joined: list[Row] = []
    contradicting: list[str] = []
    for row in rows:
        found = given.get(matches[row["recording"]], {})
        joined.append({**row, **{column: found.get(column, "") for column in empty}})
        if found.get("label", row["label"]) != row["label"]:
            contradicting.append(f"{row['recording']} ({found['label']})")
    loose = [name for name, key in matches.items() if key and key != tidy_name(name)]
    return joined, (
        *remark_if(f"recordings that match {groups} only without their extension", loose),
        *remark_if(
            f"recordings without a row in {groups}", [n for n, k in matches.items() if not k]
        ),
        *remark_if(f"rows of {groups} without a recording", sorted({*given} - {*matches.values()})),
        *remark_if(
            f"recordings with another label in {groups}; the folder is believed", contradicting
        ),
        *remark_if(
            "recordings without a group; each becomes its own",
            [row["recording"] for row in joined if not row.get("group")],
        ),
    )
