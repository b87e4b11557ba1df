"""``shotprint import``: exit codes, what goes to which stream, what is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shotprint.cli import main
from shotprint.manifest import read_manifest
from toy_datasets import TOYS, make_csv, make_esc50


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run ``shotprint import`` with arguments; return the exit code."""
    monkeypatch.setattr("sys.argv", ["shotprint", "import", *map(str, arguments)])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Two guns, three empty recordings; one of them has a shot in its name."""
    for name in ("M16/ZM_017A_S01.wav", "M16/2.wav", "Glock45/1.wav"):
        (tmp_path / "toy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "toy" / name).write_text(name)
    return tmp_path / "toy"


def test_what_is_missing_sets_the_exit_code(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = toy.parent / "set.csv"
    (toy / "notes.txt").touch()
    assert run(monkeypatch, "folder", toy, "-o", output) == 0
    try:
        (toy / "M16" / "b\udcffd.wav").touch()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes Unicode names only")
    assert run(monkeypatch, "folder", toy, "-o", output) == 1
    assert len(read_manifest(output)) == 3


def test_a_code_page_may_lack_the_letters_of_a_label(tmp_path: Path) -> None:
    (tmp_path / "toy" / "пистолет").mkdir(parents=True)
    (tmp_path / "toy" / "пистолет" / "1.wav").write_text("1")
    done = subprocess.run(
        [sys.executable, "-m", "shotprint", "import", "folder", "toy", "-o", "set.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u043f" in done.stdout
    assert read_manifest(tmp_path / "set.csv")["label"].tolist() == ["пистолет"]


def test_ctrl_c_says_so(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shotprint.datasets.folder.import_dir", interrupt)
    assert run(monkeypatch, "folder", toy, "-o", toy / "set.csv") == 130
    assert capsys.readouterr().err == "shotprint: interrupted; nothing half-written is left\n"


def test_folder(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = toy.parent / "groups.csv"
    groups.write_text("recording,group,fold\nM16/2.wav,g,1\nM16/ZM_017A_S01.wav,g,1\n")
    output = toy.parent / "out" / "set.csv"
    options = ("--groups", groups, "--exclude", "Glock45")
    assert run(monkeypatch, "folder", toy, "-o", output, *options) == 0
    manifest = read_manifest(output)
    assert manifest["fold"].tolist() == ["1", "1"]
    shown = capsys.readouterr()
    assert " ".join(shown.out.split()) == "label recordings groups M16 2 1 total 2 1"
    assert f"wrote {output}" in shown.err
    assert "note: recordings without a row" in shown.err


def test_cadre_writes_set_csv_by_default(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(toy.parent)
    assert run(monkeypatch, "cadre", "toy", "--only", "M16") == 0
    manifest = read_manifest(toy.parent / "set.csv")
    assert manifest["shot_id"].tolist() == ["", "017A_S01"]
    assert Path(manifest["path"][0]) == toy.resolve() / "M16" / "2.wav"
    assert "another form" in capsys.readouterr().err


def test_a_recording_that_cannot_be_read_exits_1(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        (toy / "M16" / "gone.wav").symlink_to(toy / "absent.wav")
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    output = toy.parent / "set.csv"
    assert run(monkeypatch, "folder", toy, "-o", output) == 1
    assert len(read_manifest(output)) == 3
    assert "left out: M16/gone.wav: No such file" in capsys.readouterr().err


def test_every_set_is_imported_by_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {
        "fsd50k": ("--all-classes",),
        "kaggle": ("--keep-copies",),
        "csv": ("--recording", "File", "--label", "Gun", "--group", "Video"),
    }
    for name, make in TOYS.items():
        toy = make(tmp_path / name)
        output = tmp_path / f"{name}.csv"
        given = (toy.path / "list.csv", "--audio-dir", toy.path) if name == "csv" else (toy.path,)
        assert run(monkeypatch, name, *given, "-o", output, *arguments.get(name, ())) == 0
        recordings = read_manifest(output)["recording"].tolist()
        assert recordings == toy.import_as(name).manifest["recording"].tolist()
        assert f" {len(recordings)} " in capsys.readouterr().out.splitlines()[-1]


def test_copies_are_kept_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("M16/5 (1).wav", "M4/4 (1).wav"):
        (tmp_path / "toy" / name).parent.mkdir(parents=True)
        (tmp_path / "toy" / name).write_text("the same")
    monkeypatch.chdir(tmp_path)
    for options, labels in (((), ["M16"]), (("--keep-copies",), ["M16", "M4"])):
        assert run(monkeypatch, "kaggle", "toy", *options) == 0
        assert read_manifest("set.csv")["label"].tolist() == labels


def test_csv_looks_beside_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_csv(tmp_path)
    monkeypatch.chdir(tmp_path)
    options = ("--recording", "File", "--label", "Gun", "--fold", "Video", "--only", "M16")
    assert run(monkeypatch, "csv", "list.csv", *options) == 0
    assert read_manifest("set.csv")["fold"].tolist() == ["v2", "v2", "v3"]


def test_another_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_esc50(tmp_path)
    assert run(monkeypatch, "urbansound8k", tmp_path) == 2
    shown = capsys.readouterr()
    assert "expected audio/fold<N>/" in shown.err
    assert shown.err.endswith("It looks like esc50: shotprint import esc50\n")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("csv", "toy/t.csv", "--recording", "a", "--label", "b"), "toy/t.csv cannot be read"),
        (("folder", "absent"), "absent does not exist"),
        (("folder", "toy/M16"), "holds no recordings in class folders (2 recordings directly"),
        (("folder", "toy", "--groups", "absent.csv"), "absent.csv cannot be read"),
        (("folder", "toy", "--only", "M4"), "has the label 'M4'"),
        (("folder", "toy", "-o", "toy"), "toy is a folder"),
        (("cadre", "."), None),
        (("cadre", "toy/M16/2.wav"), "2.wav is a file"),
        (("rifle", "toy"), "No such command"),
    ],
)
def test_wrong_usage_exits_2(
    toy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str | None,
) -> None:
    monkeypatch.chdir(toy.parent)
    code = run(monkeypatch, *arguments)
    shown = capsys.readouterr()
    if message is None:  # the layout of parents does not matter
        assert code == 0
        return
    assert code == 2
    assert message in shown.err
    assert shown.out == ""
    assert not (toy.parent / "set.csv").exists()
