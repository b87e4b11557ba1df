"""Reading with FFmpeg, through PyAV: all that libsndfile cannot read.

PyAV is imported only when a file needs it: it costs a tenth of a second at the start.
"""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shotprint.audio import sources
from shotprint.audio.resampling import Resampler
from shotprint.audio.sources import (
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    TOLERANCE_S,
    TOLERANCE_SHARE,
    Damage,
    Floats,
    Source,
    drop_first,
    recording_error,
    require_track,
)
from shotprint.audio.timeline import Timeline

# From so many channels on, PyAV 18 reads beyond the planes of a frame and may crash.
PYAV_PLANES = 8
# FFmpeg guesses the length of these bare streams from their first frames.
GUESSED_LENGTH = frozenset({"aac", "ac3", "eac3", "amr", "dts", "loas", "truehd"})
# FFmpeg's names for what holds pictures or text.
NO_SOUND = re.compile(r"tty|image2|.*_pipe|gif|apng|ico|srt|ass|webvtt|.*text.*")
DISCARD_ALL = 48  # AVDISCARD_ALL


@contextlib.contextmanager
def open_with_ffmpeg(path: Path, track: int | None) -> Iterator[Source]:
    """Open a track, by default the one that FFmpeg thinks best, of a recording."""
    import av

    try:
        # Behind "file:", FFmpeg follows no playlist to the network.
        container = av.open(f"file:{path}", metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as error:
        raise recording_error(path, _describe_unreadable(path, error)) from None
    with container:
        damage = Damage()
        stream = _find_sound(container, path, track, damage)
        frames = _decode(container, stream, damage)
        first = next(frames, None)
        if first is None:
            raise recording_error(path, "no sound can be decoded: cut short, damaged or empty")
        timeline = Timeline(container, stream, path, damage)
        timeline.start(first)
        rate_hz, duration_s = first.sample_rate, _stated_duration_s(container, stream, path)
        source = Source(
            path=path,
            container=container.format.name,
            codec=stream.codec_context.name,
            sample_rate_hz=rate_hz,
            n_channels=first.layout.nb_channels,
            n_promised=None if duration_s is None else round(duration_s * rate_hz),
            tolerance_s=max(TOLERANCE_S, TOLERANCE_SHARE * (duration_s or 0.0)),
            blocks=lambda start: _blocks(source, itertools.chain([first], frames), timeline, start),
            start_s=timeline.now_s,
            n_tracks=len(container.streams.audio),
            damage=damage,
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


def _find_sound(container: Any, path: Path, track: int | None, damage: Damage) -> Any:
    """Return the sound stream asked for, or the best among those that can be decoded."""
    streams = container.streams.audio
    if not streams:
        name = container.format.name
        if container.streams.video and not NO_SOUND.fullmatch(name):
            raise recording_error(path, f"the video has no sound track ({name})")
        raise recording_error(path, f"no sound file: it looks like {name}")
    require_track(path, track, len(streams))
    candidates = streams if track is None else [streams[track]]
    decodable = [stream for stream in candidates if stream.codec_context is not None]
    if not decodable:
        raise recording_error(path, "its sound is in a codec that cannot be decoded")
    best = container.streams.best("audio")
    found = best if best in decodable else decodable[0]
    if track is None and len(streams) > 1:
        n, chosen = len(streams), streams.index(found)
        damage.remarks.append(f"track {chosen} of {n} (0 to {n - 1}) is used; choose with --track")
    return found


def _stated_duration_s(container: Any, stream: Any, path: Path) -> float | None:
    """Return the length of the sound that the headers state, None where they state none."""
    name, rate_hz = container.format.name, stream.codec_context.sample_rate
    if name == "mp3":
        n_frames = _count_announced_frames(path)
        return n_frames * (1152 if rate_hz >= 32_000 else 576) / rate_hz if n_frames else None
    if name in GUESSED_LENGTH:
        return None
    start_s = float((stream.start_time or 0) * stream.time_base)
    if name.startswith("matroska"):  # states where the sound ends, not how long it is
        end_s = _matroska_end_s(container, stream)
        return None if end_s is None else max(0.0, end_s - start_s)
    if name in ("asf", "flv") and len(container.streams) > 1:  # state the end of the last stream
        return None
    if not stream.duration:
        return container.duration / 1e6 if container.duration else None
    ends = name == "ogg" and stream.codec_context.name == "opus"
    return float(stream.duration * stream.time_base) - (start_s if ends else 0.0)


def _matroska_end_s(container: Any, stream: Any) -> float | None:
    if tag := re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", "")):
        return 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
    if len(container.streams) > 1 or not container.duration:
        return None
    return float(container.duration / 1e6)


def _count_announced_frames(path: Path) -> int | None:
    """Return the number of frames that the first frame of an MP3, behind ID3 or not, states."""
    with path.open("rb") as file:
        head = file.read(10)
        if head.startswith(b"ID3"):
            n_bytes = sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
            file.seek(10 + n_bytes)
            head = b""
        frame = head + file.read(4096)
    found = re.search(
        rb"(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)", frame, re.DOTALL
    )
    return int.from_bytes(found[1], "big") if found else None


def _decode(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    """Yield the frames that can be decoded; count the pieces that cannot."""
    import av

    for other in container.streams:
        if other is not stream:
            with contextlib.suppress(AttributeError):  # before PyAV 18
                other.discard = DISCARD_ALL
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, IndexError) as error:
            damage.broken_off = str(getattr(error, "strerror", None) or error)
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            damage.n_left_out += 1
            continue
        for frame in frames:
            if frame.samples and frame.sample_rate > 0 and frame.layout.nb_channels:
                yield frame
            else:
                damage.n_left_out += 1


def _blocks(
    source: Source, frames: Iterator[Any], timeline: Timeline, start: int
) -> Iterator[Floats]:
    """Yield the samples from `start` on, whatever form the sound changes to."""
    yield from drop_first(_unify(_join(frames, timeline), source), start)


def _join(frames: Iterator[Any], timeline: Timeline) -> Iterator[tuple[int, Floats]]:
    """Join frames to blocks, with silence where some are missing; yield rate and samples."""
    import av

    fifo, form, n_held = av.AudioFifo(), ("", 0, 0), 0
    for frame, following in itertools.pairwise(itertools.chain(frames, [None])):
        silence_s = timeline.place(frame, following)
        its_form = frame.format.name, frame.layout.nb_channels, frame.sample_rate
        if n_held and (silence_s or its_form != form or n_held * form[1] >= sources.BLOCK_VALUES):
            yield form[2], _to_float(fifo.read())
            n_held = 0
        if its_form != form:
            fifo, form = av.AudioFifo(), its_form
        if silence_s:
            yield from _make_silence(silence_s, form)
        frame.pts = None  # the queue would refuse what does not follow
        fifo.write(frame)
        n_held += frame.samples
    if n_held:
        yield form[2], _to_float(fifo.read())
    timeline.finish()


def _make_silence(silence_s: float, form: tuple[str, int, int]) -> Iterator[tuple[int, Floats]]:
    """Yield zeros in blocks."""
    _, n_channels, rate_hz = form
    n_samples, n_block = round(silence_s * rate_hz), max(1, sources.BLOCK_VALUES // n_channels)
    for start in range(0, n_samples, n_block):
        yield rate_hz, np.zeros((n_channels, min(n_block, n_samples - start)), np.float32)


def _to_float(frame: Any) -> Floats:
    """Return the samples of a frame, (n_channels, n_samples)."""
    from av.audio.frame import format_dtypes

    n_channels, form = frame.layout.nb_channels, frame.format
    if form.name not in format_dtypes or (form.is_planar and n_channels >= PYAV_PLANES):
        frame = _interleave(frame)
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, n_channels).T
    kind, n_bytes = samples.dtype.kind, samples.dtype.itemsize
    with np.errstate(over="ignore"):  # of damaged doubles; infinite samples are counted later
        floats: Floats = samples.astype(np.float32, order="C", copy=False)
    if kind == "u":
        return (floats - np.float32(128)) / np.float32(128)
    return floats * np.float32(2.0 ** (1 - 8 * n_bytes)) if kind == "i" else floats


def _interleave(frame: Any) -> Any:
    import av

    layout, rate_hz = frame.layout.name, frame.sample_rate
    return av.AudioResampler(format="flt", layout=layout, rate=rate_hz).resample(frame)[0]


def _unify(pieces: Iterator[tuple[int, Floats]], source: Source) -> Iterator[Floats]:
    """Bring sound that changes its rate or channels into the form that it began with."""
    began = source.sample_rate_hz, source.n_channels
    now, at_s, changes = began, source.start_s, []
    resampler = Resampler(began[0], began[0], began[1])
    for rate_hz, samples in pieces:
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            source.damage.n_left_out += 1
            continue
        if (rate_hz, len(samples)) != now:
            yield resampler.finish()
            now = rate_hz, len(samples)
            resampler = Resampler(rate_hz, *began)
            changes.append((*now, at_s))
        yield resampler.push(_rearrange(samples, began[1]))
        at_s += samples.shape[1] / rate_hz
    yield resampler.finish()
    if changes:
        (rate_hz, n_channels, at_s), n = changes[0], len(changes)
        channels = f"{n_channels} channel{'s' * (n_channels > 1)}"
        source.damage.remarks.append(
            f"the sound changes to {rate_hz} Hz with {channels} at {at_s:.2f} s"
            f"{f', {n} times in all' * (n > 1)}; it is converted to {began[0]} Hz with {began[1]}"
        )


def _rearrange(samples: Floats, n_channels: int) -> Floats:
    """Return the mean on every channel where the number of channels is another."""
    if len(samples) == n_channels:
        return samples
    return np.repeat(samples.mean(axis=0, keepdims=True), n_channels, axis=0)
