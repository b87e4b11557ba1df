"""A thread that fetches sound while the last of it is still being worked on."""

import contextlib
import dataclasses
import queue
import threading
import time
from typing import Final

from shotprint.live.sources import Block, Source

WAIT_S = 0.2
MAX_REST_S = 0.16
MAX_REST_VALUES = 8192
"""Samples of all channels that gather while the thread rests: half of what a pipe holds."""


class EndOfSound(Exception):
    """The source has no more."""


class Feed:
    """A bounded queue of blocks between a source and whoever works on them.

    Where it is full, a source that can wait does; of another one, what finds no room is lost, and
    the next block says how many seconds that were.

    Parameters
    ----------
    n_blocks : how many wait at most

    Attributes
    ----------
    rest_until_s : nothing happens with the sound before, of `time.monotonic`. A source that comes
        in its own time gathers some until then: a hundred small blocks a second cost more than
        the networks
    """

    def __init__(self, source: Source, n_blocks: int) -> None:
        self._source = source
        self._queue: queue.Queue[Block | Exception] = queue.Queue(n_blocks)
        self._is_closed = threading.Event()
        self._lost_s: float = 0.0
        self._newest_s = time.monotonic()
        self.rest_until_s = 0.0
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
                self._rest(block)
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

    def _rest(self, block: Block) -> None:
        n_channels, n_samples = block.waveform.shape
        passed_s = block.arrival_s - self._newest_s
        self._newest_s = block.arrival_s
        if not self._source.can_wait or n_samples > 1.5 * passed_s * block.sample_rate_hz:
            return  # it comes faster than it is played
        longest_s = min(MAX_REST_S, MAX_REST_VALUES / (n_channels * block.sample_rate_hz))
        rest_s = min(longest_s, self.rest_until_s - time.monotonic())
        if rest_s > 0:
            self._is_closed.wait(rest_s)

    def _put(self, item: Block | Exception) -> None:
        while not self._is_closed.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=WAIT_S)
                return
