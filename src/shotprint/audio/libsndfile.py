"""Reading with libsndfile: WAV and its kin, AIFF, FLAC, AU, CAF: a start in no time."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from shotprint.audio import ffmpeg, sources
from shotprint.audio.ends import SLOPPY_BYTES, UNKNOWN_SIZE
from shotprint.audio.sources import (
    TOLERANCE_S,
    Floats,
    HeldFile,
    Place,
    Source,
    open_bytes,
)
from shotprint.errors import RecordingError

# A file that states no samples but is larger was never finished.
MAX_HEADER_BYTES = 8192
# How a FLAC file begins, wherever it stands.
FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")


class _HeldBytes(io.BytesIO):
    """Bytes in which, as in a file, a place before the first is refused and nothing moves."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = (0, self.tell(), self.getbuffer().nbytes)[whence]
        return super().seek(begin + offset) if begin + offset >= 0 else self.tell()


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that soundfile does not seek in after every read: that costs time in FLAC."""

    def seekable(self) -> bool:
        return False


def open_with_libsndfile(place: Place, stack: contextlib.ExitStack) -> Source | None:
    """Return None for what libsndfile cannot read, or FFmpeg reads better."""
    path = Path(place)
    if _is_for_ffmpeg(place):
        return None
    held = place.content if isinstance(place, HeldFile) and path.suffix.lower() != ".raw" else None
    name = os.fspath(path) if os.name == "nt" else os.fsencode(path)
    try:
        file = stack.enter_context(_SequentialFile(name if held is None else _HeldBytes(held)))
    except (soundfile.LibsndfileError, TypeError, ValueError):  # TypeError: .raw without header
        return None if held is None else open_with_libsndfile(path, stack)  # its name may tell
    if file.format == "RAW":  # a guess from the extension: any bytes would do
        return None
    is_exact = re.match("PCM_|FLOAT|DOUBLE|[AU]LAW|ALAC", file.subtype) is not None
    source = Source(
        path=path,
        container=file.format,
        codec=file.subtype,
        sample_rate_hz=file.samplerate,
        n_channels=file.channels,
        n_promised=_promised_samples(file),
        tolerance_s=0.0 if is_exact else TOLERANCE_S,
        blocks=lambda start: _blocks(file, source, start),
    )
    if file.frames == 0 and path.stat().st_size > MAX_HEADER_BYTES:
        return _find_unfinished(path, stack) or source
    return source


def _is_for_ffmpeg(place: Place) -> bool:
    """Tell Ogg and joined FLAC, of which libsndfile reads one of several, and MPEG by its name.

    Of MPEG it reads what the first frame announces and no more, and warns on stderr.
    """
    if Path(place).suffix.lower() in (".mp1", ".mp2", ".mp3", ".m1a", ".m2a", ".m3a"):
        return True
    with open_bytes(place) as file:
        head = file.read(4)
        if head == b"fLaC":
            return _holds_another_flac(file)
    return head.startswith((b"OggS", b"ID3")) or (head[0] == 0xFF and head[1:2] >= b"\xe0")


def _holds_another_flac(file: BinaryIO) -> bool:
    """Tell whether a FLAC file begins in what follows."""
    before = b""
    while chunk := file.read(1 << 20):
        if FLAC_START.search(before + chunk):
            return True
        before = chunk[-8:]
    return False


def _find_unfinished(path: Path, stack: contextlib.ExitStack) -> Source | None:
    """Open a file whose recorder stopped before it wrote the length into the header."""
    try:
        source = stack.enter_context(ffmpeg.open_with_ffmpeg(path, None))
    except RecordingError:
        return None
    source.lacks_end = True
    return source


def _promised_samples(file: Any) -> int | None:
    """Return how many samples a channel the header states, None where it states none.

    libsndfile corrects a header that promises more than there is, and says so in its log.
    """
    n_samples = int(file.frames)
    if n_samples >= 1 << 62:
        return None
    log = file.extra_info
    found = re.search(r"(?:data|SSND|Data Size)\s*:\s*(\d+) \(should be (\d+)\)", log)
    if found is None:
        return n_samples
    stated, present = int(found[1]), int(found[2])
    if present == 0 or stated >= UNKNOWN_SIZE or stated - present <= SLOPPY_BYTES:
        return n_samples
    return max(n_samples, round(n_samples * (stated / present)))


def _blocks(file: Any, source: Source, start: int) -> Iterator[Floats]:
    """Read with libsndfile; where it stops at damage, FFmpeg goes on."""
    position = 0
    if 0 < start <= file.frames and source.tolerance_s == 0:
        with contextlib.suppress(soundfile.LibsndfileError):
            position = file.seek(start)
    # libsndfile makes whole numbers six times as fast as floats.
    dtype = "int16" if file.subtype == "PCM_16" else "float32"
    while position < file.frames:
        n_samples = max(1, min(sources.BLOCK_VALUES // file.channels, file.frames - position))
        try:
            block = file.read(n_samples, dtype=dtype, always_2d=True)
        except soundfile.LibsndfileError:
            yield from _rescued_blocks(source, max(start, position))
            return
        if len(block) == 0:
            return
        n_before = max(0, start - position)
        position += len(block)
        if n_before < len(block):
            yield _to_float(block[n_before:].T)


def _to_float(block: Any) -> Floats:
    if block.dtype == np.float32:
        return np.ascontiguousarray(block)
    floats: Floats = np.multiply(block, np.float32(2.0**-15), order="C")
    return floats


def _rescued_blocks(source: Source, start: int) -> Iterator[Floats]:
    """Yield what FFmpeg makes of a recording that libsndfile gives up."""
    try:
        with ffmpeg.open_with_ffmpeg(source.path, None) as other:
            if (other.sample_rate_hz, other.n_channels) == (
                source.sample_rate_hz,
                source.n_channels,
            ):
                yield from other.blocks(start)
                source.damage.remarks += other.damage.remarks
            source.damage.n_left_out = max(1, other.damage.n_left_out)
    except RecordingError:
        source.damage.n_left_out = 1
