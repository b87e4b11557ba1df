"""Recordings for the detector, and what is known of the shots in them.

A table (CSV) names recordings, relative to its own folder. Its columns say what is known:

- ``shot_onsets_s``: the moment of every shot, in seconds, separated by spaces
- ``window_starts_s``: moments shortly before a shot (marks by hand, up to a quarter of a second
  early, some missing); where in each window the shot begins is found while training
- neither: there are no shots

Parts to hold out come from a column ``fold``, else from the distinct values of
``firing_position``, else from ``group``: groups are dealt out in turn, label by label.
"""

import csv
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import read
from shotprint.detection.facts import DETECTOR
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.progress import show_progress

Floats = NDArray[np.float32]
Times = NDArray[np.float64]

BEFORE_MARK_S, AFTER_MARK_S = 0.05, 0.25
"""A mark is found by a shot from so long before it to so long after it."""


@dataclass(frozen=True)
class Recording:
    """One recording at the detector's rate.

    Attributes
    ----------
    folder, path : of the table, and the recording's below it
    waveform : (n_samples,) float32
    onsets_s : every shot in it (an empty array: none); None: only marks are known
    marks_s : window starts; None where the onsets are known
    fold : part in which it is held out; -1: never
    group : recordings that belong together
    """

    folder: Path
    path: str
    sha256: str
    waveform: Floats
    onsets_s: Times | None
    marks_s: Times | None
    fold: int
    group: str = ""

    @property
    def kind(self) -> str:
        """What is known of its shots: ``exact``, ``marked`` or ``without``."""
        if self.onsets_s is None:
            return "marked"
        return "exact" if len(self.onsets_s) else "without"

    @property
    def has_shots(self) -> bool:
        return self.kind != "without"


def read_sets(
    tables: Iterable[Path], groups: Iterable[Path] = (), n_folds: int = 6
) -> list[Recording]:
    """Read every recording of the tables into memory (5.8 MB for two minutes).

    Parameters
    ----------
    groups : tables with the columns ``recording`` and ``group`` or ``fold``, joined by the
        recording's name; a recording that one of them does not name where it names others of
        its table is left out (it repeats another, as a rule)

    Raises
    ------
    ShotprintError : a table is missing, empty, or lacks the column ``recording``
    RecordingError : a recording cannot be read
    """
    known = {
        (path.parent.resolve(), row["recording"]): row for path in groups for row in _read(path)
    }
    wanted: list[tuple[Path, Mapping[str, str], int]] = []
    for table in tables:
        folder = table.parent.resolve()
        rows = [row | known.get((folder, row["recording"]), {}) for row in _read(table)]
        if any(place == folder for place, _ in known):
            rows = [row for row in rows if (folder, row["recording"]) in known]
        wanted += [
            (table.parent, row, fold)
            for row, fold in zip(rows, _choose_folds(rows, n_folds), strict=True)
        ]
    with ThreadPoolExecutor(2) as pool:
        reading = pool.map(lambda job: _read_recording(*job), wanted)
        progress = show_progress(reading, total=len(wanted), description="reading")
        return _drop_repeated(progress)


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ShotprintError(f"{path}: this table cannot be read ({error})") from None
    if not rows or "recording" not in rows[0]:
        raise ShotprintError(f"{path}: found no column `recording`; expected a row a recording")
    return rows


def _choose_folds(rows: list[dict[str, str]], n_folds: int) -> list[int]:
    first = rows[0] if rows else {}
    if "fold" in first:
        return [int(row["fold"]) for row in rows]
    column = "firing_position" if "firing_position" in first else "group"
    if column not in first:
        return [-1] * len(rows)
    values = sorted({(row.get("label", ""), row[column]) for row in rows})
    places = {value: place % n_folds for place, value in enumerate(values)}
    return [places[row.get("label", ""), row[column]] for row in rows]


def _read_recording(folder: Path, row: Mapping[str, str], fold: int) -> Recording:
    path = folder / row["recording"]
    audio = read(path, sample_rate_hz=DETECTOR.sample_rate_hz)
    is_marked = "window_starts_s" in row
    times = row.get("window_starts_s" if is_marked else "shot_onsets_s") or ""
    try:
        moments = np.array([float(word) for word in times.split()])
    except ValueError:
        raise ShotprintError(f"{path}: found {times!r} where seconds were expected") from None
    return Recording(
        folder=folder,
        path=row["recording"],
        sha256=compute_sha256(path),
        waveform=audio.waveform[0],
        onsets_s=None if is_marked else moments,
        marks_s=moments if is_marked else None,
        fold=fold,
        group=row.get("group") or row.get("firing_position") or row["recording"],
    )


def _drop_repeated(recordings: Iterable[Recording]) -> list[Recording]:
    """Keep the first of recordings with the same samples."""
    kept: dict[bytes, Recording] = {}
    for recording in recordings:
        kept.setdefault(recording.waveform.tobytes(), recording)
    return list(kept.values())
