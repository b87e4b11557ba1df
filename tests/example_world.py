"""A small world in which the examples of the documentation are true: recordings by their names."""

import shutil
from pathlib import Path

from shotprint.audio import write_wav
from shotprint.simulation.cadre import Settings, simulate_set
from sounds import encode
from toy import make_shot
from toy_datasets import TOYS, write_rows
from training_sets import make_others, make_set

GUNS = ("AK-12", "AK-47", "M16", "MP5")
HANDGUNS = ("45 Cal Automatic Handgun", "40 Cal Automatic Handgun", "9mm Automatic Handgun")
N_EACH = 2  # recordings of a gun in each of three folds


def make_world(folder: Path) -> None:
    """Write single recordings, sets of one's own, and toy copies of the public sets."""
    names = ("evidence/1", "evidence/2", "new/1", "range", "recording", "questioned", "reference")
    for seed, name in enumerate((*names, *(f"testfire{i}" for i in (1, 2, 3)))):
        write_shot(folder / f"{name}.wav", seed, 48000, 2.0)
    encode(folder / "range.mp4", make_shot(1)[None], 48000, "aac", video="mpeg4")
    for seed in range(4):
        write_shot(folder / "archive" / f"{seed}.wav", seed)
    write_guns(folder / "guns9")
    write_positions(folder / "shotspotter-cut")
    make_others(folder / "others" / "hum")
    rows = make_set(folder / "sounds", n_each=4)[["recording", "label", "group"]].to_numpy()
    write_rows(folder / "notes.csv", ("file", "gun", "video"), rows)
    write_rows(folder / "groups.csv", ("recording", "group"), rows[:, [0, 2]])
    for name, make in TOYS.items():
        if name != "cadre":
            make(folder / name.upper())
    parts = {"guns": ("M16", "Glock9"), "recorders": ("iPhone", "Samsung")}
    simulate_set(folder / "CADRE", Settings(shots=1, positions=("41B", "101A"), **parts))


def write_shot(path: Path, seed: int, rate_hz: int = 32000, duration_s: float = 0.3) -> None:
    """Write a shot at a third of its duration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, make_shot(seed, duration_s, rate_hz, duration_s / 3)[None], rate_hz)


def write_guns(folder: Path) -> None:
    """Write four guns, a third of the recordings like the next gun's; M4 repeats M16, as Kaggle's.

    Recordings of `make_shot` whose seeds are 35 apart sound alike. Each is a group of its own.
    """
    rows = []
    for number, gun in enumerate(GUNS):
        for i in range(3 * N_EACH):
            write_shot(folder / gun / f"{i}.wav", 35 * i + (number + (i % 3 == 0)) % len(GUNS))
            fold = i // N_EACH
            rows.append((f"{gun}/{i}.wav", f"{gun}-{i}", fold, "ab"[i % 2], f"place {fold}"))
    shutil.copytree(folder / "M16", folder / "M4")
    header = ("recording", "group", "fold", "recorder", "position")
    write_rows(folder / "groups.csv", header, rows)


def write_positions(folder: Path) -> None:
    """Write two shots of each handgun at three firing positions, and the table of shots."""
    rows = []
    for i in range(18):
        place = f"FP{1 + i // 6}"
        write_shot(folder / place / f"test_{i}.wav", i, 12000)
        rows.append((f"{place}/test_{i}.wav", place, f"test_{i}", HANDGUNS[i % 3], 100 + 50 * i))
    header = ("recording", "firing_position", "test_id", "firearm", "distance_m")
    write_rows(folder / "shots.csv", header, rows)
