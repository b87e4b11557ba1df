"""The whole way from a recording to a waveform, at once or in blocks."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from shotprint.audio.channels import Tally, missing_channel, parse_channel, pick_channels
from shotprint.audio.decoding import open_source
from shotprint.audio.resampling import Resampler
from shotprint.audio.sources import (
    Floats,
    PathLike,
    Place,
    Source,
    recording_error,
    to_place,
)
from shotprint.errors import OutputError, ShotprintError
from shotprint.files import write_beside

# Longer recordings are streamed, not read at once.
MAX_READ_S = 3600.0
# A larger share of samples that are no numbers makes a recording worthless.
MAX_NOT_FINITE = 0.01
# Largest swing of a recording that holds no sound: one step of 16 bits (AMR and AC-3 decode
# silence to half a step).
SILENT_SWING = 2.0**-15
# A muzzle blast and its reflection from the ground take this long; less holds no shot.
MIN_LENGTH_S = 0.010
# Decoders of lossy sound overshoot full scale a little; beyond this the scale is another one.
MAX_PEAK = 8.0


@dataclass(frozen=True)
class Probe:
    """What the header of a recording states."""

    path: Path
    container: str
    codec: str
    sample_rate_hz: int
    n_channels: int
    duration_s: float | None  # None: not stated
    n_tracks: int = 1  # of sound


@dataclass(frozen=True, eq=False)
class Audio:
    """A decoded recording or a block of one; `waveform` is float32 (n_channels, n_samples).

    `start_s` is when its first sample is heard on the clock of a player, which starts with the
    earliest of pictures and sound.
    """

    waveform: Floats
    sample_rate_hz: int
    source_sample_rate_hz: int
    source_channels: int
    warnings: tuple[str, ...] = ()
    swing: float | None = None  # largest minus smallest sample of a channel before resampling
    start_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.waveform.shape[-1] / self.sample_rate_hz)


@dataclass(frozen=True)
class _Request:
    sample_rate_hz: int | None
    channel: str
    track: int | None
    start_s: float = 0.0
    duration_s: float | None = None

    def __post_init__(self) -> None:
        parse_channel(self.channel)
        if self.start_s < 0 or (self.duration_s is not None and self.duration_s <= 0):
            raise ShotprintError(
                f"{self.duration_s} s from {self.start_s} s were asked for; "
                "the start must be 0 or later, the duration above 0"
            )
        if self.track is not None and self.track < 0:
            raise ShotprintError(f"track {self.track} was asked for; give a number from 0")


class _Reading:
    """A recording on its way from file to waveform."""

    def __init__(self, source: Source, chosen: str | int, request: _Request) -> None:
        self.source = source
        self.request = request
        self.sample_rate_hz = request.sample_rate_hz or source.sample_rate_hz
        self.swing = 0.0
        self.first_sample, _ = _find_span(source, request)
        self._chosen = chosen
        self._tally = Tally(source.n_channels)
        self._lowest, self._highest = np.inf, -np.inf

    @property
    def start_s(self) -> float:
        """When the first sample is heard on the player's clock."""
        return self.source.start_s + self.first_sample / self.source.sample_rate_hz

    @property
    def read_s(self) -> float:
        """Seconds decoded so far."""
        return self._tally.n_samples / self.source.sample_rate_hz

    def pieces(self) -> Iterator[Floats]:
        """Yield the waveform (n_channels, n_samples) in pieces of any length."""
        resampler: Resampler | None = None
        for block in self._selected():
            if resampler is None:
                rates_hz = self.source.sample_rate_hz, self.sample_rate_hz
                resampler = Resampler(*rates_hz, len(block))
            yield resampler.push(block)
        if resampler is not None:
            yield resampler.finish()

    def _selected(self) -> Iterator[Floats]:
        for block in _decode(self.source, self.request):
            block = self._tally.add(block)
            selected = pick_channels(block, self._chosen)
            lowest, highest = selected.min(axis=1), selected.max(axis=1)
            self._lowest = np.minimum(self._lowest, lowest)
            self._highest = np.maximum(self._highest, highest)
            self.swing = float(np.max(self._highest - self._lowest))
            yield selected

    def finish(self) -> tuple[str, ...]:
        """Return the warnings; raise RecordingError where nothing usable was read."""
        source, tally = self.source, self._tally
        self._require_samples()
        n_values = tally.n_samples * source.n_channels
        if tally.n_not_finite >= MAX_NOT_FINITE * n_values:
            text = f"{tally.n_not_finite} of its {n_values} samples are no finite numbers"
            raise recording_error(source.path, f"{text}; export it again as WAV or FLAC")
        n_left_out, warnings = source.damage.n_left_out, list(source.damage.remarks)
        shortness = self._shortness() if self.request.duration_s is None else None
        if n_left_out > 1 or (n_left_out and not shortness):
            pieces = f"{n_left_out} piece{'s' * (n_left_out > 1)}"
            warnings.append(f"damaged: {pieces} of sound left out, undecodable")
        if tally.n_not_finite:
            warnings.append(f"{tally.n_not_finite} samples that are no finite numbers are set to 0")
        if shortness:
            warnings.append(shortness)
        peak = float(max(np.max(self._highest), -np.min(self._lowest)))
        if peak > MAX_PEAK:
            warnings.append(f"its samples reach {peak:.0f} where ±1 is full scale")
        warnings += tally.level_warnings(self._chosen)
        if self._chosen == "mix" and (cancelling := tally.phase_warning()):
            warnings.append(cancelling)
        return tuple(warnings)

    def _require_samples(self) -> None:
        if self._tally.n_samples:
            return
        promised_s = (self.source.n_promised or 0) / self.source.sample_rate_hz
        end_s, start_s = self.source.start_s + promised_s, self.request.start_s
        if promised_s > 0 and end_s <= start_s:
            text = f"it ends at {end_s:.2f} s, before the start asked for ({start_s:.2f} s)"
        elif _find_span(self.source, self.request)[1] == 0:
            text = f"its sound begins at {self.source.start_s:.2f} s, after the part asked for"
        elif promised_s or self.source.present_share < 1 or self.source.lacks_end:
            text = "cut short or damaged: no sound can be decoded"
        else:
            text = "there are no samples in it"
        raise recording_error(self.source.path, text)

    def _shortness(self) -> str | None:
        """Say how much of the recording is there if it was cut short."""
        source = self.source
        read_s = self.first_sample / source.sample_rate_hz + self.read_s
        promised_s = (source.n_promised or 0) / source.sample_rate_hz
        if source.present_share < 1:
            promised_s = max(promised_s, read_s / source.present_share)
        if read_s < promised_s - source.tolerance_s - 0.5 / source.sample_rate_hz:
            return f"cut short: {read_s:.3f} s of {promised_s:.3f} s can be read"
        if source.lacks_end:
            return f"cut short: it breaks off after {read_s:.3f} s, its end was never written"
        return None


def _find_span(source: Source, request: _Request) -> tuple[int, int | None]:
    """Return the first sample asked for and how many; None: to the end."""
    start = round((request.start_s - source.start_s) * source.sample_rate_hz)
    if request.duration_s is None:
        return max(0, start), None
    n_samples = max(1, round(request.duration_s * source.sample_rate_hz))
    return max(0, start), max(0, n_samples + min(0, start))


def _decode(source: Source, request: _Request) -> Iterator[Floats]:
    """Yield the blocks that lie within the span of time asked for."""
    start, n_left = _find_span(source, request)
    if n_left is None:
        yield from source.blocks(start)
        return
    if n_left == 0:
        return
    for block in source.blocks(start):
        yield block[:, :n_left]
        n_left -= block.shape[1]
        if n_left <= 0:
            return


@contextlib.contextmanager
def _open_reading(path: Place, request: _Request) -> Iterator[_Reading]:
    with open_source(path, request.track) as source:
        chosen = parse_channel(request.channel)
        if problem := missing_channel(chosen, source.n_channels):
            raise recording_error(path, problem)
        if chosen == "loudest":
            chosen = 0 if source.n_channels == 1 else _find_loudest(path, request)
        yield _Reading(source, chosen, request)


def _find_loudest(path: Place, request: _Request) -> int:
    with open_source(path, request.track) as source:
        tally = Tally(source.n_channels)
        for block in _decode(source, request):
            tally.add(block)
    return tally.loudest()


def probe(path: PathLike, *, track: int | None = None) -> Probe:
    """Return what the header of a recording states.

    Raises
    ------
    RecordingError
        The file is missing, empty, no sound, a video without sound, or has no such track.
    """
    with open_source(to_place(path), track) as source:
        n_promised, rate_hz = source.n_promised, source.sample_rate_hz
        return Probe(
            path=source.path,
            container=source.container,
            codec=source.codec,
            sample_rate_hz=rate_hz,
            n_channels=source.n_channels,
            duration_s=None if n_promised is None else n_promised / rate_hz,
            n_tracks=source.n_tracks,
        )


def read(
    path: PathLike,
    *,
    sample_rate_hz: int | None = None,
    channel: str = "mix",
    track: int | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
    max_duration_s: float = MAX_READ_S,
) -> Audio:
    """Decode a recording, or `duration_s` of it from `start_s`, into memory.

    Parameters
    ----------
    sample_rate_hz : the rate of the waveform, by default the recording's own
    channel : ``mix`` (the mean of all), ``loudest``, ``each`` or a number from ``0``
    track : which track of sound, from 0; by default the one that FFmpeg thinks best
    start_s, duration_s : on the player's clock, as `Audio.start_s`
    max_duration_s : a longer recording is refused; `stream` reads it in bounded memory

    Returns
    -------
    Audio with one channel, or every channel for ``each``. Its warnings say where the file was
    cut short or damaged, held NaN or infinite samples (set to 0, below 1 %), misses sound in the
    middle (filled with silence, so that what follows keeps its time), changes its rate, is clipped
    all the time, or where mixing cancels channels in opposite phase. Sound that begins after the
    pictures is not padded: see `Audio.start_s`. Silence is no error here, see `require_sound`.

    Raises
    ------
    RecordingError
        The file is missing, empty, no sound, a video without sound, without samples, of too
        many samples that are no numbers, longer than `max_duration_s`, or has no such channel or
        track.
    """
    path = to_place(path)
    request = _Request(sample_rate_hz, channel, track, start_s, duration_s)
    with _open_reading(path, request) as reading:
        parts: list[Floats] = []
        for part in reading.pieces():
            parts.append(part)
            _refuse_long(path, reading.read_s, max_duration_s)
        warnings = reading.finish()
        return _to_audio(np.concatenate(parts, axis=1), reading, warnings)


def _refuse_long(path: Place, duration_s: float, max_duration_s: float) -> None:
    if duration_s > max_duration_s:
        raise recording_error(
            path,
            f"it is longer than the {max_duration_s:.0f} s that are read at once; "
            "cut it, or read a part of it",
        )


def _to_audio(
    waveform: Floats, reading: _Reading, warnings: tuple[str, ...], n_before: int = 0
) -> Audio:
    return Audio(
        waveform=np.ascontiguousarray(waveform),
        sample_rate_hz=reading.sample_rate_hz,
        source_sample_rate_hz=reading.source.sample_rate_hz,
        source_channels=reading.source.n_channels,
        warnings=warnings,
        swing=reading.swing,
        start_s=reading.start_s + n_before / reading.sample_rate_hz,
    )


def stream(
    path: PathLike,
    *,
    block_s: float = 10.0,
    sample_rate_hz: int | None = None,
    channel: str = "mix",
    track: int | None = None,
) -> Iterator[Audio]:
    """Yield a recording of any length in blocks of `block_s`, the last one shorter.

    Joined, the blocks equal what `read` gives; each has its own `start_s`. Memory is bounded by
    the block. The last block carries the warnings, and its `swing` is that of the whole
    recording. ``loudest`` reads the file twice, for one channel must serve all.

    Raises
    ------
    RecordingError
        As `read`; where too many samples are no numbers, after the last but one block.
    """
    with _open_reading(to_place(path), _Request(sample_rate_hz, channel, track)) as reading:
        n_block = max(1, round(block_s * reading.sample_rate_hz))
        held: Floats | None = None
        n_before = 0
        for block in _in_blocks(reading.pieces(), n_block):
            if held is not None:
                yield _to_audio(held, reading, (), n_before)
                n_before += held.shape[1]
            held = block
        warnings = reading.finish()
        if held is not None:
            yield _to_audio(held, reading, warnings, n_before)


def _in_blocks(pieces: Iterable[Floats], n_block: int) -> Iterator[Floats]:
    """Join pieces (n_channels, n_samples) of any length and cut them into blocks of `n_block`."""
    held: list[Floats] = []
    n_held = 0
    for piece in pieces:
        held.append(piece)
        n_held += piece.shape[1]
        if n_held < n_block:
            continue
        joined = np.concatenate(held, axis=1)
        n_whole = n_held - n_held % n_block
        yield from (joined[:, i : i + n_block] for i in range(0, n_whole, n_block))
        held, n_held = [joined[:, n_whole:]], n_held - n_whole
    if n_held:
        yield np.concatenate(held, axis=1)


def require_sound(audio: Audio, path: PathLike) -> None:
    """Raise RecordingError where a recording is silent: all its samples are the same.

    Judged by the samples before resampling, which rings at the ends of a constant.
    """
    swing = audio.swing
    if swing is None:
        swing = float(np.ptp(audio.waveform, axis=-1).max()) if audio.waveform.size else 0.0
    if swing > SILENT_SWING:
        return
    if any("opposite phase" in warning for warning in audio.warnings):
        raise recording_error(path, "its channels cancel each other; try --channel loudest")
    raise recording_error(path, "silent: there is no sound in it")


def require_length(audio: Audio, path: PathLike) -> None:
    """Raise RecordingError where a recording, read at once, is shorter than `MIN_LENGTH_S`."""
    if audio.duration_s < MIN_LENGTH_S:
        raise recording_error(
            path,
            f"only {1000 * audio.duration_s:.3g} ms long; a shot needs {1000 * MIN_LENGTH_S:g} ms "
            "or more: give the whole recording",
        )


def write_wav(
    path: PathLike,
    waveform: Floats,
    sample_rate_hz: int,
    subtype: str = "PCM_16",
    comment: str | None = None,
) -> None:
    """Write a WAV file beside and rename it; samples beyond full scale are clipped.

    Parameters
    ----------
    waveform : (n_samples,) or (n_channels, n_samples), finite
    subtype : as libsndfile names it: PCM_16, PCM_24, PCM_32, PCM_U8, FLOAT, …
    comment : a line of text that the file carries (INFO chunk, ICMT)

    Raises
    ------
    OutputError : it cannot be written, such as where the disk is full
    """
    samples: NDArray[Any] = np.asarray(waveform)
    if not np.isfinite(samples).all():
        raise ValueError("the waveform to be written holds NaN or infinite samples")
    if subtype in ("PCM_16", "PCM_24", "PCM_32"):
        samples = _quantise(samples, int(subtype[4:]))
    channels = 1 if samples.ndim == 1 else len(samples)
    layout = {"samplerate": sample_rate_hz, "channels": channels, "format": "WAV"}
    try:
        with write_beside(path) as beside:
            with soundfile.SoundFile(beside, "w", subtype=subtype, **layout) as file:
                if comment:
                    file.comment = comment
                file.write(samples.T)
            _remove_date(beside)
    except (OSError, soundfile.LibsndfileError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.error_string
        raise OutputError(
            f"{path} cannot be written ({reason}); make room, or check the path and your rights, "
            "and give the command again"
        ) from None


def _remove_date(path: Path) -> None:
    """Set the time of writing in the PEAK chunk of a float file to 0: same sound, same bytes."""
    with path.open("r+b") as file:
        start = file.read(4096).find(b"PEAK")
        if start >= 0:
            file.seek(start + 12)  # after name, size and version
            file.write(bytes(4))


def _quantise(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return whole numbers in the upper bits, scaled as libsndfile reads: by 2^(bits − 1)."""
    full = 2.0 ** (bits - 1)
    whole = np.clip(np.rint(samples.astype(np.float64) * full), -full, full - 1)
    if bits == 16:
        return whole.astype(np.int16)
    return (whole * 2.0 ** (32 - bits)).astype(np.int32)
