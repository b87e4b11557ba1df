"""Which channels of a recording are used, and what mixing them does."""

import re

import numpy as np
from numpy.typing import NDArray

from shotprint.audio.decoding import Floats
from shotprint.errors import RecordingError, ShotprintError

# Two channels whose mix has less than this share of their mean power cancel each other (−6 dB).
CANCELLED_POWER = 0.25
# Channels with less than this share of the power of the loudest do not matter (−20 dB).
FAINT_POWER = 0.01
# Samples beyond ±2³¹ times full scale are damage, not sound.
MAX_MAGNITUDE = 2.0**31


def parse_channel(channel: str) -> str | int:
    """Return ``mix``, ``loudest``, ``each`` or the number of a channel, counted from 0."""
    if channel in ("mix", "loudest", "each"):
        return channel
    if re.fullmatch(r"[0-9]{1,4}", channel):
        return int(channel)
    raise ShotprintError(
        f"channel {channel!r} was asked for; give mix, loudest, each or a number from 0"
    )


def pick_channels(block: Floats, chosen: str | int) -> Floats:
    """Return the mean, every one or one of the channels of (n_channels, n_samples)."""
    if chosen == "each" or len(block) == 1:
        return block
    if chosen == "mix":
        mixed: Floats = block.mean(axis=0, keepdims=True)
        return mixed
    return block[[int(chosen)]]


def missing_channel(chosen: str | int, n_channels: int) -> str | None:
    """Say that a channel is not there, None where it is."""
    if not isinstance(chosen, int) or chosen < n_channels:
        return None
    there_is = "is 1 channel" if n_channels == 1 else f"are {n_channels} channels"
    return f"channel {chosen} was asked for, but there {there_is}, numbered from 0"


class Tally:
    """Sums over the blocks of a recording from which levels and warnings follow."""

    def __init__(self, n_channels: int) -> None:
        self.n_samples = 0
        self.n_not_finite = 0
        self._sums = np.zeros(n_channels)
        self._products = np.zeros((n_channels, n_channels))

    def clean(self, block: Floats) -> Floats:
        """Return the block with 0 for NaN, infinite and absurd samples, and count them."""
        if block.size == 0 or (block.min() >= -MAX_MAGNITUDE and block.max() <= MAX_MAGNITUDE):
            return block
        good = np.abs(block) <= MAX_MAGNITUDE
        self.n_not_finite += int(good.size - np.count_nonzero(good))
        return np.where(good, block, np.float32(0))

    def add(self, block: Floats) -> None:
        """Add a block (n_channels, n_samples)."""
        self.n_samples += block.shape[1]
        if len(block) > 1:
            self._sums += block.sum(axis=1)
            self._products += block @ block.T

    def loudest(self) -> int:
        """Return the channel of the largest power, its constant part left out."""
        return int(np.argmax(np.diag(self._covariance())))

    def phase_warning(self) -> str | None:
        """Say which two channels cancel each other most when mixed, None where none do."""
        covariance = self._covariance()
        power = np.diag(covariance)
        both = power[:, None] + power
        heard = both > FAINT_POWER * power.max()
        # Of each two channels: 1 where they are alike, 0 unrelated, −1 inverse.
        alike = 2 * covariance / np.where(heard, both, np.inf)
        a, b = sorted(map(int, np.unravel_index(np.argmin(alike), alike.shape)))
        if (1 + alike[a, b]) / 2 >= CANCELLED_POWER:
            return None
        correlation = covariance[a, b] / np.sqrt(power[a] * power[b])
        return (
            f"channels {a} and {b} are in opposite phase (correlation {correlation:.2f}) "
            "and cancel each other in the mix; try --channel loudest"
        )

    def _covariance(self) -> NDArray[np.float64]:
        mean = self._sums / max(1, self.n_samples)
        return self._products / max(1, self.n_samples) - np.outer(mean, mean)


def select_channels(waveform: Floats, channel: str) -> tuple[Floats, tuple[str, ...]]:
    """Return the channels asked for, and what is to be said about them.

    Parameters
    ----------
    waveform : (n_channels, n_samples)
    channel : ``mix`` (the mean of all), ``loudest``, ``each`` or a number from ``0``

    Returns
    -------
    The waveform, (n_channels, n_samples) for ``each`` and else (1, n_samples), and the warning
    where a mix cancels two channels.

    Raises
    ------
    RecordingError
        There is no such channel.
    """
    chosen = parse_channel(channel)
    if problem := missing_channel(chosen, len(waveform)):
        raise RecordingError(problem)
    tally = Tally(len(waveform))
    tally.add(np.asarray(waveform, dtype=np.float32))
    if chosen == "loudest":
        chosen = tally.loudest()
    warning = tally.phase_warning() if chosen == "mix" else None
    return pick_channels(waveform, chosen), (warning,) if warning else ()
