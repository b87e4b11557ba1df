"""Many recordings at a time; what goes wrong with one stops no other."""

import dataclasses
import functools
import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from shotprint.audio import FoundRecording, HeldFile
from shotprint.errors import OutputError, RecordingError
from shotprint.files import compute_sha256
from shotprint.recognition.results import RecordingResult

MAX_JOBS = 16
READERS = 16
"""Recordings that are read ahead at the same time, so that a slow disk keeps no core waiting."""
AHEAD = 2 * READERS
"""Recordings that are read, or wait to be taken, at the same time."""
HELD_BYTES = 1 << 20
"""Recordings up to this size are read from the disk once, and decoded from memory."""
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
    content : the bytes of the recording, where they are held in memory
    """

    check: Callable[[], None] = lambda: None
    workers: Executor | None = None
    ahead: int = 1
    content: memoryview | None = None

    def place(self, recording: FoundRecording) -> Path | HeldFile:
        """Return what to open to hear the recording."""
        path = recording.path
        return path if self.content is None else HeldFile(path, self.content)


class Seen(NamedTuple):
    """The hash of a file's bytes, what would be another if it changed, and short ones' bytes."""

    sha256: str
    identity: tuple[int, int, int]
    content: memoryview | None = None


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
    """Recordings read ahead, several at a time: in memory when decoded, or in the page cache.

    Parameters
    ----------
    shelf : where the bytes of short ones are put, `HELD_BYTES` each, the first again after the
        last; None: wherever there is room
    """

    def __init__(
        self, recordings: Sequence[FoundRecording], shelf: memoryview | None = None
    ) -> None:
        self._recordings = recordings
        self._shelf = shelf
        self._n_asked = 0
        self._pool = ThreadPoolExecutor(READERS)
        self._ahead: deque[Future[Seen | None]] = deque()

    def give(self) -> "Future[Seen | None]":
        """Return what becomes of the next recording: what it is, or None where it was not read."""
        end = min(self._n_asked + AHEAD - len(self._ahead), len(self._recordings))
        for n in range(self._n_asked, end):
            room = self._shelf and self._shelf[find_room(n, len(self._shelf))]
            self._ahead.append(self._pool.submit(_read_ahead, self._recordings[n], room))
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

        its_run = dataclasses.replace(run, check=check, content=seen.content)
        result = work(recording, seen.sha256, its_run)
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


def find_room(n: int, n_bytes: int) -> slice:
    """Return where on a shelf of `n_bytes` the bytes of recording `n` are."""
    start = n % (n_bytes // HELD_BYTES) * HELD_BYTES
    return slice(start, start + HELD_BYTES)


def look_at(path: Path, sha256: str | None = None, room: memoryview | None = None) -> Seen:
    """Return what a file is, and the bytes of a short one; OSError where it cannot be read.

    Parameters
    ----------
    sha256 : of its bytes, where that is known: then they are not read
    room : for the bytes, `HELD_BYTES`; None: it is made
    """
    facts = path.stat()
    identity = _to_identity(facts)
    if sha256 is not None:
        return Seen(sha256, identity)
    if not stat.S_ISREG(facts.st_mode) or not 0 < facts.st_size <= HELD_BYTES:
        return Seen(compute_sha256(path), identity)
    room = memoryview(bytearray(facts.st_size)) if room is None else room[: facts.st_size]
    n_read = 0
    with path.open("rb", buffering=0) as file:
        while n_read < len(room) and (n_new := file.readinto(room[n_read:])):
            n_read += n_new
    content = room[:n_read]
    return Seen(hashlib.sha256(content).hexdigest(), identity, content if n_read else None)


def _wait(ahead: "Future[Seen | None]", path: Path) -> Seen:
    return ahead.result() or look_at(path)


def _read_ahead(recording: FoundRecording, room: memoryview | None) -> Seen | None:
    is_short = recording.error is None and recording.path.stat().st_size <= READ_AHEAD_BYTES
    return look_at(recording.path, room=room) if is_short else None


def _identify(path: Path) -> tuple[int, int, int]:
    """Return what is another where a file was replaced, written to or cut since."""
    return _to_identity(path.stat())


def _to_identity(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def to_failure(recording: FoundRecording, error: str, sha256: str | None) -> RecordingResult:
    """Return the result of a failure; its text does not repeat the name of the recording."""
    for prefix in (recording.name, os.fspath(recording.path)):
        error = error.removeprefix(" ".join(f"{prefix}:".split()) + " ")
    return RecordingResult(path=recording.name, sha256=sha256, error=" ".join(error.split()))
