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


class Single(NamedTuple):
    """A shot that stands alone, peak 1, faded out: waveform (n_samples,), its onset in seconds."""

    waveform: Floats
    onset_s: float


def cut_singles(recording: Recording, labels: Labels) -> list[Single]:
    """Cut the shots with 80 ms of quiet before them and no other onset for 250 ms after."""
    singles = []
    level_db, _ = measure_rise(recording.waveform)
    for onset_s in labels.onsets_s:
        others = labels.onsets_s - onset_s
        first = round(1000 * onset_s)
        before, after = level_db[max(0, first - 80) : max(0, first - 3)], level_db[first:][:10]
        is_crowded = np.any((np.abs(others) > 0.005) & (others > -0.2) & (others < 0.25))
        if is_crowded or len(before) < 60 or len(after) < 10:
            continue
        if after.max() - np.median(before) < 20 or after.max() - before.max() < 8:
            continue
        start = round((onset_s - LEAD_S) * RATE_HZ)
        part = recording.waveform[start : start + round(LENGTH_S * RATE_HZ)].copy()
        n_fade = min(len(part), round(FADE_S * RATE_HZ))
        part[-n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32)
        part[:60] *= np.linspace(0, 1, 60, dtype=np.float32)
        part /= max(1e-6, float(np.abs(part).max()))
        singles.append(Single(part, onset_s - start / RATE_HZ))
    return singles


class Burst(NamedTuple):
    """Composed fire: waveform (n_samples,) at 12 kHz, its onsets, the recording of its shots."""

    waveform: Floats
    onsets_s: Times
    source: Recording


def compose_bursts(recordings: Sequence[Recording], n_bursts: int, seed: int) -> list[Burst]:
    """Compose bursts of 3 to 10 single shots of one marked recording each, for testing.

    Spacing from 50 to 120 ms, varying by 4 % within a burst; levels by 1.5 dB.
    None where no shot stands alone.
    """
    sources = [
        (recording, singles)
        for recording in recordings
        if recording.marks_s is not None
        and (singles := cut_singles(recording, label_by_level(recording)))
    ]
    rng = np.random.default_rng(seed)
    bursts = []
    for _ in range(n_bursts if sources else 0):
        recording, singles = sources[int(rng.integers(len(sources)))]
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
