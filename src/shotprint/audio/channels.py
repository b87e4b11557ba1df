"""Which channels of a recording are used, and what mixing them does."""

import re

import numpy as np
from numpy.typing import NDArray

from shotprint.audio.sources import Floats
from shotprint.errors import RecordingError, ShotprintError

# Two channels whose mix has less than this share of their mean power cancel each other (−6 dB).
CANCELLED_POWER = 0.25
# Channels with less than this share of the power of the loudest do not matter (−20 dB).
FAINT_POWER = 0.01
# Samples beyond ±2³¹ times full scale are damage, not sound.
MAX_MAGNITUDE = 2.0**31

# A sample from here to 1 is at full scale, be it of 8 bits; with a larger share of such samples a
# recording is clipped all the time, not at the shots only.
FULL_SCALE, CLIPPED_SHARE = 0.99, 0.2
# A larger mean of the samples is worth a word: microphones and converters stay below.
MAX_OFFSET = 0.1


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
        mixed = block[:1].copy()
        for channel in block[1:]:  # six times as fast as mean(axis=0)
            mixed += channel
        mixed *= np.float32(1 / len(block))
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
        self._n_full = np.zeros(n_channels, np.int64)  # at full scale
        self._sums = np.zeros(n_channels)
        self._products = np.zeros((n_channels, n_channels))

    def add(self, block: Floats) -> Floats:
        """Count a block (n_channels, n_samples) in.

        Returns
        -------
        The block with 0 for NaN, infinite and absurd samples, which are counted.
        """
        products = _multiply(block)
        if not np.diag(products).max(initial=0) <= MAX_MAGNITUDE**2:  # true of NaN as well
            block = self._clean(block)
            products = _multiply(block)
        self.n_samples += block.shape[1]
        self._sums += block.sum(axis=1)
        self._products += products
        if max(block.max(initial=0), -block.min(initial=0)) >= FULL_SCALE:
            peaks = np.abs(block)
            self._n_full += np.count_nonzero((peaks >= FULL_SCALE) & (peaks <= 1), axis=1)
        return block

    def _clean(self, block: Floats) -> Floats:
        good = np.abs(block) <= MAX_MAGNITUDE
        self.n_not_finite += int(good.size - np.count_nonzero(good))
        return np.where(good, block, np.float32(0))

    def level_warnings(self, chosen: str | int) -> list[str]:
        """Say where the channels used are clipped all the time or do not swing around 0."""
        used = slice(chosen, chosen + 1) if isinstance(chosen, int) else slice(None)
        clipped = self._n_full[used].max() / max(1, self.n_samples)
        means = self._sums[used] / max(1, self.n_samples)
        mean = means[np.argmax(np.abs(means))]
        warnings = []
        if clipped > CLIPPED_SHARE:
            warnings.append(f"clipped: {clipped:.0%} of its samples are at full scale")
        if abs(mean) > MAX_OFFSET:
            warnings.append(f"its samples lie around {mean:+.2f} of full scale instead of 0")
        return warnings

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


def _multiply(block: Floats) -> Floats:
    """Return the product of each channel with each: thrice as fast as block @ block.T."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([block @ channel for channel in block])


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
