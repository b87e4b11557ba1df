"""Outputs are written beside and renamed, and what fails is named as the user knows it."""

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile

from shotprint.audio import write_wav
from shotprint.cli import describe_failure
from shotprint.errors import ShotprintError
from shotprint.files import remove_leftovers, write_beside, write_text


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.txt", "new\udcff")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk_names_the_output(tmp_path: Path) -> None:
    wordy = OSError(errno.ENOSPC, "write failed\n, errno = 28, offset = 391")
    with pytest.raises(OSError, match="No space") as raised, write_beside(tmp_path / "a.h5"):
        raise wordy
    assert raised.value.filename == str(tmp_path / "a.h5")
    assert describe_failure(raised.value) == (
        f"{tmp_path / 'a.h5'}: No space left on device; make room and give the command again"
    )


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a[1].json.77.partial", ".b.json.77.partial", "a[1].json.77.partial"):
        (tmp_path / name).write_text("half")
    remove_leftovers(tmp_path / "a[1].json")
    assert {path.name for path in tmp_path.iterdir()} == {
        ".b.json.77.partial",
        "a[1].json.77.partial",
    }


def test_an_output_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised, write_beside(tmp_path / "a.csv") as beside:
        raise PermissionError(errno.EACCES, "Permission denied", str(beside))
    assert isinstance(raised.value, PermissionError)
    assert describe_failure(raised.value) == (
        f"{tmp_path / 'a.csv'}: Permission denied; check the path and your rights"
    )


def test_an_input_that_cannot_be_read_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised, write_beside(tmp_path / "a.csv"):
        (tmp_path / "gone.csv").read_bytes()
    assert raised.value.filename == str(tmp_path / "gone.csv")


def test_sound_that_cannot_be_written_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr("soundfile.SoundFile.write", fail)
    with pytest.raises(ShotprintError, match=r"a\.wav cannot be written \(System error"):
        write_wav(tmp_path / "a.wav", np.zeros(800), 8000)
    assert not list(tmp_path.iterdir())
