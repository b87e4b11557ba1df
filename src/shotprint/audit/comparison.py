"""Do two clips share a stretch of waveform? Cross-correlation, then a look at what lies aligned.

Two shots of one gun in one place begin alike and, where the echoes are strong, go on alike for
some tenths of a second; the noise around them differs. A copy agrees in its quiet moments too.
So both clips are made even, over time and over frequency, for faint sound to count as much as the
blast, laid over each other where they then correlate most, to a part of a sample, and compared
window by window, both through one filter that whitens what they have in common:

- ``copy``: nearly all windows of the overlap agree. One clip is a copy of the other, or both are
  cut from one take.
- ``part``: a long stretch agrees closely, and others as loud do not. Something was edited, or a
  game replays its samples. Echoes of two shots do not end so: they agree less where
  they are fainter, not beside something as loud.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from shotprint.audit.fingerprints import HIGH_HZ, LOW_HZ, RATE_HZ

Floats = NDArray[np.float32]
Complexes = NDArray[np.complex64]

MAX_S = 20.0
"""What is compared of a longer clip: so much around the alike sketches."""
SMOOTH_HZ = 100.0
WINDOW = RATE_HZ // 20  # 50 ms
OVERSAMPLING = 4
MIN_PROMINENCE = 9.0
"""Peak of the correlation over its root mean square: chance reaches 6, the fewest shared 0.3 s
among seconds of other sound twice this."""
AUDIBLE_DB = 70.0
AGREES = 0.9
MIN_WINDOWS, MIN_SHARE = 6, 0.9
PART_WINDOWS, PART_AGREEMENT, DIFFERS, MIN_DIFFERENT = 10, 0.95, 0.6, 4


class Kind(StrEnum):
    """How two clips share sound."""

    copy = "copy"
    part = "part"


@dataclass(frozen=True)
class Shared:
    """A stretch of waveform that two clips share.

    Attributes
    ----------
    lag_s : when in the first clip the second one begins
    overlap_s : how long they overlap there
    start_s, shared_s : the longest stretch that agrees: from when in the first clip, how long
    agreement : median correlation of its windows, 0…1; below 0 never, for polarity is ignored
    """

    kind: Kind
    lag_s: float
    overlap_s: float
    start_s: float
    shared_s: float
    agreement: float


@dataclass(frozen=True, eq=False)
class Prepared:
    """The spectrum (n_fft / 2 + 1,) of a waveform, and what is needed to compare it.

    Attributes
    ----------
    gain : that makes the spectrum's envelope flat in the band, and 0 outside
    even : spectrum of the waveform with its level made even over time, then its envelope
    n_samples : of the waveform
    """

    spectrum: Complexes
    gain: Floats
    even: Complexes
    n_samples: int


@dataclass(frozen=True, eq=False)
class Alignment:
    """Two waveforms (n_samples,), filtered alike, where they overlap, and where that is.

    Attributes
    ----------
    lag : samples of the first before the second begins
    begin : first sample of the overlap in the first
    """

    first: Floats
    second: Floats
    lag: float
    begin: int


def compare(first: Prepared, second: Prepared) -> Shared | None:
    """Return the stretch that two waveforms at `RATE_HZ` share; None: none.

    Parameters
    ----------
    first, second : of `prepare`, with the same `n_fft`
    """
    alignment = align(first, second)
    if alignment is None:
        return None
    agreement, level_db = measure_agreement(alignment)
    audible = level_db >= -AUDIBLE_DB
    if audible.sum() < MIN_WINDOWS:
        return None
    agrees = (agreement >= AGREES) & audible
    begin, end = find_longest_run(agrees)
    if agrees.sum() >= MIN_SHARE * audible.sum():
        kind = Kind.copy
    elif _is_part(agreement, level_db, begin, end):
        kind = Kind.part
    else:
        return None
    return Shared(
        kind=kind,
        lag_s=round(alignment.lag / RATE_HZ, 5),
        overlap_s=round(len(alignment.first) / RATE_HZ, 3),
        start_s=round((alignment.begin + begin * WINDOW) / RATE_HZ, 3),
        shared_s=round((end - begin) * WINDOW / RATE_HZ, 3),
        agreement=round(float(np.median(agreement[begin:end])), 4),
    )


def align(first: Prepared, second: Prepared) -> Alignment | None:
    """Lay two waveforms over each other where they correlate most; None: nothing stands out."""
    n_fft = 2 * (len(first.spectrum) - 1)
    cross = first.even * second.even.conj()
    coarse = _invert(cross, n_fft)
    peak = int(np.abs(coarse).argmax())
    height = abs(float(coarse[peak]))
    if height < MIN_PROMINENCE * float(coarse @ coarse / n_fft) ** 0.5:
        return None
    lag = _refine(cross, peak, n_fft)
    lag -= n_fft * (lag > n_fft / 2)
    filter_ = np.sqrt(first.gain * second.gain)
    delayed = _invert(second.spectrum * filter_ * _turn(len(cross), -lag / n_fft), n_fft)
    begin = max(0, int(np.ceil(lag)))
    end = min(first.n_samples, int(np.floor(lag + second.n_samples)))
    overlap = _invert(first.spectrum * filter_, n_fft)[begin:end]
    return Alignment(overlap, delayed[begin:end], lag, begin)


def _transform(waveform: Floats, n_fft: int) -> Complexes:
    spectrum: Complexes = np.fft.rfft(waveform, n_fft).astype(np.complex64, copy=False)
    return spectrum


def _invert(spectrum: Complexes, n_fft: int) -> Floats:
    waveform: Floats = np.fft.irfft(spectrum, n_fft).astype(np.float32, copy=False)
    return waveform


def count_bins(n_samples: int) -> int:
    """Return the length of a transform, a power of two, for waveforms of so many samples."""
    return 1 << (n_samples - 1).bit_length()


def prepare(waveform: Floats, n_fft: int) -> Prepared:
    """Prepare a waveform (n_samples,) at `RATE_HZ` for comparison.

    Parameters
    ----------
    n_fft : of `count_bins`, for the samples of both that are compared
    """
    spectrum, even = (_transform(each, n_fft) for each in (waveform, _make_even(waveform)))
    gain = _whiten(spectrum, n_fft)
    return Prepared(spectrum, gain, even * _whiten(even, n_fft), len(waveform))


def _make_even(waveform: Floats) -> Floats:
    """Divide by the level of the surrounding 50 ms."""
    level = np.sqrt(_smooth(waveform**2, WINDOW // 2))
    even: Floats = (waveform / (level + 1e-4 * level.max() + 1e-20)).astype(np.float32)
    return even


def _whiten(spectrum: Complexes, n_fft: int) -> Floats:
    """Return the gain of each bin that makes the envelope flat in the band."""
    bin_hz = RATE_HZ / n_fft
    power = spectrum.real**2 + spectrum.imag**2
    smooth = _smooth(power, max(1, round(SMOOTH_HZ / bin_hz / 2)))
    gain = 1 / np.sqrt(smooth + 1e-9 * smooth.max() + 1e-20)
    frequency_hz = np.arange(len(spectrum)) * bin_hz
    gain[(frequency_hz < LOW_HZ) | (frequency_hz > HIGH_HZ)] = 0
    narrow: Floats = gain.astype(np.float32)
    return narrow


def _smooth(values: Floats, reach: int) -> NDArray[np.float64]:
    """Return the mean of each value (n,) and those up to `reach` before and behind it."""
    total = np.cumsum(np.pad(values, (reach + 1, reach), mode="edge"), dtype=np.float64)
    width = 2 * reach + 1
    smooth: NDArray[np.float64] = np.maximum((total[width:] - total[:-width]) / width, 0)
    return smooth


def _turn(n: int, cycles: float) -> Complexes:
    """Return e^(2πi · k · `cycles`) for k from 0 to n − 1, as products of few exponentials."""
    width = 128
    fine = np.exp(2j * np.pi * cycles * np.arange(width))
    coarse = np.exp(2j * np.pi * cycles * width * np.arange(-(-n // width)))
    return np.outer(coarse, fine).ravel()[:n].astype(np.complex64)


def _refine(cross: Complexes, peak: int, n_fft: int) -> float:
    """Return where the correlation of a cross-spectrum peaks, near a sample, in parts of one.

    The sums at the `OVERSAMPLING` steps around, then the top of the parabola through three.
    """
    steps = np.arange(-OVERSAMPLING, OVERSAMPLING + 1) / OVERSAMPLING
    turn = _turn(len(cross), 1 / (n_fft * OVERSAMPLING))
    turned = cross * _turn(len(cross), (peak - 1) / n_fft)
    values = np.empty(len(steps))
    for place in range(len(steps)):
        values[place] = abs(float(turned.real.sum()))
        turned *= turn
    top = min(max(1, int(values.argmax())), len(steps) - 2)
    before, at, after = values[top - 1 : top + 2]
    bend = before - 2 * at + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return peak + float(steps[top] + shift / OVERSAMPLING)


def measure_agreement(alignment: Alignment) -> tuple[Floats, Floats]:
    """Return of each window how well the waveforms correlate (n,) and its level in dB (n,).

    The level is that of the fainter of the two, below the loudest window of each.
    """
    n = len(alignment.first) // WINDOW
    if n == 0:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    one, two = (
        each[: n * WINDOW].reshape(n, WINDOW).astype(np.float64)
        for each in (alignment.first, alignment.second)
    )
    energies = np.stack([(one**2).sum(axis=1), (two**2).sum(axis=1)])
    product = np.abs((one * two).sum(axis=1))
    agreement = product / np.sqrt(energies[0] * energies[1] + 1e-30)
    loudest = energies.max(axis=1, keepdims=True)
    level_db = 10 * np.log10(energies / (loudest + 1e-30) + 1e-30).min(axis=0)
    return agreement.astype(np.float32), level_db.astype(np.float32)


def find_longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the begin and the end of the longest run of true flags; 0, 0 where there is none."""
    changes = np.diff(flags.astype(np.int8), prepend=0, append=0)
    begins, ends = np.flatnonzero(changes > 0), np.flatnonzero(changes < 0)
    if len(begins) == 0:
        return 0, 0
    longest = int((ends - begins).argmax())
    return int(begins[longest]), int(ends[longest])


def _is_part(agreement: Floats, level_db: Floats, begin: int, end: int) -> bool:
    """Tell whether a long run agrees closely while other windows, as loud, differ."""
    if end - begin < PART_WINDOWS or np.median(agreement[begin:end]) < PART_AGREEMENT:
        return False
    outside = np.ones(len(agreement), bool)
    outside[begin:end] = False
    as_loud = level_db >= np.quantile(level_db[begin:end], 0.25)
    return bool((outside & as_loud & (agreement < DIFFERS)).sum() >= MIN_DIFFERENT)
