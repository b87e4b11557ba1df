"""Stretches of a recording of any length, in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from shotprint.detection import Listening, open_blocks
from shotprint.recognition.model import Floats

BLOCK_S = 10.0


@dataclass(frozen=True, eq=False)
class Excerpt:
    """A stretch of a recording.

    Attributes
    ----------
    waveform : (n_channels, n_samples) at the recording's own rate
    start_s : time of its first sample on the player's clock
    """

    waveform: Floats
    sample_rate_hz: int
    start_s: float


def read_excerpts(
    path: str | os.PathLike[str],
    spans_s: Sequence[tuple[float, float]],
    listening: Listening,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Excerpt]:
    """Yield one excerpt a span, cut off where the recording begins or ends.

    The recording is read once, in blocks, up to the end of the last span.

    Parameters
    ----------
    spans_s : begin and end on the player's clock, in order of their begins; they may overlap
    listening : channel and track
    check : called at every block; what it raises ends the reading

    Raises
    ------
    RecordingError : as `shotprint.audio.stream`
    """
    waiting = deque(spans_s)
    held: Floats | None = None
    start, rate_hz, offset_s = 0, 0, 0.0

    def cut(begin_s: float, last: int) -> Excerpt:
        assert held is not None
        first = max(start, round((begin_s - offset_s) * rate_hz))
        waveform = held[:, first - start : last - start]
        return Excerpt(waveform, rate_hz, offset_s + first / rate_hz)

    for block in open_blocks(path, listening, block_s=BLOCK_S):
        check()
        if held is None:
            held, rate_hz, offset_s = block.waveform, block.sample_rate_hz, block.start_s
        else:
            held = np.concatenate([held, block.waveform], axis=1)
        end = start + held.shape[1]
        while waiting and (last := round((waiting[0][1] - offset_s) * rate_hz)) <= end:
            yield cut(waiting.popleft()[0], last)
        if not waiting:
            return
        keep = min(end, max(start, round((waiting[0][0] - offset_s) * rate_hz)))
        held, start = held[:, keep - start :], keep
    while waiting:
        yield cut(waiting.popleft()[0], end)
