"""The manifest: read what was written, keep text as text, one-line errors that name the line."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from shotprint.errors import ShotprintError
from shotprint.manifest import (
    COLUMNS,
    build_manifest,
    hash_manifest,
    read_manifest,
    write_manifest,
)

HEADER = ",".join(COLUMNS)


def make_rows(folder: Path, contents: dict[str, bytes], **columns: str) -> list[dict[str, str]]:
    """Write files and describe them, as an importer would."""
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [
        {"recording": name, "path": str(folder / name), "label": name.split("/")[0], **columns}
        for name in contents
    ]


def test_build_hashes_sorts_and_fills(tmp_path: Path) -> None:
    rows = make_rows(tmp_path, {"B/2.wav": b"two", "A/1.wav": b"one", "A/3.wav": b""}, shot="07")
    manifest, failed = build_manifest(rows)
    assert list(manifest.columns) == [*COLUMNS, "shot"]
    assert manifest["recording"].tolist() == ["A/1.wav", "A/3.wav", "B/2.wav"]
    assert manifest["sha256"].tolist() == [
        hashlib.sha256(content).hexdigest() for content in (b"one", b"", b"two")
    ]
    assert manifest["group"].tolist() == manifest["recording"].tolist()
    assert manifest["shot"].tolist() == ["07"] * 3
    assert failed == {}


def test_identical_files_share_a_group(tmp_path: Path) -> None:
    rows = make_rows(tmp_path, {"A/1": b"x", "A/2": b"x", "B/3": b"y", "B/4": b"y", "B/5": b"z"})
    rows[3]["group"] = "given"
    manifest, _ = build_manifest(rows)
    assert manifest["group"].tolist() == ["A/1", "A/1", "given", "given", "B/5"]


def test_unreadable_recording_is_left_out_and_named(tmp_path: Path) -> None:
    rows = make_rows(tmp_path, {"A/1": b"x"})
    rows.append({"recording": "A/2", "path": str(tmp_path / "A" / "2"), "label": "A"})
    manifest, failed = build_manifest(rows)
    assert manifest["recording"].tolist() == ["A/1"]
    assert list(failed) == ["A/2"]
    assert "No such file" in failed["A/2"]


def test_written_manifest_reads_back(tmp_path: Path) -> None:
    texts = {"A/007.wav": b"1", "A/1e5.wav": b"2", "Ä, „x“/NA.wav": b"3", "B/nan.wav": b"4"}
    rows = make_rows(tmp_path / "set", texts, code="007", kind="NA", number="1e5", note="")
    manifest, _ = build_manifest(rows)
    path = tmp_path / "out" / "set.csv"
    write_manifest(manifest.sample(frac=1, random_state=0), path)
    again = read_manifest(path)
    pd.testing.assert_frame_equal(again, manifest)
    assert all(Path(value).is_file() for value in again["path"])
    first = path.read_bytes()
    assert b"../set/A/007.wav" in first
    assert b"\r" not in first
    write_manifest(again, path)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["set.csv"]


def test_manifest_moves_with_its_recordings(tmp_path: Path) -> None:
    manifest, _ = build_manifest(make_rows(tmp_path / "old" / "set", {"A/1.wav": b"1"}))
    write_manifest(manifest, tmp_path / "old" / "set.csv")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = read_manifest(tmp_path / "new" / "set.csv")
    assert Path(moved["path"][0]) == tmp_path.resolve() / "new" / "set" / "A" / "1.wav"


def test_missing_values_and_numbers_are_written_as_text(tmp_path: Path) -> None:
    manifest, _ = build_manifest(make_rows(tmp_path, {"A/1": b"1", "A/2": b"2"}))
    manifest["fold"] = [0, 1]
    manifest["distance_m"] = [0.5, None]
    before = manifest.copy()
    write_manifest(manifest, tmp_path / "set.csv")
    pd.testing.assert_frame_equal(manifest, before)
    again = read_manifest(tmp_path / "set.csv")
    assert again["fold"].tolist() == ["0", "1"]
    assert again["distance_m"].tolist() == ["0.5", ""]


def test_hash_depends_on_what_decides_a_split_only(tmp_path: Path) -> None:
    manifest, _ = build_manifest(make_rows(tmp_path, {"A/1": b"1", "B/2": b"2"}))
    known = hash_manifest(manifest)
    assert hash_manifest(manifest.iloc[::-1]) == known
    assert hash_manifest(manifest.assign(path="elsewhere", note="x")) == known
    for column in ("recording", "sha256", "label", "group", "fold"):
        changed = manifest.copy()
        changed.loc[0, column] = "x"
        assert hash_manifest(changed) != known


ROW = "A/1.wav,a.wav,,A,g,0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column recording, path, sha256, label, group, fold; its first line"),
        ("recording,label\na,b\n", "no column path, sha256, group, fold"),
        (HEADER.replace(",", ";"), "no column recording"),
        (HEADER, "lists no recording"),
        (HEADER + ",fold\n", "two columns named 'fold'"),
        (f"{HEADER}\n{ROW}{ROW}", "line 2, 3: 'A/1.wav' is listed more than once"),
        (f"{HEADER}\n{ROW}A/2.wav,b.wav,, ,g,\n", "line 3: no label"),
        (f"{HEADER}\n\n{ROW},b.wav,,A,g,\n", "line 4: no recording"),
        (f"{HEADER}\n{ROW}A/2.wav,,,A,g,\n", "line 3: no path"),
        (f"{HEADER}\n{ROW}A/2.wav,b.wav,,A\n", "line 3: 4 values, but 6 columns"),
        (f"{HEADER}\nA/2, x.wav,b.wav,,A,g,\n", "line 2: 7 values, but 6 columns"),
        (f"{HEADER}\nA/1.wav,a.wav,ABC,A,g,\n", "line 2: sha256 is not 64"),
        (f'{HEADER}\n"{"x" * 140_000}\n', "no CSV"),
    ],
)
def test_bad_manifest(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ShotprintError, match=message) as raised:
        read_manifest(path)
    assert "\n" not in str(raised.value)
    assert "set.csv" in str(raised.value)


def test_manifest_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_bytes(f"{HEADER}\n{ROW}Gewehr für x,".encode("latin-1"))
    with pytest.raises(ShotprintError, match="line 3: not UTF-8"):
        read_manifest(path)


def test_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ShotprintError, match="cannot be read"):
        read_manifest(tmp_path / "set.csv")


def test_bad_manifest_is_not_written(tmp_path: Path) -> None:
    manifest, _ = build_manifest(make_rows(tmp_path, {"A/1": b"1", "A/2": b"2"}))
    path = tmp_path / "set.csv"
    write_manifest(manifest, path)
    before = path.read_bytes()
    for bad in (manifest.assign(recording="x"), manifest.assign(label=""), manifest.iloc[:0]):
        with pytest.raises(ShotprintError):
            write_manifest(bad, path)
    with pytest.raises(ShotprintError, match="no column label"):
        write_manifest(manifest.drop(columns="label"), path)
    assert path.read_bytes() == before


def test_manifest_in_a_linked_folder(tmp_path: Path) -> None:
    manifest, _ = build_manifest(make_rows(tmp_path / "a" / "b" / "set", {"A/1.wav": b"1"}))
    link = tmp_path / "link"
    try:
        link.symlink_to(tmp_path / "a" / "b", target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    linked = manifest.assign(path=str(link / "set" / "A" / "1.wav"))
    write_manifest(linked, link / "set.csv")
    assert b",set/A/1.wav," in (link / "set.csv").read_bytes()
    for path in (link / "set.csv", tmp_path / "a" / "b" / "set.csv"):
        assert Path(read_manifest(path)["path"][0]).read_bytes() == b"1"
