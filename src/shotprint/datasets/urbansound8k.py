"""UrbanSound8K: ten sounds of a city, one of them gunshots.

``audio/fold<N>/<fsID>-<class>-<occurrence>-<slice>.wav`` says everything that is needed; the table
``metadata/UrbanSound8K.csv`` adds how much each sound stands out and where it was cut.
"""

import os
import re
from collections.abc import Mapping, Sequence
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
from shotprint.datasets.tables import find_named, match_table, read_table

NAME = "urbansound8k"
DESCRIPTION = "Ten sounds of a city from Freesound, in slices of up to 4 s; one is gun_shot."
SIZE = "8,732 slices, 374 of them gun_shot; rates and channels as uploaded"
CLASSES = (
    "air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling", "engine_idling",
    "gun_shot", "jackhammer", "siren", "street_music",
)  # fmt: skip
LABELS = ", ".join(CLASSES)
GROUPS = "the Freesound recording (fsID); the ten published folds in the column fold"
COLUMNS = {
    "occurrence": "number of the occurrence in the recording",
    "slice": "number of the slice of the occurrence",
    "salience": "1: foreground, 2: background",
    "start_s": "where the slice begins in the recording, in seconds",
    "end_s": "where it ends",
}
CITATION = (
    "J. Salamon, C. Jacoby, J. P. Bello: A dataset and taxonomy for urban sound research. 22nd ACM "
    "International Conference on Multimedia (2014), 1041-1044"
)
LICENCE = "CC BY-NC; each sound as its uploader chose: see FREESOUNDCREDITS.txt"
HOW_TO_GET = "urbansounddataset.weebly.com/urbansound8k.html"
GOOD_FOR = (
    "Good for telling shots from other sounds of a city, impulsive ones such as jackhammers among "
    "them. Not for naming a gun: none is named."
)
LAYOUT = "audio/fold<N>/<fsID>-<class>-<occurrence>-<slice>.wav and metadata/UrbanSound8K.csv"

METADATA = "UrbanSound8K.csv"
DOCUMENTS = ("UrbanSound8K_README.txt", "FREESOUNDCREDITS.txt")

_FILE_NAME = re.compile(
    r"(?:.*/)?fold(?P<fold>\d+)/"
    r"(?P<fs_id>\d+)-(?P<class>[0-9])-(?P<occurrence>\d+)-(?P<slice>\d+)\.\w+"
)


def matches(listing: Listing) -> bool:
    """Tell whether most recordings are named as those of the set."""
    return is_most(
        [name for name in listing.recordings if _FILE_NAME.fullmatch(name)], listing.recordings
    )


def import_dir(
    directory: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the slices of the set.

    Raises
    ------
    ShotprintError
        No such folder, no slice in it, a table without slice_file_name, a label that does not
        occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    read = {name: _read_name(top.resolve().name, name) for name in listing.recordings}
    rows = {name: row for name, row in read.items() if row}
    if not rows:
        raise refuse(directory, listing, LAYOUT)
    tables = find_named(listing.others, METADATA)
    joined, remarks = _join(top, tables[0], rows) if tables else (list(rows.values()), _MISSING)
    all_remarks = (
        *listing.remarks,
        *remark_if(
            "recordings that are not fold<N>/<fsID>-<class>-…, left out",
            [name for name, row in read.items() if not row],
        ),
        *remark_on_others(listing, find_named(listing.others, METADATA, *DOCUMENTS)),
        *remarks,
    )
    return finish_import(top, joined, all_remarks, only, exclude)


_MISSING = (Remark(f"{METADATA} is not there: salience and the place of each slice are unknown"),)


def _read_name(top_name: str, name: str) -> Row:
    """Return what fold and name of a slice say; empty for a file that is none."""
    match = _FILE_NAME.fullmatch(f"{top_name}/{name}")
    if not match:
        return {}
    return {
        "recording": name,
        "label": CLASSES[int(match["class"])],
        "group": match["fs_id"],
        "fold": match["fold"],
        **dict.fromkeys(COLUMNS, ""),
        "occurrence": match["occurrence"],
        "slice": match["slice"],
    }


def _join(top: Path, name: str, rows: Mapping[str, Row]) -> tuple[list[Row], tuple[Remark, ...]]:
    """Return the rows with what the table adds; folder and file name are believed."""
    table = read_table(top / name, name, "slice_file_name")
    found, unmatched = match_table(rows, table, lambda recording: PurePosixPath(recording).name)
    joined, contradicting = [], []
    for recording, row in rows.items():
        given = found.get(recording, {})
        if given.get("fold", row["fold"]) != row["fold"]:
            contradicting.append(f"{recording} (fold {given['fold']})")
        added = {
            "salience": given.get("salience", ""),
            "start_s": given.get("start", ""),
            "end_s": given.get("end", ""),
        }
        joined.append({**row, **added})
    return joined, (
        *table.remarks,
        *unmatched,
        *remark_if(
            f"recordings with another fold in {name}; the folder is believed", contradicting
        ),
    )
