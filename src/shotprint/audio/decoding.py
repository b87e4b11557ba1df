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
from dataclasses import dataclass, field
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
# Decoded at a time: 22 s at 48 kHz, so that most recordings are one block.
BLOCK_SAMPLES = 1 << 20
# Stated lengths of compressed sound are off by the padding of the last frames.
TOLERANCE_S, TOLERANCE_SHARE = 0.1, 0.005
# A chunk that states a size from here on was written into a pipe, its length unknown.
UNKNOWN_SIZE = 0x7FFFF000
# FFmpeg guesses the length of these bare streams from their first frames.
GUESSED_LENGTH = frozenset({"aac", "ac3", "eac3", "amr", "dts", "loas", "mp3", "truehd"})
# FFmpeg's names for what holds pictures or text.
NO_SOUND = re.compile(r"tty|image2|.*_pipe|gif|apng|ico|srt|ass|webvtt|.*text.*")


@dataclass
class Source:
    """An open recording: what its header states, and how to get at its samples.

    `blocks(start_sample)` yields (n_channels, n_samples) until the end or damage; `warnings`
    is complete when it ends.
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
    lacks_end: bool = False  # the mark that ends such files is missing
    warnings: list[str] = field(default_factory=list)


def recording_error(path: PathLike, text: str) -> RecordingError:
    """Return the error of one line that names the recording."""
    return RecordingError(" ".join(f"{os.fspath(path)}: {text}".split()))


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a recording; RecordingError where there is no sound to be had from it."""
    _check_file(path)
    name = os.fspath(path) if os.name == "nt" else os.fsencode(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(soundfile.SoundFile(name))
        except (soundfile.LibsndfileError, TypeError, ValueError):  # TypeError: headerless .raw
            source = stack.enter_context(_open_with_ffmpeg(path))
        else:
            source = _wrap_soundfile(path, file)
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


def _wrap_soundfile(path: Path, file: Any) -> Source:
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
    if present == 0 or stated >= UNKNOWN_SIZE:
        return n_samples
    return max(n_samples, round(n_samples * (stated / present)))


def _soundfile_blocks(file: Any, source: Source, start: int) -> Iterator[Floats]:
    """Read with libsndfile; where it stops at damage, FFmpeg goes on."""
    if source.tolerance_s == 0 and start <= file.frames:
        file.seek(position := start)  # exact, unlike in MP3
    else:
        position = 0
    while position < file.frames:
        n_samples = min(BLOCK_SAMPLES, file.frames - position)
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
    try:
        with _open_with_ffmpeg(source.path) as other:
            if (other.sample_rate_hz, other.n_channels) == (
                source.sample_rate_hz,
                source.n_channels,
            ):
                yield from other.blocks(start)
            source.warnings += other.warnings
    except RecordingError:
        pass
    if not source.warnings:
        source.warnings.append("decoding stopped at damaged bytes")


# --- FFmpeg -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _open_with_ffmpeg(path: Path) -> Iterator[Source]:
    import av

    try:
        # Nothing that a playlist names is fetched from the network.
        container = av.open(
            f"file:{path}", metadata_errors="ignore", options={"protocol_whitelist": "file"}
        )
    except (av.FFmpegError, ValueError) as error:
        raise recording_error(path, _describe_unreadable(path, error)) from None
    with container:
        stream = _find_sound(container, path)
        warnings: list[str] = []
        frames = _ffmpeg_frames(container, stream, warnings)
        first = next(frames, None)
        if first is None:
            raise recording_error(path, "no sound can be decoded: cut short, damaged or empty")
        rate_hz, samples = first
        duration_s = _stated_duration_s(container, stream)
        yield Source(
            path=path,
            container=container.format.name,
            codec=stream.codec_context.name,
            sample_rate_hz=rate_hz,
            n_channels=len(samples),
            n_promised=None if duration_s is None else round(duration_s * rate_hz),
            tolerance_s=max(TOLERANCE_S, TOLERANCE_SHARE * (duration_s or 0.0)),
            blocks=lambda start: _ffmpeg_blocks(first, frames, start),
            warnings=warnings,
        )


def _describe_unreadable(path: Path, error: Exception) -> str:
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


def _ffmpeg_frames(
    container: Any, stream: Any, warnings: list[str]
) -> Iterator[tuple[int, Floats]]:
    """Yield the rate and the samples (n_channels, n_samples) of each frame that is like the first.

    Leaves out, and counts, what does not decode or is of another rate or number of channels.
    """
    import av

    first: tuple[int, int] | None = None
    n_left_out = 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode() if packet is not None else None
        except av.FFmpegError:
            frames = None
        if frames is None:
            n_left_out += 1
            continue
        for frame in frames:
            samples = _frame_to_float(frame)
            kind = (frame.sample_rate, len(samples))
            first = first or kind
            if kind == first:
                yield frame.sample_rate, samples
            else:
                n_left_out += 1
    if n_left_out:
        pieces = "1 piece" if n_left_out == 1 else f"{n_left_out} pieces"
        warnings.append(f"cut short or damaged: {pieces} could not be decoded and are left out")


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream, and None in the end where the file is damaged."""
    import av

    try:
        yield from container.demux(stream)
    except av.FFmpegError:
        yield None


def _frame_to_float(frame: Any) -> Floats:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    kind, n_bytes = samples.dtype.kind, samples.dtype.itemsize
    floats: Floats = samples.astype(np.float32)
    if kind == "u":
        return (floats - np.float32(128)) / np.float32(128)
    return floats * np.float32(2.0 ** (1 - 8 * n_bytes)) if kind == "i" else floats


def _ffmpeg_blocks(
    first: tuple[int, Floats], rest: Iterator[tuple[int, Floats]], start: int
) -> Iterator[Floats]:
    """Join frames to blocks, from the sample `start`."""
    parts: list[Floats] = []
    n_before, n_gathered = start, 0
    for _, samples in itertools.chain([first], rest):
        n_samples = samples.shape[1]
        if n_before < n_samples:
            parts.append(samples[:, n_before:])
            n_gathered += n_samples - n_before
        n_before = max(0, n_before - n_samples)
        if n_gathered >= BLOCK_SAMPLES:
            yield np.concatenate(parts, axis=1)
            parts, n_gathered = [], 0
    if parts:
        yield np.concatenate(parts, axis=1)


# --- ends -------------------------------------------------------------------------------------


def _look_for_end(path: Path, source: Source) -> None:
    """Compare the size that the container states with the file; look for the end of an Ogg."""
    with path.open("rb") as file:
        head = file.read(64)
        n_bytes = file.seek(0, os.SEEK_END)
        if head.startswith(b"OggS"):
            file.seek(max(0, n_bytes - 65_536))
            source.lacks_end = not _has_last_page(file.read())
        stated = _caf_size(file) if head.startswith(b"caff") else _stated_size(head)
    if stated is not None and stated - n_bytes > len(head):  # some writers err by a header
        source.present_share = n_bytes / stated


def _stated_size(head: bytes) -> int | None:
    """Return the size of the whole file that its first 64 bytes state."""
    places = {b"RIFF": ("<I", 4, 8), b"FORM": (">I", 4, 8), b"RF64": ("<Q", 20, 8)}
    places[b"riff"] = ("<Q", 16, 0)  # Sony Wave64
    if len(head) < 64 or head[:4] not in places:
        return None
    layout, offset, n_header = places[head[:4]]
    (size,) = struct.unpack_from(layout, head, offset)
    unknown = layout.endswith("I") and size >= UNKNOWN_SIZE
    return None if unknown else size + n_header


def _caf_size(file: Any) -> int | None:
    """Return where the last chunk of a Core Audio file that is there ends."""
    end = 8
    while file.seek(end) == end and len(header := file.read(12)) == 12:
        size = struct.unpack(">q", header[4:])[0]
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
