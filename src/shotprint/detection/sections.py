"""A recording of any length in sections of fixed place, each with its surroundings.

Sections begin at whole multiples of their length, counted from the first sample, however the
recording is read: so shots do not depend on the size of blocks, sections can be worked on in any
order, and a run that was interrupted goes on with the first one that is missing.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import Audio

Floats = NDArray[np.float32]

SECTION_S = 30.0
BACK_S, AHEAD_S = 4.8, 1.04
"""How far around a frame the network hears (2.1 s, 1.0 s), and how far before that the judge looks
(2.5 s), in whole steps of 16 ms and whole samples at the usual rates; also room for a clip."""


@dataclass(frozen=True, eq=False)
class Section:
    """A stretch of a recording.

    Attributes
    ----------
    index : 0, 1, …
    waveform : (n_channels, n_samples) at the recording's own rate, surroundings included
    start_sample : where in the recording the waveform begins
    first_sample, last_sample : the section itself, from the first sample up to before the last
    is_last : the recording ends with it
    offset_s : the time that a player shows at the recording's first sample
    """

    index: int
    waveform: Floats
    sample_rate_hz: int
    start_sample: int
    first_sample: int
    last_sample: int
    is_last: bool
    offset_s: float = 0.0

    @property
    def start_s(self) -> float:
        """Time on the player's clock of the waveform's first sample."""
        return self.offset_s + self.start_sample / self.sample_rate_hz

    @property
    def is_first(self) -> bool:
        return self.index == 0

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole recording."""
        return self.is_first and self.is_last


def cut_sections(blocks: Iterable[Audio], section_s: float = SECTION_S) -> Iterator[Section]:
    """Cut blocks of any length into sections; memory is bounded by a block and a section.

    Parameters
    ----------
    blocks : of one recording, in order, at its own rate
    """
    held: Floats | None = None
    n_held = start = index = rate_hz = 0
    offset_s = 0.0
    for block in blocks:
        n_block = block.waveform.shape[1]
        if held is None:
            held, n_held = block.waveform, n_block
            rate_hz, offset_s = block.sample_rate_hz, block.start_s
        else:
            if n_held + n_block > held.shape[1]:
                n_room = n_block + math.ceil((BACK_S + section_s + AHEAD_S) * rate_hz)
                held = _make_room(held[:, :n_held], max(n_room, n_held + n_block))
            held[:, n_held : n_held + n_block] = block.waveform
            n_held += n_block
        while True:
            last = round((index + 1) * section_s * rate_hz)
            if start + n_held < last + round(AHEAD_S * rate_hz) + 1:
                break
            yield _cut(held, start, index, last, (rate_hz, offset_s, section_s))
            index += 1
            keep = max(0, last - round(BACK_S * rate_hz))
            held, n_held, start = held[:, keep - start :], n_held - (keep - start), keep
    if held is not None:
        yield _cut(held, start, index, start + n_held, (rate_hz, offset_s, section_s), True)


def _make_room(held: Floats, n_samples: int) -> Floats:
    """Return a copy with room behind it: what a section still needs is written there, once."""
    roomy = np.empty((len(held), n_samples), np.float32)
    roomy[:, : held.shape[1]] = held
    return roomy


def _cut(
    held: Floats,
    start: int,
    index: int,
    last: int,
    facts: tuple[int, float, float],
    is_last: bool = False,
) -> Section:
    rate_hz, offset_s, section_s = facts
    first = round(index * section_s * rate_hz)
    stop = last if is_last else last + round(AHEAD_S * rate_hz)
    return Section(
        index=index,
        waveform=held[:, : stop - start],
        sample_rate_hz=rate_hz,
        start_sample=start,
        first_sample=first,
        last_sample=last,
        is_last=is_last,
        offset_s=offset_s,
    )
