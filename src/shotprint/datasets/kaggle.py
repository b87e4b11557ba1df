"""The gunshot set on Kaggle: ``<gun>/<k> (<n>).wav``, clips cut from a few online videos a gun.

The folder M4 is the folder M16 again, byte for byte, so one of the two labels is wrong or both
are. No video is named anywhere: that 20 clips of consecutive numbers come from one is a guess.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
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
from shotprint.files import compute_sha256

NAME = "kaggle"
DESCRIPTION = "Nine guns in clips of 1 to 4 s, cut from a few YouTube videos a gun."
SIZE = "851 files, 748 without M4; 44.1 and 48 kHz, stereo"
LABELS = "9 gun models, of which M4 and M16 hold the same files"
GROUPS = (
    "blocks of 20 consecutive numbers of a gun: a guess, since no video is named; blocks may "
    "still share a video"
)
COLUMNS = {"number": "n of the file name"}
CITATION = (
    "T. Tuncer, S. Dogan, E. Akbal, E. Aydemir: An automated gunshot audio classification method "
    "based on finger pattern feature generator and iterative ReliefF feature selector. Adıyaman "
    "Üniversitesi Mühendislik Bilimleri Dergisi 8 (2021), 225-243"
)
LICENCE = "none is stated with the clips; they come from YouTube videos of others"
HOW_TO_GET = "www.kaggle.com/datasets/emrahaydemr/gunshot-audio-dataset"
GOOD_FOR = (
    "Good for trying things out with many clips a gun. Not for figures to rely on: rate and length "
    "correlate with the gun, and random splits put clips of one video on both sides. The M4 folder "
    "repeats M16 byte for byte; M16 is kept and may be either gun."
)
LAYOUT = "<gun>/<k> (<n>).wav with the guns AK-12, AK-47, IMI Desert Eagle, M16, M249, MG-42, …"

GUNS = frozenset(
    ("AK-12", "AK-47", "IMI Desert Eagle", "M16", "M249", "M4", "MG-42", "MP5", "Zastava M92")
)
COPY, ORIGINAL = "M4", "M16"
BLOCK = 20

GUESSED_GROUPS = (
    f"groups are blocks of {BLOCK} consecutive clips of a gun, which is a guess: clips of one "
    "video may stand in two groups, and grouped figures may still be too good"
)
_FILE_NAME = re.compile(r"\d+ ?\((?P<number>\d+)\)")


def matches(listing: Listing) -> bool:
    """Tell whether most recordings are clips of the nine guns."""
    return is_most([name for name in listing.recordings if _read_name(name)], listing.recordings)


def import_dir(
    directory: str | os.PathLike[str],
    *,
    keep_copies: bool = False,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the clips of the set.

    Parameters
    ----------
    keep_copies : keep the files of M4 that are files of M16 byte for byte; without it they are
        left out, unless `only` asks for M4 alone or M16 is excluded
    only, exclude : labels to keep, labels to leave out

    Raises
    ------
    ShotprintError
        No such folder, no clip of the nine guns, a label that does not occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    read = {name: _read_name(name) for name in listing.recordings}
    rows = [row for row in read.values() if row]
    if not rows:
        raise refuse(directory, listing, LAYOUT)
    is_side_chosen = COPY in (*only, *exclude) or ORIGINAL in exclude
    copies = set() if keep_copies or is_side_chosen else _find_copies(top, rows)
    remarks = (
        *listing.remarks,
        *remark_if(
            "recordings that are no <gun>/<k> (<n>) of the nine guns, left out",
            [name for name, row in read.items() if not row],
        ),
        *remark_on_others(listing),
        *remark_if(
            f"files of {COPY} that are files of {ORIGINAL} byte for byte, left out; keep both "
            f"with --keep-copies, or {COPY} with --exclude {ORIGINAL}",
            sorted(copies),
        ),
        Remark(GUESSED_GROUPS),
    )
    rows = [row for row in rows if row["recording"] not in copies]
    return finish_import(top, rows, remarks, only, exclude)


def _read_name(name: str) -> Row:
    """Return the row of a clip; empty for a file that is none."""
    path = PurePosixPath(name)
    match = _FILE_NAME.fullmatch(path.stem.strip())
    if not match or path.parent.name not in GUNS:
        return {}
    label, number = path.parent.name, int(match["number"])
    # A copy belongs with its original, whichever of the two labels it has.
    gun = ORIGINAL if label == COPY else label
    group = f"{gun}-{(number - 1) // BLOCK:02d}"
    return {"recording": name, "label": label, "group": group, "number": str(number)}


def _find_copies(top: Path, rows: Iterable[Row]) -> set[str]:
    """Return the recordings of `COPY` that are, byte for byte, one of `ORIGINAL`."""
    sides: dict[str, dict[str, str]] = {COPY: {}, ORIGINAL: {}}
    for row in rows:
        if row["label"] in sides:
            # What cannot be read is listed as failed when everything is hashed.
            with contextlib.suppress(OSError):
                path = top / row["recording"]
                sides[row["label"]][row["recording"]] = compute_sha256(path)
    originals = set(sides[ORIGINAL].values())
    return {name for name, sha256 in sides[COPY].items() if sha256 in originals}
