"""One job after the other, each in the worker process, which is killed when it takes too long."""

import contextlib
import multiprocessing
import sqlite3
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError
from shotprint.web.settings import ServiceSettings
from shotprint.web.store import Shelf, Store
from shotprint.web.worker import Task, WorkerSettings, serve

POLL_S = 0.05
START_S = 120.0
MAX_ATTEMPTS = 5
"""Workers that a recording may end; a restart of the service is none of its doing."""


class JobRunner:
    """Takes jobs from the store, and puts their answers there.

    Attributes
    ----------
    setup : which model and settings answer; empty until the worker has started
    n_killed : workers that had to be replaced
    """

    def __init__(self, store: Store, shelf: Shelf, settings: ServiceSettings) -> None:
        self._store, self._shelf, self._settings = store, shelf, settings
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self.setup = ""
        self.head = ""
        self.n_killed = 0

    def start(self) -> None:
        """Start the worker and go on with what was left.

        Raises
        ------
        ShotprintError : the model cannot be opened
        """
        self._store.recover()
        self._start_worker()
        self._thread.start()

    def stop(self) -> None:
        """Stop; what runs is queued again."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._end_worker()
        self._store.recover()

    @property
    def is_alive(self) -> bool:
        """Whether jobs are taken."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Say that there is a new job."""
        self._wake.set()

    def _start_worker(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        settings = WorkerSettings(
            self._settings.model, self._settings.level, self._settings.memory_mb
        )
        self._process = context.Process(target=serve, args=(other, settings), daemon=True)
        self._process.start()
        other.close()
        try:
            found = self._connection.recv() if self._connection.poll(START_S) else None
        except EOFError:
            found = None
        if found is None or found[0] != "ready":
            self._end_worker()
            reason = "it did not start" if found is None else found[1]
            raise ShotprintError(f"the worker of the service failed: {reason}")
        _, self.setup, self.head = found

    def _end_worker(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                job = self._store.take_job()
                if job is not None:
                    self._do(job)
                    continue
            except (sqlite3.Error, OSError, ValueError) as error:  # such as a full disk
                print(f"shotprint: jobs wait: {error}; make room", file=sys.stderr)
                self._end_worker()
                with contextlib.suppress(sqlite3.Error):
                    self._store.recover()
            self._wake.wait(1.0)
            self._wake.clear()

    def _do(self, job: Mapping[str, Any]) -> None:
        playback = self._shelf.place_made(job["sha256"], ".flac")
        if playback.exists() and self._store.find_answer(job["sha256"], self.setup):
            self._store.finish(job["id"], self.setup, None)
            return
        if self._process is None:
            try:
                self._start_worker()
            except ShotprintError as error:
                self._store.finish(job["id"], None, str(error))
                return
        assert self._connection is not None
        try:
            self._connection.send(Task(self._shelf.place(job["sha256"]), job["name"], playback))
            ending = self._wait(job)
        except (EOFError, OSError):
            ending = "died"
        if ending is None:
            return
        self._end_worker()
        self.n_killed += 1
        if ending == "died" and job["attempts"] < MAX_ATTEMPTS:
            self._store.requeue(job["id"])
        elif ending == "died":
            line = f"it ended {MAX_ATTEMPTS} readers; it may be damaged, or need more --memory-mb"
            self._store.finish(job["id"], None, line)
        elif ending == "late":
            line = f"it took more than {self._settings.timeout_s:g} s; raise --timeout"
            self._store.finish(job["id"], None, line)

    def _wait(self, job: Mapping[str, Any]) -> str | None:
        """Return None when the job is over, or why the worker must go: late, cancelled, stopped."""
        assert self._connection is not None
        end = time.monotonic() + self._settings.timeout_s
        while True:
            if self._connection.poll(POLL_S):
                kind, *values = self._connection.recv()
                if kind == "progress":
                    self._store.set_progress(job["id"], values[0])
                elif kind == "done":
                    setup, head, answer = values
                    self._store.add_answer(job["sha256"], setup, head, answer)
                    self._store.finish(job["id"], setup, None)
                    return None
                else:
                    self._store.finish(job["id"], None, values[0])
                    return None
            now = self._store.find_job(job["id"])
            if now is None or now["state"] == "cancelled":
                return "cancelled"
            if self._stop.is_set():
                return "stopped"
            if time.monotonic() > end:
                return "late"


def place_database(folder: Path) -> Path:
    """Return where the database lies."""
    return folder / "shotprint.sqlite"
