"""What of a recording can be heard and drawn: a playback copy, its peaks, excerpts, spectrograms.

The playback copy is one channel of 16-bit FLAC, at the recording's rate up to 48 kHz, on the
player's clock. It is written by the worker; all else reads the copy, never the recording.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from shotprint.audio import probe, stream
from shotprint.files import write_beside

Floats = NDArray[np.float32]
MAX_RATE_HZ = 48_000
PEAKS_PER_S = 200
MAX_EXCERPT_S = 30.0
SHOWN_DB = 80.0
N_FFT = 512
LEAD_IN_S, TAIL_S = 0.02, 0.3


def write_playback(source: Path, path: Path, report: Callable[[float], object]) -> None:
    """Write the playback copy of a recording and its peaks, unless they are there.

    Raises
    ------
    RecordingError : the recording cannot be read
    """
    if path.exists():
        return
    duration_s = probe(source).duration_s
    with write_beside(path) as beside:
        peaks = _write_flac(
            source, beside, lambda s: report(min(1.0, s / duration_s) if duration_s else 0.0)
        )
        with write_beside(place_peaks(path)) as file, file.open("wb") as opened:
            np.save(opened, peaks)


def place_peaks(playback: Path) -> Path:
    """Return where the peaks of a playback copy lie."""
    return playback.with_suffix(".peaks.npy")


def _write_flac(source: Path, path: Path, report: Callable[[float], object]) -> NDArray[np.int16]:
    """Return the least and greatest sample of every 1 / `PEAKS_PER_S` s, (2, n)."""
    found, rest, n_read, opened = [], np.zeros(0, np.int16), 0, None
    rate_hz = step = 0
    try:
        for block in _stream(source):
            samples = np.clip(np.rint(block.waveform[0] * 32767), -32768, 32767).astype(np.int16)
            if opened is None:
                rate_hz = block.sample_rate_hz
                step = max(1, round(rate_hz / PEAKS_PER_S))
                opened = sf.SoundFile(path, "w", rate_hz, 1, "PCM_16", format="FLAC")
                silence = np.zeros(max(0, round(block.start_s * rate_hz)), np.int16)
                samples = np.concatenate([silence, samples])
            opened.write(samples)
            n_read += len(samples)
            rest = np.concatenate([rest, samples])
            whole = rest[: len(rest) // step * step].reshape(-1, step)
            found.append(np.stack([whole.min(axis=1), whole.max(axis=1)]) if len(whole) else _NONE)
            rest = rest[len(rest) // step * step :]
            report(n_read / rate_hz)
    finally:
        if opened is not None:
            opened.close()
    if len(rest):
        found.append(np.array([[rest.min()], [rest.max()]], np.int16))
    return np.concatenate(found, axis=1) if found else _NONE


_NONE = np.zeros((2, 0), np.int16)


def _stream(source: Path) -> Any:
    rate_hz = None
    stated = probe(source).sample_rate_hz
    if stated and stated > MAX_RATE_HZ:
        rate_hz = MAX_RATE_HZ
    return stream(source, sample_rate_hz=rate_hz, channel="mix")


@dataclass(frozen=True)
class Stretch:
    """Where to look, seconds on the player's clock."""

    start_s: float
    end_s: float


def measure_peaks(playback: Path, stretch: Stretch, n_bins: int) -> dict[str, Any]:
    """Return the least and greatest sample in each of up to `n_bins` parts of a stretch, −1 to 1.

    Short stretches are read from the copy itself, long ones from the peaks kept with it.
    """
    facts = sf.info(playback)
    end_s = min(stretch.end_s, facts.duration)
    start_s = min(max(0.0, stretch.start_s), end_s)
    if (end_s - start_s) * PEAKS_PER_S < n_bins:
        samples, _ = read_playback(playback, Stretch(start_s, end_s))
        low = high = samples
    else:
        peaks = np.load(place_peaks(playback), mmap_mode="r")
        step_s = max(1, round(facts.samplerate / PEAKS_PER_S)) / facts.samplerate
        part = peaks[:, int(start_s / step_s) : int(np.ceil(end_s / step_s))]
        low, high = part.astype(np.float32) / 32767
    if not len(low):
        return {"start_s": start_s, "end_s": end_s, "min": [], "max": []}
    starts = np.unique(np.linspace(0, len(low), n_bins, endpoint=False).astype(int))
    return {
        "start_s": start_s,
        "end_s": end_s,
        "min": np.minimum.reduceat(low, starts).round(4).tolist(),
        "max": np.maximum.reduceat(high, starts).round(4).tolist(),
    }


def read_playback(playback: Path, stretch: Stretch) -> tuple[Floats, int]:
    """Return samples (n_samples,) of a stretch, cut off at the ends, and their rate."""
    with sf.SoundFile(playback) as file:
        rate_hz = file.samplerate
        first = min(max(0, round(stretch.start_s * rate_hz)), file.frames)
        last = min(max(first, round(stretch.end_s * rate_hz)), file.frames)
        file.seek(first)
        samples: Floats = file.read(last - first, dtype="float32")
    return samples, rate_hz


def format_excerpt(playback: Path, stretch: Stretch) -> bytes:
    """Return a stretch as a 16-bit WAV file."""
    samples, rate_hz = read_playback(playback, stretch)
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, "PCM_16", format="WAV")
    return file.getvalue()


def draw_spectrogram(playback: Path, stretch: Stretch, width: int, height: int) -> bytes:
    """Return a picture (PNG) of the spectrogram of a stretch, 80 dB from black to yellow.

    Long stretches are sampled: one frame a column, as many as there are columns.
    """
    import matplotlib
    from matplotlib.image import imsave

    with sf.SoundFile(playback) as file:
        first = min(round(stretch.start_s * file.samplerate), file.frames)
        last = min(round(stretch.end_s * file.samplerate), file.frames)
        places = np.linspace(first, max(first, last - N_FFT), width).astype(int)
        frames = np.zeros((width, N_FFT), np.float32)
        if last - first <= 60 * file.samplerate:
            file.seek(first)
            samples = file.read(last - first, dtype="float32")
            index = np.minimum(places[:, None] - first + np.arange(N_FFT), max(0, len(samples) - 1))
            frames = samples[index] if len(samples) else frames
        else:
            for row, place in enumerate(places):
                file.seek(place)
                got = file.read(N_FFT, dtype="float32")
                frames[row, : len(got)] = got
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT), axis=1)) ** 2
    level = 10 * np.log10(power + 1e-12).T[::-1]
    rows = np.linspace(0, len(level) - 1, height).round().astype(int)
    top = float(level.max())
    picture = io.BytesIO()
    colors = matplotlib.colormaps["magma"]
    imsave(picture, level[rows], vmin=top - SHOWN_DB, vmax=top, cmap=colors, format="png")
    return picture.getvalue()


def compare_sounds(one: tuple[Path, float], other: tuple[Path, float]) -> dict[str, Any]:
    """Return waveforms and spectra of two shots, and how far the second must move to fit.

    Parameters
    ----------
    one, other : playback copy, and onset in seconds on the player's clock
    """
    sides = []
    for playback, onset_s in (one, other):
        stretch = Stretch(max(0.0, onset_s - LEAD_IN_S), onset_s + TAIL_S)
        samples, rate_hz = read_playback(playback, stretch)
        power = np.abs(np.fft.rfft(samples * np.hanning(max(1, len(samples))))) ** 2
        sides.append((samples, rate_hz, power))
    shown = {name: _show_side(*side) for name, side in zip("ab", sides, strict=True)}
    return {**shown, "lag_s": _find_lag(sides[0], sides[1])}


def _show_side(samples: Floats, rate_hz: int, power: NDArray[Any]) -> dict[str, Any]:
    """Return what is drawn of a shot: spectrum in sixths of an octave, relative to full scale."""
    edges = np.arange(np.log2(40), np.log2(rate_hz / 2), 1 / 6)
    frequency = np.fft.rfftfreq(max(1, len(samples)), 1 / rate_hz)
    places = np.digitize(frequency, 2**edges)
    sums = np.bincount(places, power, minlength=len(edges) + 1)[1:-1]
    scale = max(1.0, float(len(samples))) ** 2 / 4
    with np.errstate(divide="ignore"):
        level = np.maximum(10 * np.log10(sums / scale), -160.0)
    return {
        "waveform": samples.round(5).tolist(),
        "sample_rate_hz": rate_hz,
        "spectrum_db": level.round(2).tolist(),
        "frequency_hz": (2 ** (edges[:-1] + 1 / 12)).round(1).tolist(),
    }


def _find_lag(one: tuple[Floats, int, Any], other: tuple[Floats, int, Any]) -> float:
    """Return seconds by which the second must be shifted to agree best, at most the lead-in."""
    rate_hz = 8000
    a, b = (
        np.interp(np.arange(0, len(x) / r, 1 / rate_hz), np.arange(len(x)) / r, x) if len(x) else x
        for x, r, _ in (one, other)
    )
    if not len(a) or not len(b):
        return 0.0
    n = 1 << (len(a) + len(b)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(a, n) * np.conj(np.fft.rfft(b, n)), n)
    most = round(LEAD_IN_S * rate_hz)
    lags = np.arange(-most, most + 1)
    return float(lags[np.argmax(likeness[lags])] / rate_hz)
