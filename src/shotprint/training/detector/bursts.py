"""Single real shots, and bursts composed of them: automatic fire whose every onset is known."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shotprint.detection.facts import DETECTOR
from shotprint.training.detector.labels import Labels, label_by_level, measure_rise
from shotprint.training.detector.sets import Floats, Recording, Times

RATE_HZ = DETECTOR.sample_rate_hz
SPACING_S = (0.05, 0.12)
LEAD_S, LENGTH_S, FADE_S = 0.02, 0.27, 0.1
ALONE_S, AGAIN_DB = 0.07, 6.0


class Single(NamedTuple):
    """A shot that stands alone, peak 1, faded out: waveform (n_samples,), its onset in seconds."""

    waveform: Floats
    onset_s: float


def cut_singles(recording: Recording, labels: Labels) -> list[Single]:
    """Cut loud shots out of 80 ms of quiet, each up to where another sound begins.

    Shots of a burst are not marked one by one: what follows 70 ms after a shot or later and rises
    again is the next one, or an echo, and is left out; what does so earlier is no single shot.
    """
    singles = []
    level_db, _ = measure_rise(recording.waveform)
    for onset_s in labels.onsets_s:
        first = round(1000 * onset_s)
        before, after = level_db[max(0, first - 80) : max(0, first - 3)], level_db[first:][:10]
        if len(before) < 60 or len(after) < 10:
            continue
        rise_db = after.max() - np.median(before)
        if rise_db < 20 or after.max() - before.max() < 8 or after.max() < level_db.max() - 12:
            continue
        start = round((onset_s - LEAD_S) * RATE_HZ)
        part = recording.waveform[start : start + round(LENGTH_S * RATE_HZ)].copy()
        n_lead = round(LEAD_S * RATE_HZ)
        n_alone = _count_alone(part[n_lead:])
        if n_alone < round(ALONE_S * RATE_HZ):
            continue
        part = part[: n_lead + n_alone]
        n_fade = min(n_alone, round(FADE_S * RATE_HZ))
        part[-n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32)
        part[:60] *= np.linspace(0, 1, 60, dtype=np.float32)
        part /= max(1e-6, float(np.abs(part).max()))
        singles.append(Single(part, onset_s - start / RATE_HZ))
    return singles


def _count_alone(sound: Floats) -> int:
    """Return after how many samples of a shot (n_samples,) its level rises again."""
    n_part = round(0.005 * RATE_HZ)
    sharp = np.diff(sound, prepend=sound[:1])
    parts = sharp[: len(sharp) // n_part * n_part].reshape(-1, n_part)
    if len(parts) < 6:
        return len(sound)
    level = 10 * np.log10(np.mean(parts**2, axis=1) + 1e-9)
    smooth = 0.5 * (level[:-1] + level[1:])
    again = smooth - np.minimum.accumulate(smooth) >= AGAIN_DB
    again[: int(smooth[:5].argmax()) + 1] = False
    return int(again.argmax()) * n_part if again.any() else len(sound)


class Burst(NamedTuple):
    """Composed fire: waveform (n_samples,) at 12 kHz, its onsets, the recording of its shots."""

    waveform: Floats
    onsets_s: Times
    source: Recording


def compose_bursts(recordings: Sequence[Recording], n_bursts: int, seed: int) -> list[Burst]:
    """Compose bursts of 3 to 10 single shots of one marked recording each, for testing.

    Each group of recordings gives as many. Spacing from 50 to 120 ms, varying by 4 % within a
    burst; levels by 1.5 dB. None where no shot stands alone.
    """
    sources: dict[str, list[tuple[Recording, list[Single]]]] = {}
    for recording in recordings:
        if recording.marks_s is None:
            continue
        if singles := cut_singles(recording, label_by_level(recording)):
            sources.setdefault(recording.group, []).append((recording, singles))
    groups = sorted(sources)
    rng = np.random.default_rng(seed)
    bursts = []
    for _ in range(n_bursts if sources else 0):
        group = sources[groups[int(rng.integers(len(groups)))]]
        recording, singles = group[int(rng.integers(len(group)))]
        n_shots, spacing_s = int(rng.integers(3, 11)), rng.uniform(*SPACING_S)
        gaps_s = spacing_s * np.clip(rng.normal(1, 0.04, n_shots), 0.9, 1.1)
        starts_s = 0.5 + np.cumsum(np.maximum(gaps_s, SPACING_S[0]))
        waveform = np.zeros(round((starts_s[-1] + 1.0) * RATE_HZ), np.float32)
        onsets = []
        for start_s in starts_s.tolist():
            shot = singles[int(rng.integers(len(singles)))]
            start = round(start_s * RATE_HZ)
            level = 0.5 * 10 ** (rng.normal(0, 1.5) / 20)
            waveform[start : start + len(shot.waveform)] += np.float32(level) * shot.waveform
            onsets.append(start / RATE_HZ + shot.onset_s)
        waveform += rng.normal(0, 1e-3, len(waveform)).astype(np.float32)
        bursts.append(Burst(np.clip(waveform, -1, 1), np.array(onsets), recording))
    return bursts
