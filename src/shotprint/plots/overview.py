"""A recording of any length reduced to the columns of a picture, in bounded memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_COLUMNS = 1400  # as many as a picture has dots
MIN_COLUMN_S = 0.0005


class Block(Protocol):
    """A stretch of sound: `Audio`, `Excerpt`."""

    @property
    def waveform(self) -> Floats: ...
    @property
    def sample_rate_hz(self) -> int: ...
    @property
    def start_s(self) -> float: ...


@dataclass(frozen=True, eq=False)
class Overview:
    """What a picture shows of a sound.

    Attributes
    ----------
    lowest, highest : (n_columns,) the smallest and the largest sample of a column, all channels
    power : (n_frequencies, n_columns) mean spectral power, from 0 Hz to half the sample rate
    column_s, start_s, end_s : width of a column; times on the player's clock
    """

    lowest: Floats
    highest: Floats
    power: Floats
    column_s: float
    start_s: float
    end_s: float
    sample_rate_hz: int


def measure_overview(
    blocks: Iterable[Block], duration_s: float, window_s: float = 0.02
) -> Overview:
    """Reduce consecutive blocks of one sound to at most about `MAX_COLUMNS` columns.

    Every sample counts: a column wider than a window holds the mean over windows side by side.

    Parameters
    ----------
    blocks : at least one, (n_channels, n_samples) each
    duration_s : of all; only the width of a column depends on it
    window_s : length of the windows (Hann), rounded to a power of two in samples
    """
    blocks = iter(blocks)
    first = next(blocks)
    rate_hz = first.sample_rate_hz
    width = max(round(MIN_COLUMN_S * rate_hz), int(np.ceil(duration_s * rate_hz / MAX_COLUMNS)), 1)
    n_fft = 1 << max(5, round(np.log2(window_s * rate_hz)))
    held = np.pad(first.waveform, ((0, 0), (n_fft // 2, 0)))
    n_samples = first.waveform.shape[1]
    columns = []
    for block in blocks:
        columns.append(_measure_columns(held, width, n_fft))
        held = held[:, columns[-1][0].shape[0] * width :]
        held = np.concatenate([held, block.waveform], axis=1)
        n_samples += block.waveform.shape[1]
    n_left = -(-n_samples // width) - sum(len(lowest) for lowest, _, _ in columns)
    missing = max(0, n_left * width + n_fft - held.shape[1])
    columns.append(_measure_columns(np.pad(held, ((0, 0), (0, missing))), width, n_fft))
    lowest, highest, power = (np.concatenate(part) for part in zip(*columns, strict=True))
    return Overview(
        lowest=lowest,
        highest=highest,
        power=power.T,
        column_s=width / rate_hz,
        start_s=first.start_s,
        end_s=first.start_s + n_samples / rate_hz,
        sample_rate_hz=rate_hz,
    )


def _measure_columns(held: Floats, width: int, n_fft: int) -> tuple[Floats, Floats, Floats]:
    """Return lowest, highest (n,) and power (n, n_frequencies) of the columns that are complete.

    Parameters
    ----------
    held : (n_channels, n_samples), half a window before the first column included
    """
    n = max(0, (held.shape[1] - n_fft) // width)
    inner = held[:, n_fft // 2 : n_fft // 2 + n * width].reshape(len(held), n, width)
    lowest, highest = inner.min(axis=(0, 2)), inner.max(axis=(0, 2))
    n_windows = max(1, width // n_fft)
    starts = np.arange(n)[:, None] * width + np.arange(n_windows) * (width // n_windows)
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    power = np.zeros((n, n_fft // 2 + 1), np.float32)
    for channel in held if n else ():
        windows = sliding_window_view(channel, n_fft)
        for column, places in zip(power, starts, strict=True):
            column += np.mean(np.abs(np.fft.rfft(windows[places] * window)) ** 2, axis=0)
    power /= len(held)
    return lowest, highest, power
