"""A thread that fetches sound while the last of it is still being worked on."""

import contextlib
import dataclasses
import queue
import threading
from typing import Final

from shotprint.live.sources import Block, Source

WAIT_S = 0.2


class EndOfSound(Exception):
    """The source has no more."""


class Feed:
    """A bounded queue of blocks between a source and whoever works on them.

    Where it is full, a source that can wait does; of another one, what finds no room is lost, and
    the next block says how many seconds that were.

    Parameters
    ----------
    n_blocks : how many wait at most
    """

    def __init__(self, source: Source, n_blocks: int = 64) -> None:
        self._source = source
        self._queue: queue.Queue[Block | Exception] = queue.Queue(n_blocks)
        self._is_closed = threading.Event()
        self._lost_s: float = 0.0
        self._thread: Final = threading.Thread(target=self._fetch, daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> Block | None:
        """Return the next block; None: none came in time.

        Raises
        ------
        EndOfSound, or what the source raised
        """
        try:
            item = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Fetch no more; what was fetched can still be had, then comes EndOfSound."""
        self._is_closed.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(EndOfSound())

    def _fetch(self) -> None:
        try:
            for block in self._source.blocks():
                if self._is_closed.is_set():
                    return
                self._offer(block)
            self._put(EndOfSound())
        except Exception as error:  # noqa: BLE001  # raised where the sound is worked on
            self._put(error)

    def _offer(self, block: Block) -> None:
        if self._source.can_wait:
            self._put(block)
            return
        try:
            self._queue.put_nowait(dataclasses.replace(block, lost_s=block.lost_s + self._lost_s))
            self._lost_s = 0.0
        except queue.Full:
            self._lost_s += block.lost_s + block.waveform.shape[1] / block.sample_rate_hz

    def _put(self, item: Block | Exception) -> None:
        while not self._is_closed.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=WAIT_S)
                return
