"""What is done of an archive, so that a run whose driver was killed goes on from there.

A SQLite file beside the output, because a million answers do not fit into memory. Answers are
kept by the hash of the recording's bytes; model, detector and settings stand in the file, which
is refused to a run of others. A name whose size and version are as they were is not read again.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shotprint.cluster.listing import WorkItem
from shotprint.errors import OutputError, ShotprintError
from shotprint.recognition.journal import list_recording, to_recording
from shotprint.recognition.results import RecordingResult

SCHEMA = "shotprint-archive/1"
LOCKED_S = 1.0
"""How long another run that has the file open is waited for."""
_TABLES = """
CREATE TABLE head (text TEXT NOT NULL);
CREATE TABLE answers (sha256 TEXT PRIMARY KEY, result TEXT NOT NULL, is_failure INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE names (
  name TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT, failure TEXT) WITHOUT ROWID;
"""


class ArchiveJournal:
    """Answers of a run that is under way. One thread uses it, and no other process can open it.

    Parameters
    ----------
    identity : `describe_answers` of the recogniser
    resume : go on with what the file holds, failures excepted; False: there must be none

    Raises
    ------
    ShotprintError : the file holds answers of another model or other settings, or is none, or
        another run has it open; or there is one and `resume` is not asked for
    OutputError : it cannot be written
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], resume: bool) -> None:
        self.path = path
        if path.exists() and not resume:
            raise ShotprintError(
                f"{path} is of a run that was stopped; go on with --resume, or remove it to begin "
                "anew"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()  # says why it cannot be made; SQLite does not
        self._db = sqlite3.connect(path, timeout=LOCKED_S)
        head = json.dumps({"schema": SCHEMA, **identity}, sort_keys=True)
        try:
            self._open(head)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ShotprintError(f"{path} is no journal ({error}); move it away") from None
        except BaseException:
            self._db.close()
            raise

    def _open(self, head: str) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        with self._write():
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._db.executescript(f"BEGIN; {_TABLES} COMMIT;")
        with self._write():
            row = self._db.execute("SELECT text FROM head").fetchone()
            if row is None:
                self._db.execute("INSERT INTO head VALUES (?)", (head,))
            elif row[0] != head:
                raise ShotprintError(
                    f"{self.path} holds answers of another model or of other settings; repeat the "
                    "command as it was, or remove it to begin anew"
                )
            self._db.execute("DELETE FROM answers WHERE is_failure")
            self._db.execute("DELETE FROM names WHERE failure IS NOT NULL")

    @contextlib.contextmanager
    def _write(self) -> Iterator[None]:
        """Make all of what follows last, or nothing of it."""
        try:
            with self._db:
                yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise ShotprintError(
                    f"{self.path} is in use by another run; wait until that ends, or give another "
                    "--output"
                ) from None
            raise OutputError(
                f"{self.path} cannot be written ({error}); what is done is kept: make room and "
                "give the command again with --resume"
            ) from None

    def find_done(self, items: Sequence[WorkItem]) -> list[int]:
        """Return the places of the items that are answered already and did not change since."""
        query = "SELECT 1 FROM names JOIN answers USING (sha256) WHERE name = ? AND stamp = ?"
        keys = ((_to_key(item.name), _stamp(item)) for item in items)
        return [place for place, key in enumerate(keys) if self._db.execute(query, key).fetchone()]

    def find(self, sha256: str) -> RecordingResult | None:
        """Return the answer for a recording of these bytes, if there is one; under any name."""
        query = "SELECT result FROM answers WHERE sha256 = ?"
        row = self._db.execute(query, (sha256,)).fetchone()
        return to_recording(json.loads(row[0])) if row else None

    def add(self, results: Sequence[tuple[str, str, bool]]) -> None:
        """Keep answers: hash, `dump_result`, whether it is a failure."""
        with self._write():
            self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", results)

    def name(self, named: Sequence[tuple[WorkItem, str | None, str | None]]) -> None:
        """Say what the answer for items is: a hash, or the `dump_result` of a failure."""
        rows = [(_to_key(i.name), _stamp(i), sha256, failure) for i, sha256, failure in named]
        with self._write():
            self._db.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?)", rows)

    def read(self, items: Sequence[WorkItem]) -> Iterator[RecordingResult]:
        """Yield the result of each item, in their order."""
        query = (
            "SELECT coalesce(failure, result) FROM names LEFT JOIN answers USING (sha256) "
            "WHERE name = ?"
        )
        for item in items:
            (text,) = self._db.execute(query, (_to_key(item.name),)).fetchone()
            yield to_recording({**json.loads(text), "path": item.name})

    def close(self) -> None:
        """Close the file; it stays."""
        self._db.close()

    def remove(self) -> None:
        """Close the file and take it away."""
        self.close()
        self.path.unlink(missing_ok=True)


def dump_result(result: RecordingResult) -> str:
    """Return a result as the journal keeps it."""
    return json.dumps(list_recording(result), allow_nan=False)


def _to_key(name: str) -> str:
    """Return a name as ASCII: names of files may be no Unicode."""
    return json.dumps(name)


def _stamp(item: WorkItem) -> str | None:
    return item.version and f"{item.size_bytes} {item.version}"
