"""The CADRE set (NIJ Gunshot Audio Forensics Dataset) in the layouts that users have on disk.

A folder names the gun, itself or a parent the recorder: ``Glock9_1_Zoom/ZM_008A_S01.wav``,
``Samsung_Edge_S7/Colt1911/SA_095B_S02.WAV``, ``Kimber45/Kimber45. (12).wav``. A file name
``<recorder>_<NNN><L>_S<SS>`` holds the number NNN = 20 × position block + gun set, the geometry
letter L and the shot SS. That reading of NNN, and the table of geometries, are inferred from the
names and from a user's notes, not stated by the makers.
"""

import functools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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

NAME = "cadre"
DESCRIPTION = (
    "18 guns at twenty distances and directions, heard by three recorders. Nearly every gun "
    "model is one gun on one site, so model, individual gun and session cannot be told apart."
)
SIZE = "18 guns (Glock9 twice) in twenty positions, by three recorders"
LABELS = "18 gun models"
GROUPS = (
    "NNN of the file name: all shots of a gun set at a position block, all recorders, both "
    "geometries; inferred from the names"
)
COLUMNS = {
    "recorder": "Zoom, Samsung or iPhone",
    "set_number": "gun set, 1 to 20",
    "position": "position block, 0 to 10",
    "geometry": "letter of the recording geometry in the block",
    "azimuth_deg": "0 down-range, 180 behind the shooter",
    "distance_m": "distance of the recorder in metres",
    "shot": "number of the shot",
    "shot_id": "the same for all recorders that heard the shot",
    "simulated": "true if shotprint simulate wrote the set",
}
CITATION = "CADRE Forensics, Gunshot Audio Forensics Dataset; report NIJ 252947"
LICENCE = "on the makers' terms; it may not be redistributed"
HOW_TO_GET = "register at cadreforensics.com/audio"
GOOD_FOR = (
    "Good for the gun model at known distances and directions, and for recorders and positions "
    "that were not trained on. Not for telling two guns of one model apart, nor for other sites."
)
LAYOUT = "<Gun>_<Recorder>/<RR>_<NNN><L>_S<SS>.wav, such as Glock45_Zoom/ZM_014A_S01.wav"

SIMULATION_MARK = "simulation.json"
SIMULATION_FILES = (SIMULATION_MARK, "simulation.csv", "SIMULATED.txt")
RECORDERS = {"ZM": "Zoom", "SA": "Samsung", "IP": "iPhone"}
N_SETS, N_BLOCKS = 20, 11
# label → its gun sets, where they are known, and its names as `_simplify` leaves them.
GUNS: dict[str, tuple[tuple[int, ...], str]] = {
    "SportKing22": ((1,), "sportking22 sportking highstandardsportking"),
    "Smith&Wesson22": ((2,), "sw22 sw34 sw341"),
    "Ruger22": ((3,), "ruger22 ruger1022"),
    "BoltAction22": ((4,), "boltaction22 boltaction remington33 rem33"),
    "Lorcin380": ((5,), "lorcin380 lorcin lorcinl380"),
    "Smith&Wesson38special": ((6,), "sw38special sw38 sw38spl sw108"),
    "Ruger357": ((7,), "ruger357 blackhawk rugerblackhawk"),
    "Glock9": ((8, 9), "glock9 glock91 glock92 glock9mm glock19"),
    "Sig9": ((), "sig9 sigp225 p225 sigsauer9"),
    "MP40": ((), "mp40 swmp40"),
    "HKUSP": ((), "hkusp usp hkuspcompact"),
    "Glock45": ((14,), "glock45 glock21"),
    "Colt1911": ((15,), "colt1911 colt45"),
    "Kimber45": ((), "kimber45 kimber kimbertacticalcustom"),
    "M16": ((17,), "m16 m16a1 coltm16 coltm16a1 ar15"),
    "WASR-10": ((18,), "wasr10 wasr wasr1063 romarmwasr"),
    "WinchesterM14": ((), "winchesterm14 winm14 m14"),
    "Remington700": ((20,), "remington700 rem700"),
}
# (block, geometry letter) → azimuth in degrees (0: down-range, 180: behind the shooter), metres.
GEOMETRIES: dict[tuple[int, str], tuple[str, str]] = {
    (0, "A"): ("-30", "20"), (0, "B"): ("-30", "40"),
    (2, "A"): ("90", "40"), (2, "B"): ("90", "20"),
    (3, "A"): ("130", "40"), (3, "B"): ("130", "20"),
    (4, "A"): ("180", "20"), (4, "B"): ("180", "40"),
    (5, "A"): ("180", "10"), (5, "B"): ("180", "3"),
    (6, "A"): ("130", "10"), (6, "B"): ("90", "10"),
    (7, "A"): ("30", "9"), (7, "B"): ("90", "3"),
    (8, "A"): ("60", "20"), (8, "B"): ("180", "0.5"),
    (9, "B"): ("0", "3"),
    (10, "A"): ("40", "10"), (10, "B"): ("20", "20"),
}  # fmt: skip

_LABELS = {name: label for label, (_, names) in GUNS.items() for name in names.split()}
_OWNED = {number for numbers, _ in GUNS.values() for number in numbers}
_RECORDER_WORDS = re.compile(
    r"(?P<Samsung>samsung(?:[\s_-]*(?:galaxy|edge|s7))*)|(?P<iPhone>iphone(?:[\s_-]*7)?)"
    r"|(?P<Zoom>zoom(?:[\s_-]*(?:h4n|handheld|recording|device))*)"
)
_SMITH_AND_WESSON = re.compile(r"(?<![a-z])s(?:mith)?[\s_-]*(?:&|and|n)?[\s_-]*w(?:esson)?")
_FILE_NAME = re.compile(
    r"(?P<recorder>[A-Z]{2})[\s_-]*(?P<number>\d{3})[\s_-]*(?P<geometry>[A-Z])[\s_-]*S(?P<shot>\d{1,2})"
)
_RENAMED = re.compile(r"(?P<gun>.+)\(\d+\)")
_COLUMNS = (
    "recorder", "set_number", "position", "geometry", "azimuth_deg", "distance_m", "shot",
    "shot_id", "group",
)  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """What the folders of a recording say; empty where they say nothing."""

    label: str
    recorder: str


def matches(listing: Listing) -> bool:
    """Tell whether most recordings are named as those of the set, below folders of its guns."""
    named = [
        name
        for name in listing.recordings
        if _read_place("", name).label and _FILE_NAME.fullmatch(PurePosixPath(name).stem.upper())
    ]
    return is_most(named, listing.recordings)


def import_dir(
    directory: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the recordings below `directory`, with all that folders and file names say of them.

    Beside recording and label: recorder, set_number (gun set 1–20), position (block 0–10),
    geometry (letter), azimuth_deg, distance_m, shot, shot_id (the same for all recorders that
    heard it), simulated, and as group NNN (gun set × position block).

    Raises
    ------
    ShotprintError
        No such folder, no folder that names a gun, a label that does not occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    places = {name: _read_place(top.resolve().name, name) for name in listing.recordings}
    rows = {
        name: {"recording": name, "label": place.label, **_read_file_name(name, place.recorder)}
        for name, place in places.items()
        if place.label
    }
    unmatched = [name for name in places if name not in rows]
    if not rows:
        found = f"no folder that names a gun of the CADRE set ({len(unmatched)} recordings)"
        raise refuse(directory, listing, LAYOUT, found)
    remarks = (
        *listing.remarks,
        *remark_if("recordings in no folder that names a gun, left out", unmatched),
        *remark_on_others(listing, SIMULATION_FILES),
        *_remark_on_names(rows.values()),
        *remark_if(
            "recordings in the folder of another recorder; the file name is believed",
            [
                name
                for name, row in rows.items()
                if places[name].recorder not in ("", row["recorder"])
            ],
        ),
    )
    simulated = "true" if (top / SIMULATION_MARK).is_file() else "false"
    rows_marked = [{**row, "simulated": simulated} for row in rows.values()]
    return finish_import(top, rows_marked, remarks, only, exclude)


def _read_place(top_name: str, name: str) -> _Place:
    """Return gun and recorder by the folders of a recording, else by its name if renamed."""
    place = _read_folders(PurePosixPath(top_name, name).parts[:-1])
    renamed = _RENAMED.fullmatch(PurePosixPath(name).stem)
    if renamed and not place.label:
        return _Place(_LABELS.get(_simplify(renamed["gun"]), ""), place.recorder)
    return place


@functools.cache
def _read_folders(folders: tuple[str, ...]) -> _Place:
    """Return gun and recorder, each by the nearest folder that names one."""
    label = recorder = ""
    for folder in reversed(folders):
        words = _RECORDER_WORDS.search(folder.lower())
        recorder = recorder or str((words and words.lastgroup) or "")
        label = label or _LABELS.get(_simplify(folder), "")
    return _Place(label, recorder)


def _simplify(folder: str) -> str:
    """Return a folder's name without its recorder, case, spaces and signs."""
    name = _RECORDER_WORDS.sub("", folder.lower())
    name = re.sub(r"[\s_-](sa|ip|zm)$", "", name)
    return re.sub(r"[^a-z0-9]", "", _SMITH_AND_WESSON.sub("sw", name))


def _read_file_name(name: str, recorder: str) -> Row:
    """Return what the name of a file says; only `recorder`, by its folders, if it says nothing."""
    row = {**dict.fromkeys(_COLUMNS, ""), "recorder": recorder}
    match = _FILE_NAME.fullmatch(PurePosixPath(name).stem.strip().upper())
    if not match:
        return row
    number, geometry = match["number"], match["geometry"]
    shot = f"{int(match['shot']):02d}"
    row |= {
        "recorder": RECORDERS.get(match["recorder"]) or recorder or match["recorder"],
        "geometry": geometry,
        "shot": shot,
        "shot_id": f"{number}{geometry}_S{shot}",
        "group": number,
    }
    if 0 < int(number) <= N_SETS * N_BLOCKS:
        block, gun = divmod(int(number) - 1, N_SETS)
        azimuth_deg, distance_m = GEOMETRIES.get((block, geometry), ("", ""))
        row |= {"set_number": str(gun + 1), "position": str(block)}
        row |= {"azimuth_deg": azimuth_deg, "distance_m": distance_m}
    return row


def _remark_on_names(rows: Iterable[Row]) -> tuple[Remark, ...]:
    named = [row for row in rows if row["group"]]
    nameless = [row["recording"] for row in rows if not row["group"]]
    renamed = {name for name in nameless if _RENAMED.fullmatch(PurePosixPath(name).stem)}
    lost = "their shot, position and group are lost, so grouped figures will be too good"
    return (
        *remark_if(f"recordings renamed by hand; {lost}", sorted(renamed)),
        *remark_if(
            f"recordings with names of another form; {lost}",
            [name for name in nameless if name not in renamed],
        ),
        *remark_if(
            "recordings with a number outside 001 to 220",
            [row["recording"] for row in named if not row["set_number"]],
        ),
        *remark_if(
            "recordings whose gun set number contradicts their folder, which is believed",
            [f"{row['recording']} (set {row['set_number']})" for row in named if _clashes(row)],
        ),
    )


def _clashes(row: Row) -> bool:
    if not row["set_number"]:
        return False
    number = int(row["set_number"])
    known, _ = GUNS[row["label"]]
    return number not in known if known else number in _OWNED
