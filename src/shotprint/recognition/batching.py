"""A network on a GPU: what several threads ask at the same time becomes one call.

ONNX Runtime plans convolutions anew, which takes about a second, whenever the shape is not that of
the call before. So a session hears one shape only, and numbers of clips are filled up to a few.
"""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIZES = (1, 4, 16, 64)
"""Clips of a call; fewer are filled up with silence."""
HELD = 8
"""Sessions that are kept; recordings that are heard whole have many lengths."""


class Batching:
    """Threads may call `run` at the same time.

    Parameters
    ----------
    call : runs clips (n, n_samples), n one of `SIZES`, in a session
    open_session : gives another session of the same network
    """

    def __init__(
        self, call: Callable[[Any, Floats], list[Floats]], open_session: Callable[[], Any]
    ) -> None:
        self._call = call
        self._find = functools.lru_cache(HELD)(lambda shape: open_session())
        self._waiting: dict[Future[list[Floats]], Floats] = {}
        self._turn = threading.Lock()

    def run(self, clips: Floats) -> list[Floats]:
        """Return the outputs, of n rows each, for clips (n, n_samples)."""
        parts = [clips[at : at + SIZES[-1]] for at in range(0, len(clips), SIZES[-1])]
        answers = [self._wait(part) for part in parts]
        return [np.concatenate(each) for each in zip(*answers, strict=True)]

    def _wait(self, clips: Floats) -> list[Floats]:
        """Wait until another thread has answered, or do so for all that wait."""
        future: Future[list[Floats]] = Future()
        self._waiting[future] = clips
        with self._turn:
            while not future.done():
                self._answer(clips.shape[1])
        return future.result()

    def _answer(self, n_samples: int) -> None:
        """Answer the first that wait with clips of this length, as many as fit into a call."""
        taken: dict[Future[list[Floats]], Floats] = {}
        n_clips = 0
        for future, clips in list(self._waiting.items()):
            if clips.shape[1] == n_samples and n_clips + len(clips) <= SIZES[-1]:
                taken[future] = self._waiting.pop(future)
                n_clips += len(clips)
        size = next(size for size in SIZES if size >= n_clips)
        batch = np.zeros((size, n_samples), np.float32)
        np.concatenate(list(taken.values()), out=batch[:n_clips])
        try:
            outputs = self._call(self._find(batch.shape), batch)
        except Exception as error:  # noqa: BLE001  # whoever asked raises it
            for future in taken:
                future.set_exception(error)
            return
        begin = 0
        for future, clips in taken.items():
            future.set_result([each[begin : begin + len(clips)] for each in outputs])
            begin += len(clips)
