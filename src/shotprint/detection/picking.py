"""From a logit every 4 ms to moments: one a shot, finer than a frame."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_GAP_FRAMES = 7
"""28 ms: two shots are farther apart (2,100 rounds a minute), maxima of one shot are nearer."""


class Onsets(NamedTuple):
    """place: frame of the maximum; moment: in frames and parts of one; probability; (n_shots,)."""

    place: NDArray[np.int64]
    moment: NDArray[np.float64]
    probability: NDArray[np.float64]


def pick_onsets(logits: NDArray[np.float32], threshold: float) -> Onsets:
    """Return where a shot begins, rising in time.

    A maximum counts where its probability reaches the threshold and nothing within
    `MIN_GAP_FRAMES` is higher. The moment is the centre of gravity of the probability over the
    two frames on both sides.

    Parameters
    ----------
    logits : (n_frames,) log-odds that a shot begins
    """
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    is_peak = probability >= threshold
    is_peak[1:] &= logits[1:] > logits[:-1]
    is_peak[:-1] &= logits[:-1] >= logits[1:]
    peaks = []
    for place in np.flatnonzero(is_peak).tolist():
        first = max(0, place - MIN_GAP_FRAMES + 1)
        if first + int(logits[first : place + MIN_GAP_FRAMES].argmax()) == place:
            peaks.append(place)
    places = np.array(peaks, dtype=np.int64)
    beyond = np.zeros(len(probability) + 4)
    beyond[2:-2] = probability
    near = beyond[places[:, None] + np.arange(5)]
    shift = near @ np.arange(-2.0, 3.0) / np.maximum(near.sum(axis=1), 1e-9)
    return Onsets(places, places + shift, probability[places])
