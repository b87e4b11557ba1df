"""Cases, recordings, jobs, answers and the history, in SQLite.

The history is append-only: the database itself refuses to change or delete a line of it.
"""

import json
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VERSION = 1
ACTIVE = ("queued", "running")
_SCHEMA = """
CREATE TABLE cases (id TEXT PRIMARY KEY, name TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE recordings (
  id TEXT PRIMARY KEY, case_id TEXT NOT NULL REFERENCES cases, name TEXT NOT NULL,
  sha256 TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, state TEXT NOT NULL,
  progress REAL NOT NULL DEFAULT 0, error TEXT, sha256 TEXT NOT NULL, name TEXT NOT NULL,
  case_id TEXT, recording_id TEXT, setup TEXT, attempts INTEGER NOT NULL DEFAULT 0,
  created TEXT NOT NULL);
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE INDEX jobs_by_recording ON jobs (recording_id, seq);
CREATE TABLE setups (id TEXT PRIMARY KEY, head TEXT NOT NULL);
CREATE TABLE answers (
  sha256 TEXT NOT NULL, setup TEXT NOT NULL REFERENCES setups, answer TEXT NOT NULL,
  PRIMARY KEY (sha256, setup));
CREATE TABLE history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, "when" TEXT NOT NULL, who TEXT NOT NULL,
  case_id TEXT NOT NULL, recording TEXT, action TEXT NOT NULL, shot TEXT, before TEXT, after TEXT);
CREATE INDEX history_by_recording ON history (recording, seq);
CREATE TRIGGER history_stays BEFORE UPDATE ON history
  BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TRIGGER history_is_kept BEFORE DELETE ON history
  BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
"""


def tell_time() -> str:
    """Return the time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Store:
    """The database; every method is one transaction and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _read(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._db.execute(query, values)]

    def _read_one(self, query: str, *values: Any) -> dict[str, Any] | None:
        rows = self._read(query, *values)
        return rows[0] if rows else None

    # cases and recordings

    def add_case(self, name: str, who: str) -> dict[str, Any]:
        """Open a case."""
        case = {"id": secrets.token_hex(8), "name": name, "created": tell_time()}
        with self._writing() as db:
            db.execute("INSERT INTO cases VALUES (:id, :name, :created)", case)
            _append(
                db, {"who": who, "case_id": case["id"], "action": "open", "after": {"name": name}}
            )
        return case

    def list_cases(self) -> list[dict[str, Any]]:
        """Return the cases, the newest first."""
        return self._read(
            "SELECT *, (SELECT count(*) FROM recordings WHERE case_id = cases.id) AS n_recordings "
            "FROM cases ORDER BY created DESC, id"
        )

    def find_case(self, case_id: str) -> dict[str, Any] | None:
        """Return a case."""
        return self._read_one("SELECT * FROM cases WHERE id = ?", case_id)

    def list_recordings(self, case_id: str) -> list[dict[str, Any]]:
        """Return the recordings of a case in the order in which they came."""
        return self._read("SELECT * FROM recordings WHERE case_id = ? ORDER BY rowid", case_id)

    def find_recording(self, case_id: str, recording_id: str) -> dict[str, Any] | None:
        """Return a recording of a case."""
        return self._read_one(
            "SELECT * FROM recordings WHERE case_id = ? AND id = ?", case_id, recording_id
        )

    # jobs

    def add_job(
        self, sha256: str, name: str, max_queue: int, case_id: str | None = None, who: str = ""
    ) -> dict[str, Any] | None:
        """Queue a recording, of a case if one is named; None: too many are waiting."""
        with self._writing() as db:
            waiting = db.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()[0]
            if waiting >= max_queue:
                return None
            job = {"id": secrets.token_hex(8), "sha256": sha256, "name": name, "case_id": case_id}
            job |= {"recording_id": None, "created": tell_time()}
            if case_id is not None:
                job["recording_id"] = secrets.token_hex(8)
                db.execute(
                    "INSERT INTO recordings VALUES "
                    "(:recording_id, :case_id, :name, :sha256, :created)",
                    job,
                )
                facts = {"name": name, "sha256": sha256}
                line = {"who": who, "case_id": case_id, "recording": job["recording_id"]}
                _append(db, {**line, "action": "receive", "after": facts})
            db.execute(
                "INSERT INTO jobs (id, state, sha256, name, case_id, recording_id, created) VALUES "
                "(:id, 'queued', :sha256, :name, :case_id, :recording_id, :created)",
                job,
            )
        return self.find_job(str(job["id"]))

    def find_job(self, job_id: str) -> dict[str, Any] | None:
        """Return a job."""
        return self._read_one("SELECT * FROM jobs WHERE id = ?", job_id)

    def find_job_of(self, recording_id: str) -> dict[str, Any] | None:
        """Return the newest job of a recording."""
        return self._read_one(
            "SELECT * FROM jobs WHERE recording_id = ? ORDER BY seq DESC LIMIT 1", recording_id
        )

    def list_jobs(self, limit: int = 1000) -> list[dict[str, Any]]:
        """Return the newest jobs, the newest first."""
        return self._read("SELECT * FROM jobs ORDER BY seq DESC LIMIT ?", limit)

    def count_jobs(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        rows = self._read("SELECT state, count(*) AS n FROM jobs GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    def recover(self) -> int:
        """Queue again what was running when the service stopped; return how many."""
        with self._writing() as db:
            return db.execute(
                "UPDATE jobs SET state = 'queued', progress = 0, attempts = max(0, attempts - 1) "
                "WHERE state = 'running'"
            ).rowcount

    def take_job(self) -> dict[str, Any] | None:
        """Begin the job that waits longest."""
        with self._writing() as db:
            row = db.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE seq = "
                "(SELECT seq FROM jobs WHERE state = 'queued' ORDER BY seq LIMIT 1) RETURNING *"
            ).fetchone()
            return None if row is None else dict(row)

    def requeue(self, job_id: str) -> None:
        """Put a running job back into the queue."""
        with self._writing() as db:
            db.execute(
                "UPDATE jobs SET state = 'queued', progress = 0 WHERE id = ? AND state = 'running'",
                (job_id,),
            )

    def set_progress(self, job_id: str, progress: float) -> None:
        """Say how far a running job is, 0 to 1."""
        with self._writing() as db:
            db.execute(
                "UPDATE jobs SET progress = ? WHERE id = ? AND state = 'running'",
                (progress, job_id),
            )

    def finish(self, job_id: str, setup: str | None, error: str | None) -> None:
        """End a running job; one that was cancelled meanwhile stays so."""
        state = "failed" if error else "done"
        with self._writing() as db:
            db.execute(
                "UPDATE jobs SET state = ?, error = ?, setup = ?, progress = 1 "
                "WHERE id = ? AND state = 'running'",
                (state, error, setup, job_id),
            )

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that is not over; return whether it was not."""
        with self._writing() as db:
            return bool(
                db.execute(
                    "UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state IN (?, ?)",
                    (job_id, *ACTIVE),
                ).rowcount
            )

    # answers

    def add_answer(self, sha256: str, setup: str, head: str, answer: Mapping[str, Any]) -> None:
        """Keep the answer for a content; an answer that is there stays."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO setups VALUES (?, ?)", (setup, head))
            db.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
                (sha256, setup, json.dumps(answer, allow_nan=False)),
            )

    def find_answer(self, sha256: str, setup: str) -> tuple[Any, Any] | None:
        """Return what was answered for a content, and what answered."""
        row = self._read_one(
            "SELECT answer, head FROM answers JOIN setups ON setups.id = setup "
            "WHERE sha256 = ? AND setup = ?",
            sha256,
            setup,
        )
        return None if row is None else (json.loads(row["answer"]), json.loads(row["head"]))

    # history

    def append_history(self, line: Mapping[str, Any]) -> int:
        """Append a line (see the table ``history``), and return its number."""
        with self._writing() as db:
            return _append(db, line)

    def list_history(self, case_id: str, recording: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of a case, or of one of its recordings, oldest first."""
        rows = self._read(
            "SELECT * FROM history WHERE case_id = ? AND (? IS NULL OR recording = ?) ORDER BY seq",
            case_id,
            recording,
            recording,
        )
        for row in rows:
            for name in ("before", "after"):
                row[name] = None if row[name] is None else json.loads(row[name])
        return rows

    # housekeeping

    def list_forgettable(self, before: str) -> list[str]:
        """Return the contents that no case and no job newer than a time holds."""
        rows = self._read(
            "SELECT sha256 FROM jobs GROUP BY sha256 HAVING max(created) < ? "
            "AND sha256 NOT IN (SELECT sha256 FROM recordings) "
            "AND sum(state IN ('queued', 'running')) = 0",
            before,
        )
        return [row["sha256"] for row in rows]

    def holds(self, sha256: str) -> bool:
        """Return whether a job is of this content."""
        return self._read_one("SELECT 1 FROM jobs WHERE sha256 = ? LIMIT 1", sha256) is not None

    def back_up(self, path: Path) -> dict[str, bool]:
        """Write a copy of the database as it is now, while it is in use.

        Returns
        -------
        SHA-256 of each content that the copy names, and whether a case holds it
        """
        source = sqlite3.connect(self.path)
        with closing(source), closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
            query = "SELECT sha256, max(case_id IS NOT NULL) FROM jobs GROUP BY sha256"
            return {sha256: bool(is_held) for sha256, is_held in copy.execute(query)}


def _append(db: sqlite3.Connection, line: Mapping[str, Any]) -> int:
    row = {name: line.get(name) for name in ("who", "case_id", "recording", "action", "shot")}
    for name in ("before", "after"):
        value = line.get(name)
        row[name] = None if value is None else json.dumps(value, allow_nan=False)
    cursor = db.execute(
        'INSERT INTO history ("when", who, case_id, recording, action, shot, before, after) VALUES '
        "(:when, :who, :case_id, :recording, :action, :shot, :before, :after)",
        {"when": tell_time(), **row},
    )
    return int(cursor.lastrowid or 0)


class Shelf:
    """Contents on disk, each under its SHA-256, so that no name that was given is ever a path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.working = folder / "working"
        shutil.rmtree(self.working, ignore_errors=True)
        self.working.mkdir(parents=True, exist_ok=True)
        (folder / "recordings").mkdir(parents=True, exist_ok=True)
        (folder / "made").mkdir(exist_ok=True)
        for place in ("recordings", "made"):  # what was cut off when the service was killed
            for path in (folder / place).glob(".*.partial"):
                path.unlink(missing_ok=True)

    def place(self, sha256: str) -> Path:
        """Return where a content lies."""
        return self.folder / "recordings" / sha256

    def place_made(self, sha256: str, ending: str) -> Path:
        """Return where something that is made of a content lies."""
        return self.folder / "made" / f"{sha256}{ending}"

    def remove(self, sha256: str) -> None:
        """Delete a content and what was made of it."""
        for path in self.list_paths(sha256):
            path.unlink(missing_ok=True)

    def list_paths(self, sha256: str) -> list[Path]:
        """Return the files of a content that are there: itself, and what was made of it."""
        made = sorted((self.folder / "made").glob(f"{sha256}*"))
        return [path for path in (self.place(sha256), *made) if path.exists()]

    def measure(self) -> int:
        """Return how many bytes the contents take."""
        with os.scandir(self.folder / "recordings") as entries:
            return sum(entry.stat().st_size for entry in entries)
