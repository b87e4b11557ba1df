"""The clock of a stream: no drift, no jitter, right again after a stall."""

import numpy as np
import pytest

from shotprint.live.clock import Clock

BLOCK_S = 0.5


def arrive(seconds, rate=1.0, seed=0):
    """Yield (end of block on the stream, arrival) with up to 80 ms of jitter; heard from 100 s."""
    rng = np.random.default_rng(seed)
    for i in range(round(seconds / BLOCK_S)):
        end_s = (i + 1) * BLOCK_S
        yield end_s, 100 + end_s / rate + rng.uniform(0, 0.08)


@pytest.mark.parametrize("rate", [1 - 100e-6, 1.0, 1 + 100e-6])
def test_a_crystal_that_is_wrong_does_not_add_up_over_days(rate):
    clock = Clock()
    errors = []
    for end_s, arrival_s in arrive(2 * 86400, rate):
        clock.add(end_s, arrival_s)
        errors.append(clock.tell(end_s) - (100 + end_s / rate))
    assert max(map(abs, errors[100:])) < 0.03  # it would be 17 s


def test_after_a_stall_time_goes_on_from_there():
    clock = Clock()
    for end_s, arrival_s in arrive(30):
        clock.add(end_s, arrival_s + (0 if end_s < 10 else 7.5))
    assert clock.tell(30) == pytest.approx(137.5, abs=0.08)


def test_a_burst_that_catches_up_shows_when_it_was_heard():
    clock = Clock()
    for end_s, arrival_s in arrive(30):
        clock.add(end_s, max(arrival_s, 120) if end_s > 10 else arrival_s)
    assert clock.tell(20) == pytest.approx(120, abs=0.08)


def test_nothing_arrived_nothing_told():
    assert Clock().tell(1.0) is None
