"""Where sound comes from: a pipe, a recording."""

import dataclasses
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shotprint.audio import stream
from shotprint.errors import ShotprintError
from shotprint.live.pcm import Floats, PcmFormat, PcmReader

READ_BYTES = 1 << 16
FILE_BLOCK_S, REALTIME_BLOCK_S = 1.0, 0.02
STANDARD_INPUT = 0


@dataclass(frozen=True, eq=False)
class Block:
    """Sound as it came.

    Attributes
    ----------
    waveform : (n_channels, n_samples), 0 samples for a remark alone
    description : what its source says it is, such as ``48000 Hz, 1 channel, s16le``
    arrival_s : when its last sample was there, of `time.monotonic`
    lost_s : seconds that are missing before it
    remark : what its source has to say
    is_broken : the remark says that the sound does not end as it should
    start_s : the player's time of the first sample of all
    """

    waveform: Floats
    sample_rate_hz: int
    description: str
    arrival_s: float
    lost_s: float = 0.0
    remark: str = ""
    is_broken: bool = False
    start_s: float = 0.0


class Source(Protocol):
    """Something that gives sound.

    Attributes
    ----------
    name : as messages call it
    is_live : it is heard now, so that shots have a time of day
    can_wait : it waits until its sound is wanted; else what is not fetched in time is lost
    """

    name: str
    is_live: bool
    can_wait: bool

    def blocks(self) -> Iterator[Block]:
        """Yield the sound as it comes; waits for it. ShotprintError where it cannot be had."""
        ...


class PipeSource:
    """Raw PCM or WAV from standard input, a FIFO, or a file that holds nothing else.

    Parameters
    ----------
    path : None: standard input
    format : of what has no WAV header
    """

    is_live = can_wait = True

    def __init__(self, path: Path | None, format: PcmFormat) -> None:
        self.name = "standard input" if path is None else str(path)
        self._path, self._format = path, format
        if path is None and os.isatty(STANDARD_INPUT):
            raise ShotprintError(
                "standard input is a keyboard; expected sound from a pipe: "
                "ffmpeg -i … -f wav - | shotprint listen -"
            )

    def blocks(self) -> Iterator[Block]:
        """Yield what a read gives, up to 64 KB."""
        if self._path is None:
            yield from self._read(STANDARD_INPUT)
            return
        try:
            file = self._path.open("rb", buffering=0)
        except OSError as error:
            raise ShotprintError(f"{self._path} cannot be opened ({error.strerror})") from None
        with file:
            yield from self._read(file.fileno())

    def _read(self, descriptor: int) -> Iterator[Block]:
        reader = PcmReader(self._format)
        last: Block | None = None
        while data := os.read(descriptor, READ_BYTES):
            arrival_s = time.monotonic()
            for piece in reader.push(data):
                rate_hz, text = piece.format.sample_rate_hz, str(piece.format)
                last = Block(piece.waveform, rate_hz, text, arrival_s)
                yield last
        pieces, remark = reader.finish()
        for piece in pieces:
            rate_hz, text = piece.format.sample_rate_hz, str(piece.format)
            last = Block(piece.waveform, rate_hz, text, time.monotonic())
            yield last
        if last is None:
            raise ShotprintError(f"no sound came from {self.name}; start its source first")
        if remark:
            nothing = last.waveform[:, :0]
            yield dataclasses.replace(last, waveform=nothing, remark=remark, is_broken=True)


class FileSource:
    """A recording of any kind, as fast as it can be worked on or as if it were played now."""

    can_wait = True

    def __init__(self, path: Path, realtime: bool = False) -> None:
        self.name, self.is_live = str(path), realtime
        self._path = path

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of 1 s, or of 20 ms in time; RecordingError as `audio.stream`."""
        begin_s: float | None = None
        n_samples = 0
        block_s = REALTIME_BLOCK_S if self.is_live else FILE_BLOCK_S
        for audio in stream(self._path, block_s=block_s, channel="each"):
            begin_s = begin_s or time.monotonic()
            rate_hz, channels = audio.sample_rate_hz, audio.source_channels
            n_samples += audio.waveform.shape[1]
            if self.is_live:
                time.sleep(max(0.0, begin_s + n_samples / rate_hz - time.monotonic()))
            yield Block(
                waveform=audio.waveform,
                sample_rate_hz=rate_hz,
                description=f"{rate_hz} Hz, {channels} channel{'s' * (channels > 1)}",
                arrival_s=time.monotonic(),
                remark="; ".join(audio.warnings),
                start_s=audio.start_s,
            )


def open_source(name: str, format: PcmFormat, realtime: bool) -> Source:
    """Return the source for ``-``, a FIFO, a file of raw PCM (``.raw``, ``.pcm``), a recording."""
    if name == "-":
        return PipeSource(None, format)
    path = Path(name)
    if path.is_fifo() or path.suffix.lower() in (".raw", ".pcm") or path.is_char_device():
        return PipeSource(path, format)
    return FileSource(path, realtime)
