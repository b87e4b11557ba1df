"""BGG: gunshots of a game (PUBG), at known distances and directions.

``gun_sound_v2/<gun>_<distance>m_<direction>_<number>.mp3``, and beside it tables of the splits
that were shipped, ``v3_exp<N>_{train,test}.csv``. Numbers run through the set take by take.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from shotprint.datasets.contract import (
    Imported,
    Listing,
    Remark,
    Row,
    finish_import,
    is_most,
    list_folder,
    refuse,
    remark_if,
    remark_on_others,
)
from shotprint.datasets.tables import read_table

NAME = "bgg"
DESCRIPTION = "Sounds of 37 guns of the game PUBG at several distances and directions. No real gun."
SIZE = "2,195 numbered clips, MP3"
LABELS = "37 guns by the short names of the game, and nogun for clips without a shot"
GROUPS = (
    "takes: clips of one gun, distance and direction with consecutive numbers; a guess. The "
    "shipped splits are in exp1, exp2 and exp3 and put clips of one take on both sides"
)
COLUMNS = {
    "distance_m": "distance in the game; empty for nogun",
    "direction": "center, front, back, left or right; empty for nogun",
    "number": "number of the clip in the set",
    "exp1": "train or test in the first shipped split, guns from close by; empty: not in it",
    "exp2": "the same for the second, guns with distance and direction",
    "exp3": "the same for the third, clips of both",
}
CITATION = (
    "J. Park, Y. Cho, G. Sim, H. Lee, J. Choo: Enemy spotted: in-game gun sound dataset for "
    "gunshot classification and localization. IEEE Conference on Games (2022)"
)
LICENCE = "non-commercial research only; the sounds belong to the maker of the game"
HOW_TO_GET = "github.com/junwoopark92/BG-Gun-Sound-Dataset"
GOOD_FOR = (
    "Good for training beforehand, and for distance and direction in a game. Not for figures about "
    "real guns: no real gun was recorded."
)
LAYOUT = "gun_sound_v2/<gun>_<distance>m_<direction>_<number>.mp3 and v3_exp<N>_{train,test}.csv"

GUESSED_GROUPS = (
    "groups are takes guessed from consecutive numbers of one gun, distance and direction; a gun "
    "with one take only cannot be tested on a take of its own"
)
EXPERIMENTS = ("exp1", "exp2", "exp3")

_FILE_NAME = re.compile(
    r"(?P<gun>[^_]+)_(?:(?P<distance>\d+)m|None)_(?:(?P<direction>[a-z]+)|None)_(?P<number>\d+)"
)
_TABLE = re.compile(r"(?P<version>v\d+_|)(?P<experiment>exp[123])_(?P<part>train|test)\.csv")


def matches(listing: Listing) -> bool:
    """Tell whether most recordings are named as those of the set."""
    return is_most([name for name in listing.recordings if _read_name(name)], listing.recordings)


def import_dir(
    directory: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the clips of the set.

    Raises
    ------
    ShotprintError
        No such folder, no clip in it, a table of a split without the column name, a label that
        does not occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    read = {name: _read_name(name) for name in listing.recordings}
    rows = {name: row for name, row in read.items() if row}
    if not rows:
        raise refuse(directory, listing, LAYOUT)
    tables = [name for name in listing.others if _TABLE.fullmatch(PurePosixPath(name).name)]
    splits, remarks = _join_splits(top, _choose_version(tables), rows)
    groups = _group_takes(rows.values())
    all_remarks = (
        *listing.remarks,
        *remark_if(
            "recordings that are not <gun>_<distance>m_<direction>_<number>, left out",
            [name for name, row in read.items() if not row],
        ),
        *remark_on_others(listing, [*tables, *_list_code(listing)]),
        *remark_if(
            "tables of splits of another version, not used",
            sorted({*tables} - {*_choose_version(tables)}),
        ),
        *remarks,
        Remark(GUESSED_GROUPS),
    )
    joined = [{**row, **splits[name], "group": groups[name]} for name, row in rows.items()]
    return finish_import(top, joined, all_remarks, only, exclude)


def _read_name(name: str) -> Row:
    """Return what the name of a clip says; empty for another file."""
    match = _FILE_NAME.fullmatch(PurePosixPath(name).stem)
    if not match:
        return {}
    return {
        "recording": name,
        "label": match["gun"],
        "distance_m": match["distance"] or "",
        "direction": match["direction"] or "",
        "number": match["number"],
    }


def _group_takes(rows: Iterable[Row]) -> dict[str, str]:
    """Return recording → its take, named after the first clip of it."""
    groups: dict[str, str] = {}
    take, first = None, ""
    for row in sorted(rows, key=lambda row: (int(row["number"]), row["recording"])):
        same = row["label"], row["distance_m"], row["direction"]
        if same != take:
            take, first = same, PurePosixPath(row["recording"]).stem
        groups[row["recording"]] = first
    return groups


def _choose_version(tables: Sequence[str]) -> list[str]:
    """Return the tables of the newest version of the splits."""
    versions = {name: _parse_table(name)[0] for name in tables}
    newest = max(versions.values(), default="")
    return [name for name, version in versions.items() if version == newest]


def _parse_table(name: str) -> tuple[str, str, str]:
    """Return version, experiment and part."""
    match = _TABLE.fullmatch(PurePosixPath(name).name)
    assert match is not None, name
    return match["version"], match["experiment"], match["part"]


def _join_splits(
    top: Path, tables: Sequence[str], rows: Mapping[str, Row]
) -> tuple[dict[str, Row], tuple[Remark, ...]]:
    """Return recording → its part of each split, and remarks on the tables."""
    by_name = {PurePosixPath(name).name: name for name in rows}
    splits: dict[str, Row] = {name: dict.fromkeys(EXPERIMENTS, "") for name in rows}
    remarks: list[Remark] = []
    absent, doubtful, contradicting = set(), set(), set()
    for path in tables:
        _, experiment, part = _parse_table(path)
        table = read_table(top / path, path, "name")
        remarks += table.remarks
        absent |= {name for name in table.rows if name not in by_name}
        for name in table.rows.keys() & by_name.keys():
            recording = by_name[name]
            if splits[recording][experiment] not in ("", part):
                doubtful.add(f"{recording} ({experiment})")
            if table.rows[name].get("cate", rows[recording]["label"]) != rows[recording]["label"]:
                contradicting.add(recording)
            splits[recording][experiment] = part
    unsplit = [name for name, parts in splits.items() if tables and not any(parts.values())]
    missing = () if tables else (Remark("no table of a shipped split is there: exp1 … are empty"),)
    return splits, (
        *remarks,
        *missing,
        *remark_if("recordings in train and test of one split; the later counts", sorted(doubtful)),
        *remark_if(
            "recordings with another gun in a table; the file name is believed",
            sorted(contradicting),
        ),
        *remark_if("recordings in none of the shipped splits", unsplit),
        *remark_if("rows of the shipped splits without a recording", sorted(absent)),
    )


def _list_code(listing: Listing) -> list[str]:
    # A clone of the set's repository holds its programs too.
    return [name for name in listing.others if name.endswith((".py", ".md", ".html"))]
