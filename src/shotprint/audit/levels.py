"""What a clip's samples are like: level, clipping, offset, and where its band ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FULL_SCALE = 0.999
MIN_RUN = 3  # samples in a row at full scale: fewer can be a peak that just fits
N_FFT = 2048
EDGE_WIDTH_HZ = 500.0
EDGE_DROP_DB = 20.0
EDGE_RISE_DB = 6.0
MIN_DBFS = -120.0


@dataclass(frozen=True)
class Levels:
    """Measures of all samples of a clip.

    Attributes
    ----------
    peak_dbfs, rms_dbfs : dB below full scale; `MIN_DBFS` at least
    swing : largest minus smallest sample of a channel
    offset : the mean of the channel whose mean is farthest from 0; full scale is 1
    clipped_samples : that stand in a run of `MIN_RUN` or more at full scale
    band_edge_hz : above it the band is empty; half the sample rate where it is full
    """

    peak_dbfs: float
    rms_dbfs: float
    swing: float
    offset: float
    clipped_samples: int
    band_edge_hz: float


class LevelMeter:
    """Sums over the blocks of a recording; a run over the end of a block counts as two."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._n = 0
        self._clipped = 0
        self._power = np.zeros(N_FFT // 2 + 1)
        self._n_frames = 0
        self._sum = self._squares = np.zeros(1)
        self._low, self._high = np.full(1, np.inf), np.full(1, -np.inf)

    def add(self, waveform: Floats, mix: Floats) -> None:
        """Count a block (n_channels, n_samples) and the mean of its channels (n_samples,)."""
        self._n += waveform.shape[1]
        self._sum = self._sum + waveform.sum(axis=1, dtype=np.float64)
        self._squares = self._squares + np.einsum("ij,ij->i", waveform, waveform)
        self._low = np.minimum(self._low, waveform.min(axis=1))
        self._high = np.maximum(self._high, waveform.max(axis=1))
        self._clipped += sum(count_clipped(channel) for channel in waveform)
        self._add_power(mix)

    def _add_power(self, mix: Floats) -> None:
        frames = np.pad(mix, (0, -len(mix) % N_FFT)).reshape(-1, N_FFT)
        spectrum = np.fft.rfft(frames * np.hanning(N_FFT).astype(np.float32), axis=1)
        self._power += (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
        self._n_frames += len(frames)

    def finish(self) -> Levels:
        """Return the measures of all blocks."""
        peak = float(np.max(np.maximum(self._high, -self._low)))
        mean_square = float(np.mean(self._squares) / self._n)
        means = self._sum / self._n
        return Levels(
            peak_dbfs=_to_dbfs(peak),
            rms_dbfs=_to_dbfs(mean_square**0.5),
            swing=float(np.max(self._high - self._low)),
            offset=float(means[np.argmax(np.abs(means))]),
            clipped_samples=self._clipped,
            band_edge_hz=find_band_edge(self._power / self._n_frames, self._rate_hz),
        )


def _to_dbfs(value: float) -> float:
    return round(max(MIN_DBFS, 20 * float(np.log10(max(value, 1e-9)))), 2)


def count_clipped(channel: Floats) -> int:
    """Return how many samples (n,) stand in runs of `MIN_RUN` or more at full scale."""
    changes = np.diff((np.abs(channel) >= FULL_SCALE).astype(np.int8), prepend=0, append=0)
    runs = np.flatnonzero(changes < 0) - np.flatnonzero(changes > 0)
    return int(runs[runs >= MIN_RUN].sum())


def find_band_edge(power: NDArray[np.float64], rate_hz: int) -> float:
    """Return the frequency above which a spectrum is empty: half the rate where there is none.

    An edge is a fall by `EDGE_DROP_DB` within `EDGE_WIDTH_HZ`, above which nothing comes up
    again: a filter, for natural sound falls slowly. It is the steepest such fall.

    Parameters
    ----------
    power : (n_bins,) from 0 to half the rate
    """
    nyquist_hz = rate_hz / 2
    bin_hz = nyquist_hz / (len(power) - 1)
    half = max(1, round(EDGE_WIDTH_HZ / 2 / bin_hz))
    decibels = 10 * np.log10(power + power.max() * 1e-14 + 1e-20)
    kernel = np.ones(half) / half
    below = np.convolve(decibels, kernel, mode="valid")
    if len(below) <= 2 * half:
        return nyquist_hz
    drop = below[: -2 * half] - below[2 * half :]
    # The last entry of `below` that is not above a place tells whether anything comes up again.
    later = np.maximum.accumulate(below[::-1])[::-1][2 * half :]
    is_edge = (drop >= EDGE_DROP_DB) & (later <= below[2 * half :] + EDGE_RISE_DB)
    if not is_edge.any():
        return nyquist_hz
    place = int(np.argmax(np.where(is_edge, drop, -np.inf)))
    return float(round((place + 1.5 * half) * bin_hz))
