"""The table of firearms: the shipped one equals the reference, a user's is checked."""

import csv
from pathlib import Path

import pytest

from shotprint.errors import ShotprintError
from shotprint.firearms import Firearm, read_firearms


@pytest.mark.parametrize("name", ["firearms.csv", "firearms-other.csv"])
def test_shipped_table_holds_the_reference(shared: Path, name: str) -> None:
    firearms = read_firearms()
    with (shared / "reference" / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 16
    for row in rows:
        firearm = firearms[row["label"]]
        assert (firearm.calibre, firearm.category) == (row["calibre"], row["category"])
        if row["label"] != "M16":  # two sets state its model differently
            assert firearm.make_model == row["make_model"]


def test_every_record_bears_its_key() -> None:
    firearms = read_firearms()
    assert all(label == firearm.label for label, firearm in firearms.items())
    assert firearms["WASR"].calibre == firearms["WASR-10"].calibre == "7.62x39 mm"
    assert {f.category for f in firearms.values()} == {
        "pistol",
        "revolver",
        "rifle",
        "shotgun",
        "submachine gun",
        "machine gun",
    }


TOML = '{label = "A", calibre = "9 mm", category = "pistol"}'
CSV = "label,calibre,category\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.toml", f"firearm = [{TOML}]", {"A": Firearm("A", "", "9 mm", "pistol")}),
        ("a.csv", CSV + " A ,9 mm,pistol\n", {"A": Firearm("A", "", "9 mm", "pistol")}),
        ("a.CSV", "\ufeff" + CSV + "A,9 mm,pistol\n", {"A": Firearm("A", "", "9 mm", "pistol")}),
        ("a.csv", CSV + "NA,007,1e5\n", {"NA": Firearm("NA", "", "007", "1e5")}),
        (
            "a.csv",
            "label,action,aliases,make_model,category,calibre\nÄ,x,B|C,M,p,c\n",
            {label: Firearm(label, "M", "c", "p") for label in "ÄBC"},
        ),
        ("a.csv", CSV + "A,9 mm,pistol\n" * 2, {"A": Firearm("A", "", "9 mm", "pistol")}),
    ],
)
def test_users_table(tmp_path: Path, name: str, text: str, expected: dict) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_firearms(path) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", b"firearm = [", "is not TOML"),
        ("a.toml", b"x = 1", 'has no list "firearm"'),
        ("a.toml", b"firearm = [1]", 'has no list "firearm"'),
        ("a.toml", b"firearm = []", "lists no firearm"),
        ("a.toml", b'firearm = [{label = "A", color = "x"}]', "firearm 1: unknown key 'color'"),
        ("a.toml", b'firearm = [{label = "A", category = "p"}]', "firearm 1 has no calibre"),
        (
            "a.toml",
            b'firearm = [{label = "A", category = "p", calibre = 9}]',
            "calibre is 9; write it in quotes",
        ),
        (
            "a.toml",
            b'firearm = [{label = "A", category = "p", calibre = "c", aliases = "B"}]',
            "aliases must be a list",
        ),
        ("a.csv", b"", "no column label and no column calibre and no column category"),
        ("a.csv", b"label;calibre;category\nA;9 mm;pistol\n", "separated by commas"),
        ("a.csv", b"label,calibre,category\n,9 mm,pistol\n", "firearm 1 has no label"),
        ("a.csv", b"label,calibre,category\nA,9 mm\n", "firearm 1 has no category"),
        ("a.csv", b"label,calibre,category\nA,9,p\nA,8,p\n", "firearm 2: 'A' is given twice"),
        ("a.csv", b"label,calibre,category\nA,\xff,p\n", "is not UTF-8"),
    ],
)
def test_bad_table(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ShotprintError, match=message) as raised:
        read_firearms(path)
    assert "\n" not in str(raised.value)


def test_no_such_table(tmp_path: Path) -> None:
    with pytest.raises(ShotprintError, match="cannot be read"):
        read_firearms(tmp_path / "absent.toml")
