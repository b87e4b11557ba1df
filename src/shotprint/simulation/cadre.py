"""A simulated set in the layout of the CADRE gunshot set, with the truth beside it.

``<Gun>_<Recorder>/<RR>_<NNN><L>_S<SS>.wav``, NNN = first number of the position block − 1 + gun
set number, L the block's geometry A or B, SS the shot. The same NNN, L and SS under another RR is
the same physical shot. Every file and the folder say that the shots are simulated.
"""

import csv
import dataclasses
import io
import json
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from shotprint import __version__
from shotprint.audio import write_wav
from shotprint.errors import ShotprintError
from shotprint.files import write_text
from shotprint.progress import show_progress
from shotprint.simulation.guns import Gun, compute_blast, compute_muzzle, read_guns
from shotprint.simulation.recorders import RECORDERS, Recorder
from shotprint.simulation.shot import (
    Shot,
    Take,
    draw_individual,
    draw_late_spectra,
    fire,
    simulate_shot,
)
from shotprint.simulation.site import Site, make_site, microphone_position
from shotprint.simulation.waves import Spectrum

WARNING_FILE = "SIMULATED.txt"
SETTINGS_FILE = "simulation.json"
TRUTH_FILE = "simulation.csv"
MICROPHONE_HEIGHT_M = 1.0
LEAD_IN_S = (0.2, 0.3)
DEFAULT_POSITIONS = ("1A", "41B", "61A", "101A", "141A", "201B")


@dataclasses.dataclass(frozen=True)
class Position:
    """Where the recorders stand: a block of 20 gun sets, geometry A or B."""

    first_number: int
    geometry: str
    azimuth_deg: float
    distance_m: float

    @property
    def name(self) -> str:
        return f"{self.first_number}{self.geometry}"


# Block 21 is left out: its geometry is not known; nor is 181A.
POSITIONS = {
    position.name: position
    for position in (
        Position(1, "A", -30, 20), Position(1, "B", -30, 40),
        Position(41, "A", 90, 40), Position(41, "B", 90, 20),
        Position(61, "A", 130, 40), Position(61, "B", 130, 20),
        Position(81, "A", 180, 20), Position(81, "B", 180, 40),
        Position(101, "A", 180, 10), Position(101, "B", 180, 3),
        Position(121, "A", 130, 10), Position(121, "B", 90, 10),
        Position(141, "A", 30, 9), Position(141, "B", 90, 3),
        Position(161, "A", 60, 20), Position(161, "B", 180, 0.5),
        Position(181, "B", 0, 3),
        Position(201, "A", 40, 10), Position(201, "B", 20, 20),
    )
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a simulated set holds; the same settings give the same bytes.

    Attributes
    ----------
    seed : of everything random; another seed is another site with other individual guns
    shots : of every gun set at every position
    guns : labels
    recorders, positions : names, see `RECORDERS` and `POSITIONS`
    duration_s : of a recording
    """

    seed: int = 0
    shots: int = 2
    guns: tuple[str, ...] = dataclasses.field(default_factory=lambda: tuple(read_guns()))
    recorders: tuple[str, ...] = tuple(RECORDERS)
    positions: tuple[str, ...] = DEFAULT_POSITIONS
    duration_s: float = 1.2

    def __post_init__(self) -> None:
        _require_known("gun", self.guns, read_guns())
        _require_known("recorder", self.recorders, RECORDERS)
        _require_known("position", self.positions, POSITIONS)
        if not 1 <= self.shots <= 99:
            raise ShotprintError(f"{self.shots} shots were asked for; 1 to 99 can be numbered")
        if self.seed < 0:
            raise ShotprintError(f"the seed is {self.seed}; give a whole number from 0 on")
        if not 0.6 <= self.duration_s <= 60:
            raise ShotprintError(
                f"recordings of {self.duration_s:g} s were asked for; give 0.6 to 60 s"
            )


def _require_known(what: str, names: tuple[str, ...], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        found = f"unknown {what}: {', '.join(unknown)}" if unknown else f"no {what} was given"
        raise ShotprintError(f"{found}; known are {', '.join(known)}")
    if len(set(names)) < len(names):
        raise ShotprintError(f"a {what} was given twice: {', '.join(names)}; name each once")


@dataclasses.dataclass(frozen=True)
class GunSet:
    """One physical gun at one position: the unit that is simulated by itself."""

    gun: Gun
    set_number: int
    position: Position

    @property
    def number(self) -> int:
        """NNN of the file names."""
        return self.position.first_number - 1 + self.set_number

    def path(self, recorder: Recorder, shot: int) -> str:
        """Return where a recording goes, below the set's folder, with forward slashes."""
        several = len(self.gun.set_numbers) > 1
        copy = f"_{self.gun.set_numbers.index(self.set_number) + 1}" if several else ""
        name = f"{recorder.prefix}_{self.number:03d}{self.position.geometry}_S{shot:02d}.wav"
        return f"{self.gun.folder}{copy}_{recorder.name}/{name}"


def parse_positions(text: str) -> tuple[str, ...]:
    """Return the positions of a list such as ``1A,41,181B``; a block alone means all it has.

    ``all`` means every position. Unknown names are left for `Settings` to refuse.
    """
    if text.strip().lower() == "all":
        return tuple(POSITIONS)
    names: list[str] = []
    for part in (part.strip().upper() for part in text.split(",")):
        block = [name for name, position in POSITIONS.items() if part == str(position.first_number)]
        names.extend(block or [part])
    return tuple(names)


def list_gun_sets(settings: Settings) -> list[GunSet]:
    """Return every gun set at every position, position by position."""
    guns = read_guns()
    return [
        GunSet(guns[label], number, POSITIONS[name])
        for name in settings.positions
        for label in settings.guns
        for number in guns[label].set_numbers
    ]


def simulate_set(
    folder: str | os.PathLike[str], settings: Settings, workers: int | None = None
) -> int:
    """Write a simulated set and return the number of its recordings.

    The bytes do not depend on the number of workers, which are threads (NumPy releases the
    interpreter's lock in its transforms and random numbers).

    Raises
    ------
    ShotprintError
        The folder holds anything else than this same simulated set.
    """
    folder = Path(folder)
    site = make_site(np.random.default_rng([settings.seed, 1]))
    _claim_folder(folder, settings, site)
    gun_sets = list_gun_sets(settings)
    rooms = _LateSpectra(settings, site)
    rows: list[dict[str, object]] = []
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        try:
            written = pool.map(lambda one: _write_gun_set(folder, settings, rooms, one), gun_sets)
            for part in show_progress(written, total=len(gun_sets), description="simulating"):
                rows.extend(part)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    write_text(folder / TRUTH_FILE, _format_csv(rows))
    return len(rows)


def _claim_folder(folder: Path, settings: Settings, site: Site) -> None:
    """Say in the folder that it is simulated; refuse one that holds anything else."""
    statement = {
        "simulated": True,
        "version": __version__,
        "settings": dataclasses.asdict(settings),
        "site": dataclasses.asdict(site),
    }
    text = json.dumps(statement, indent=1) + "\n"
    stated = folder / SETTINGS_FILE
    if stated.is_file() and stated.read_text(encoding="utf-8") == text:
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise ShotprintError(
            f"{folder} is not empty and holds something else than this simulated set; "
            "name a new folder"
        )
    write_text(folder / WARNING_FILE, _warning(settings))
    write_text(stated, text)


def _warning(settings: Settings) -> str:
    return (
        "The recordings in this folder are SIMULATED. No gun was fired and nothing was recorded.\n"
        f"They were computed by shotprint {__version__}, seed {settings.seed}; the settings are "
        f"in {SETTINGS_FILE}, the truth about every file in {TRUTH_FILE}.\n"
        "They are for demonstrations, tests and augmentation. No figure measured on them says "
        "anything about real guns.\n"
    )


class _LateSpectra:
    """The site's late response at every position and recorder, drawn when first asked for."""

    def __init__(self, settings: Settings, site: Site) -> None:
        self.settings, self.site = settings, site
        self._drawn: dict[tuple[str, str], Spectrum] = {}

    def get(self, position: Position, recorder: Recorder) -> Spectrum:
        key = (position.name, recorder.name)
        spectra = self._drawn.get(key)
        if spectra is None:  # two threads may both draw it: the same numbers
            take = Take(
                recorder,
                self.site,
                microphone_position(position.azimuth_deg, position.distance_m, MICROPHONE_HEIGHT_M),
                duration_s=self.settings.duration_s,
                lead_in_s=LEAD_IN_S[1],
            )
            rng = np.random.default_rng([self.settings.seed, 2, *_number(position, recorder)])
            spectra = self._drawn[key] = draw_late_spectra(take, rng)
            if len(self._drawn) > 12:
                self._drawn.pop(next(iter(self._drawn)), None)
        return spectra


def _number(position: Position, recorder: Recorder) -> tuple[int, int]:
    return list(POSITIONS).index(position.name), list(RECORDERS).index(recorder.name)


def _write_gun_set(
    folder: Path, settings: Settings, rooms: _LateSpectra, gun_set: GunSet
) -> list[dict[str, object]]:
    comment = f"Simulated gunshot, not a recording (shotprint {__version__}, seed {settings.seed})"
    rows = []
    for recorder, number, shot in _record_gun_set(settings, rooms, gun_set):
        path = gun_set.path(recorder, number)
        write_wav(folder / path, shot.waveform, shot.sample_rate_hz, comment=comment)
        rows.append(_describe(gun_set, recorder, number, path, shot))
    return rows


def _record_gun_set(
    settings: Settings, rooms: _LateSpectra, gun_set: GunSet
) -> Iterator[tuple[Recorder, int, Shot]]:
    """Fire one gun set's shots at one position; yield recorder, shot number and shot."""
    seed, position = settings.seed, gun_set.position
    place = list(POSITIONS).index(position.name)
    individual = draw_individual(gun_set.gun, np.random.default_rng([seed, 3, gun_set.set_number]))
    recorders = [RECORDERS[name] for name in settings.recorders]
    takes = [_place_recorder(settings, rooms.site, gun_set, recorder) for recorder in recorders]
    for number in range(1, settings.shots + 1):
        rng = np.random.default_rng([seed, 4, gun_set.set_number, place, number])
        discharge = fire(individual, rng)
        lead_in_s = float(rng.uniform(*LEAD_IN_S))
        for recorder, take in zip(recorders, takes, strict=True):
            own = [gun_set.set_number, *_number(position, recorder), number]
            shot = simulate_shot(
                discharge,
                dataclasses.replace(take, lead_in_s=lead_in_s),
                np.random.default_rng([seed, 5, *own]),
                rooms.get(position, recorder),
            )
            yield recorder, number, shot


def _place_recorder(settings: Settings, site: Site, gun_set: GunSet, recorder: Recorder) -> Take:
    """Put a recorder down for a gun set, roughly at its position, and set its level."""
    position = gun_set.position
    numbers = _number(position, recorder)
    rng = np.random.default_rng([settings.seed, 6, gun_set.set_number, *numbers])
    turn_deg, pointing_deg = rng.normal(0.0, (1.0, 8.0))
    stretch, height_m = rng.normal((1.0, MICROPHONE_HEIGHT_M), (0.01, 0.03))
    place_m = microphone_position(
        position.azimuth_deg + float(turn_deg),
        position.distance_m * float(stretch),
        float(height_m),
    )
    level_db = choose_full_scale_db(position, site) if recorder.full_scale_db is None else None
    return Take(recorder, site, place_m, level_db, float(pointing_deg), settings.duration_s)


def choose_full_scale_db(position: Position, site: Site) -> float:
    """Return the level an operator would set at a position: a 9 mm shot peaks 3 to 6 dB below.

    One level for all guns of a position, in steps of 3 dB; the louder ones may clip.
    """
    gun = read_guns()["Glock9"]
    muzzle = compute_muzzle(gun, gun.muzzle_velocity_m_s, gun.propellant_mass_g)
    peak_pa, _ = compute_blast(muzzle, position.azimuth_deg, site.atmosphere)
    level_db = 20.0 * np.log10(peak_pa / max(position.distance_m, 0.5) / 2e-5)
    return float(3.0 * np.ceil(level_db / 3.0) + 3.0)


def _describe(
    gun_set: GunSet, recorder: Recorder, number: int, path: str, shot: Shot
) -> dict[str, object]:
    row: dict[str, object] = {
        "path": path,
        "label": gun_set.gun.label,
        "recorder": recorder.name,
        "set_number": gun_set.set_number,
        "position": gun_set.position.name,
        "azimuth_deg": gun_set.position.azimuth_deg,
        "distance_m": gun_set.position.distance_m,
        "shot": number,
    }
    for field in dataclasses.fields(Shot):
        value = getattr(shot, field.name)
        if field.name != "waveform":
            row[field.name] = round(value, 7) if isinstance(value, float) else value
    return row


def _format_csv(rows: list[dict[str, object]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
