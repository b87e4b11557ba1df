"""Toy copies of the public sets: their layouts with sounds of a hundredth of a second."""

import csv
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from shotprint.datasets import DATASETS, Imported
from shotprint.datasets.table import Columns

UUIDS = ("0a07b229-7d2b-4d2b-8f32-c94cbc7b1487", "1b07b229-7d2b-4d2b-8f32-c94cbc7b1488")
KABEALO_HEADER = (
    "uuid", "filename", "firearm", "num_gunshots", "gunshot_location_in_seconds", "device_name",
    "latitude", "longitude", "recording_session ",
)  # fmt: skip
URBAN_HEADER = (
    "slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class",
)  # fmt: skip
ESC_HEADER = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


class Toy(NamedTuple):
    """A toy copy: where it lies, and what its importer is told beside that."""

    path: Path
    options: Mapping[str, Any] = {}

    def import_as(self, name: str, **options: Any) -> Imported:
        """Import it by the importer of a name."""
        return DATASETS[name].import_dir(self.path, **self.options, **options)


def write_sounds(directory: Path, *names: str, rate_hz: int = 8000) -> Path:
    """Write a WAV file of 80 samples, different for each name, under every name."""
    for name in names:
        samples = name.encode("utf-8", "surrogateescape").ljust(160, b"\0")[-160:]
        head = struct.pack("<4sI8sIHHIIHH", b"RIFF", 196, b"WAVEfmt ", 16, 1, 1, rate_hz, 0, 2, 16)
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(head + struct.pack("<4sI", b"data", 160) + samples)
    return directory


def write_mp3(directory: Path, *names: str) -> Path:
    """Write an MP3 file of 0.2 s of noise, different for each name, under every name."""
    for name in names:
        noise = np.random.default_rng(zlib.crc32(name.encode())).uniform(-0.1, 0.1, 8820)
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(directory / name, noise, 44100, format="MP3")
    return directory


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_json(path: Path, content: object) -> None:
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def make_folder(path: Path) -> Toy:
    return Toy(write_sounds(path, "AK-47/1.wav", "AK-47/2.WAV", "Ä b/x/y.wav", "Ä b/z.wav"))


def make_cadre(path: Path) -> Toy:
    names = ("Glock45_Zoom/ZM_014A_S01", "Glock45_Zoom/ZM_014A_S02", "M16_Samsung/SA_017B_S02")
    return Toy(write_sounds(path, *(f"{name}.wav" for name in (*names, "M16_Zoom/ZM_017B_S02"))))


def make_kaggle(path: Path) -> Toy:
    return Toy(
        write_sounds(
            path, "AK-12/3 (1).wav", "AK-12/3 (20).wav", "AK-12/3 (21).wav", "M16/5 (1).wav"
        )
    )


def make_kabealo(path: Path) -> Toy:
    """Two recordings side by side of one session, three files of one shot, and another gun."""
    one, two = UUIDS
    names = {
        f"glock_17_9mm_caliber/{one}_v0": (1, "[0.5]", "P1", "A"),
        f"glock_17_9mm_caliber/{two}_chan3_v0": (2, "[0.5123 1.2]", "P2", "A"),
        f"glock_17_9mm_caliber/{two}_mean_v0": (2, "[0.512, 1.2]", "P2", "A"),
        f"remington_870_12_gauge/{one}_v1": (1, "[1e-1]", "P1", "B"),
    }
    write_sounds(path / "edge-collected-gunshot-audio", *(f"{name}.wav" for name in names))
    rows = [
        (Path(name).name[:36], Path(name).name, "gun", n, onsets, device, 28.1, -80.6, session)
        for name, (n, onsets, device, session) in names.items()
    ]
    write_rows(path / "gunshot-audio-all-metadata.csv", KABEALO_HEADER, rows)
    return Toy(path)


def make_shotspotter(path: Path) -> Toy:
    """Two tests; the second of three shots of the first has no pulse of the sensor S-2."""
    for number, position, firearm, sensors in (
        (1, "FP1", "45 Cal Automatic Handgun", ("S-1", "S-2")),
        (19, "FP2", "40 Cal Automatic Handgun", ("S-1", "S-3")),
    ):
        test = f"test_{number:03d}"
        stem = f"Site_2018/{position}/{test}/{test}"
        for sensor in sensors:
            write_sounds(path, f"{stem}.audio.{sensor}.wav")
            content = {"timestamp": "2018-12-19T00:49:26.000Z", "location": place(3, 4, 12)}
            write_json(path / f"{stem}.audio.{sensor}.json", content)
        survey = {"firing_position": position, "num_rounds": 3, "firearm": firearm}
        write_json(path / f"{stem}.survey.json", {**survey, "survey_location": place(0, 0, 0)})
        write_json(path / f"{stem}.weather.json", {"fluid": "air"})
        write_json(path / f"{stem}.allpulses.json", make_pulses(sensors))
        heard = [["0S-1", f"0{sensors[1]}"], ["1S-1"], [f"2{sensors[1]}", "2S-1", "late"]]
        shots = [{"shot_index": i, "pulse_uuids": uuids} for i, uuids in enumerate(heard)]
        write_json(path / f"{stem}.nlos-tuples.json", shots)
    return Toy(path)


def place(x: float, y: float, z: float) -> dict[str, float]:
    """Return a location as the set words it."""
    return {"x": x, "y": y, "z": z}


def make_pulses(sensors: Sequence[str]) -> list[dict[str, str]]:
    """Return a pulse of each sensor 1, 2 and 3 s after the start, and the echo of the last."""
    pulses = [
        {"pulse_uuid": f"{shot}{sensor}", "serial_number": sensor, "arrival_time_utc": time}
        for sensor in sensors
        for shot, time in enumerate(f"2018-12-19T00:49:2{7 + s}.250Z" for s in range(3))
    ]
    echo = "2018-12-19T00:49:29.900Z"
    late = {"pulse_uuid": "late", "serial_number": "S-1", "arrival_time_utc": echo}
    return [*pulses, late]


def make_bgg(path: Path) -> Toy:
    """Two takes of one gun apart, two of another, one clip without a shot."""
    names = ("ak_0m_center_0000", "ak_0m_center_0001", "m24_100m_back_0019", "nogun_None_None_0391",
             "ak_0m_center_0441", "m24_100m_left_0049")  # fmt: skip
    write_mp3(path / "gun_sound_v2", *(f"{name}.mp3" for name in names))
    parts = {
        "exp1_train": (0, 4), "exp1_test": (1,), "exp2_train": (1, 2), "exp2_test": (0, 3, 4, 5)
    }  # fmt: skip
    for part, places in parts.items():
        rows = [(f"{names[i]}.mp3", *names[i].split("_")[:3]) for i in places]
        write_rows(path / f"v3_{part}.csv", ("name", "cate", "dist", "dire"), rows)
    return Toy(path)


def make_urbansound8k(path: Path) -> Toy:
    slices = {"7061-6-0-0.wav": 1, "7061-6-0-1.wav": 1, "102305-6-0-0.wav": 10, "100-3-1-2.wav": 10}
    write_sounds(path, *(f"audio/fold{fold}/{name}" for name, fold in slices.items()))
    rows = [
        (name, name.split("-")[0], 0.5, 4.5, 2, fold, name.split("-")[1], "x")
        for name, fold in slices.items()
    ]
    write_rows(path / "metadata" / "UrbanSound8K.csv", URBAN_HEADER, rows)
    return Toy(path)


def make_fsd50k(path: Path) -> Toy:
    """Two clips with gunshots (of one uploader), two without."""
    write_sounds(path, "FSD50K.dev_audio/11.wav", "FSD50K.dev_audio/12.wav")
    write_sounds(path, "FSD50K.eval_audio/13.wav", "FSD50K.eval_audio/14.wav")
    truth, info = path / "FSD50K.ground_truth", path / "FSD50K.metadata"
    dev = [(11, "Explosion,Gunshot_and_gunfire", "/m/1", "train"), (12, "Bark,Dog", "/m/2", "val")]
    write_rows(truth / "dev.csv", ("fname", "labels", "mids", "split"), dev)
    evaluated = [(13, "Gunshot_and_gunfire", "/m/1"), (14, "Siren,Alarm", "/m/3")]
    write_rows(truth / "eval.csv", ("fname", "labels", "mids"), evaluated)
    (truth / "vocabulary.csv").write_text("0,Bark,/m/2\n")
    by = "http://creativecommons.org/licenses/by/3.0/"
    for name, fnames in (("dev", ("11", "12")), ("eval", ("13", "14"))):
        clips = {f: {"uploader": "bo" if f in "11 13" else "al", "license": by} for f in fnames}
        write_json(info / f"{name}_clips_info_FSD50K.json", clips)
    return Toy(path, {"all_classes": True})


def make_esc50(path: Path) -> Toy:
    clips = {"1-100032-A-0": "dog", "1-100032-B-0": "dog", "2-115545-A-48": "fireworks",
             "5-9032-A-0": "dog"}  # fmt: skip
    write_sounds(path, *(f"audio/{name}.wav" for name in clips))
    rows = []
    for name, category in clips.items():
        fold, source, take, target = name.split("-")
        rows.append((f"{name}.wav", fold, target, category, target == "0", source, take))
    write_rows(path / "meta" / "esc50.csv", ESC_HEADER, rows)
    return Toy(path)


def make_csv(path: Path) -> Toy:
    write_sounds(path, "x/1.wav", "x/2.wav", "y/3.wav", "y/4.wav")
    rows = [
        ("x/1.wav", "AK-47", "v1", "007"),
        ("x\\2.wav", "M16", "v2", ""),
        ("/old/machine/3.wav", "M16", "v2", "NA"),
        ("y/4.flac", "M16", "v3", "1e5"),
    ]
    write_rows(path / "list.csv", ("File", "Gun", "Video", "code"), rows)
    return Toy(path, {"table": path / "list.csv", "columns": Columns("File", "Gun", "Video")})


TOYS = {
    "folder": make_folder, "cadre": make_cadre, "kaggle": make_kaggle, "kabealo": make_kabealo,
    "shotspotter": make_shotspotter, "bgg": make_bgg, "urbansound8k": make_urbansound8k,
    "fsd50k": make_fsd50k, "esc50": make_esc50, "csv": make_csv,
}  # fmt: skip


def get_columns(imported: Imported, *columns: str) -> list[tuple[str, ...]]:
    """Return the values of some columns, one tuple a recording."""
    return list(imported.manifest[list(columns)].itertuples(index=False, name=None))


def find_remark(imported: Imported, words: str) -> str:
    """Return the one remark that holds `words`."""
    (found,) = (str(remark) for remark in imported.remarks if words in str(remark))
    return found
