"""ESC-50: fifty everyday sounds in five folds, none of them a gunshot.

``audio/<fold>-<clip>-<take>-<target>.wav`` and ``meta/esc50.csv``, which names the sounds.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from shotprint.datasets.contract import (
    Imported,
    Listing,
    finish_import,
    is_most,
    list_folder,
    refuse,
    remark_if,
    remark_on_others,
)
from shotprint.datasets.tables import find_named, match_table, read_table

NAME = "esc50"
DESCRIPTION = "Fifty everyday sounds from Freesound in clips of 5 s; no gunshots."
SIZE = "2,000 clips, 40 of each sound, 44.1 kHz mono"
LABELS = "50 sounds, among them fireworks, thunderstorm, door_wood_knock, glass_breaking"
GROUPS = "the Freesound recording (clip in the file name); the five published folds in fold"
COLUMNS = {"take": "letter of the clip cut from the recording", "esc10": "True: also in ESC-10"}
CITATION = (
    "K. J. Piczak: ESC: Dataset for environmental sound classification. 23rd ACM International "
    "Conference on Multimedia (2015), 1015-1018"
)
LICENCE = "CC BY-NC 3.0; the part ESC-10 is CC BY"
HOW_TO_GET = "github.com/karolpiczak/ESC-50"
GOOD_FOR = (
    "Good for sounds that are no shots, fireworks and knocking among them. Not for anything about "
    "guns: there are none."
)
LAYOUT = "audio/<fold>-<clip>-<take>-<target>.wav and meta/esc50.csv"

METADATA = "esc50.csv"

_FILE_NAME = re.compile(r"[1-5]-\d+-[A-Z]-\d+")
_DOCUMENTS = (
    "README.md", "LICENSE", "esc50-human.xlsx", "esc50.gif", "requirements.txt",
)  # fmt: skip


def matches(listing: Listing) -> bool:
    """Tell whether most recordings are named as those of the set."""
    return is_most([n for n in listing.recordings if _is_clip(n)], listing.recordings)


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
        No such folder, no clip or no table in it, a table without the columns filename, fold,
        category and src_file, a label that does not occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    clips = [name for name in listing.recordings if _is_clip(name)]
    tables = find_named(listing.others, METADATA)
    if not clips or not tables:
        found = f"{len(clips)} clips of it, but no {METADATA}" if clips else ""
        raise refuse(directory, listing, LAYOUT, found)
    required = ("fold", "category", "src_file")
    table = read_table(top / tables[0], tables[0], "filename", required)
    found_rows, unmatched = match_table(clips, table, lambda name: PurePosixPath(name).name)
    rows = [
        {
            "recording": name,
            "label": row["category"],
            "group": row["src_file"],
            "fold": row["fold"],
            "take": row.get("take", ""),
            "esc10": row.get("esc10", ""),
        }
        for name, row in found_rows.items()
    ]
    if not rows:
        found = f"{len(clips)} clips of it, of which {tables[0]} names none"
        raise refuse(directory, listing, LAYOUT, found)
    remarks = (
        *listing.remarks,
        *remark_if(
            "recordings that are not <fold>-<clip>-<take>-<target>, left out",
            sorted({*listing.recordings} - {*clips}),
        ),
        *remark_on_others(listing, find_named(listing.others, METADATA, *_DOCUMENTS)),
        *table.remarks,
        *unmatched,
    )
    return finish_import(top, rows, remarks, only, exclude)


def _is_clip(name: str) -> bool:
    return _FILE_NAME.fullmatch(PurePosixPath(name).stem) is not None
