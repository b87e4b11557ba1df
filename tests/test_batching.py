"""What threads ask of a GPU at the same time becomes one call; here a CPU computes it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shotprint.recognition.batching import HELD, SIZES, Batching


class Sums:
    """Answers sum and first sample of each clip, and notes every call."""

    def __init__(self):
        self.calls = []
        self.n_opened = 0
        self.may_go = threading.Event()
        self.may_go.set()

    def open(self):
        self.n_opened += 1
        return self.n_opened

    def call(self, session, clips):
        self.calls.append((session, clips.shape))
        assert self.may_go.wait(10)
        return [clips.sum(axis=1, keepdims=True), clips[:, :1]]


def make_clips(n, n_samples=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, n_samples)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 4, 5, 63, 64, 65, 200])
def test_any_number_of_clips_is_answered_in_few_shapes(n):
    sums, clips = Sums(), make_clips(n)
    total, first = Batching(sums.call, sums.open).run(clips)
    np.testing.assert_array_equal(total, clips.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(first, clips[:, :1])
    assert {shape[0] for _, shape in sums.calls} <= set(SIZES)


def test_each_shape_has_a_session_of_its_own():
    sums = Sums()
    batching = Batching(sums.call, sums.open)
    for n_samples in (8, 4, 8, 4):
        batching.run(make_clips(3, n_samples))
        batching.run(make_clips(1, n_samples))
    assert sums.n_opened == 4
    assert len(set(sums.calls)) == 4


def test_sessions_are_not_kept_without_end():
    sums = Sums()
    batching = Batching(sums.call, sums.open)
    for n_samples in [*range(1, HELD + 2), HELD + 1, 1]:
        batching.run(make_clips(1, n_samples))
    assert sums.n_opened == HELD + 2  # the last of them anew


def test_what_waits_becomes_one_call_and_all_get_their_own():
    sums = Sums()
    sums.may_go.clear()
    batching = Batching(sums.call, sums.open)
    asked = [make_clips(1 + seed % 3, 8 if seed % 4 else 6, seed) for seed in range(24)]
    with ThreadPoolExecutor(len(asked)) as pool:
        futures = [pool.submit(batching.run, clips) for clips in asked]
        while len(batching._waiting) + 1 < len(asked):
            threading.Event().wait(0.01)
        sums.may_go.set()
        for clips, future in zip(asked, futures, strict=True):
            total, _ = future.result(10)
            np.testing.assert_allclose(total, clips.sum(axis=1, keepdims=True), rtol=1e-6)
    assert len(sums.calls) <= 4


def test_an_error_reaches_those_who_asked_and_no_others():
    def call(session, clips):
        if not np.isfinite(clips).all():
            raise ValueError("bad")
        return [clips]

    batching = Batching(call, object)
    with pytest.raises(ValueError, match="bad"):
        batching.run(np.full((2, 4), np.nan, np.float32))
    np.testing.assert_array_equal(*batching.run(make_clips(2)), make_clips(2))
