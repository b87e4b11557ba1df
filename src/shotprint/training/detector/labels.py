"""What the network is to answer in each frame, and how much each frame counts.

Where onsets are known, the answer is a bump of one frame's width around each. Where only marks
are known, the onsets are found first by the rise of the level, then by the network itself as it
learns; frames of which neither is sure count nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shotprint.detection.facts import DETECTOR
from shotprint.detection.picking import pick_onsets
from shotprint.training.detector.sets import AFTER_MARK_S, BEFORE_MARK_S, Floats, Recording, Times

FRAME_S = DETECTOR.hop_length / DETECTOR.sample_rate_hz
WIDTH_S = 0.004
SURE, UNSURE = 0.5, 0.05
RISE_DB = 8.0
QUIET_DB = 25.0


class Labels(NamedTuple):
    """onsets_s (n,); doubtful (n_frames,) bool: frames that count nothing."""

    onsets_s: Times
    doubtful: NDArray[np.bool_]


def draw_targets(onsets_s: Times, n_frames: int) -> Floats:
    """Return 1 at an onset, falling off with a standard deviation of `WIDTH_S`; (n_frames,)."""
    targets = np.zeros(n_frames, np.float32)
    for onset_s in onsets_s:
        first = max(0, int(onset_s / FRAME_S) - 4)
        places = np.arange(first, min(n_frames, first + 10))
        bump = np.exp(-0.5 * ((places * FRAME_S - onset_s) / WIDTH_S) ** 2)
        targets[places] = np.maximum(targets[places], bump)
    return targets


def count_frames(waveform: Floats) -> int:
    return len(waveform) // DETECTOR.hop_length


def label_exactly(recording: Recording) -> Labels:
    """Labels of a recording whose onsets are known."""
    assert recording.onsets_s is not None
    return Labels(recording.onsets_s, np.zeros(count_frames(recording.waveform), bool))


def label_as_doubtful(recording: Recording) -> Labels:
    """Labels of a recording whose shots another expert is for: they count nothing, echoes do."""
    exact = label_exactly(recording)
    targets = draw_targets(exact.onsets_s, len(exact.doubtful))
    near = np.convolve(targets > 0.01, np.ones(5), "same") > 0
    return Labels(np.zeros(0), near)


def label_by_level(recording: Recording) -> Labels:
    """First labels of a marked recording: the steepest rise of the level in each window.

    Loud frames elsewhere may hold shots that nobody marked; they count nothing.
    """
    assert recording.marks_s is not None
    level_db, rise_db = measure_rise(recording.waveform)
    n_frames = count_frames(recording.waveform)
    onsets = []
    for mark_s in recording.marks_s:
        first = max(0, round(1000 * (mark_s - BEFORE_MARK_S)))
        window = rise_db[first : round(1000 * (mark_s + AFTER_MARK_S))]
        if len(window) and window.max() >= RISE_DB:
            onsets.append((first + int(window.argmax())) / 1000)
    onsets_s = np.unique(onsets)
    loud = level_db > level_db.max() - QUIET_DB
    frames = np.minimum(np.round(np.arange(n_frames) * FRAME_S * 1000).astype(int), len(loud) - 1)
    doubtful = loud[frames] if len(loud) else np.zeros(n_frames, bool)
    return Labels(onsets_s, doubtful & (draw_targets(onsets_s, n_frames) < 0.01))


def label_by_network(recording: Recording, logits: Floats) -> Labels:
    """Labels of a marked recording as the network hears it, (n_frames,) log-odds."""
    assert recording.marks_s is not None
    probability = 1 / (1 + np.exp(-logits))
    onsets = list(pick_onsets(logits, SURE).moment * FRAME_S)
    doubtful = probability > UNSURE
    for mark_s in recording.marks_s:
        if any(-BEFORE_MARK_S <= onset_s - mark_s <= AFTER_MARK_S for onset_s in onsets):
            continue
        first = max(0, round((mark_s - BEFORE_MARK_S) / FRAME_S))
        window = probability[first : round((mark_s + AFTER_MARK_S) / FRAME_S)]
        if len(window) and window.max() >= UNSURE:
            onsets.append((first + int(window.argmax())) * FRAME_S)
        doubtful[first : first + len(window)] = True
    onsets_s = np.sort(np.array(onsets))
    near = np.convolve(doubtful, np.ones(7), "same") > 0
    return Labels(onsets_s, near & (draw_targets(onsets_s, len(probability)) < 0.01))


def measure_rise(waveform: Floats) -> tuple[Floats, Floats]:
    """Return the level of each millisecond, and its rise over the 15 ms before, in dB."""
    n_part = DETECTOR.sample_rate_hz // 1000
    sharp = np.diff(waveform, prepend=waveform[:1])
    parts = sharp[: len(sharp) // n_part * n_part].reshape(-1, n_part)
    level = 10 * np.log10(np.mean(parts**2, axis=1) + 1e-9)
    if len(level) < 20:
        return level, np.zeros_like(level)
    padded = np.pad(level, (15, 4), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view
    before = windows(padded, 15)[: len(level)].mean(axis=1)
    after = windows(padded[15:], 4)[: len(level)].mean(axis=1)
    return level, np.minimum(after, level + 3) - before
