"""Where in a recording the loudest shots begin, and the fixed-length clips cut around them.

One rule serves packing and recognition, so that a network hears in use what it was trained on.
An onset is found as the steepest rise of the short-time level: a muzzle blast rises within a
few samples, its echoes and reverberation more slowly and from a higher floor. This finds loud
onsets, not every shot, and says nothing of whether it was a shot.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError

FRAME_S = 0.004
"""Step of the short-time level: below the gap of the fastest automatic fire (50 ms) by far."""

BEFORE_S, AFTER_S = 0.012, 0.020
"""How long before an onset the level is taken as its floor, and after it as its strength."""

FLOOR_DB = 60.0
"""Levels further than this below the recording's loudest frame count as equal: a rise out of
digital silence is no steeper than one out of room noise."""

MIN_RISE_DB = 3.0
"""What rises less is no onset, the strongest one excepted."""

SPAN_FRAMES = 1 << 16
"""Frames rated at a time; hours of recording are rated in bounded memory."""


@dataclass(frozen=True)
class ClipRule:
    """How clips are cut from a recording.

    Parameters
    ----------
    length_s : the length of a clip; 0 takes the recording whole
    onset_at_s : where in the clip the onset stands
    max_clips : clips a recording, around its loudest onsets
    min_gap_s : onsets nearer than this to a louder one are passed over
    short_length_s : around every onset a second clip of this length is heard, too; 0: none
    """

    length_s: float = 1.0
    onset_at_s: float = 0.1
    max_clips: int = 4
    min_gap_s: float = 0.2
    short_length_s: float = 0.0

    def __post_init__(self) -> None:
        if self.length_s < 0 or (self.length_s and not 0 <= self.onset_at_s < self.length_s):
            raise ShotprintError(
                f"the onset stands at {self.onset_at_s} s of a clip of {self.length_s} s; "
                "expected a length of at least 0 s and an onset inside the clip"
            )
        if self.max_clips < 1 or self.min_gap_s <= 0:
            raise ShotprintError(
                f"found max_clips {self.max_clips} and min_gap_s {self.min_gap_s}; "
                "expected at least one clip and a gap above 0 s"
            )
        is_short = self.onset_at_s < self.short_length_s < self.length_s
        if self.short_length_s and not is_short:
            raise ShotprintError(
                f"the second clip has {self.short_length_s} s; expected 0 s (none), or a length "
                f"between the onset at {self.onset_at_s} s and the first clip's {self.length_s} s"
            )

    @property
    def views(self) -> "tuple[ClipRule, ...]":
        """The rules, of one length each, by which an onset is heard; the longest first."""
        long = dataclasses.replace(self, short_length_s=0.0)
        if not self.short_length_s:
            return (long,)
        return long, dataclasses.replace(long, length_s=self.short_length_s)


class Clips(NamedTuple):
    """Clips of one recording, the strongest onset first.

    waveforms: float32 (n_clips, n_samples); start_samples: where in the recording each begins
    (negative where it was padded in front); onset_samples: where in the recording each onset is.
    """

    waveforms: NDArray[np.float32]
    start_samples: NDArray[np.int64]
    onset_samples: NDArray[np.int64]


def compute_power(waveform: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float64]:
    """Return the mean power of consecutive frames of `FRAME_S`.

    Parameters
    ----------
    waveform : (n_samples,); a last part shorter than a frame is left out

    Returns
    -------
    (n_frames,)
    """
    length = count_frame_samples(sample_rate_hz)
    n_frames = len(waveform) // length
    frames = waveform[: n_frames * length].reshape(n_frames, length)
    power: NDArray[np.float64] = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / length
    return power


def count_frame_samples(sample_rate_hz: int) -> int:
    """Return how many samples a frame of `compute_power` has."""
    return max(1, round(FRAME_S * sample_rate_hz))


def find_onsets(
    waveform: NDArray[np.float32], sample_rate_hz: int, rule: ClipRule
) -> NDArray[np.int64]:
    """Return the sample indices of the strongest onsets, strongest first.

    Parameters
    ----------
    waveform : (n_samples,); an empty or silent one has one onset, its first sample

    Returns
    -------
    (1 … rule.max_clips,) int64, each nearer than `FRAME_S` to the sample where the level rises
    """
    frames = pick_onset_frames(compute_power(waveform, sample_rate_hz), rule)
    return frames * count_frame_samples(sample_rate_hz)


def pick_onset_frames(power: NDArray[np.float64], rule: ClipRule) -> NDArray[np.int64]:
    """Return the frames in which the strongest onsets lie, strongest first.

    The strength of an onset is its level above the recording's loudest frame plus half of its
    rise above the moments before, in dB, so that a loud steep rise wins over a loud late echo.

    Parameters
    ----------
    power : (n_frames,) of `compute_power`, joined over the blocks of a long recording

    Returns
    -------
    (1 … rule.max_clips,) int64
    """
    top = float(power.max(initial=0.0))
    if top == 0 or len(power) <= round(AFTER_S / FRAME_S):
        return np.zeros(1, dtype=np.int64)
    lowest = max(float(power.min()), top * 10 ** (-FLOOR_DB / 10))
    strength, is_steep = np.empty_like(power), np.empty(len(power), bool)
    for start in range(0, len(power), SPAN_FRAMES):
        stop = min(start + SPAN_FRAMES, len(power))
        strength[start:stop], rise = _rate_onsets(power, lowest, start, stop)
        is_steep[start:stop] = rise >= MIN_RISE_DB
    gap = max(1, round(rule.min_gap_s / FRAME_S))
    onsets: list[int] = []
    for _ in range(rule.max_clips):
        best = int(strength.argmax())
        is_spent = not np.isfinite(strength[best])
        if is_spent or (onsets and not is_steep[best]):
            break
        onsets.append(best)
        strength[max(0, best - gap) : best + gap + 1] = -np.inf
    return np.asarray(onsets, dtype=np.int64)


def _rate_onsets(
    power: NDArray[np.float64], lowest: float, start: int, stop: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return strength and rise in dB of an onset in each of the frames start…stop.

    Powers below `lowest` count as that, and so does what would lie outside the recording.
    """
    before, after = round(BEFORE_S / FRAME_S), round(AFTER_S / FRAME_S)
    first, last = start - before, stop + after - 1
    span = np.maximum(power[max(0, first) : last], lowest)
    ends = (max(0, -first), max(0, last - len(power)))
    level = 10 * np.log10(np.pad(span, ends, constant_values=lowest))
    windows = np.lib.stride_tricks.sliding_window_view
    floor = windows(level, before)[: stop - start].mean(axis=1)
    peak = windows(level[before:], after).max(axis=1)
    rise = np.minimum(level[before : before + stop - start], peak) - floor
    strength: NDArray[np.float64] = peak + 0.5 * rise
    return strength, rise


def place_clips(
    onset_samples: NDArray[np.int64], n_samples: int, sample_rate_hz: int, rule: ClipRule
) -> NDArray[np.int64]:
    """Return where the clip around each onset begins, moved inside the recording.

    Parameters
    ----------
    onset_samples : (n_onsets,)
    n_samples : the length of the recording; a shorter one than a clip has its clip begin at a
        negative sample, so that it stands in the middle of zeros

    Returns
    -------
    (n_onsets,) int64, 0 for ``length_s`` 0; onsets near an end may share a clip
    """
    if rule.length_s == 0:
        return np.zeros_like(onset_samples)
    length = round(rule.length_s * sample_rate_hz)
    if n_samples <= length:
        return np.full_like(onset_samples, -((length - n_samples) // 2))
    starts = onset_samples - round(rule.onset_at_s * sample_rate_hz)
    return np.clip(starts, 0, n_samples - length)


def cut_clips(
    waveform: NDArray[np.float32],
    sample_rate_hz: int,
    rule: ClipRule,
    onsets: NDArray[np.int64] | None = None,
) -> Clips:
    """Cut the clips of a recording around its strongest onsets.

    A clip that would reach over an end of the recording is moved inside; a recording shorter
    than a clip stands in the middle of zeros.

    Parameters
    ----------
    waveform : (n_samples,) float32
    onsets : of `find_onsets`, if they were found already

    Returns
    -------
    Clips with waveforms (n_clips, length) or, for ``length_s`` 0, (1, n_samples)
    """
    if onsets is None:
        onsets = find_onsets(waveform, sample_rate_hz, rule)
    if rule.length_s == 0:
        return Clips(waveform[None], np.zeros(1, np.int64), onsets[:1])
    starts = place_clips(onsets, len(waveform), sample_rate_hz, rule)
    length = round(rule.length_s * sample_rate_hz)
    if len(waveform) <= length:
        front = -int(starts[0])
        clip = np.pad(waveform, (front, length - len(waveform) - front))
        return Clips(clip[None], starts[:1], onsets[:1])
    starts, first = np.unique(starts, return_index=True)
    order = np.argsort(first)
    starts, onsets = starts[order], onsets[first[order]]
    waveforms = np.stack([waveform[start : start + length] for start in starts])
    return Clips(waveforms, starts, onsets)


def normalize_level(waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each clip minus its mean, with a peak of 0.5; a constant one becomes zeros.

    The level of a recording says how the recorder was set, not which gun fired.

    Parameters
    ----------
    waveforms : (…, n_samples), not empty
    """
    centred: NDArray[np.float32] = waveforms - waveforms.mean(
        axis=-1, keepdims=True, dtype=np.float32
    )
    highest = centred.max(axis=-1, keepdims=True)
    peak = np.maximum(highest, -centred.min(axis=-1, keepdims=True))
    centred /= 2 * np.maximum(peak, np.float32(1e-6))
    return centred
