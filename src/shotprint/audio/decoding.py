"""From a file to blocks of samples: libsndfile, or FFmpeg through PyAV where that cannot.

PyAV is imported only when a file needs it: it costs a tenth of a second at the start.
"""

import contextlib
import itertools
import os
import re
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from shotprint.errors import RecordingError

Floats = NDArray[np.float32]
PathLike = str | os.PathLike[str]

# A header that states a rate outside is damaged; soxr copes with all between.
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 2_000_000
# Samples of all channels decoded at a time: 22 s of 48 kHz stereo, so that most recordings are
# one block.
BLOCK_VALUES = 1 << 21
# Stated lengths of compressed sound are off by the padding of the last frames.
TOLERANCE_S, TOLERANCE_SHARE = 0.1, 0.005
# A chunk that states a size from here on was written into a pipe, its length unknown.
UNKNOWN_SIZE = 0x7FFFF000
# Some writers err by the length of the header.
SLOPPY_BYTES = 64
# A file that states no samples but is larger was never finished.
MAX_HEADER_BYTES = 8192
# From so many channels on, PyAV 18 reads beyond the planes of a frame and may crash.
PYAV_PLANES = 8
# FFmpeg guesses the length of these bare streams from their first frames.
GUESSED_LENGTH = frozenset({"aac", "ac3", "eac3", "amr", "dts", "loas", "mp3", "truehd"})
# How a Windows Media file, and the object in it that states its size, begin.
ASF_MAGIC = b"\x30\x26\xb2\x75"
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
# FFmpeg's names for what holds pictures or text.
NO_SOUND = re.compile(r"tty|image2|.*_pipe|gif|apng|ico|srt|ass|webvtt|.*text.*")

_END: Any = object()


@dataclass
class Source:
    """An open recording: what its header states, and how to get at its samples.

    `blocks(start_sample)` yields (n_channels, n_samples), once; then `n_left_out` is known.
    """

    path: Path
    container: str
    codec: str
    sample_rate_hz: int
    n_channels: int
    n_promised: int | None  # samples a channel that the header states, None: none
    tolerance_s: float  # by which that may be wrong
    blocks: Callable[[int], Iterator[Floats]]
    present_share: float = 1.0  # of the bytes that the header states
    lacks_end: bool = False  # what is written at the end of a recording is missing
    n_left_out: int = 0  # pieces that did not decode


def recording_error(path: PathLike, text: str) -> RecordingError:
    """Return the error of one line that names the recording."""
    return RecordingError(" ".join(f"{os.fspath(path)}: {text}".split()))


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a recording; RecordingError where there is no sound to be had from it."""
    _check_file(path)
    with contextlib.ExitStack() as stack:
        source = _open_with_libsndfile(path, stack)
        if source is None:
            source = stack.enter_context(_open_with_ffmpeg(path))
        if not MIN_RATE_HZ <= source.sample_rate_hz <= MAX_RATE_HZ:
            raise recording_error(
                path,
                f"its header states a sample rate of {source.sample_rate_hz} Hz; "
                f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz can be read",
            )
        _look_for_end(path, source)
        yield source


def _check_file(path: Path) -> None:
    """Raise RecordingError unless `path` is a file with bytes in it that may be read."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise recording_error(path, "this is a folder where a recording was expected")
        if not stat.S_ISREG(found.st_mode):
            raise recording_error(path, "this is no regular file; give a recording")
        if found.st_size == 0:
            raise recording_error(path, "the file is empty (0 bytes)")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise recording_error(path, "no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise recording_error(path, f"the file cannot be opened ({reason})") from None


# --- libsndfile -------------------------------------------------------------------------------


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that soundfile does not seek in after every read: MP3 goes on with zeros then."""

    def seekable(self) -> bool:
        return False


def _open_with_libsndfile(path: Path, stack: contextlib.ExitStack) -> Source | None:
    """Return None for what libsndfile cannot read."""
    name = os.fspath(path) if os.name == "nt" else os.fsencode(path)
    try:
        file = stack.enter_context(_SequentialFile(name))
    except (soundfile.LibsndfileError, TypeError, ValueError):  # TypeError: .raw without header
        return None
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
        blocks=lambda start: _soundfile_blocks(file, source, start),
    )
    if file.frames == 0 and path.stat().st_size > MAX_HEADER_BYTES:
        return _find_unfinished(path, stack) or source
    return source


def _find_unfinished(path: Path, stack: contextlib.ExitStack) -> Source | None:
    """Open a file whose recorder stopped before it wrote the length into the header."""
    try:
        source = stack.enter_context(_open_with_ffmpeg(path))
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


def _soundfile_blocks(file: Any, source: Source, start: int) -> Iterator[Floats]:
    """Read with libsndfile; where it stops at damage, FFmpeg goes on."""
    position = 0
    if 0 < start <= file.frames and source.tolerance_s == 0:
        with contextlib.suppress(soundfile.LibsndfileError):
            position = file.seek(start)  # exact, unlike in MP3
    while position < file.frames:
        n_samples = min(BLOCK_VALUES // file.channels, file.frames - position)
        try:
            block = file.read(n_samples, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            yield from _rescued_blocks(source, max(start, position))
            return
        if len(block) == 0:
            return
        n_before = max(0, start - position)
        position += len(block)
        if n_before < len(block):
            yield np.ascontiguousarray(block[n_before:].T)


def _rescued_blocks(source: Source, start: int) -> Iterator[Floats]:
    """Yield what FFmpeg makes of a recording that libsndfile gives up."""
    try:
        with _open_with_ffmpeg(source.path) as other:
            if (other.sample_rate_hz, other.n_channels) == (
                source.sample_rate_hz,
                source.n_channels,
            ):
                yield from other.blocks(start)
            source.n_left_out = max(1, other.n_left_out)
    except RecordingError:
        source.n_left_out = 1


# --- FFmpeg -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _open_with_ffmpeg(path: Path) -> Iterator[Source]:
    import av

    try:
        # Behind "file:", FFmpeg follows no playlist to the network.
        container = av.open(f"file:{path}", metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as error:
        raise recording_error(path, _describe_unreadable(path, error)) from None
    with container:
        stream = _find_sound(container, path)
        frames = _ffmpeg_frames(container, stream)
        n_left_out = 0
        while (first := next(frames, _END)) is None:
            n_left_out += 1
        if first is _END:
            raise recording_error(path, "no sound can be decoded: cut short, damaged or empty")
        rate_hz, duration_s = first.sample_rate, _stated_duration_s(container, stream)
        source = Source(
            path=path,
            container=container.format.name,
            codec=stream.codec_context.name,
            sample_rate_hz=rate_hz,
            n_channels=first.layout.nb_channels,
            n_promised=None if duration_s is None else round(duration_s * rate_hz),
            tolerance_s=max(TOLERANCE_S, TOLERANCE_SHARE * (duration_s or 0.0)),
            blocks=lambda start: _ffmpeg_blocks(source, itertools.chain([first], frames), start),
            n_left_out=n_left_out,
        )
        yield source


def _describe_unreadable(path: Path, error: Exception) -> str:
    import av

    if isinstance(error, av.error.EOFError):
        return "cut short or damaged: no sound can be decoded"
    with path.open("rb") as file:
        is_mp4 = file.read(12)[4:8] in (b"ftyp", b"moov", b"mdat", b"wide")
    if is_mp4:
        return "cut short or damaged: its index (moov), without which nothing can be read, is gone"
    return f"no sound file that can be read ({getattr(error, 'strerror', None) or error})"


def _find_sound(container: Any, path: Path) -> Any:
    """Return the sound stream that FFmpeg thinks best among those it can decode."""
    streams = container.streams.audio
    if streams:
        decodable = [stream for stream in streams if stream.codec_context is not None]
        if not decodable:
            raise recording_error(path, "its sound is in a codec that cannot be decoded")
        best = container.streams.best("audio")
        return best if best in decodable else decodable[0]
    name = container.format.name
    if container.streams.video and not NO_SOUND.fullmatch(name):
        raise recording_error(path, f"the video has no sound track ({name})")
    raise recording_error(path, f"no sound file: it looks like {name}")


def _stated_duration_s(container: Any, stream: Any) -> float | None:
    if container.format.name in GUESSED_LENGTH:
        return None
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _ffmpeg_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield decoded frames, and None for every piece that does not decode."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, IndexError):  # nothing can be read after it
            yield None
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            frames = [None]
        yield from frames


def _frame_to_float(frame: Any) -> Floats:
    n_channels = frame.layout.nb_channels
    if frame.format.is_planar and n_channels >= PYAV_PLANES:
        frame = _interleave(frame)
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, n_channels).T
    kind, n_bytes = samples.dtype.kind, samples.dtype.itemsize
    floats: Floats = samples.astype(np.float32)
    if kind == "u":
        return (floats - np.float32(128)) / np.float32(128)
    return floats * np.float32(2.0 ** (1 - 8 * n_bytes)) if kind == "i" else floats


def _interleave(frame: Any) -> Any:
    import av

    layout, rate_hz = frame.layout.name, frame.sample_rate
    return av.AudioResampler(format="flt", layout=layout, rate=rate_hz).resample(frame)[0]


def _ffmpeg_blocks(source: Source, frames: Iterator[Any], start: int) -> Iterator[Floats]:
    """Join frames to blocks, from the sample `start`; count those that do not fit."""
    parts: list[Floats] = []
    n_before, n_gathered = start, 0
    for frame in frames:
        samples = None if frame is None else _frame_to_float(frame)
        if samples is None or (frame.sample_rate, len(samples)) != (
            source.sample_rate_hz,
            source.n_channels,
        ):
            source.n_left_out += 1
            continue
        if n_before < samples.shape[1]:
            parts.append(samples[:, n_before:])
            n_gathered += parts[-1].shape[1]
        n_before = max(0, n_before - samples.shape[1])
        if n_gathered * source.n_channels >= BLOCK_VALUES:
            yield np.concatenate(parts, axis=1)
            parts, n_gathered = [], 0
    if parts:
        yield np.concatenate(parts, axis=1)


# --- ends -------------------------------------------------------------------------------------


def _look_for_end(path: Path, source: Source) -> None:
    """Compare the size that the container states with the file; look for the end of an Ogg."""
    with path.open("rb") as file:
        head = file.read(4096)
        n_bytes = file.seek(0, os.SEEK_END)
        if head.startswith(b"OggS"):
            file.seek(max(0, n_bytes - 65_536))
            source.lacks_end = not _has_last_page(file.read())
        stated = _caf_size(file, n_bytes) if head.startswith(b"caff") else _stated_size(head)
    if stated is not None and stated - n_bytes > SLOPPY_BYTES:
        source.present_share = n_bytes / stated


def _stated_size(head: bytes) -> int | None:
    """Return the size of the whole file that its first bytes state."""
    places = {b"RIFF": ("<I", 4, 8), b"FORM": (">I", 4, 8), b"RF64": ("<Q", 20, 8)}
    places[b"riff"] = ("<Q", 16, 0)  # Sony Wave64
    places[ASF_MAGIC] = ("<Q", head.find(ASF_PROPERTIES) + 40, 0)
    if len(head) < 64 or head[:4] not in places:
        return None
    layout, offset, n_header = places[head[:4]]
    (size,) = struct.unpack_from(layout, head.ljust(offset + 8), offset)
    unknown = layout.endswith("I") and size >= UNKNOWN_SIZE
    return None if unknown else int(size) + n_header


def _caf_size(file: Any, n_bytes: int) -> int | None:
    """Return where the last chunk of a Core Audio file that has begun should end."""
    end = 8
    while end + 12 <= n_bytes:
        file.seek(end + 4)
        size = struct.unpack(">q", file.read(8))[0]
        if size < 0:  # to the end of the file
            return None
        end += 12 + size
    return end


def _has_last_page(tail: bytes) -> bool:
    """Tell whether the last page of an Ogg is marked as the last, and is whole."""
    start = tail.rfind(b"OggS")
    page = tail[start:]
    if start < 0 or len(page) < 27 or not page[5] & 4:
        return False
    n_segments = page[26]
    return len(page) >= 27 + n_segments + sum(page[27 : 27 + n_segments])
