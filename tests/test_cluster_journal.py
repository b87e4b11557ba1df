"""What is kept of an archive, and to whom it is given back."""

import dataclasses
from pathlib import Path

import pytest

from shotprint.cluster import ArchiveJournal, WorkItem
from shotprint.cluster.journal import dump_result
from shotprint.errors import OutputError, ShotprintError
from shotprint.recognition.results import RecordingResult
from test_journal import IDENTITY, RESULT

SHA256 = "f" * 64
ITEM = WorkItem("/x/a", "a \udcff.wav", 3, "7")
FAILED = WorkItem("/x/b", "b.wav", 3, "7")
POISON = WorkItem("/x/c", "c.wav", 3, "7")


def open_journal(folder: Path, resume: bool, **changed: object) -> ArchiveJournal:
    return ArchiveJournal(folder / "j", {**IDENTITY, **changed}, resume)


def fill(folder: Path) -> ArchiveJournal:
    journal = open_journal(folder, resume=False)
    bad = RecordingResult("c.wav", "e" * 64, error="set aside")
    journal.add([(SHA256, dump_result(RESULT), False), ("e" * 64, dump_result(bad), True)])
    failure = dump_result(RecordingResult("b.wav", None, error="it is gone"))
    journal.name([(ITEM, SHA256, None), (FAILED, None, failure), (POISON, "e" * 64, None)])
    return journal


def test_answers_are_read_in_the_order_asked_for_and_to_the_bit(tmp_path: Path) -> None:
    journal = fill(tmp_path)
    other, own = journal.read([FAILED, ITEM])
    assert own == dataclasses.replace(RESULT, path=ITEM.name)
    assert (other.path, other.error) == ("b.wav", "it is gone")
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_failures_are_tried_again_and_answers_are_not(tmp_path: Path) -> None:
    fill(tmp_path).close()
    journal = open_journal(tmp_path, resume=True)
    assert journal.find_done([FAILED, ITEM, POISON]) == [1]
    assert journal.find(SHA256) is not None
    assert journal.find("e" * 64) is None
    journal.close()


@pytest.mark.parametrize("change", [{"version": "8"}, {"size_bytes": 4}, {"version": None}])
def test_what_may_have_changed_is_read_again(tmp_path: Path, change: dict[str, object]) -> None:
    journal = fill(tmp_path)
    assert journal.find_done([ITEM]) == [0]
    assert journal.find_done([dataclasses.replace(ITEM, **change)]) == []
    journal.close()


def test_a_journal_of_others_is_refused(tmp_path: Path) -> None:
    fill(tmp_path).close()
    with pytest.raises(ShotprintError, match="--resume"):
        open_journal(tmp_path, resume=False)
    with pytest.raises(ShotprintError, match="another model or of other settings"):
        open_journal(tmp_path, resume=True, settings={"channel": "0"})
    (tmp_path / "j").write_text("x" * 999)
    with pytest.raises(ShotprintError, match="is no journal"):
        open_journal(tmp_path, resume=True)


def test_a_full_disk_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    journal = fill(tmp_path)
    (n_pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {n_pages}")  # SQLite: full
    with pytest.raises(OutputError, match=r"j cannot be written .*full.*--resume"):
        journal.add([("a" * 64, "x" * 9999, False)])
    journal.close()
    journal = open_journal(tmp_path, resume=True)
    assert journal.find_done([ITEM]) == [0]
    assert journal.find("a" * 64) is None
    journal.close()


def test_two_runs_do_not_share_a_journal(tmp_path: Path) -> None:
    journal = fill(tmp_path)
    with pytest.raises(ShotprintError, match="in use by another run"):
        open_journal(tmp_path, resume=True)
    journal.close()
    open_journal(tmp_path, resume=True).close()


def test_where_nothing_can_be_written_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    with pytest.raises(OSError, match="directory"):
        open_journal(tmp_path, resume=True)
