"""What an open recording is, whichever library reads it."""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import RecordingError

Floats = NDArray[np.float32]
PathLike = str | os.PathLike[str]

# A header that states a rate outside is damaged; soxr copes with all between.
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 2_000_000
# Samples of all channels decoded at a time: half a megabyte, which stays in the processor's cache.
BLOCK_VALUES = 1 << 17
# Stated lengths of compressed sound are off by the padding of the last frames.
TOLERANCE_S, TOLERANCE_SHARE = 0.1, 0.005


@dataclass(frozen=True, eq=False)
class HeldFile(os.PathLike[str]):
    """A file whose bytes are in memory, read once; wherever a path is taken it is that path."""

    path: Path
    content: memoryview

    def __fspath__(self) -> str:
        return os.fspath(self.path)


Place = Path | HeldFile


def to_place(path: PathLike) -> Place:
    """Return where a recording lies, as a path unless its bytes are held."""
    return path if isinstance(path, HeldFile) else Path(path)


def open_bytes(place: Place) -> BinaryIO:
    """Open a file, or what is held of it, to be read."""
    return io.BytesIO(place.content) if isinstance(place, HeldFile) else place.open("rb")


@dataclass
class Damage:
    """What is found wrong while a recording is decoded."""

    n_left_out: int = 0  # pieces that did not decode
    broken_off: str | None = None  # why nothing can be read of what follows
    remarks: list[str] = field(default_factory=list)


@dataclass
class Source:
    """An open recording: what its header states, and how to get at its samples.

    `blocks(start_sample)` yields (n_channels, n_samples), once; then `damage` is known.
    """

    path: Path
    container: str
    codec: str
    sample_rate_hz: int
    n_channels: int
    n_promised: int | None  # samples a channel that the header states, None: none
    tolerance_s: float  # by which that may be wrong
    blocks: Callable[[int], Iterator[Floats]]
    start_s: float = 0.0  # of the first sample, on the player's clock
    n_tracks: int = 1
    present_share: float = 1.0  # of the bytes that the header states
    lacks_end: bool = False  # what is written at the end of a recording is missing
    damage: Damage = field(default_factory=Damage)


def recording_error(path: PathLike, text: str) -> RecordingError:
    """Return the error of one line that names the recording."""
    return RecordingError(f"{os.fspath(path)}: {' '.join(text.split())}")


def require_track(path: PathLike, track: int | None, n_tracks: int) -> None:
    """Raise RecordingError where there is no such track."""
    if track is None or track < n_tracks:
        return
    there_is = "is 1 track" if n_tracks == 1 else f"are {n_tracks} tracks"
    text = f"track {track} was asked for, but there {there_is} of sound, numbered from 0"
    raise recording_error(path, text)


def drop_first(blocks: Iterator[Floats], n_samples: int) -> Iterator[Floats]:
    """Leave out the first samples (of every channel) of blocks (n_channels, n_samples)."""
    for block in blocks:
        if n_samples < block.shape[1]:
            yield block[:, n_samples:]
        n_samples = max(0, n_samples - block.shape[1])
