"""What the importers of the public sets read out of names, tables and JSON."""

import json
from pathlib import Path

import pandas as pd
import pytest

from shotprint.datasets import bgg, esc50, fsd50k, kabealo, kaggle, shotspotter, table, urbansound8k
from shotprint.datasets.table import Columns
from shotprint.errors import ShotprintError
from toy_datasets import (
    UUIDS,
    find_remark,
    get_columns,
    make_bgg,
    make_csv,
    make_esc50,
    make_fsd50k,
    make_kabealo,
    make_kaggle,
    make_shotspotter,
    make_urbansound8k,
    write_json,
    write_rows,
    write_sounds,
)

# --- Kaggle ---------------------------------------------------------------------------------


def make_twins(tmp_path: Path) -> Path:
    """Write a toy copy in which M4 is M16 again, and has one file of its own."""
    toy = make_kaggle(tmp_path).path
    (toy / "M4").mkdir()
    (toy / "M4" / "4 (1).wav").write_bytes((toy / "M16" / "5 (1).wav").read_bytes())
    return write_sounds(toy, "M4/4 (30).wav")


def test_kaggle_blocks_of_twenty(tmp_path: Path) -> None:
    imported = kaggle.import_dir(make_kaggle(tmp_path).path)
    assert get_columns(imported, "recording", "group", "number") == [
        ("AK-12/3 (1).wav", "AK-12-00", "1"),
        ("AK-12/3 (20).wav", "AK-12-00", "20"),
        ("AK-12/3 (21).wav", "AK-12-01", "21"),
        ("M16/5 (1).wav", "M16-00", "1"),
    ]
    assert "a guess" in find_remark(imported, "groups are blocks")


def test_kaggle_leaves_out_copies(tmp_path: Path) -> None:
    toy = make_twins(tmp_path)
    imported = kaggle.import_dir(toy)
    assert "M4/4 (1).wav" not in set(imported.manifest["recording"])
    assert "M4/4 (30).wav" in set(imported.manifest["recording"])
    assert find_remark(imported, "byte for byte").endswith("(1): M4/4 (1).wav")
    assert not any("two labels" in str(remark) for remark in imported.remarks)


def test_kaggle_keeps_copies_where_they_are_wanted(tmp_path: Path) -> None:
    toy = make_twins(tmp_path)
    both = kaggle.import_dir(toy, keep_copies=True)
    assert find_remark(both, "two labels").endswith("(1): M16/5 (1).wav = M4/4 (1).wav")
    assert not any("identical files in two groups" in str(remark) for remark in both.remarks)
    chosen = kaggle.import_dir(toy, only=["M4"])
    excluded = kaggle.import_dir(toy, exclude=["M16", "AK-12"])
    for imported in (chosen, excluded):
        assert get_columns(imported, "recording", "group") == [
            ("M4/4 (1).wav", "M16-00"),
            ("M4/4 (30).wav", "M16-01"),
        ]


def test_kaggle_leaves_out_what_is_no_clip_of_its_guns(tmp_path: Path) -> None:
    toy = write_sounds(make_kaggle(tmp_path).path, "AK-12/take.wav", "Glock/1 (1).wav")
    imported = kaggle.import_dir(toy)
    assert find_remark(imported, "left out").endswith("(2): AK-12/take.wav, Glock/1 (1).wav")


def test_real_kaggle_clips(shared: Path) -> None:
    directory = shared / "data" / "guns9"
    imported = kaggle.import_dir(directory)
    assert len(imported.manifest) == 599
    assert "(80): M4/4 (1).flac" in find_remark(imported, "byte for byte")
    # groups.csv joins blocks that share waveform: each of ours lies in one of its groups.
    given = pd.read_csv(directory / "groups.csv", dtype=str)
    joined = imported.manifest.merge(given, on="recording", suffixes=("", "_given"))
    assert len(joined) == 599
    assert (joined.groupby("group")["group_given"].nunique() == 1).all()
    assert joined["group"].nunique() == 31
    both = kaggle.import_dir(directory, keep_copies=True)
    assert len(both.manifest) == 679
    assert "(80)" in find_remark(both, "two labels")
    assert not any("identical files in two groups" in str(remark) for remark in both.remarks)


def test_real_kaggle_wavs(shared: Path) -> None:
    imported = kaggle.import_dir(shared / "data" / "guns9-original-wav")
    assert len(imported.manifest) == 8
    assert set(imported.manifest["channels"]) == {"2"}


# --- Kabealo et al. -------------------------------------------------------------------------


def test_kabealo_joins_its_metadata(tmp_path: Path) -> None:
    imported = kabealo.import_dir(make_kabealo(tmp_path).path)
    one, two = UUIDS
    columns = ("recorder", "group", "source", "channel", "clip", "n_shots", "shot_onsets_s")
    assert get_columns(imported, "label", *columns) == [
        ("glock_17_9mm_caliber", "P1", "A", one, "", "0", "1", "0.500"),
        ("glock_17_9mm_caliber", "P2", "A", two, "3", "0", "2", "0.512 1.200"),
        ("glock_17_9mm_caliber", "P2", "A", two, "mean", "0", "2", "0.512 1.200"),
        ("remington_870_12_gauge", "P1", "B", one, "", "1", "1", "0.100"),
    ]
    assert find_remark(imported, "average the channels").endswith(f"/{two}_mean_v0.wav")


def test_kabealo_without_metadata_groups_by_recording(tmp_path: Path) -> None:
    toy = make_kabealo(tmp_path).path
    (toy / "gunshot-audio-all-metadata.csv").unlink()
    imported = kabealo.import_dir(toy)
    assert set(imported.manifest["group"]) == set(UUIDS)
    assert "grouped figures will be too good" in find_remark(imported, "is not there")


def test_kabealo_names_doubtful_rows(tmp_path: Path) -> None:
    toy = make_kabealo(tmp_path).path
    path = toy / "gunshot-audio-all-metadata.csv"
    text = (
        path.read_text(encoding="utf-8").replace("[0.5]", "[soon]").replace(",1,[1e-1]", ",3,[1]")
    )
    text = text.replace(",A", ",", 1)
    text += f"{UUIDS[0]},{UUIDS[0]}_v0,gun,9,[9.0],P9,0,0,Z\n"
    path.write_text(text, encoding="utf-8")
    imported = kabealo.import_dir(toy)
    assert find_remark(imported, "are no numbers").endswith(f"(1): {get_first(imported)}")
    assert "(3 shots, 1 onsets)" in find_remark(imported, "another number of shots")
    assert find_remark(imported, "has one already").endswith(f"(1): line 6 ({UUIDS[0]}_v0)")
    assert find_remark(imported, "without a session").endswith(f"(1): {get_first(imported)}")
    assert imported.manifest["group"][0] == UUIDS[0]


def get_first(imported) -> str:
    return imported.manifest["recording"][0]


def test_kabealo_finds_the_session_of_a_clip_that_its_table_lacks(tmp_path: Path) -> None:
    name = f"edge-collected-gunshot-audio/glock_17_9mm_caliber/{UUIDS[1]}_chan5_v7.wav"
    toy = write_sounds(make_kabealo(tmp_path).path, name)
    imported = kabealo.import_dir(toy)
    row = imported.manifest.set_index("recording").loc[name]
    assert (row["session"], row["recorder"], row["shot_onsets_s"]) == ("A", "P2", "")


# --- ShotSpotter ----------------------------------------------------------------------------


def test_shotspotter_reads_its_json(tmp_path: Path) -> None:
    imported = shotspotter.import_dir(make_shotspotter(tmp_path).path)
    columns = ("group", "position", "test", "recorder", "distance_m", "n_shots", "shot_onsets_s")
    assert get_columns(imported, "label", *columns) == [
        ("45 Cal Automatic Handgun", "Site_2018/FP1/test_001", "FP1", "001", "S-1", "13.0", "3",
         "1.250 2.250 3.250"),
        ("45 Cal Automatic Handgun", "Site_2018/FP1/test_001", "FP1", "001", "S-2", "13.0", "3",
         "1.250 3.250"),
        ("40 Cal Automatic Handgun", "Site_2018/FP2/test_019", "FP2", "019", "S-1", "13.0", "3",
         "1.250 2.250 3.250"),
        ("40 Cal Automatic Handgun", "Site_2018/FP2/test_019", "FP2", "019", "S-3", "13.0", "3",
         "1.250 3.250"),
    ]  # fmt: skip
    assert "(2): " in find_remark(imported, "without a pulse")


def test_shotspotter_names_its_groups_alike_from_any_folder(tmp_path: Path) -> None:
    toy = make_shotspotter(tmp_path).path
    one = shotspotter.import_dir(toy / "Site_2018" / "FP1" / "test_001")
    assert set(one.manifest["group"]) == {"Site_2018/FP1/test_001"}


def test_shotspotter_says_what_it_cannot_read(tmp_path: Path) -> None:
    toy = make_shotspotter(tmp_path).path
    first, second = toy / "Site_2018/FP1/test_001", toy / "Site_2018/FP2/test_019"
    (first / "test_001.survey.json").write_text("{")
    write_json(second / "test_019.audio.S-1.json", {"timestamp": "noon"})
    (second / "test_019.audio.S-3.json").unlink()
    write_json(second / "test_019.audio.S-9.json", {})
    imported = shotspotter.import_dir(toy)
    assert get_columns(imported, "recorder", "distance_m", "shot_onsets_s") == [
        ("S-1", "", ""), ("S-3", "", "")
    ]  # fmt: skip
    assert "(2): Site_2018/FP1/test_001/" in find_remark(imported, "whose survey.json")
    assert not imported.is_complete
    unread = next(r for r in imported.remarks if "distance or onsets" in r.sentence)
    assert [name.split(" (")[0].split("/")[-1] for name in unread.names] == [
        "test_001.survey.json", "test_019.audio.S-1.json", "test_019.audio.S-3.json"
    ]  # fmt: skip
    assert find_remark(imported, "not there").endswith("(1): Site_2018/FP2/test_019/"
                                                       "test_019.audio.S-9.json")  # fmt: skip
    for path in toy.rglob("*.survey.json"):
        path.unlink()
    with pytest.raises(ShotprintError, match=r"4 recordings of tests, but no survey\.json"):
        shotspotter.import_dir(toy)


def test_real_shotspotter_recordings(shared: Path) -> None:
    directory = shared / "data" / "shotspotter"
    manifest = shotspotter.import_dir(directory).manifest
    given = pd.read_csv(directory / "shots.csv", dtype=str, keep_default_na=False)
    assert len(manifest) == 522
    assert manifest["group"].nunique() == 108
    given = given.set_index("recording").loc[manifest["recording"]].reset_index()
    given["shot_onsets_s"] = given["shot_onsets_s"].str.split().str.join(" ")
    for ours, theirs in (
        ("label", "firearm"), ("position", "firing_position"), ("recorder", "sensor"),
        ("n_shots", "n_shots"), ("distance_m", "distance_m"), ("shot_onsets_s", "shot_onsets_s"),
    ):  # fmt: skip
        assert manifest[ours].tolist() == given[theirs].tolist(), ours


# --- BGG ------------------------------------------------------------------------------------


def test_bgg_takes_and_splits(tmp_path: Path) -> None:
    imported = bgg.import_dir(make_bgg(tmp_path).path)
    columns = ("label", "distance_m", "direction", "exp1", "exp2", "exp3", "group")
    assert get_columns(imported, *columns) == [
        ("ak", "0", "center", "train", "test", "", "ak_0m_center_0000"),
        ("ak", "0", "center", "test", "train", "", "ak_0m_center_0000"),
        ("ak", "0", "center", "train", "test", "", "ak_0m_center_0441"),
        ("m24", "100", "back", "", "train", "", "m24_100m_back_0019"),
        ("m24", "100", "left", "", "test", "", "m24_100m_left_0049"),
        ("nogun", "", "", "", "test", "", "nogun_None_None_0391"),
    ]
    assert "guessed" in find_remark(imported, "groups are takes")


def test_bgg_uses_the_newest_splits_and_names_contradictions(tmp_path: Path) -> None:
    toy = make_bgg(tmp_path).path
    clip = "ak_0m_center_0000.mp3"
    write_rows(toy / "exp1_test.csv", ("name", "cate"), [(clip, "ak")])
    imported = bgg.import_dir(toy)
    assert find_remark(imported, "another version").endswith("(1): exp1_test.csv")
    assert imported.manifest["exp1"][0] == "train"
    write_rows(toy / "v3_exp1_test.csv", ("name", "cate"), [(clip, "m4")])
    doubtful = bgg.import_dir(toy)
    recording = f"gun_sound_v2/{clip}"
    assert find_remark(doubtful, "train and test").endswith(f"(1): {recording} (exp1)")
    assert find_remark(doubtful, "another gun").endswith(f"(1): {recording}")
    assert doubtful.manifest["label"][0] == "ak"


# --- UrbanSound8K, ESC-50, FSD50K -----------------------------------------------------------


def test_urbansound8k(tmp_path: Path) -> None:
    imported = urbansound8k.import_dir(make_urbansound8k(tmp_path).path)
    columns = ("label", "group", "fold", "occurrence", "slice", "salience", "start_s", "end_s")
    assert get_columns(imported, *columns) == [
        ("gun_shot", "7061", "1", "0", "0", "2", "0.5", "4.5"),
        ("gun_shot", "7061", "1", "0", "1", "2", "0.5", "4.5"),
        ("dog_bark", "100", "10", "1", "2", "2", "0.5", "4.5"),
        ("gun_shot", "102305", "10", "0", "0", "2", "0.5", "4.5"),
    ]


def test_urbansound8k_believes_the_folder(tmp_path: Path) -> None:
    toy = make_urbansound8k(tmp_path).path
    name = "audio/fold1/7061-6-0-0.wav"
    (toy / "audio" / "fold2").mkdir()
    (toy / name).rename(toy / name.replace("fold1", "fold2"))
    imported = urbansound8k.import_dir(toy)
    assert find_remark(imported, "another fold").endswith("fold2/7061-6-0-0.wav (fold 1)")


def test_urbansound8k_takes_one_fold(tmp_path: Path) -> None:
    imported = urbansound8k.import_dir(make_urbansound8k(tmp_path).path / "audio" / "fold1")
    assert get_columns(imported, "label", "fold") == [("gun_shot", "1"), ("gun_shot", "1")]


def test_esc50(tmp_path: Path) -> None:
    imported = esc50.import_dir(make_esc50(tmp_path).path)
    assert get_columns(imported, "label", "group", "fold", "take", "esc10") == [
        ("dog", "100032", "1", "A", "True"),
        ("dog", "100032", "1", "B", "True"),
        ("fireworks", "115545", "2", "A", "False"),
        ("dog", "9032", "5", "A", "True"),
    ]


def test_fsd50k_lists_gunshots(tmp_path: Path) -> None:
    imported = fsd50k.import_dir(make_fsd50k(tmp_path).path)
    assert get_columns(imported, "recording", "label", "group", "split", "labels") == [
        ("FSD50K.dev_audio/11.wav", "Gunshot_and_gunfire", "bo", "train",
         "Explosion,Gunshot_and_gunfire"),
        ("FSD50K.eval_audio/13.wav", "Gunshot_and_gunfire", "bo", "test", "Gunshot_and_gunfire"),
    ]  # fmt: skip
    assert "(2): FSD50K.dev_audio/12.wav" in find_remark(imported, "--all-classes")
    assert imported.manifest["licence"][0].endswith("/by/3.0/")


def test_fsd50k_lists_what_is_named(tmp_path: Path) -> None:
    toy = make_fsd50k(tmp_path).path
    assert get_columns(fsd50k.import_dir(toy, only=["Siren"]), "label") == [("Siren",)]
    others = fsd50k.import_dir(toy, exclude=["Gunshot_and_gunfire"])
    assert get_columns(others, "label", "split") == [("Bark", "val"), ("Siren", "test")]


def test_fsd50k_without_uploaders(tmp_path: Path) -> None:
    toy = make_fsd50k(tmp_path).path
    for path in toy.glob("FSD50K.metadata/*.json"):
        path.unlink()
    imported = fsd50k.import_dir(toy)
    assert imported.manifest["group"].tolist() == imported.manifest["recording"].tolist()
    assert "too good" in find_remark(imported, "uploaders are unknown")
    write_json(toy / "FSD50K.metadata" / "dev_clips_info_FSD50K.json", [1])
    damaged = fsd50k.import_dir(toy)
    assert "dev_clips_info_FSD50K.json" in find_remark(damaged, "uploaders are unknown")


def test_fsd50k_with_one_part(tmp_path: Path) -> None:
    toy = make_fsd50k(tmp_path).path
    (toy / "FSD50K.ground_truth" / "eval.csv").unlink()
    imported = fsd50k.import_dir(toy)
    assert find_remark(imported, "tables that are not there").endswith("(1): eval.csv")
    assert "(2): FSD50K.eval_audio/13.wav" in find_remark(imported, "without a row")


# --- any table ------------------------------------------------------------------------------


def test_csv_joins_further_columns(tmp_path: Path) -> None:
    imported = make_csv(tmp_path).import_as("csv")
    assert get_columns(imported, "recording", "label", "group", "code") == [
        ("x/1.wav", "AK-47", "v1", "007"),
        ("x/2.wav", "M16", "v2", ""),
        ("y/3.wav", "M16", "v2", "NA"),
        ("y/4.wav", "M16", "v3", "1e5"),
    ]
    assert find_remark(imported, "without their extension").endswith("(1): y/4.wav")
    assert find_remark(imported, "file name only").endswith("(1): y/3.wav")


def test_csv_without_groups_says_so(tmp_path: Path) -> None:
    toy = make_csv(tmp_path)
    imported = table.import_dir(
        toy.path, table=toy.options["table"], columns=Columns("File", "Gun")
    )
    assert "too good" in find_remark(imported, "groups are unknown")
    assert "Video" in imported.manifest.columns


def test_csv_says_what_it_does_not_join(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path, "1.wav", "2.wav", "3.wav")
    rows = [("1.wav", "A", "", "g", "3", "x", "y"), ("2.wav", "", "", "g", "4", "x", "y"),
            ("3.wav", "B", "", "", "5", "x", "y"), ("", "B", "", "", "5", "x", "y")]  # fmt: skip
    header = ("file", "gun", "label", "group", "fold", "sha256", "duration_s")
    write_rows(toy / "t.csv", header, rows)
    columns = Columns("file", "gun")
    imported = table.import_dir(toy, table=toy / "t.csv", columns=columns)
    assert get_columns(imported, "recording", "label", "group", "fold") == [
        ("1.wav", "A", "g", "3"),
        ("3.wav", "B", "3.wav", "5"),
    ]
    assert find_remark(imported, "not joined").endswith("(3): label, sha256, duration_s")
    assert find_remark(imported, "without gun").endswith("(1): 2.wav")
    assert find_remark(imported, "without file").endswith("(1): line 5")
    assert find_remark(imported, "without a group").endswith("(1): 3.wav")
    assert not imported.is_complete


def test_csv_with_one_name_in_two_folders_matches_by_path_only(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path, "a/1.wav", "b/1.wav", "b/2.wav")
    write_rows(toy / "t.csv", ("file", "gun"), [("1.wav", "A"), ("b/2.wav", "B")])
    imported = table.import_dir(toy, table=toy / "t.csv", columns=Columns("file", "gun"))
    assert get_columns(imported, "recording", "label") == [("b/2.wav", "B")]
    assert find_remark(imported, "without a row").endswith("(2): a/1.wav, b/1.wav")


def test_csv_uses_a_row_once(tmp_path: Path) -> None:
    toy = write_sounds(tmp_path, "a/1.wav", "b/1.flac", "c/2.wav")
    rows = [("a/1.flac", "A"), ("c/2.wav", "B"), ("c\\2.wav", "C")]
    write_rows(toy / "t.csv", ("file", "gun"), rows)
    imported = table.import_dir(toy, table=toy / "t.csv", columns=Columns("file", "gun"))
    assert get_columns(imported, "recording", "label") == [("a/1.wav", "A"), ("c/2.wav", "B")]
    assert find_remark(imported, "without a row").endswith("(1): b/1.flac")
    assert find_remark(imported, "has one already").endswith("(1): line 4 (c/2.wav)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"file,gun\n\xff.wav,A\n", "must be a CSV file in UTF-8"),
        (b"file,file\n1.wav,A\n", "two columns named 'file'"),
        (b"", "has no column file, gun"),
        (b"file,gun\n", "1 recordings, of which no row"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path: Path, content: bytes | None, message: str) -> None:
    toy = write_sounds(tmp_path / "toy", "1.wav")
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ShotprintError, match=message):
        table.import_dir(toy, table=path, columns=Columns("file", "gun"))


def test_the_toy_json_is_read_as_the_real_one_is_worded(shared: Path) -> None:
    """The fields that the toy copy writes are those of the real set."""
    survey = next((shared / "data" / "shotspotter").rglob("*.survey.json"))
    real = json.loads(survey.read_text(encoding="utf-8"))
    assert {"firing_position", "num_rounds", "firearm", "survey_location"} <= set(real)
