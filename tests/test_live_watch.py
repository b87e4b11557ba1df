"""What is wrong with a live sound is said once, and once more when it is over."""

import numpy as np
import pytest

from shotprint.live.watch import Watch

RATE_HZ = 8000
NOISE = 0.05 * np.random.default_rng(0).standard_normal((2, 20 * RATE_HZ)).astype(np.float32)


def watch(waveform):
    """Return (state, second) of all that is said, and the waveform that comes out."""
    watch = Watch(RATE_HZ)
    said, parts = [], []
    for begin in range(0, waveform.shape[1], 400):
        block, found = watch.look(waveform[:, begin : begin + 400])
        said += [(name, begin // RATE_HZ + 1) for name, _ in found]
        parts.append(block)
    return said, np.concatenate(parts, axis=1)


def spoil(change, begin_s=4, end_s=12):
    waveform = NOISE.copy()
    part = waveform[:, begin_s * RATE_HZ : end_s * RATE_HZ]
    part[:] = change(part)
    return waveform


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda part: part, []),
        (lambda part: np.where(part > 0.1, np.nan, part), [("damaged", 5), ("damaged", 17)]),
        (lambda part: np.where(part > 0.1, -np.inf, part), [("damaged", 5), ("damaged", 17)]),
        (lambda part: 0 * part, [("silent", 9), ("silent", 13)]),
        (lambda part: np.clip(30 * part, -1, 1), [("clipped", 7), ("clipped", 15)]),
        (lambda part: part + 0.2, [("offset", 7), ("offset", 15)]),
    ],
    ids=["good", "nan", "infinite", "silent", "clipped", "offset"],
)
def test_a_state_is_said_when_it_begins_and_when_it_ends(change, said):
    assert watch(spoil(change))[0] == said


def test_samples_that_are_no_numbers_become_0():
    waveform = spoil(lambda part: np.where(part > 0.1, np.nan, part))
    assert np.array_equal(watch(waveform)[1], np.nan_to_num(waveform))


def test_a_burst_of_clipped_shots_is_no_state():
    waveform = NOISE.copy()
    for shot in range(20):
        begin = 5 * RATE_HZ + shot * RATE_HZ // 10
        waveform[:, begin : begin + 8] = 1
    assert watch(waveform)[0] == []
