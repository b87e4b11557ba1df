"""Sketches of the sound around its strongest changes, and the search for alike ones.

A copy of a sound keeps the moments at which its level rises, and the log spectrum around them,
whatever its rate, codec, level and beginning. So every clip gets *anchors*, the places where the
rise of the level is largest within an eighth of a second, and a *sketch* of each, a coarse
log-mel spectrogram of the 40 ms before and 150 ms behind it. Pairs of clips with a pair of alike
sketches are candidates, which `comparison` then judges by their waveforms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotprint.frontends import Frontend, compute_logmel
from shotprint.progress import show_progress

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

RATE_HZ = 8000
"""What narrow telephone recordings have; a copy of any rate above can be compared."""
LOW_HZ, HIGH_HZ = 150.0, 3400.0
HOP, WINDOW, N_BANDS = 32, 128, 16  # 4 ms, 16 ms
POWER_FLOOR = 1e-8
"""Noise of 16 bits in a band, about; what is fainter makes no sketch differ."""
REACH = 31  # frames: an anchor rises most among all frames so near
BEFORE, N_SLOTS, SLOT = 10, 12, 4  # frames before the anchor, slots of a sketch, frames a slot
N_DIMENSIONS = 48
MIN_LIKENESS = 0.65
MAX_CANDIDATES = 20
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Anchors (n,) in frames of `HOP`, and their sketches (n, `N_BANDS` · `N_SLOTS`), float16."""

    anchors: Ints
    sketches: NDArray[np.float16]


@dataclass(frozen=True)
class Candidate:
    """Two clips (numbers, first below second) with alike sketches at these samples of `RATE_HZ`."""

    first: int
    second: int
    first_sample: int
    second_sample: int
    likeness: float


_FRONTEND = Frontend(
    name="sketch",
    sample_rate_hz=RATE_HZ,
    n_fft=WINDOW,
    win_length=WINDOW,
    hop_length=HOP,
    n_mels=N_BANDS,
    fmin_hz=LOW_HZ,
    fmax_hz=HIGH_HZ,
    periodic_window=True,
    mel_scale="slaney",
    preemphasis=0.0,
    log_rule="offset_ln",
    log_floor=POWER_FLOOR,
)
_PIECE = HOP << 15  # samples whose spectrogram is held at a time: two minutes


def compute_fingerprint(waveform: Floats) -> Fingerprint:
    """Return the anchors of a waveform (n_samples,) at `RATE_HZ`, and their sketches."""
    logmel = _compute_logmel(waveform)
    anchors = _find_anchors(logmel)
    padded = np.pad(logmel, ((0, 0), (BEFORE, N_SLOTS * SLOT)), mode="edge")
    frames = anchors[:, None] + np.arange(N_SLOTS * SLOT)
    windows = padded[:, frames].reshape(N_BANDS, len(anchors), N_SLOTS, SLOT)
    sketches = windows.mean(axis=3).transpose(1, 0, 2).reshape(len(anchors), N_BANDS * N_SLOTS)
    sketches -= sketches.mean(axis=1, keepdims=True)  # whatever the level
    return Fingerprint(anchors, sketches.astype(np.float16))


def _compute_logmel(waveform: Floats) -> Floats:
    """Return the log-mel spectrogram (`N_BANDS`, n_frames), natural logarithm."""
    pieces = [waveform[i : i + _PIECE] for i in range(0, max(1, len(waveform)), _PIECE)]
    return np.hstack(
        [
            compute_logmel(
                np.pad(piece, (0, max(0, _FRONTEND.min_samples - len(piece)))), _FRONTEND
            )
            for piece in pieces
        ]
    )


def _find_anchors(logmel: Floats) -> Ints:
    """Return the frames (n,) at which the level rises most among all within `REACH`."""
    rise = np.maximum(np.diff(logmel, n=1, axis=1, prepend=logmel[:, :1]), 0).sum(axis=0)
    rise = np.convolve(rise, [0.5, 1.0, 0.5], mode="same")
    padded = np.pad(rise, REACH)
    largest = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1).max(axis=1)
    return np.flatnonzero((rise == largest) & (rise > 0)).astype(np.int64)


def find_candidates(fingerprints: Sequence[Fingerprint]) -> list[Candidate]:
    """Return pairs of clips that may share sound, of each clip the `MAX_CANDIDATES` likest.

    Sketches are compared by the cosine of their angle after whitening: what many sketches of the
    set have in common says nothing.
    """
    counts = [len(each.anchors) for each in fingerprints]
    if sum(counts) < 2:
        return []
    owner = np.repeat(np.arange(len(fingerprints)), counts)
    places = HOP * np.concatenate([each.anchors for each in fingerprints])
    directions = _whiten(np.concatenate([each.sketches for each in fingerprints]))
    ends = np.cumsum(counts)
    candidates: list[Candidate] = []
    first = 0
    blocks = _divide_clips(counts)
    for clips in show_progress(blocks, total=len(blocks), description="comparing fingerprints"):
        stop = int(ends[clips[-1]])
        likeness = directions[first:stop] @ directions[first:].T
        row, column = np.nonzero(likeness >= MIN_LIKENESS)
        later = owner[first + row] < owner[first + column]
        row, column = row[later], column[later]
        values = likeness[row, column]
        for place in _pick_likest(owner[first + row], owner[first + column], values).tolist():
            one, two = first + int(row[place]), first + int(column[place])
            candidates.append(
                Candidate(
                    int(owner[one]),
                    int(owner[two]),
                    int(places[one]),
                    int(places[two]),
                    float(values[place]),
                )
            )
        first = stop
    return candidates


def _whiten(sketches: NDArray[np.float16]) -> Floats:
    """Return unit vectors (n, `N_DIMENSIONS` at most) of sketches on their main components."""
    centred = sketches.astype(np.float32)
    centred -= centred.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    keep = values > 1e-6 * max(float(values[-1]), 1e-12)
    keep[:-N_DIMENSIONS] = False
    projected = centred @ (vectors[:, keep] / np.sqrt(values[keep]))
    length = np.linalg.norm(projected, axis=1, keepdims=True)
    directions: Floats = projected / np.maximum(length, 1e-12)
    return directions


def _divide_clips(counts: Sequence[int]) -> list[range]:
    """Return runs of clips with `_ROWS_AT_ONCE` sketches or a clip more."""
    blocks, begin, n_rows = [], 0, 0
    for clip, count in enumerate(counts):
        n_rows += count
        if n_rows >= _ROWS_AT_ONCE or clip == len(counts) - 1:
            blocks.append(range(begin, clip + 1))
            begin, n_rows = clip + 1, 0
    return blocks


def _pick_likest(first: Ints, second: Ints, values: Floats) -> Ints:
    """Return the places of the best value of each pair, `MAX_CANDIDATES` of each `first`."""
    order = np.lexsort((-values, second, first))
    is_best = np.ones(len(order), bool)
    is_best[1:] = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    order = order[is_best]
    order = order[np.lexsort((-values[order], first[order]))]
    begins = np.searchsorted(first[order], first[order])
    picked: Ints = order[np.arange(len(order)) - begins < MAX_CANDIDATES]
    return picked
