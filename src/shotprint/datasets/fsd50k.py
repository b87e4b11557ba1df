"""FSD50K: two hundred classes of sounds from Freesound, one of them gunshots.

``FSD50K.dev_audio/<fname>.wav``, ``FSD50K.eval_audio/<fname>.wav``, the tables ``dev.csv`` and
``eval.csv`` with all labels of a clip, and where it is present JSON on each clip with its uploader.
"""

import json
import os
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
from shotprint.datasets.tables import Table, find_named, match_table, read_table

NAME = "fsd50k"
DESCRIPTION = "Sounds of 200 classes from Freesound, 0.3 to 30 s long; one is gunshots."
SIZE = "51,197 clips, 108 hours, 44.1 kHz mono: 40,966 dev, 10,231 eval"
LABELS = (
    "Gunshot_and_gunfire where a clip has it, else its first label; the column labels has all. "
    "Other classes are listed with --all-classes, or where --only or --exclude name one"
)
GROUPS = (
    "the uploader, where the JSON on the clips is present; else every clip is a group of its own"
)
COLUMNS = {
    "split": "train, val or test, as published",
    "labels": "all labels of the clip, separated by commas",
    "uploader": "who uploaded it to Freesound",
    "licence": "address of the licence of the clip",
}
CITATION = (
    "E. Fonseca, X. Favory, J. Pons, F. Font, X. Serra: FSD50K: an open dataset of human-labeled "
    "sound events. IEEE/ACM Transactions on Audio, Speech, and Language Processing 30 (2022), "
    "829-852"
)
LICENCE = "CC BY as a whole; each clip CC0, CC BY, CC BY-NC or Sampling+: see the column licence"
HOW_TO_GET = "zenodo.org/records/4060432: dev_audio, eval_audio, ground_truth and metadata"
GOOD_FOR = (
    "Good for telling shots from almost any other sound. Not for naming a gun: none is named, and "
    "a clip may hold many shots and other sounds beside them."
)
LAYOUT = (
    "FSD50K.dev_audio/<fname>.wav, FSD50K.eval_audio/<fname>.wav, "
    "FSD50K.ground_truth/{dev,eval}.csv and FSD50K.metadata/{dev,eval}_clips_info_FSD50K.json"
)

GUNSHOT = "Gunshot_and_gunfire"
TABLES = ("dev.csv", "eval.csv")
CLIPS_INFO = ("dev_clips_info_FSD50K.json", "eval_clips_info_FSD50K.json")

_OWN_FOLDERS = ("FSD50K.ground_truth", "FSD50K.metadata", "FSD50K.doc", "collection")
NO_UPLOADERS = (
    f"{CLIPS_INFO[0]} and {CLIPS_INFO[1]} are not there: uploaders are unknown, each clip is a "
    "group of its own, and grouped figures may be too good"
)


def matches(listing: Listing) -> bool:
    """Tell whether most recordings have a number for a name, and a table of the set is there."""
    clips = [name for name in listing.recordings if _get_stem(name).isdigit()]
    return is_most(clips, listing.recordings) and bool(find_named(listing.others, *TABLES))


def import_dir(
    directory: str | os.PathLike[str],
    *,
    all_classes: bool = False,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the gunshots of the set, or everything in it.

    Parameters
    ----------
    all_classes : list clips without gunshots too, by their first label
    only, exclude : labels to keep, labels to leave out; naming any counts as `all_classes`

    Raises
    ------
    ShotprintError
        No such folder, no table or no clip of it, a table without the columns fname and labels,
        a label that does not occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    names = find_named(listing.others, *TABLES)
    table = _read_tables(top, names)
    found, unmatched = match_table(listing.recordings, table, _get_stem)
    if not found:
        what = f"{len(listing.recordings)} recordings that {table.name} does not name"
        raise refuse(directory, listing, LAYOUT, what if names else "")
    infos = find_named(listing.others, *CLIPS_INFO)
    clips_info, remarks = _read_infos(top, infos)
    rows = [_make_row(name, row, clips_info) for name, row in found.items()]
    is_wanted = bool(all_classes or only or exclude)
    others = [row["recording"] for row in rows if row["label"] != GUNSHOT]
    missing = {name.lower() for name in TABLES} - {PurePosixPath(n).name.lower() for n in names}
    all_remarks = (
        *listing.remarks,
        *remark_if("tables that are not there", sorted(missing)),
        *table.remarks,
        *unmatched,
        *remark_on_others(listing, [*names, *infos, *_list_own(listing)]),
        *remarks,
        *remark_if(
            "clips without gunshots, left out; list them with --all-classes",
            () if is_wanted else others,
        ),
    )
    rows = [row for row in rows if is_wanted or row["label"] == GUNSHOT]
    if not rows:
        raise refuse(directory, listing, LAYOUT, f"{len(others)} clips, none with gunshots")
    return finish_import(top, rows, all_remarks, only, exclude)


def _read_tables(top: Path, names: Sequence[str]) -> Table:
    """Return the tables of the set as one, with a column split in each row."""
    rows: dict[str, Row] = {}
    remarks: list[Remark] = []
    for name in names:
        table = read_table(top / name, name, "fname", ("labels",))
        is_eval = PurePosixPath(name).name.lower() == TABLES[1]
        rows |= {
            key: {**row, "split": "test" if is_eval else row.get("split", "")}
            for key, row in table.rows.items()
        }
        remarks += table.remarks
    return Table(" or ".join(names), rows, tuple(remarks))


def _read_infos(
    top: Path, names: Iterable[str]
) -> tuple[Mapping[str, Mapping[str, str]], tuple[Remark, ...]]:
    """Return the name of a clip → what is known of it."""
    infos: dict[str, Mapping[str, str]] = {}
    unread = []
    for name in names:
        try:
            infos |= dict(json.loads((top / name).read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            unread.append(f"{name} ({error})")
    remarks = remark_if("files that cannot be read; uploaders are unknown", unread)
    return infos, remarks if infos or unread else (Remark(NO_UPLOADERS),)


def _make_row(name: str, row: Row, infos: Mapping[str, Mapping[str, str]]) -> Row:
    labels = row["labels"].split(",")
    info = infos.get(row["fname"], {})
    return {
        "recording": name,
        "label": GUNSHOT if GUNSHOT in labels else labels[0],
        "group": str(info.get("uploader", "")),
        "split": row["split"],
        "labels": row["labels"],
        "uploader": str(info.get("uploader", "")),
        "licence": str(info.get("license", "")),
    }


def _get_stem(name: str) -> str:
    return PurePosixPath(name).stem


def _list_own(listing: Listing) -> list[str]:
    return [n for n in listing.others if {*PurePosixPath(n).parts[:-1]} & {*_OWN_FOLDERS}]
