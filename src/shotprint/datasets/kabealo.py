"""The multi-firearm, multi-orientation set of Kabealo et al.: four guns, many small devices.

``edge-collected-gunshot-audio/<gun>/<uuid>[_chan<N>|_mean]_v<K>.wav``: the uuid is a recording
of one device, N a channel of it, K a clip cut from it. Devices ran side by side, so one shot is in
many files; only the recording session keeps it on one side. The table of all metadata has a
column ``recording_session`` with a space behind its name, and onsets as ``[0.5 1.2]``.
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

NAME = "kabealo"
DESCRIPTION = (
    "Four guns in three firing styles on an outdoor range, heard by many small devices at once."
)
SIZE = "2,148 files, 44.1 kHz"
LABELS = "4 guns by the folders: .38 revolver, Glock 17, Remington 870, Ruger AR-556"
GROUPS = (
    "recording session: devices, channels and clips of one shot stay together. Without the table "
    "of metadata the recording (uuid), which leaks, since several devices heard each shot"
)
COLUMNS = {
    "recorder": "name of the device",
    "session": "recording session",
    "source": "uuid of the recording that the clip was cut from",
    "channel": "number of the channel; mean: the average of the channels, which repeats them",
    "clip": "number of the clip in its recording",
    "n_shots": "number of shots in the clip",
    "shot_onsets_s": "their onsets in seconds, separated by spaces",
    "latitude": "of the device",
    "longitude": "of the device",
}
CITATION = (
    "R. Kabealo et al.: A multi-firearm, multi-orientation audio dataset of gunshots. Data in "
    "Brief 48 (2023), 109091"
)
LICENCE = "CC BY 4.0"
HOW_TO_GET = "zenodo.org/records/7004819: the archive of sound and gunshot-audio-all-metadata.csv"
GOOD_FOR = (
    "Good for finding shots (onsets are given), for many recorders and directions, and for four "
    "guns of different kinds. Not for guns of one calibre: each gun has its own."
)
LAYOUT = "edge-collected-gunshot-audio/<gun>/<uuid>[_chan<N>|_mean]_v<K>.wav"

METADATA = "gunshot-audio-all-metadata.csv"
OTHER_TABLES = ("gunshot-audio-gunshot-locations-only.csv", "gunshot-audio-labels-only.csv")
DOCUMENTS = ("README.md",)

_FILE_NAME = re.compile(
    r"(?P<source>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?:_chan(?P<number>\d+)|_(?P<mean>mean))?_v(?P<clip>\d+)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)


def matches(listing: Listing) -> bool:
    """Tell whether most recordings are named as those of the set."""
    return is_most([name for name in listing.recordings if _read_name(name)], listing.recordings)


def import_dir(
    directory: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the recordings of the set, with what its table of metadata says of them.

    Raises
    ------
    ShotprintError
        No such folder, no recording named as those of the set, a table of metadata without the
        columns filename and recording_session, a label that does not occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    read = {name: _read_name(name) for name in listing.recordings}
    rows = {name: row for name, row in read.items() if row}
    if not rows:
        raise refuse(directory, listing, LAYOUT)
    tables = find_named(listing.others, METADATA)
    joined, remarks = _join(top, tables[0], rows) if tables else (list(rows.values()), _MISSING)
    known = find_named(listing.others, METADATA, *OTHER_TABLES, *DOCUMENTS)
    all_remarks = (
        *listing.remarks,
        *remark_if(
            "recordings that are not <gun>/<uuid>…_v<K>, left out",
            [name for name, row in read.items() if not row],
        ),
        *remark_on_others(listing, known),
        *remarks,
        *remark_if(
            "files that average the channels of others (channel: mean)",
            [row["recording"] for row in joined if row["channel"] == "mean"],
        ),
    )
    return finish_import(top, joined, all_remarks, only, exclude)


_MISSING = (
    Remark(
        f"{METADATA} is not there: devices, sessions and onsets are unknown, and one shot heard by "
        "several devices stands in several groups, so grouped figures will be too good"
    ),
)


def _read_name(name: str) -> Row:
    """Return what folder and name of a file say; empty for a file of another form."""
    path = PurePosixPath(name)
    match = _FILE_NAME.fullmatch(path.stem)
    if not match or not path.parent.name:
        return {}
    return {
        **dict.fromkeys(COLUMNS, ""),
        "recording": name,
        "label": path.parent.name,
        "group": match["source"].lower(),
        "source": match["source"].lower(),
        "channel": "mean" if match["mean"] else match["number"] or "",
        "clip": match["clip"],
    }


def _join(top: Path, name: str, rows: Mapping[str, Row]) -> tuple[list[Row], tuple[Remark, ...]]:
    """Return the rows with the metadata of each file, or else of its recording without onsets."""
    table = read_table(top / name, name, "filename", ("recording_session",), _to_stem)
    found, unmatched = match_table(rows, table, _to_stem)
    by_source = {key.split("_")[0].lower(): row for key, row in table.rows.items()}
    joined = [
        {
            **row,
            **_take_shared(found.get(recording) or by_source.get(row["source"], {})),
            **_take_shots(found.get(recording, {})),
        }
        for recording, row in rows.items()
    ]
    counts = {
        row["recording"]: (row["n_shots"], len(row["shot_onsets_s"].split())) for row in joined
    }
    return joined, (
        *table.remarks,
        *unmatched,
        *remark_if(
            f"recordings whose onsets in {name} are no numbers",
            [recording for recording, row in found.items() if _read_onsets(row) is None],
        ),
        *remark_if(
            "recordings with another number of shots than of onsets",
            [
                f"{r} ({n} shots, {m} onsets)"
                for r, (n, m) in counts.items()
                if n and m and n != str(m)
            ],
        ),
        *remark_if(
            "recordings without a session; their group is the uuid, which may tear one shot apart",
            [row["recording"] for row in joined if not row["session"]],
        ),
    )


def _take_shared(given: Row) -> Row:
    """Return what all clips and channels of a recording have in common."""
    session = given.get("recording_session", "")
    shared = {column: given.get(column, "") for column in ("latitude", "longitude")}
    shared |= {"recorder": given.get("device_name", ""), "session": session}
    return {**shared, "group": session} if session else shared


def _take_shots(given: Row) -> Row:
    """Return number and onsets of the shots of one file."""
    onsets = _read_onsets(given) or ()
    return {"n_shots": given.get("num_gunshots", ""), "shot_onsets_s": " ".join(onsets)}


def _to_stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() == ".wav" else path.name


def _read_onsets(given: Row) -> list[str] | None:
    """Return the onsets of ``[0.5 1.2]`` in seconds; None if that is not what it is."""
    text = given.get("gunshot_location_in_seconds", "")
    words = text.strip("[]").replace(",", " ").split()
    if not all(_NUMBER.fullmatch(word) for word in words):
        return None
    return [f"{float(word):.3f}" for word in words]
