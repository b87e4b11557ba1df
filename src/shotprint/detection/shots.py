"""One shot, and what can be measured of it; bursts of shots."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from shotprint.detection.picking import MIN_GAP_FRAMES

Floats = NDArray[np.float32]

MIN_GAP_S = MIN_GAP_FRAMES * 0.004
MAX_END_S = 1.0
LEVEL_S, FLOOR_S, BEFORE_S = 0.005, 0.05, 1.0
PEAK_WITHIN_S = 0.1
FALL_DB, ABOVE_FLOOR_DB = 40.0, 3.0
BURST_GAP_S = 0.3
"""Shots nearer than this to each other are a burst: at least 200 rounds a minute."""
CLIPPED_RUN = 3
FULL_SCALE = 0.999


@dataclass(frozen=True)
class DetectedShot:
    """A shot; times in seconds on the player's clock.

    Attributes
    ----------
    end_s : when its sound has fallen to 3 dB above the quietest 50 ms of the second before, or
        40 dB below its peak, or the next shot begins; at most one second after the onset
    probability : that a shot begins here, as the detector says
    peak_dbfs : peak of the first 100 ms, dB below full scale (negative)
    clipped : three or more samples in a row stand at full scale, or at the shot's own peak
    """

    onset_s: float
    end_s: float
    probability: float
    peak_dbfs: float
    clipped: bool


class Timed(Protocol):
    """Something with the moment and the probability of a shot."""

    @property
    def onset_s(self) -> float: ...

    @property
    def probability(self) -> float: ...


T = TypeVar("T", bound=Timed)


def append_shots(joined: list[T], shots: Sequence[T]) -> None:
    """Append the shots of the next section; one that both sections found is kept once."""
    for shot in shots:
        if joined and shot.onset_s - joined[-1].onset_s < MIN_GAP_S:
            joined[-1] = max(joined[-1], shot, key=lambda each: each.probability)
        else:
            joined.append(shot)


class Burst(NamedTuple):
    """Shots `first` to `last` (indices) in quick succession; rate of fire in rounds a minute."""

    first: int
    last: int
    rate_rpm: float


def find_bursts(onsets_s: Sequence[float]) -> list[Burst]:
    """Return runs of three or more shots that follow within `BURST_GAP_S` of each other.

    The rate is 60 s over the median gap, so that one missed shot does not change it.
    """
    bursts = []
    gaps_s = np.diff(np.asarray(onsets_s, dtype=np.float64))
    first = 0
    for last in range(len(onsets_s)):
        if last < len(gaps_s) and gaps_s[last] <= BURST_GAP_S:
            continue
        if last - first >= 2:
            bursts.append(Burst(first, last, round(60 / float(np.median(gaps_s[first:last])), 1)))
        first = last + 1
    return bursts


def measure_shot(
    waveform: Floats, sample_rate_hz: int, onset: int, next_onset: int | None
) -> tuple[int, float, bool]:
    """Measure a shot in its surroundings.

    Parameters
    ----------
    waveform : (n_channels, n_samples); the loudest channel in each moment counts
    onset, next_onset : samples; None: no other shot follows within the waveform

    Returns
    -------
    end (sample), peak (dB below full scale), whether it is clipped
    """
    stop = min(waveform.shape[1], onset + round(MAX_END_S * sample_rate_hz))
    if next_onset is not None:
        stop = min(stop, next_onset)
    early = waveform[:, onset : min(stop, onset + round(PEAK_WITHIN_S * sample_rate_hz))]
    if early.shape[1] == 0:
        return onset, -np.inf, False
    n_level = max(1, round(LEVEL_S * sample_rate_hz))
    n_before = round(BEFORE_S * sample_rate_hz)
    before = waveform[:, max(0, onset - n_before) : max(0, onset - n_level)]
    level = _measure_level(waveform[:, onset:stop], n_level)
    peak = int(level.argmax())
    floor = 0.0
    if before.shape[1]:  # the shot before may still sound just before this one
        floor = float(_measure_level(before, round(FLOOR_S * sample_rate_hz)).min())
    low = max(floor * 10 ** (ABOVE_FLOOR_DB / 10), float(level[peak]) * 10 ** (-FALL_DB / 10))
    fallen = np.flatnonzero(level[peak:] <= low)
    end = onset + (peak + int(fallen[0])) * n_level if len(fallen) else stop
    magnitude = np.abs(early).max(axis=1)
    peak_dbfs = 20 * np.log10(max(float(magnitude.max()), 1e-9))
    return min(max(end, onset + 1), stop), float(peak_dbfs), _is_clipped(early, magnitude)


def _measure_level(waveform: Floats, n_level: int) -> Floats:
    """Return the power of consecutive stretches, of the loudest channel; at least one."""
    n = waveform.shape[1] // n_level
    if n == 0:
        return np.array([np.mean(waveform**2, axis=1).max()], np.float32)
    parts = waveform[:, : n * n_level].reshape(len(waveform), n, n_level)
    level: Floats = np.mean(parts**2, axis=2).max(axis=0)
    return level


def _is_clipped(early: Floats, magnitude: Floats) -> bool:
    tops = np.abs(early) >= np.minimum(FULL_SCALE * magnitude, FULL_SCALE)[:, None]
    tops &= magnitude[:, None] > 0
    runs = tops[:, CLIPPED_RUN - 1 :].copy()
    for shift in range(CLIPPED_RUN - 1):
        runs &= tops[:, shift : shift + runs.shape[1]]
    return bool(runs.any())
