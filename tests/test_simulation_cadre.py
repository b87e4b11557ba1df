import csv
import json
import re

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from shotprint.audio import probe, read
from shotprint.cli import app
from shotprint.datasets.cadre import GEOMETRIES
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.simulation import read_guns
from shotprint.simulation.cadre import (
    DEFAULT_POSITIONS,
    POSITIONS,
    Settings,
    list_gun_sets,
    parse_positions,
    simulate_set,
)

SMALL = Settings(
    seed=3, shots=2, guns=("Smith&Wesson22", "Glock9", "M16"), positions=("141A", "181B")
)
FILE_NAME = re.compile(r"(ZM|SA|IP)_(\d{3})([AB])_S(\d{2})\.wav")


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "set"
    assert simulate_set(folder, SMALL, workers=2) == 4 * 2 * 2 * 3
    return folder


def read_truth(folder):
    with (folder / "simulation.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def hash_files(folder):
    return {
        path.relative_to(folder).as_posix(): compute_sha256(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_names_say_recorder_number_geometry_and_shot(small_set):
    rows = read_truth(small_set)
    assert {row["path"] for row in rows} == {
        path.relative_to(small_set).as_posix() for path in small_set.rglob("*.wav")
    }
    assert rows[0]["path"] == "Smith&Wesson22_Zoom/ZM_142A_S01.wav"
    assert rows[-1]["path"] == "M16_iPhone/IP_197B_S02.wav"
    for row in rows:
        folder, name = row["path"].split("/")
        prefix, number, geometry, shot = FILE_NAME.fullmatch(name).groups()
        position = POSITIONS[row["position"]]
        assert int(number) == position.first_number - 1 + int(row["set_number"])
        assert (geometry, int(shot)) == (position.geometry, int(row["shot"]))
        assert {"ZM": "Zoom", "SA": "Samsung", "IP": "iPhone"}[prefix] == row["recorder"]
        assert folder.endswith(f"_{row['recorder']}")


def test_two_glocks_have_two_folders_and_one_label(small_set):
    folders = {
        row["path"].split("/")[0] for row in read_truth(small_set) if row["label"] == "Glock9"
    }
    assert folders == {f"Glock9_{k}_{r}" for k in (1, 2) for r in ("Zoom", "Samsung", "iPhone")}


def test_geometries_are_those_of_the_importer():
    ours = {
        (p.first_number // 20, p.geometry): (p.azimuth_deg, p.distance_m)
        for p in POSITIONS.values()
    }
    theirs = {key: tuple(float(number) for number in value) for key, value in GEOMETRIES.items()}
    assert ours == theirs
    assert len(ours) == 19


def test_recordings_are_as_the_recorders_make_them(small_set):
    for row in read_truth(small_set):
        found = probe(small_set / row["path"])
        expected = (96000, 2) if row["recorder"] == "Zoom" else (48000, 1)
        assert (found.sample_rate_hz, found.n_channels) == expected
        assert found.duration_s == pytest.approx(1.2)


def test_the_truth_is_in_the_recording(small_set):
    for row in read_truth(small_set):
        audio = read(small_set / row["path"])
        waveform = np.abs(audio.waveform[0])
        onset = float(row["onset_s"]) * audio.sample_rate_hz
        loud = int((waveform > 0.5 * waveform.max()).argmax())
        assert -0.0005 < (loud - onset) / audio.sample_rate_hz < 0.03, row["path"]
        assert waveform[: int(onset - 0.012 * audio.sample_rate_hz)].max() < 0.3 * waveform.max()


def test_one_shot_is_heard_by_three_recorders(small_set):
    shots = {}
    for row in read_truth(small_set):
        key = (row["set_number"], row["position"], row["shot"])
        shots.setdefault(key, []).append(row)
    for rows in shots.values():
        assert len(rows) == 3
        assert len({row["muzzle_velocity_m_s"] for row in rows}) == 1
        assert np.ptp([float(row["onset_s"]) for row in rows]) < 0.002  # placed by hand
    assert len({rows[0]["muzzle_velocity_m_s"] for rows in shots.values()}) == len(shots)


def test_only_the_rifle_down_range_is_heard_before_its_blast(small_set):
    for row in read_truth(small_set):
        if row["label"] == "M16":
            assert float(row["n_wave_arrival_s"]) < float(row["muzzle_blast_arrival_s"])
        if row["label"] == "Smith&Wesson22":
            assert row["n_wave_arrival_s"] == ""


def test_every_file_and_the_folder_say_simulated(small_set):
    assert "SIMULATED" in (small_set / "SIMULATED.txt").read_text(encoding="utf-8")
    stated = json.loads((small_set / "simulation.json").read_text(encoding="utf-8"))
    assert stated["simulated"] is True
    assert stated["settings"]["seed"] == 3
    for path in small_set.rglob("*.wav"):
        with soundfile.SoundFile(path) as file:
            assert file.comment.startswith("Simulated gunshot, not a recording")


def test_bytes_depend_on_the_settings_only(small_set, tmp_path):
    simulate_set(tmp_path / "again", SMALL, workers=1)
    assert hash_files(tmp_path / "again") == hash_files(small_set)


def test_a_gun_sounds_the_same_whatever_else_is_simulated(small_set, tmp_path):
    alone = Settings(seed=3, shots=1, guns=("M16",), recorders=("iPhone",), positions=("181B",))
    simulate_set(tmp_path / "alone", alone)
    ours = {k: v for k, v in hash_files(tmp_path / "alone").items() if k.endswith(".wav")}
    assert len(ours) == 1
    assert ours.items() <= hash_files(small_set).items()


def test_another_seed_gives_other_bytes(small_set, tmp_path):
    other = Settings(seed=4, shots=1, guns=("M16",), recorders=("iPhone",), positions=("181B",))
    simulate_set(tmp_path / "other", other)
    assert not set(hash_files(tmp_path / "other").values()) & set(hash_files(small_set).values())


def test_the_same_set_may_be_written_again_and_nothing_else(tmp_path):
    tiny = Settings(shots=1, guns=("M16",), recorders=("iPhone",), positions=("141A",))
    simulate_set(tmp_path / "set", tiny)
    before = hash_files(tmp_path / "set")
    simulate_set(tmp_path / "set", tiny)
    assert hash_files(tmp_path / "set") == before
    with pytest.raises(ShotprintError, match="not empty"):
        simulate_set(tmp_path / "set", SMALL)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "evidence.wav").write_bytes(b"RIFF")
    with pytest.raises(ShotprintError, match="name a new folder"):
        simulate_set(tmp_path / "real", tiny)
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["evidence.wav"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"guns": ("M4",)}, "unknown gun: M4; known are SportKing22"),
        ({"guns": ()}, "no gun was given"),
        ({"guns": ("M16", "M16")}, "given twice"),
        ({"recorders": ("zoom",)}, "unknown recorder: zoom"),
        ({"positions": ("21A",)}, "unknown position: 21A"),
        ({"positions": ("181A",)}, "unknown position: 181A"),
        ({"shots": 0}, "1 to 99"),
        ({"shots": 100}, "1 to 99"),
        ({"seed": -1}, "from 0 on"),
        ({"duration_s": 0.1}, "0.6 to 60 s"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(ShotprintError, match=re.escape(message)):
        Settings(**changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1A", ("1A",)),
        ("1a, 41 ,181", ("1A", "41A", "41B", "181B")),
        ("all", tuple(POSITIONS)),
        ("21", ("21",)),
    ],
)
def test_positions_by_name(text, expected):
    assert parse_positions(text) == expected


def test_defaults_are_19_gun_sets_at_six_positions():
    assert len(list_gun_sets(Settings())) == 19 * len(DEFAULT_POSITIONS)
    assert Settings().guns == tuple(read_guns())


def test_guns_can_be_told_apart_but_not_all(tmp_path):
    """Nearest shot by log spectrum of 60 ms: far above 1 in 18, well below all."""
    settings = Settings(shots=4, recorders=("iPhone",), positions=("41B",))
    simulate_set(tmp_path / "set", settings)
    rows = read_truth(tmp_path / "set")
    features = []
    for row in rows:
        first = int((float(row["onset_s"]) - 0.005) * 48000)
        clip = read(tmp_path / "set" / row["path"]).waveform[0, first : first + 2880]
        bands = np.array_split(np.abs(np.fft.rfft(clip / np.abs(clip).max())) ** 2, 48)
        features.append([np.log(band.mean() + 1e-9) for band in bands])
    distances = np.linalg.norm(np.subtract(np.array(features)[:, None], features), axis=-1)
    np.fill_diagonal(distances, np.inf)
    labels = np.array([row["label"] for row in rows])
    accuracy = float(np.mean(labels[distances.argmin(axis=1)] == labels))
    assert 0.25 < accuracy < 0.97


def test_the_command_prints_the_folder_and_one_line(tmp_path):
    arguments = ["-o", str(tmp_path / "set"), "--shots", "1", "--guns", "M16,Glock9"]
    arguments += ["--recorders", "iPhone", "--positions", "141"]
    result = CliRunner().invoke(app, ["simulate", *arguments])
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'set'}\n"
    assert "6 simulated recordings of 2 guns, 2 positions, 1 recorders" in result.stderr
    assert len(list((tmp_path / "set").rglob("*.wav"))) == 6
