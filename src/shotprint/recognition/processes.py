"""Many short recordings in processes of their own: Python's threads take turns, these do not.

The processes are forked, so that they begin at once and share the networks that are open already;
where that is not possible, and for long recordings, whose sections threads share, see `running`.
"""

import contextlib
import gc
import mmap
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from shotprint.audio import FoundRecording
from shotprint.recognition.running import (
    AHEAD,
    HELD_BYTES,
    READ_AHEAD_BYTES,
    Fail,
    Looks,
    Seen,
    Work,
    attempt,
    count_jobs,
    find_room,
    run_recordings,
)

MANY = 100
"""Recordings from which on processes are worth their while."""
CHUNK = 4
"""Recordings that a process is given at a time."""

T = TypeVar("T")

Chunk = Sequence[tuple[FoundRecording, Seen | None, slice]]
"""Of each recording also where its bytes are on the shelf; empty: they are not held."""
Answer = Callable[[FoundRecording, Seen | None, slice], Any]

_tasks: list[Answer] = []
"""In a process that was forked: what it does with a recording."""


def can_fork(recordings: Sequence[FoundRecording], jobs: int) -> bool:
    """Tell whether `Processes` can and should work on these.

    Not beside other threads: what one of them holds at a fork is held for ever in the child.
    """
    return (
        sys.platform == "linux"
        and threading.active_count() == 1
        and jobs > 1
        and len(recordings) >= MANY
        and not any(map(_is_long, recordings))
    )


def _is_long(recording: FoundRecording) -> bool:
    try:
        return recording.error is None and recording.path.stat().st_size > READ_AHEAD_BYTES
    except OSError:
        return False  # whoever reads it says why it cannot be read


class Processes(Generic[T]):
    """Forked when it is made, before threads begin.

    Parameters
    ----------
    work, fail : as of `running.run_recordings`; results go through a pipe
    begin : called in each process first, such as to close what only this one may write
    """

    def __init__(
        self, work: Work[T], fail: Fail[T], jobs: int, begin: Callable[[], None] | None = None
    ) -> None:
        self._jobs = jobs
        # Shared by all processes; what is read ahead, waits and is worked on has its own room.
        n_rooms = AHEAD + (4 * jobs + 2) * CHUNK
        self._shelf = shelf = memoryview(mmap.mmap(-1, n_rooms * HELD_BYTES))

        def answer(recording: FoundRecording, seen: Seen | None, room: slice) -> T:
            if seen is None:
                return attempt(recording, work, fail)
            content = shelf[room] if room.stop else None
            return attempt(recording, work, fail, look=lambda _: seen._replace(content=content))

        before = set(multiprocessing.active_children())
        with _undisturbed():
            self._pool = ProcessPoolExecutor(
                jobs,
                multiprocessing.get_context("fork"),
                initializer=_begin,
                initargs=(answer, begin),
            )
            self._pool.submit(int)  # forks all of them
            self._children = set(multiprocessing.active_children()) - before

    def run(self, recordings: Sequence[FoundRecording]) -> Generator[T | None, None, None]:
        """Yield the results in the order of the recordings; None: its process died.

        After a death every result that is left is None. Whoever stops asking ends the processes.
        """
        pending: deque[tuple[int, Future[list[T]]]] = deque()
        looks = Looks(recordings, self._shelf)
        try:
            for at in range(0, len(recordings), CHUNK):
                last = min(at + CHUNK, len(recordings))
                chunk = [self._pack(n, recordings[n], looks.take()) for n in range(at, last)]
                pending.append((len(chunk), self._submit(chunk)))
                if len(pending) > 4 * self._jobs:
                    yield from _collect(*pending.popleft())
            while pending:
                yield from _collect(*pending.popleft())
            self._pool.shutdown()
        finally:
            looks.close()
            for child in self._children:
                child.terminate()
            self._pool.shutdown(cancel_futures=True)  # waits for the thread that leads them

    def _pack(
        self, n: int, recording: FoundRecording, seen: Seen | None
    ) -> tuple[FoundRecording, Seen | None, slice]:
        """Return what a process needs to know of a recording; its bytes stay on the shelf."""
        if seen is None or seen.content is None:
            return recording, seen, slice(0, 0)
        start = find_room(n, len(self._shelf)).start
        room = slice(start, start + len(seen.content))
        return recording, seen._replace(content=None), room

    def _submit(self, chunk: Chunk) -> "Future[list[T]]":
        try:
            return self._pool.submit(_answer_all, chunk)
        except BrokenProcessPool as error:
            broken: Future[list[T]] = Future()
            broken.set_exception(error)
            return broken


@contextlib.contextmanager
def _undisturbed() -> Generator[None, None, None]:
    """Put off Ctrl-C: processes without the thread that leads them would never end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_many(
    recordings: Sequence[FoundRecording], work: Work[T], fail: Fail[T], jobs: int = 0
) -> Generator[T, None, None]:
    """Yield the results of recordings in their order: in processes, or as `run_recordings` does.

    What `work` uses must bear a fork: ONNX Runtime does with one thread, PyTorch does not.
    """
    jobs = count_jobs(jobs)
    if not can_fork(recordings, jobs):
        return run_recordings(recordings, work, fail, jobs)
    return run_apart(Processes(work, fail, jobs), recordings, (work, fail, jobs))


def run_apart(
    processes: Processes[T],
    recordings: Sequence[FoundRecording],
    otherwise: tuple[Work[T], Fail[T], int],
) -> Generator[T, None, None]:
    """Yield results of processes, and when one dies the rest by `run_recordings`."""
    with contextlib.closing(processes.run(recordings)) as results:
        for place, result in enumerate(results):
            if result is None:  # a process died: threads do the rest
                yield from run_recordings(recordings[place:], *otherwise)
                return
            yield result


def _collect(n: int, future: "Future[list[T]]") -> "list[T] | list[None]":
    try:
        return future.result()
    except BrokenProcessPool:
        return [None] * n


def _begin(answer: Answer, begin: Callable[[], None] | None) -> None:
    """Leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # what the parent made stays: not to be looked through, or copied, again and again
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if begin is not None:
        begin()
    _tasks[:] = [answer]


def _answer_all(chunk: Chunk) -> list[Any]:
    return [_tasks[0](*each) for each in chunk]
