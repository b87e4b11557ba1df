"""One clip of a set: what its file says, what its sound is like, and its fingerprint.

A clip is decoded once, in blocks; what is kept of it is small, but for its waveform at
`RATE_HZ`, which goes onto a `Shelf` on the disk.
"""

import hashlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import Audio, Resampler, probe, stream
from shotprint.audio.reading import SILENT_SWING
from shotprint.audio.sources import recording_error
from shotprint.audit.fingerprints import RATE_HZ, Fingerprint, compute_fingerprint
from shotprint.audit.levels import LevelMeter, Levels
from shotprint.detection import Detector, append_shots, cut_sections
from shotprint.detection.shots import DetectedShot

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ClipRow:
    """What the manifest says of a clip; empty where it says nothing."""

    recording: str
    path: Path
    sha256: str
    label: str
    group: str
    fold: str


@dataclass(frozen=True, eq=False)
class Sound:
    """What was heard of a clip.

    Attributes
    ----------
    samples_sha256 : of its rate, channels and decoded samples: the same for WAV and FLAC
    n_shots : that the detector finds; None: none was asked
    place : first sample and number of samples on the shelf, at `RATE_HZ`
    """

    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    duration_s: float
    levels: Levels
    samples_sha256: str
    n_shots: int | None
    place: tuple[int, int]
    fingerprint: Fingerprint = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether no channel swings by more than a step of 16 bits."""
        return self.levels.swing <= SILENT_SWING


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip of the manifest, and its sound or why there is none.

    Attributes
    ----------
    sha256 : of the bytes of its file now; None where they cannot be read
    """

    row: ClipRow
    sha256: str | None
    sound: Sound | None
    error: str | None = None


class Shelf:
    """Waveforms of many clips (float16) in a temporary file: they need no memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the shelf
        self._lock = threading.Lock()
        self._n_samples = 0

    def put(self, waveform: Floats) -> tuple[int, int]:
        """Store a waveform (n_samples,) within −1…1; return its place."""
        stored = waveform.astype(np.float16)
        with self._lock:
            first = self._n_samples
            self._file.seek(2 * first)
            self._file.write(stored.tobytes())
            self._n_samples += len(stored)
        return first, len(stored)

    def take(self, place: tuple[int, int], start: int = 0, stop: int | None = None) -> Floats:
        """Return samples `start` to `stop` of the waveform at a place."""
        first, length = place
        stop = length if stop is None else min(stop, length)
        start = min(max(0, start), stop)
        with self._lock:
            self._file.seek(2 * (first + start))
            content = self._file.read(2 * (stop - start))
        return np.frombuffer(content, np.float16).astype(np.float32)

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


class _Watch:
    """Blocks of a recording on their way to the detector, measured and hashed as they pass."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._low: list[Floats] = []
        self.n_samples = 0
        self.last: Audio | None = None
        self.meter: LevelMeter | None = None

    def blocks(self) -> Iterator[Audio]:
        resampler: Resampler | None = None
        for block in stream(self._path, channel="each"):
            if resampler is None or self.meter is None:
                resampler = Resampler(block.sample_rate_hz, RATE_HZ, 1)
                self.meter = LevelMeter(block.sample_rate_hz)
                head = f"{block.sample_rate_hz} {len(block.waveform)} "
                self._digest.update(head.encode())
            self._digest.update(np.ascontiguousarray(block.waveform.T).tobytes())
            mix = block.waveform.mean(axis=0, keepdims=True)
            self._low.append(resampler.push(mix)[0])
            self.meter.add(block.waveform, mix[0])
            self.n_samples += block.waveform.shape[1]
            self.last = block
            yield block
        if resampler is not None:
            self._low.append(resampler.finish()[0])

    @property
    def low(self) -> Floats:
        """The mix (n_samples,) at `RATE_HZ`."""
        return np.concatenate(self._low)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def hear_clip(path: Path, shelf: Shelf, detector: Detector | None) -> Sound:
    """Decode a clip once; measure it, count its shots, take its fingerprint.

    Raises
    ------
    RecordingError : as `shotprint.audio.stream`
    """
    facts = probe(path)
    watch = _Watch(path)
    shots = _find_shots(watch.blocks(), detector)
    last, meter = watch.last, watch.meter
    if last is None or meter is None:
        raise recording_error(path, "there are no samples in it")
    low = watch.low
    low /= max(float(np.abs(low).max()), 1e-9)  # copies differ in level
    return Sound(
        container=facts.container,
        codec=facts.codec,
        sample_rate_hz=facts.sample_rate_hz,
        channels=facts.n_channels,
        duration_s=round(watch.n_samples / last.sample_rate_hz, 4),
        levels=meter.finish(),
        samples_sha256=watch.sha256,
        n_shots=None if detector is None else len(shots),
        place=shelf.put(low),
        fingerprint=compute_fingerprint(low),
        warnings=last.warnings,
    )


def _find_shots(blocks: Iterator[Audio], detector: Detector | None) -> Sequence[DetectedShot]:
    shots: list[DetectedShot] = []
    if detector is None:
        for _ in blocks:
            pass
        return shots
    for section in cut_sections(blocks):
        append_shots(shots, detector.find(section))
    return shots
