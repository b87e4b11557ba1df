"""Recordings in, waveforms out: the only module that opens audio.

A file is decoded in blocks (by libsndfile, or by FFmpeg through PyAV where libsndfile cannot),
cleaned of samples that are no numbers, downmixed and resampled as it is read, so that memory
does not grow with its length. `read` joins the blocks, `stream` hands them on; both give the
same samples.

Waveforms are float32, full scale −1…1. The libraries release the GIL, and no state is shared
between calls: threads may decode at the same time.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from shotprint.errors import RecordingError, ShotprintError
from shotprint.files import write_beside

Floats = NDArray[np.float32]
PathLike = str | os.PathLike[str]

# fmt: off
AUDIO_EXTENSIONS = frozenset((
    ".wav", ".wave", ".rf64", ".w64", ".bwf", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2",
    ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".m4a", ".m4b", ".aac", ".mp4", ".m4v",
    ".mov", ".3gp", ".3g2", ".mkv", ".mka", ".webm", ".amr", ".awb", ".wma", ".wmv", ".asf",
    ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".flv", ".ac3", ".wv", ".tta", ".ape",
    ".alac", ".gsm", ".spx", ".voc", ".ogv",
))
# fmt: on

# Read at once by `read`; longer recordings are streamed.
MAX_READ_S = 3600.0
# A header that states a rate outside is damaged; soxr copes with all between.
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 2_000_000
# Decoded at a time: 22 s at 48 kHz, so that most recordings are one block.
BLOCK_SAMPLES = 1 << 20
# A larger share of samples that are no numbers makes a recording worthless.
MAX_NOT_FINITE = 0.01
# Two channels whose mix has less than this share of their mean power cancel each other (−6 dB).
CANCELLED_POWER = 0.25
# Samples beyond ±2³¹ times full scale are damage, not sound.
MAX_MAGNITUDE = 2.0**31
# Largest swing of a recording that holds no sound: −120 dB of full scale.
SILENT_SWING = 1e-6


@dataclass(frozen=True)
class Probe:
    """What the header of a recording states."""

    path: Path
    container: str
    codec: str
    sample_rate_hz: int
    n_channels: int
    duration_s: float | None  # None: not stated


@dataclass(frozen=True)
class Audio:
    """A decoded recording or a block of one; `waveform` is float32 (n_channels, n_samples)."""

    waveform: Floats
    sample_rate_hz: int
    source_sample_rate_hz: int
    source_channels: int
    warnings: tuple[str, ...] = ()
    swing: float | None = None  # largest minus smallest sample of a channel before resampling

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.waveform.shape[-1] / self.sample_rate_hz


@dataclass(frozen=True)
class FoundRecording:
    """A recording to open at `path` and to call `name`; `error` tells why there is none."""

    path: Path
    name: str
    error: str | None = None


# --- decoding ---------------------------------------------------------------------------------


@dataclass
class _Source:
    """An open recording: what its header states, and its samples (n, n_channels) in blocks."""

    path: Path
    container: str
    codec: str
    sample_rate_hz: int
    n_channels: int
    n_promised: int | None
    tolerance_s: float
    blocks: Iterator[Floats]
    warnings: list[str] = field(default_factory=list)


def _failure(path: PathLike, text: str) -> RecordingError:
    return RecordingError(" ".join(f"{os.fspath(path)}: {text}".split()))


def _check_file(path: Path) -> None:
    """Raise RecordingError unless `path` is a file with bytes in it that may be read."""
    try:
        if path.is_dir():
            raise _failure(path, "a folder was found where a recording was expected")
        with path.open("rb") as file:
            if not file.read(1):
                raise _failure(path, "the file is empty (0 bytes)")
    except FileNotFoundError:
        raise _failure(path, "no such file; check the path") from None
    except OSError as error:
        raise _failure(path, f"the file cannot be opened ({error.strerror or error})") from None


@contextlib.contextmanager
def _open_source(path: Path) -> Iterator[_Source]:
    """Open a recording with libsndfile, or with FFmpeg where that cannot."""
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
            raise _failure(
                path,
                f"its header states a sample rate of {source.sample_rate_hz} Hz; "
                f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz can be read",
            )
        yield source


def _wrap_soundfile(path: Path, file: Any) -> _Source:
    source = _Source(
        path=path,
        container=file.format,
        codec=file.subtype,
        sample_rate_hz=file.samplerate,
        n_channels=file.channels,
        n_promised=_promised_samples(file),
        tolerance_s=0.0,
        blocks=iter(()),
    )
    source.blocks = _soundfile_blocks(file, source.warnings)
    return source


def _promised_samples(file: Any) -> int | None:
    """Return how many samples a channel the header states, None where it states none.

    libsndfile corrects a header that promises more than there is, and says so in its log.
    """
    if file.frames >= 1 << 62:
        return None
    found = re.search(r"(?:data|SSND|Data Size)\s*:\s*(\d+) \(should be (\d+)\)", file.extra_info)
    if found is None:
        return int(file.frames)
    stated, present = int(found[1]), int(found[2])
    if present == 0 or stated >= 0x7FFFF000:  # an unknown length, as written into a pipe
        return int(file.frames)
    return max(int(file.frames), round(file.frames * (stated / present)))


def _soundfile_blocks(file: Any, warnings: list[str]) -> Iterator[Floats]:
    n_left = file.frames
    while n_left > 0:
        try:
            block = file.read(min(n_left, BLOCK_SAMPLES), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            warnings.append(f"decoding stopped at damaged bytes ({error.error_string})")
            return
        if len(block) == 0:
            return
        n_left -= len(block)
        yield block


@contextlib.contextmanager
def _open_with_ffmpeg(path: Path) -> Iterator[_Source]:
    import av

    try:
        # Nothing that a playlist names is fetched from the network.
        container = av.open(
            f"file:{path}", metadata_errors="ignore", options={"protocol_whitelist": "file"}
        )
    except (av.FFmpegError, ValueError) as error:
        raise _failure(path, f"this is no sound file that can be read ({error})") from None
    with container:
        if not container.streams.audio:
            raise _failure(path, _describe_soundless(container))
        stream = container.streams.best("audio")
        context = stream.codec_context
        rate_hz = context.sample_rate or 0
        duration_s = _stated_duration_s(container, stream)
        source = _Source(
            path=path,
            container=container.format.name,
            codec=context.name,
            sample_rate_hz=rate_hz,
            n_channels=context.channels,
            n_promised=None if duration_s is None else round(duration_s * rate_hz),
            tolerance_s=max(0.25, 0.02 * (duration_s or 0.0)),
            blocks=iter(()),
        )
        source.blocks = _ffmpeg_blocks(container, stream, source)
        yield source


def _describe_soundless(container: Any) -> str:
    name = container.format.name
    is_picture = name == "tty" or "image2" in name or name.endswith("_pipe")
    if container.streams.video and not is_picture:
        return f"the video ({name}) has no sound track"
    return f"this is no sound file (it looks like {name})"


def _stated_duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _ffmpeg_blocks(container: Any, stream: Any, source: _Source) -> Iterator[Floats]:
    parts: list[Floats] = []
    n_gathered = 0
    for frame in _ffmpeg_frames(container, stream, source):
        parts.append(frame)
        n_gathered += len(frame)
        if n_gathered >= BLOCK_SAMPLES:
            yield np.concatenate(parts)
            parts, n_gathered = [], 0
    if parts:
        yield np.concatenate(parts)


def _ffmpeg_frames(container: Any, stream: Any, source: _Source) -> Iterator[Floats]:
    """Yield decoded frames (n, n_channels); leave out, and count, what is damaged."""
    import av

    n_damaged = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError:
            n_damaged += 1
            break
        try:
            frames = packet.decode()
        except av.FFmpegError:
            n_damaged += 1
            continue
        for frame in frames:
            fits = frame.sample_rate == source.sample_rate_hz
            if fits and frame.layout.nb_channels == source.n_channels:
                yield _frame_to_float(frame)
            else:
                n_damaged += 1
    if n_damaged:
        source.warnings.append(f"{n_damaged} damaged pieces were left out")


def _frame_to_float(frame: Any) -> Floats:
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) * np.float32(0.5 ** (8 * samples.itemsize - 1))
    return samples.astype(np.float32)


# --- cleaning, channels, level ----------------------------------------------------------------


def _parse_channel(channel: str) -> str | int:
    if channel in ("mix", "loudest", "each"):
        return channel
    if re.fullmatch(r"[0-9]{1,4}", channel):
        return int(channel)
    raise ShotprintError(
        f"channel {channel!r} was asked for; give mix, loudest, each or a number from 0"
    )


class _Tally:
    """Sums over the blocks of a recording from which levels and warnings follow."""

    def __init__(self, n_channels: int) -> None:
        self.n_samples = 0
        self.n_not_finite = 0
        self.lowest = np.inf
        self.highest = -np.inf
        self.swing = 0.0
        self._sums = np.zeros(n_channels)
        self._products = np.zeros((n_channels, n_channels))

    def clean(self, block: Floats) -> Floats:
        """Return the block with samples that are no numbers replaced by 0, and count them."""
        if np.isfinite(block.sum()) and abs(block).max(initial=0) <= MAX_MAGNITUDE:
            return block
        good = np.abs(block) <= MAX_MAGNITUDE
        self.n_not_finite += int(good.size - np.count_nonzero(good))
        return np.where(good, block, np.float32(0))

    def add(self, block: Floats) -> None:
        """Add a block (n, n_channels)."""
        self.n_samples += len(block)
        if block.shape[1] > 1:
            self._sums += block.sum(axis=0, dtype=np.float64)
            self._products += block.T @ block

    def covariance(self) -> NDArray[np.float64]:
        """Return the (n_channels, n_channels) covariance of the channels."""
        mean = self._sums / max(1, self.n_samples)
        return self._products / max(1, self.n_samples) - np.outer(mean, mean)

    def loudest(self) -> int:
        """Return the channel of the largest power, its constant part left out."""
        return int(np.argmax(np.diag(self.covariance())))

    def phase_warning(self) -> str | None:
        """Say which two channels cancel each other most when mixed, None where none do."""
        covariance = self.covariance()
        power = np.diag(covariance)
        pair_power = power[:, None] + power[None, :]  # twice the mean power of the two
        with np.errstate(all="ignore"):
            kept = (pair_power + 2 * covariance) / 2 / pair_power  # 1: alike, ½: unrelated
            correlation = covariance / np.sqrt(np.outer(power, power))
        kept = np.where(np.isfinite(correlation), kept, 1.0)
        a, b = sorted(np.unravel_index(np.argmin(kept), kept.shape))
        if kept[a, b] >= CANCELLED_POWER:
            return None
        return (
            f"channels {a} and {b} are in opposite phase (correlation {correlation[a, b]:.2f}) "
            "and cancel each other in the mix; try --channel loudest"
        )


def _select(block: Floats, chosen: str | int) -> Floats:
    """Return the chosen channels of a block (n, n_channels)."""
    if chosen == "each":
        return block
    if chosen == "mix":
        return block if block.shape[1] == 1 else block.mean(axis=1, keepdims=True)
    return block[:, [int(chosen)]]


def _choose(source: _Source, channel: str) -> str | int:
    """Return mix, each or the number of a channel that the recording has."""
    chosen = _parse_channel(channel)
    if isinstance(chosen, int) and chosen >= source.n_channels:
        raise _failure(source.path, _no_such_channel(chosen, source.n_channels))
    if chosen == "loudest":
        return 0 if source.n_channels == 1 else _find_loudest(source)
    return chosen


def _no_such_channel(channel: int, n_channels: int) -> str:
    return (
        f"channel {channel} was asked for but there {'is' if n_channels == 1 else 'are'} "
        f"{n_channels} (numbered from 0)"
    )


def _find_loudest(source: _Source) -> int:
    """Return the loudest channel; reads a recording of more than one block twice."""
    first = next(source.blocks, None)
    if first is None:
        return 0
    tally = _Tally(source.n_channels)
    tally.add(tally.clean(first))
    rest = next(source.blocks, None)
    if rest is not None:
        with _open_source(source.path) as again:
            for block in again.blocks:
                tally.add(tally.clean(block))
        tally_of_all = tally
    else:
        tally_of_all = tally
    following = source.blocks

    def replay() -> Iterator[Floats]:
        yield first
        if rest is not None:
            yield rest
            yield from following

    source.blocks = replay()
    return tally_of_all.loudest()


def select_channels(waveform: Floats, channel: str) -> tuple[Floats, tuple[str, ...]]:
    """Return the channels asked for, and what is to be said about them.

    Parameters
    ----------
    waveform : (n_channels, n_samples)
    channel : ``mix`` (the mean of all), ``loudest``, ``each`` or a number from ``0``

    Returns
    -------
    waveform (1 or n_channels, n_samples), and the warning where a mix cancels two channels.

    Raises
    ------
    RecordingError
        There is no such channel.
    """
    chosen = _parse_channel(channel)
    block = np.ascontiguousarray(waveform.T, dtype=np.float32)
    if isinstance(chosen, int) and chosen >= len(waveform):
        raise RecordingError(_no_such_channel(chosen, len(waveform)))
    tally = _Tally(len(waveform))
    tally.add(block)
    if chosen == "loudest":
        chosen = tally.loudest()
    warning = tally.phase_warning() if chosen == "mix" else None
    return np.ascontiguousarray(_select(block, chosen).T), (warning,) if warning else ()


# --- rate -------------------------------------------------------------------------------------


def resample(waveform: Floats, from_hz: float, to_hz: float) -> Floats:
    """Return the waveform (…, n_samples) at another rate (soxr, quality HQ).

    The band up to 0.91 of the lower Nyquist frequency is kept to within 0.01 dB; n_samples
    becomes n_samples · to_hz / from_hz, rounded.
    """
    if from_hz == to_hz:
        return waveform.astype(np.float32)
    flat = waveform.reshape(-1, waveform.shape[-1]).astype(np.float32, copy=False)
    resampled = soxr.resample(flat.T, from_hz, to_hz)
    return np.ascontiguousarray(resampled.T).reshape(*waveform.shape[:-1], -1)


# --- the whole way ----------------------------------------------------------------------------


@dataclass
class _Reading:
    """A recording on its way from file to waveform; `finish` says what there is to warn of."""

    source: _Source
    chosen: str | int
    sample_rate_hz: int
    start_s: float
    duration_s: float | None
    tally: _Tally

    def waveforms(self) -> Iterator[Floats]:
        """Yield pieces (n, n_channels) of any length at the target rate."""
        rate_hz = self.source.sample_rate_hz
        resampler: Any = None
        pending: Floats | None = None
        for block in _cut(self.source.blocks, self.start_s, self.duration_s, rate_hz):
            block = self.tally.clean(block)
            self.tally.add(block)
            selected = _select(block, self.chosen)
            self._measure(selected)
            if rate_hz == self.sample_rate_hz:
                yield selected
                continue
            if pending is not None:
                resampler = resampler or self._resampler(selected.shape[1])
                yield resampler.resample_chunk(pending)
            pending = np.ascontiguousarray(selected)
        if pending is not None:
            resampler = resampler or self._resampler(pending.shape[1])
            yield resampler.resample_chunk(pending, last=True)

    def _resampler(self, n_channels: int) -> Any:
        return soxr.ResampleStream(self.source.sample_rate_hz, self.sample_rate_hz, n_channels)

    def _measure(self, selected: Floats) -> None:
        if len(selected):
            swings = np.ptp(selected, axis=0)
            self.tally.swing = max(self.tally.swing, float(swings.max()))

    def finish(self) -> tuple[str, ...]:
        """Return the warnings; raise RecordingError where nothing usable was read."""
        source, tally = self.source, self.tally
        if tally.n_samples == 0:
            raise _failure(source.path, "there are no samples in it")
        n_values = tally.n_samples * source.n_channels
        share = tally.n_not_finite / n_values
        if share >= MAX_NOT_FINITE:
            raise _failure(source.path, f"{share:.0%} of its samples are no finite numbers")
        warnings = list(source.warnings)
        if tally.n_not_finite:
            warnings.append(
                f"{tally.n_not_finite} samples that are no finite numbers were set to 0"
            )
        if self.duration_s is None:
            warnings += self._shortness()
        if self.chosen == "mix" and source.n_channels > 1 and (w := tally.phase_warning()):
            warnings.append(w)
        return tuple(warnings)

    def _shortness(self) -> list[str]:
        source = self.source
        if source.n_promised is None:
            return []
        promised_s = source.n_promised / source.sample_rate_hz
        read_s = self.start_s + self.tally.n_samples / source.sample_rate_hz
        if read_s >= promised_s - source.tolerance_s - 0.5 / source.sample_rate_hz:
            return []
        return [f"the file is cut short: {read_s:.2f} s of {promised_s:.2f} s could be read"]


def _cut(
    blocks: Iterable[Floats], start_s: float, duration_s: float | None, rate_hz: int
) -> Iterator[Floats]:
    """Yield what lies between `start_s` and `start_s + duration_s`."""
    if start_s == 0 and duration_s is None:
        yield from blocks
        return
    start = round(start_s * rate_hz)
    stop = None if duration_s is None else start + round(duration_s * rate_hz)
    position = 0
    for block in blocks:
        if stop is not None and position >= stop:
            return
        piece = block[max(0, start - position) : None if stop is None else stop - position]
        position += len(block)
        if len(piece):
            yield piece


@contextlib.contextmanager
def _open_reading(
    path: PathLike,
    sample_rate_hz: int | None,
    channel: str,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Iterator[_Reading]:
    with _open_source(Path(path)) as source:
        chosen = _choose(source, channel)
        rate_hz = sample_rate_hz or source.sample_rate_hz
        tally = _Tally(source.n_channels)
        yield _Reading(source, chosen, rate_hz, start_s, duration_s, tally)


def probe(path: PathLike) -> Probe:
    """Return what the header of a recording states, without decoding it.

    Raises
    ------
    RecordingError
        The file is missing, empty, no sound, or a video without sound.
    """
    with _open_source(Path(path)) as source:
        n_promised, rate_hz = source.n_promised, source.sample_rate_hz
        return Probe(
            path=source.path,
            container=source.container,
            codec=source.codec,
            sample_rate_hz=rate_hz,
            n_channels=source.n_channels,
            duration_s=None if n_promised is None else n_promised / rate_hz,
        )


def read(
    path: PathLike,
    *,
    sample_rate_hz: int | None = None,
    channel: str = "mix",
    start_s: float = 0.0,
    duration_s: float | None = None,
    max_duration_s: float | None = MAX_READ_S,
) -> Audio:
    """Decode a recording, or `duration_s` of it from `start_s`, into memory.

    Parameters
    ----------
    sample_rate_hz : the rate of the waveform, by default the recording's own
    channel : ``mix`` (the mean of all), ``loudest``, ``each`` or a number from ``0``
    max_duration_s : a longer recording is refused; `stream` reads it in bounded memory

    Returns
    -------
    Audio with one channel, or every channel for ``each``. Its warnings say where the file was
    cut short or damaged, held NaN or infinite samples (set to 0, below 1 %), or where mixing
    cancels channels in opposite phase. Silence is no error here, see `require_sound`.

    Raises
    ------
    RecordingError
        The file is missing, empty, no sound, a video without sound, without samples, of too
        many samples that are no numbers, longer than `max_duration_s`, or has no such channel.
    """
    with _open_reading(path, sample_rate_hz, channel, start_s, duration_s) as reading:
        source = reading.source
        parts: list[Floats] = []
        for part in reading.waveforms():
            parts.append(part)
            read_s = reading.tally.n_samples / source.sample_rate_hz
            if max_duration_s is not None and read_s > max_duration_s:
                raise _failure(
                    path,
                    f"it is longer than {max_duration_s:.0f} s, the most read at once; "
                    "read a part of it or stream it",
                )
        warnings = reading.finish()
        waveform = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return Audio(
        waveform=np.ascontiguousarray(waveform.T),
        sample_rate_hz=reading.sample_rate_hz,
        source_sample_rate_hz=source.sample_rate_hz,
        source_channels=source.n_channels,
        warnings=warnings,
        swing=reading.tally.swing,
    )


def stream(
    path: PathLike,
    *,
    block_s: float = 10.0,
    sample_rate_hz: int | None = None,
    channel: str = "mix",
) -> Iterator[Audio]:
    """Yield a recording of any length in blocks of `block_s`, the last one shorter.

    Joined, the blocks equal what `read` gives. Memory is bounded by the block. The last block
    carries the warnings. ``loudest`` reads the file twice, for one channel must serve all.

    Raises
    ------
    RecordingError
        As `read`; where too many samples are no numbers, after the last block.
    """
    with _open_reading(path, sample_rate_hz, channel) as reading:
        n_block = max(1, round(block_s * reading.sample_rate_hz))
        pieces = _in_blocks(reading.waveforms(), n_block)
        held = next(pieces, None)
        while held is not None:
            following = next(pieces, None)
            warnings = reading.finish() if following is None else ()
            yield Audio(
                waveform=np.ascontiguousarray(held.T),
                sample_rate_hz=reading.sample_rate_hz,
                source_sample_rate_hz=reading.source.sample_rate_hz,
                source_channels=reading.source.n_channels,
                warnings=warnings,
            )
            held = following
        reading.finish()


def _in_blocks(pieces: Iterable[Floats], n_block: int) -> Iterator[Floats]:
    """Join pieces (n, n_channels) of any length and cut them into blocks of `n_block`."""
    held: list[Floats] = []
    n_held = 0
    for piece in pieces:
        held.append(piece)
        n_held += len(piece)
        if n_held < n_block:
            continue
        joined = np.concatenate(held)
        n_whole = n_held - n_held % n_block
        yield from (joined[i : i + n_block] for i in range(0, n_whole, n_block))
        held, n_held = [joined[n_whole:]], n_held - n_whole
    if n_held:
        yield np.concatenate(held)


def require_sound(audio: Audio, path: PathLike) -> None:
    """Raise RecordingError where a recording is silent: all its samples are the same.

    Judged before resampling, which rings at the ends of a constant.
    """
    swing = audio.swing
    if swing is None:
        swing = float(np.ptp(audio.waveform, axis=-1).max(initial=0.0))
    if swing <= SILENT_SWING:
        cancelled = any("opposite phase" in warning for warning in audio.warnings)
        reason = "its channels cancel each other; try --channel loudest" if cancelled else "silent"
        raise _failure(path, f"there is no sound in it ({reason})")


def write_wav(
    path: PathLike, waveform: Floats, sample_rate_hz: int, subtype: str = "PCM_16"
) -> None:
    """Write a WAV file beside and rename it; samples beyond full scale are clipped.

    Parameters
    ----------
    waveform : (n_samples,) or (n_channels, n_samples)
    subtype : as libsndfile names it: PCM_U8, PCM_16, PCM_24, PCM_32, FLOAT, DOUBLE, …
    """
    bits = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}.get(subtype)
    samples: NDArray[Any] = np.asarray(waveform)
    if not np.isfinite(samples).all():
        raise ValueError("the waveform to be written holds NaN or infinite samples")
    if bits:  # libsndfile would scale by 2ⁿ − 1 but reads by 2ⁿ
        full = 2.0 ** (bits - 1)
        whole = np.clip(np.rint(samples.astype(np.float64) * full), -full, full - 1)
        samples = (
            whole.astype(np.int16)
            if bits == 16
            else whole.astype(np.int64).__lshift__(32 - bits).astype(np.int32)
        )
    with write_beside(path) as beside:
        soundfile.write(beside, samples.T, sample_rate_hz, subtype=subtype, format="WAV")


# --- finding ----------------------------------------------------------------------------------


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", name.casefold())
    key = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
    return [*key, (2, 0, name)]


def find_recordings(paths: Sequence[PathLike]) -> list[FoundRecording]:
    """Return the files given and every recording below the folders given.

    A file is named as it was given; one in a folder by the folder as given and the path below
    it. A file that is given is taken whatever its extension; in folders, `AUDIO_EXTENSIONS` in
    any case, hidden files and ``__MACOSX`` left out. Folders are sorted naturally: shot2 stands
    before shot10. What does not exist, cannot be listed or holds no recording is returned with
    its `error`.
    """
    found: list[FoundRecording] = []
    for given in paths:
        path = Path(given)
        name = os.fspath(given)
        if path.is_dir():
            found += _find_below(path, name)
        elif path.exists():
            found.append(FoundRecording(path, name))
        else:
            found.append(FoundRecording(path, name, "no such file or folder"))
    return found


def _find_below(folder: Path, name: str) -> list[FoundRecording]:
    errors: list[FoundRecording] = []

    def note(error: OSError) -> None:
        below = Path(error.filename)
        text = f"the folder cannot be read ({error.strerror})"
        errors.append(FoundRecording(below, str(Path(name) / below.relative_to(folder)), text))

    files: list[Path] = []
    for where, subfolders, names in os.walk(folder, onerror=note):
        subfolders[:] = [s for s in subfolders if not s.startswith(".") and s != "__MACOSX"]
        files += [Path(where) / n for n in names if _is_recording_name(n)]
    files.sort(key=lambda file: [_natural_key(part) for part in file.relative_to(folder).parts])
    found = [FoundRecording(f, str(Path(name) / f.relative_to(folder))) for f in files]
    if not found and not errors:
        errors = [FoundRecording(folder, name, "the folder holds no recordings")]
    return [*found, *errors]


def _is_recording_name(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in AUDIO_EXTENSIONS
