"""Importers: one contract for all, then what folder and CADRE read out of names."""

import json
import os
import re
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from shotprint.datasets import DATASETS, cadre, folder, import_set
from shotprint.datasets.contract import PROBED_COLUMNS, list_folder
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.manifest import COLUMNS, read_manifest, write_manifest
from shotprint.simulation.cadre import POSITIONS, Settings, simulate_set
from toy_datasets import TOYS, find_remark, get_columns, make_cadre, write_sounds

# --- the contract ---------------------------------------------------------------------------

FREE_COLUMNS = ("folder", "csv")  # the user's own table says what they are


def list_sounds(toy: Path) -> list[Path]:
    """Return the recordings of a toy copy."""
    return sorted(path for path in toy.rglob("*") if path.suffix.lower() in (".wav", ".mp3"))


def test_every_dataset_has_a_toy_copy() -> None:
    assert set(TOYS) == set(DATASETS)
    assert len(DATASETS) >= 10


@pytest.mark.parametrize("name", DATASETS)
def test_importer_describes_itself(name: str) -> None:
    importer = DATASETS[name]
    assert name == importer.NAME
    for fact in ("DESCRIPTION", "LABELS", "GROUPS", "CITATION", "LICENCE", "HOW_TO_GET", "LAYOUT"):
        assert len(getattr(importer, fact)) > 5, fact
    assert importer.SIZE
    assert re.fullmatch(r"Good for .*\. (Not|Without) .*\.", importer.GOOD_FOR)
    assert bool(importer.COLUMNS) == (name not in FREE_COLUMNS)


@pytest.mark.parametrize("name", DATASETS)
def test_importer_makes_a_manifest(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path / "toy")
    imported = toy.import_as(name)
    manifest = imported.manifest
    assert tuple(manifest.columns[: len(COLUMNS)]) == COLUMNS
    assert tuple(manifest.columns[-3:]) == PROBED_COLUMNS
    if name not in FREE_COLUMNS:
        assert set(manifest.columns[len(COLUMNS) : -3]) == set(DATASETS[name].COLUMNS)
    files = {path.relative_to(toy.path).as_posix() for path in list_sounds(toy.path)}
    assert set(manifest["recording"]) == files
    for row in manifest.itertuples():
        assert row.sha256 == compute_sha256(row.path) == compute_sha256(toy.path / row.recording)
        rate_hz = "44100" if row.recording.endswith(".mp3") else "8000"
        assert (row.sample_rate_hz, row.channels) == (rate_hz, "1")
        assert 0.01 <= float(row.duration_s) < 0.3
        assert row.label
        assert row.group
    assert imported.is_complete
    assert not [str(r) for r in imported.remarks if "by their extension" in str(r)]
    write_manifest(manifest, tmp_path / "set.csv")
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "set.csv"), manifest)


@pytest.mark.parametrize("name", DATASETS)
def test_importer_keeps_going_past_bad_recordings(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    empty, text, gone, *_ = list_sounds(toy.path)
    empty.write_bytes(b"")
    text.write_text("no sound")
    gone.unlink()
    try:
        gone.symlink_to(toy.path / "absent.wav")
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    imported = toy.import_as(name)
    listed = {Path(path) for path in imported.manifest["path"]}
    assert {empty.resolve(), text.resolve()} <= listed
    assert list(imported.failed) == [gone.relative_to(toy.path).as_posix()]
    assert not imported.is_complete
    assert "(2): " in find_remark(imported, "cannot be opened as sound")


@pytest.mark.parametrize("name", DATASETS)
def test_importer_skips_hidden_files(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    first = list_sounds(toy.path)[0].relative_to(toy.path)
    before = toy.import_as(name).manifest
    write_sounds(toy.path, f"__MACOSX/{first.parent}/._x.wav", f"{first.parent}/._x.wav")
    write_sounds(toy.path, f"__MACOSX/{first}", f".hidden/{first}")
    after = toy.import_as(name)
    pd.testing.assert_frame_equal(after.manifest, before)
    assert not any("_x" in str(remark) for remark in after.remarks)


@pytest.mark.parametrize("name", DATASETS)
def test_importer_chooses_labels(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    whole = toy.import_as(name).manifest
    label = min(whole["label"])
    kept = toy.import_as(name, only=[label]).manifest
    left = toy.import_as(name, exclude=[label]).manifest
    assert set(kept["label"]) == {label}
    assert label not in set(left["label"])
    assert len(kept) + len(left) == len(whole)
    with pytest.raises(ShotprintError, match=f"label 'M61'; the labels are {re.escape(label)}, "):
        toy.import_as(name, exclude=["M61"])
    with pytest.raises(ShotprintError, match="nothing remains"):
        toy.import_as(name, only=[label], exclude=[label])


@pytest.mark.parametrize("name", DATASETS)
def test_importer_refuses_what_is_no_set(name: str, tmp_path: Path) -> None:
    options = TOYS[name](tmp_path / "toy").options

    def import_dir(directory: Path) -> None:
        DATASETS[name].import_dir(directory, **options)

    with pytest.raises(ShotprintError, match="does not exist"):
        import_dir(tmp_path / "absent")
    (tmp_path / "file.wav").touch()
    with pytest.raises(ShotprintError, match="is a file"):
        import_dir(tmp_path / "file.wav")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShotprintError, match=r"\b0 recordings") as refused:
        import_dir(tmp_path / "empty")
    assert f"expected {DATASETS[name].LAYOUT}" in str(refused.value)
    write_sounds(tmp_path / "flat", "a.wav", "b.wav")
    with pytest.raises(ShotprintError, match=r"\b2 recordings"):
        import_dir(tmp_path / "flat")


@pytest.mark.parametrize("name", DATASETS)
def test_only_one_importer_recognises_a_set(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path / "set")
    for directory in (toy.path, tmp_path):
        listing = list_folder(directory)
        recognised = [other for other in DATASETS if DATASETS[other].matches(listing)]
        special = [] if name in FREE_COLUMNS else [name]
        assert recognised == [*special, "folder"]


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in FREE_COLUMNS])
def test_a_few_recordings_of_a_set_are_not_the_set(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    others = [f"other/o{number}.wav" for number in range(len(list_sounds(toy.path)))]
    assert not DATASETS[name].matches(list_folder(write_sounds(toy.path, *others)))


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "csv"])
def test_folder_of_another_set_is_told_which_it_looks_like(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    asked = "esc50" if name == "bgg" else "bgg"
    with pytest.raises(ShotprintError) as refused:
        import_set(asked, toy.path)
    assert f"expected {DATASETS[asked].LAYOUT}" in str(refused.value)
    assert str(refused.value).endswith(f"It looks like {name}: shotprint import {name}")


def test_folder_of_no_set_is_not_told_anything(tmp_path: Path) -> None:
    with pytest.raises(ShotprintError) as refused:
        import_set("esc50", write_sounds(tmp_path, "a.wav"))
    assert "looks like" not in str(refused.value)


# Table of a toy copy, a row for a file that is not there, a file that no row names, what is
# said of it.
TABLES = {
    "kabealo": (
        "gunshot-audio-all-metadata.csv", "u,absent_v0,g,1,[0.1],P,1,2,A",
        "glock_17_9mm_caliber/2b07b229-7d2b-4d2b-8f32-c94cbc7b1489_v9.wav", "without a row",
    ),
    "urbansound8k": (
        "metadata/UrbanSound8K.csv", "absent.wav,1,0,4,1,1,6,gun_shot", "fold2/1-6-0-0.wav",
        "without a row",
    ),
    "esc50": ("meta/esc50.csv", "absent.wav,1,0,dog,True,9,A", "1-9-A-0.wav", "without a row"),
    "fsd50k": ("FSD50K.ground_truth/dev.csv", "99,Dog,/m/2,val", "77.wav", "without a row"),
    "bgg": (
        "v3_exp1_train.csv", "absent.mp3,ak,0m,center", "ak_0m_center_0500.wav",
        "in none of the shipped splits",
    ),
    "csv": ("list.csv", "absent.wav,M16,v1,", "z/5.wav", "without a row"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_rows_without_files_files_without_rows_and_bad_rows(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    table, row, sound, words = TABLES[name]
    whole = toy.import_as(name)
    text = (toy.path / table).read_text(encoding="utf-8")
    (toy.path / table).write_text(f"{text}{row}\ntoo,few\n\n", encoding="utf-8")
    write_sounds(toy.path, sound)
    imported = toy.import_as(name)
    absent = re.split(r"[,.]", row.removeprefix("u,"))[0]
    assert f"(1): {absent}" in find_remark(imported, "without a recording")
    line = text.count("\n") + 2
    assert f"left out (1): line {line} (2 values" in find_remark(imported, "cannot be read")
    assert f"(1): {sound}" in find_remark(imported, words)
    assert not imported.is_complete
    kept = imported.manifest[imported.manifest["recording"] != sound].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, whole.manifest)


@pytest.mark.parametrize("name", TABLES)
def test_table_without_its_columns(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    path = toy.path / TABLES[name][0]
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header.swapcase(), *rows]), encoding="utf-8")
    if name == "csv":
        path.write_text("\n".join([header.replace("Gun", "Gat"), *rows]), encoding="utf-8")
    with pytest.raises(ShotprintError, match=r"has no column .*; its columns are "):
        toy.import_as(name)


@pytest.mark.parametrize("name", [name for name in TABLES if name != "csv"])
def test_missing_table_is_said(name: str, tmp_path: Path) -> None:
    toy = TOYS[name](tmp_path)
    for path in toy.path.rglob("*.csv"):
        path.unlink()
    if name in ("esc50", "fsd50k"):  # nothing else says what is heard
        with pytest.raises(ShotprintError, match=r"expected .*csv"):
            toy.import_as(name)
        return
    imported = toy.import_as(name)
    assert set(imported.manifest["recording"]) == {
        path.relative_to(toy.path).as_posix() for path in list_sounds(toy.path)
    }
    assert [str(r) for r in imported.remarks if "there" in str(r)]


# --- any folder -----------------------------------------------------------------------------


def test_class_is_the_folder_directly_below(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path, "A/a.WAV", "A/deep/er/b.Flac", "B/A/c.mp3", "loose.wav")
    (tmp_path / "A" / "notes.txt").touch()
    (tmp_path / "list.csv").touch()
    imported = folder.import_dir(toy)
    assert get_columns(imported, "recording", "label") == [
        ("A/a.WAV", "A"),
        ("A/deep/er/b.Flac", "A"),
        ("B/A/c.mp3", "B"),
    ]
    assert find_remark(imported, "in no class folder").endswith("left out (1): loose.wav")
    assert find_remark(imported, "no recordings, by").endswith("(2): A/notes.txt, list.csv")
    assert "grouped figures may be too good" in find_remark(imported, "groups are unknown")


def test_linked_folders_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    write_sounds(tmp_path / "elsewhere", "1.wav")
    toy = write_sounds(tmp_path / "set", "A/2.wav")
    try:
        (toy / "B").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (toy / "A" / "loop").symlink_to(toy, target_is_directory=True)
        (toy / "A" / "self").symlink_to(toy / "A" / "self")
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    assert get_columns(folder.import_dir(toy), "recording") == [("A/2.wav",), ("B/1.wav",)]


def test_file_names_that_are_not_unicode_are_left_out(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path, "A/good.wav")
    try:
        (toy / "A" / "b\udcffd.wav").touch()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes Unicode names only")
    imported = folder.import_dir(toy)
    assert get_columns(imported, "recording") == [("A/good.wav",)]
    assert r"A/b\udcffd.wav" in find_remark(imported, "not Unicode")
    assert not imported.is_complete


def test_names_that_are_not_unicode_are_said_where_nothing_is_left(tmp_path: Path) -> None:
    try:
        (tmp_path / "A").mkdir()
        (tmp_path / "A" / "b\udcffd.wav").touch()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes Unicode names only")
    with pytest.raises(ShotprintError, match=r"no recordings .* not Unicode"):
        folder.import_dir(tmp_path)


def test_groups_are_joined(tmp_path: Path) -> None:
    names = ["A/1.wav", "A/2.WAV", "A/3.wav", "Ä/4.wav", "A/5.wav", "A/6.wav", "A/7.mp3", "A/7.wav"]
    toy = write_sounds(tmp_path / "set", *names)
    rows = [
        "A/1.wav,A,g1,0,007",
        "A/2.flac,A,g1,0,",
        r"A\3.wav,B,g2,1,",
        unicodedata.normalize("NFD", "./Ä/4.wav") + ",Ä,g3,2,NA",
        "A/5.wav,A,,3,",
        "A/7.mp3,A,g4,4,",
        "A/8.wav,A,g5,0,",
    ]
    table = tmp_path / "groups.csv"
    table.write_text("\n".join(["recording,label,group,fold,code", *rows]), encoding="utf-8")
    imported = folder.import_dir(toy, groups=table)
    assert get_columns(imported, "recording", "label", "group", "fold", "code") == [
        ("A/1.wav", "A", "g1", "0", "007"),
        ("A/2.WAV", "A", "g1", "0", ""),
        ("A/3.wav", "A", "g2", "1", ""),
        ("A/5.wav", "A", "A/5.wav", "3", ""),
        ("A/6.wav", "A", "A/6.wav", "", ""),
        ("A/7.mp3", "A", "g4", "4", ""),
        ("A/7.wav", "A", "g4", "4", ""),
        ("Ä/4.wav", "Ä", "g3", "2", "NA"),
    ]
    assert find_remark(imported, "without their ext").endswith("(2): A/2.WAV, A/7.wav")
    assert find_remark(imported, "without a row in").endswith("(1): A/6.wav")
    assert find_remark(imported, "without a recording").endswith("(1): A/8.wav")
    assert find_remark(imported, "another label").endswith("(1): A/3.wav (B)")
    assert find_remark(imported, "without a group").endswith("(2): A/5.wav, A/6.wav")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,group\nA/1.wav,g\n", "no column recording"),
        ("recording,group\nA/1.wav,g\n./A/1.wav,h\n", r"two rows for A/1.wav"),
        ("recording,group\nA/1.wav\n", "line 2: 1 values, but 2 columns"),
    ],
)
def test_bad_groups(tmp_path: Path, text: str, message: str) -> None:
    toy = write_sounds(tmp_path / "set", "A/1.wav")
    table = tmp_path / "groups.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(ShotprintError, match=message):
        folder.import_dir(toy, groups=table)


def test_identical_files_are_reported(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path / "set", "A/1.wav", "B/3.wav", "B/4.wav")
    (toy / "A" / "2.wav").write_bytes((toy / "A" / "1.wav").read_bytes())
    (toy / "C").mkdir()
    (toy / "C" / "5.wav").write_bytes((toy / "B" / "3.wav").read_bytes())
    imported = folder.import_dir(toy)
    assert find_remark(imported, "one label").endswith("(1): A/1.wav = A/2.wav")
    assert find_remark(imported, "two labels").endswith("(1): B/3.wav = C/5.wav")
    assert get_columns(imported, "group") == [
        ("A/1.wav",), ("A/1.wav",), ("B/3.wav",), ("B/4.wav",), ("B/3.wav",)
    ]  # fmt: skip
    table = tmp_path / "groups.csv"
    table.write_text("recording,group\nB/3.wav,g\nC/5.wav,h\n", encoding="utf-8")
    torn = find_remark(folder.import_dir(toy, groups=table), "in two groups")
    assert torn.endswith("(1): B/3.wav = C/5.wav")


def test_real_guns_with_their_groups(shared: Path) -> None:
    directory = shared / "data" / "guns9"
    imported = folder.import_dir(directory, groups=directory / "groups.csv")
    given = pd.read_csv(directory / "groups.csv", dtype=str).sort_values("recording")
    columns = ["recording", "label", "group", "fold"]
    assert len(imported.manifest) == 679
    assert imported.manifest[columns].to_numpy().tolist() == given[columns].to_numpy().tolist()
    assert set(imported.manifest["sample_rate_hz"]) == {"44100", "48000"}
    assert "(80): M16/5 (1).flac = M4/4 (1).flac" in find_remark(imported, "two labels")
    assert len(imported.remarks) == 2
    without = folder.import_dir(directory, groups=directory / "groups.csv", exclude=["M4"])
    assert len(without.manifest) == 599
    assert len(without.remarks) == 1


def test_real_wavs_match_groups_of_flacs(shared: Path) -> None:
    directory = shared / "data" / "guns9-original-wav"
    imported = folder.import_dir(directory, groups=shared / "data" / "guns9" / "groups.csv")
    assert "(9): AK-12/3 (1).wav" in find_remark(imported, "without their ext")
    assert ("AK-12/3 (1).wav", "AK-12-00", "0", "2") in get_columns(
        imported, "recording", "group", "fold", "channels"
    )


# --- CADRE ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "label", "recorder"),
    [
        ("BoltAction22_Samsung/SA_004A_S01.wav", "BoltAction22", "Samsung"),
        ("Samsung_Edge_S7/Colt1911/SA_095A_S01.WAV", "Colt1911", "Samsung"),
        ("x/Glock9_1_Zoom/ZM_008A_S01.wav", "Glock9", "Zoom"),
        ("Glock9_2_Zoom/pos 1/ZM_009A_S01.wav", "Glock9", "Zoom"),
        ("Iphone_7/kimber 45/IP_016A_S06.m4a", "Kimber45", "iPhone"),
        ("Kimber45_iPhone/ip_016a_s06.wav", "Kimber45", "iPhone"),
        ("Zoom_H4N_Handheld_Recording_Device/WASR/ZM_018B_S02.wav", "WASR-10", "Zoom"),
        ("WinM14_Samsung/SA_019A_S01.wav", "WinchesterM14", "Samsung"),
        ("Ruger357_Zoom/ZM-007 A-S01.wav", "Ruger357", "Zoom"),
        ("Smith&Wesson22_Zoom/ZM_002A_S01.wav", "Smith&Wesson22", "Zoom"),
        ("smith and wesson 38 Special/SA_006A_S01.wav", "Smith&Wesson38special", "Samsung"),
        ("SmithWesson_38special_Samsung/SA_006A_S01.wav", "Smith&Wesson38special", "Samsung"),
        ("S&W 22/IP_002A_S01.wav", "Smith&Wesson22", "iPhone"),
        ("Rem700_Samsung_Galaxy_S7/SA_080A_S01.wav", "Remington700", "Samsung"),
        ("SportKing_Zoom/ZM_001A_S01.wav", "SportKing22", "Zoom"),
        ("M&P40_Zoom/ZM_011A_S01.wav", "MP40", "Zoom"),
        ("HK_USP/ZM_012A_S01.wav", "HKUSP", "Zoom"),
        ("Lorcin380_ZM/ZM_005A_S01.wav", "Lorcin380", "Zoom"),
        ("SIG9/ZM_010A_S01.wav", "Sig9", "Zoom"),
        ("Ruger22/Zoom/ZM_003A_S01.wav", "Ruger22", "Zoom"),
        ("MP40/MP40. (12).wav", "MP40", ""),
        ("all/Glock45. (1).wav", "Glock45", ""),
        ("M16_Zoom/interview.wav", "M16", "Zoom"),
        ("Beretta92_Zoom/ZM_013A_S01.wav", None, None),
    ],
)
def test_cadre_folders(tmp_path: Path, name: str, label: str | None, recorder: str | None) -> None:
    toy = write_sounds(tmp_path, name, "Glock45_Zoom/ZM_214A_S01.wav")
    imported = cadre.import_dir(toy)
    if label is None:
        assert find_remark(imported, "no folder that names a gun").endswith(f"(1): {name}")
        assert len(imported.manifest) == 1
        return
    assert (name, label, recorder) in get_columns(imported, "recording", "label", "recorder")
    assert not any("contradict" in str(r) or "another recorder" in str(r) for r in imported.remarks)


def test_cadre_folder_of_one_gun(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path / "Glock45_Samsung", "SA_214B_S03.wav")
    assert get_columns(cadre.import_dir(toy), "label", "recorder") == [("Glock45", "Samsung")]


CADRE_COLUMNS = (
    "set_number", "position", "geometry", "azimuth_deg", "distance_m", "shot", "shot_id", "group",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SA_014A_S01.wav", ("14", "0", "A", "-30", "20", "01", "014A_S01", "014")),
        ("ZM_034B_S6.wav", ("14", "1", "B", "", "", "06", "034B_S06", "034")),
        ("ZM_174B_S02.wav", ("14", "8", "B", "180", "0.5", "02", "174B_S02", "174")),
        ("ZM_194A_S02.wav", ("14", "9", "A", "", "", "02", "194A_S02", "194")),
        ("IP_214B_S02.wav", ("14", "10", "B", "20", "20", "02", "214B_S02", "214")),
        ("XX_254A_S02.wav", ("", "", "A", "", "", "02", "254A_S02", "254")),
    ],
)
def test_cadre_file_names(tmp_path: Path, name: str, expected: tuple[str, ...]) -> None:
    imported = cadre.import_dir(write_sounds(tmp_path, f"Glock45/{name}"))
    assert get_columns(imported, *CADRE_COLUMNS) == [expected]


@pytest.mark.parametrize(
    ("number", "label"),
    [("004", "BoltAction22"), ("095", "Colt1911"), ("080", "Remington700"), ("214", "Glock45")],
)
def test_cadre_numbers_that_were_seen_fit_their_gun(
    tmp_path: Path, number: str, label: str
) -> None:
    imported = cadre.import_dir(write_sounds(tmp_path, f"{label}_Samsung/SA_{number}A_S01.wav"))
    assert not any("contradicts" in str(remark) for remark in imported.remarks)


def test_cadre_recorders_share_a_shot_and_its_group(tmp_path: Path) -> None:
    names = [f"M16_{r}/{c}_037A_S01.wav" for c, r in cadre.RECORDERS.items()]
    imported = cadre.import_dir(write_sounds(tmp_path, *names, "M16_Zoom/ZM_037B_S01.wav"))
    shots = imported.manifest.groupby("shot_id")["recorder"].apply(set).to_dict()
    assert shots == {"037A_S01": {"Zoom", "Samsung", "iPhone"}, "037B_S01": {"Zoom"}}
    assert set(imported.manifest["group"]) == {"037"}


def test_cadre_reports_what_does_not_fit(tmp_path: Path) -> None:
    toy = write_sounds(
        tmp_path,
        "Glock45_Zoom/ZM_015A_S01.wav",  # the set of Colt1911
        "Sig9_Zoom/ZM_014A_S01.wav",  # the set of Glock45
        "Sig9_Zoom/ZM_010A_S01.wav",  # a set that nobody is known to own
        "M16_Zoom/SA_017A_S01.wav",
        "M16/M16. (1).wav",
        "M16/M16. (2).wav",
        "M16/take 3.wav",
        "M16/ZM_000A_S01.wav",
        "Beretta/ZM_001A_S01.wav",
    )
    (tmp_path / "readme.txt").touch()
    imported = cadre.import_dir(toy)
    assert len(imported.manifest) == 8
    assert find_remark(imported, "contradicts their folder").endswith(
        "(2): Glock45_Zoom/ZM_015A_S01.wav (set 15), Sig9_Zoom/ZM_014A_S01.wav (set 14)"
    )
    assert find_remark(imported, "another recorder").endswith("(1): M16_Zoom/SA_017A_S01.wav")
    assert find_remark(imported, "by hand").endswith("(2): M16/M16. (1).wav, M16/M16. (2).wav")
    assert find_remark(imported, "another form").endswith("(1): M16/take 3.wav")
    assert find_remark(imported, "outside 001").endswith("(1): M16/ZM_000A_S01.wav")
    assert find_remark(imported, "names a gun").endswith("(1): Beretta/ZM_001A_S01.wav")
    assert find_remark(imported, "by their extension").endswith("(1): readme.txt")


def test_simulated_sets_are_marked(tmp_path: Path) -> None:
    toy = make_cadre(tmp_path).path
    assert set(cadre.import_dir(toy).manifest["simulated"]) == {"false"}
    (toy / "simulation.json").write_text(json.dumps({"seed": 0}), encoding="utf-8")
    imported = cadre.import_dir(toy)
    assert set(imported.manifest["simulated"]) == {"true"}
    assert imported.remarks == ()


def test_a_simulated_set_is_understood_whole(tmp_path: Path) -> None:
    settings = Settings(shots=1, recorders=("iPhone",), positions=("161B",), duration_s=0.6)
    simulate_set(tmp_path / "set", settings)
    imported = cadre.import_dir(tmp_path / "set")
    assert imported.remarks == ()
    assert set(imported.manifest["label"]) == set(cadre.GUNS)
    assert len(imported.manifest) == 19  # Glock9 twice
    assert set(get_columns(imported, "recorder", "azimuth_deg", "distance_m", "simulated")) == {
        ("iPhone", "180", "0.5", "true")
    }
    assert imported.manifest["group"].nunique() == 19


def test_geometries_are_those_of_the_simulation() -> None:
    simulated = {
        (position.first_number // 20, position.geometry): (
            f"{position.azimuth_deg:g}",
            f"{position.distance_m:g}",
        )
        for position in POSITIONS.values()
    }
    assert simulated == cadre.GEOMETRIES


def test_unlistable_folder_is_reported(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path, "A/1.wav", "B/2.wav")
    (toy / "B").chmod(0)
    try:
        if os.access(toy / "B", os.R_OK):
            pytest.skip("this user may list every folder")
        imported = folder.import_dir(toy)
    finally:
        (toy / "B").chmod(0o700)
    assert find_remark(imported, "cannot be listed").endswith("(1): B")
    assert not imported.is_complete
