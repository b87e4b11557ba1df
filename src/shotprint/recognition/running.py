"""Many recordings at a time; what goes wrong with one stops no other."""

import dataclasses
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from shotprint.audio import FoundRecording
from shotprint.errors import OutputError, RecordingError
from shotprint.files import compute_sha256
from shotprint.recognition.results import RecordingResult

MAX_JOBS = 16
READERS = 8
"""Recordings that are read ahead at the same time, so that a slow disk keeps no core waiting."""
READ_AHEAD_BYTES = 1 << 26
"""Longer recordings are not read ahead: they would push each other out of the page cache."""

T = TypeVar("T")


class Interrupted(Exception):
    """The caller has stopped asking for results."""


@dataclass(frozen=True)
class Run:
    """What a recording is worked on with.

    Attributes
    ----------
    check : called at every block and before anything is kept; raises `Interrupted` where nobody
        waits for the result, RecordingError where the file is no longer what was hashed
    workers : for the sections of a long recording; None: one after the other
    ahead : sections of a recording that are worked on or wait at the same time
    """

    check: Callable[[], None] = lambda: None
    workers: Executor | None = None
    ahead: int = 1


class Seen(NamedTuple):
    """The hash of a file's bytes, and what would be another if it changed while it is read."""

    sha256: str
    identity: tuple[int, int, int]


Look = Callable[[Path], Seen]
Work = Callable[[FoundRecording, str, Run], T]
"""From a recording, the hash of its bytes and a run to a result; raises RecordingError."""
Fail = Callable[[FoundRecording, str, str | None], T]
"""From a recording, what is wrong, and the hash if its bytes can be read, to a result."""


def count_jobs(jobs: int) -> int:
    """Return how many recordings are worked on at a time; 0: as many as there are cores."""
    return jobs or min(os.cpu_count() or 1, MAX_JOBS)


def run_recordings(
    recordings: Sequence[FoundRecording], work: Work[T], fail: Fail[T], jobs: int = 0
) -> Generator[T, None, None]:
    """Yield the results of many recordings in their order, several worked on at a time.

    Whoever stops asking (or is interrupted) waits for no more than the block of a recording.
    """
    jobs = count_jobs(jobs)
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise Interrupted

    pending: deque[Future[T]] = deque()
    looks = Looks(recordings)
    with ThreadPoolExecutor(jobs) as pool, ThreadPoolExecutor(jobs) as workers:
        n_ahead = max(2, 2 * jobs // max(1, min(jobs, len(recordings))))
        run = Run(check, workers, n_ahead) if jobs > 1 else Run(check)
        try:
            for recording in recordings:
                look = functools.partial(_wait, looks.give())
                pending.append(pool.submit(attempt, recording, work, fail, run, look))
                if len(pending) >= 4 * jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stopped.set()
            looks.close()
            for future in pending:
                future.cancel()


class Looks:
    """Recordings read ahead, several at a time, so that they lie in the page cache when decoded."""

    def __init__(self, recordings: Sequence[FoundRecording]) -> None:
        self._recordings = recordings
        self._n_asked = 0
        self._pool = ThreadPoolExecutor(READERS)
        self._ahead: deque[Future[Seen | None]] = deque()

    def give(self) -> "Future[Seen | None]":
        """Return what becomes of the next recording: what it is, or None where it was not read."""
        end = self._n_asked + 4 * READERS - len(self._ahead)
        for recording in self._recordings[self._n_asked : end]:
            self._ahead.append(self._pool.submit(_read_ahead, recording))
        self._n_asked = end
        return self._ahead.popleft()

    def take(self) -> Seen | None:
        """Wait for the next recording; None also where it cannot be read."""
        try:
            return self.give().result()
        except OSError:
            return None

    def close(self) -> None:
        """Read no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def attempt(
    recording: FoundRecording,
    work: Work[T],
    fail: Fail[T],
    run: Run | None = None,
    look: Look | None = None,
) -> T:
    """Work on one recording; what goes wrong becomes its result.

    Parameters
    ----------
    look : gives what the file is, see `look_at`
    """
    run = run or Run()
    if recording.error is not None:
        return fail(recording, recording.error, None)
    seen = None
    try:
        run.check()
        seen = (look or look_at)(recording.path)
        identity = seen.identity

        def check() -> None:
            run.check()
            if _identify(recording.path) != identity:
                raise RecordingError("it changed while it was read; repeat when it is complete")

        result = work(recording, seen.sha256, dataclasses.replace(run, check=check))
        check()
        return result
    except (Interrupted, OutputError):
        raise
    except RecordingError as error:
        return fail(recording, str(error), seen and seen.sha256)
    except OSError as error:
        text = f"it cannot be read ({error.strerror or error})"
        return fail(recording, text, seen and seen.sha256)
    except Exception as error:  # noqa: BLE001  # one recording never stops the others
        text = f"unexpected {type(error).__name__}: {error}"
        return fail(recording, text, seen and seen.sha256)


def look_at(path: Path, sha256: str | None = None) -> Seen:
    """Return what a file is; OSError where it cannot be read.

    Parameters
    ----------
    sha256 : of its bytes, where that is known
    """
    identity = _identify(path)
    return Seen(sha256 or compute_sha256(path), identity)


def _wait(ahead: "Future[Seen | None]", path: Path) -> Seen:
    return ahead.result() or look_at(path)


def _read_ahead(recording: FoundRecording) -> Seen | None:
    is_short = recording.error is None and recording.path.stat().st_size <= READ_AHEAD_BYTES
    return look_at(recording.path) if is_short else None


def _identify(path: Path) -> tuple[int, int, int]:
    """Return what is another where a file was replaced, written to or cut since."""
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def to_failure(recording: FoundRecording, error: str, sha256: str | None) -> RecordingResult:
    """Return the result of a failure; its text does not repeat the name of the recording."""
    for prefix in (recording.name, os.fspath(recording.path)):
        error = error.removeprefix(" ".join(f"{prefix}:".split()) + " ")
    return RecordingResult(path=recording.name, sha256=sha256, error=" ".join(error.split()))
