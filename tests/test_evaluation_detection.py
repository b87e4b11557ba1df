"""Matching and figures of found shots, against brute force and the project's own scorer."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from shotprint.evaluation.detection import (
    Found,
    count_marks_found,
    count_onsets,
    evaluate_onsets,
    match_onsets,
)


def make_times(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.sort(rng.uniform(0, 1, n))


def count_by_flow(found: np.ndarray, true: np.ndarray, tolerance: float) -> int:
    """The largest matching as scipy finds it."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    near = csr_array(np.abs(found[:, None] - true) <= tolerance + 1e-6)
    return int((maximum_bipartite_matching(near) >= 0).sum())


@pytest.mark.parametrize("seed", range(40))
def test_matching_is_the_largest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, true = (make_times(rng, int(rng.integers(0, 30))) for _ in range(2))
    pairs = match_onsets(found, true, 0.03)
    if len(found) and len(true):
        assert len(pairs) == count_by_flow(found, true, 0.03)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(found[i] - true[j]) <= 0.03 + 1e-6 for i, j in pairs)


def test_matching_agrees_with_the_shared_scorer(shared: Path) -> None:
    spec = importlib.util.spec_from_file_location("scorer", shared / "tools" / "score_onsets.py")
    assert spec is not None
    assert spec.loader is not None
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    rng = np.random.default_rng(7)
    for _ in range(100):
        found, true = make_times(rng, 12), make_times(rng, 9)
        assert len(match_onsets(found, true)) == scorer.count_matches(found, true, 0.02)


def test_one_shot_is_not_found_twice() -> None:
    assert match_onsets([1.0, 1.01], [1.005]) == [(0, 0)]
    assert match_onsets([], [1.0]) == match_onsets([1.0], []) == []


@pytest.mark.parametrize(
    ("late_s", "n"), [(-0.051, 0), (-0.05, 1), (0.0, 1), (0.25, 1), (0.251, 0)]
)
def test_a_mark_is_found_in_its_window(late_s: float, n: int) -> None:
    assert count_marks_found([2.0 + late_s], [2.0]) == n


def make_found(onsets: list[float], true: list[float] | None, marks: object = None) -> Found:
    probability = np.linspace(0.9, 0.5, len(onsets)) if onsets else np.zeros(0)
    known = None if true is None else np.array(true)
    return Found(np.array(onsets), probability, known, None if marks is None else np.array(marks))


def test_figures_of_a_small_set() -> None:
    recordings = [
        make_found([1.004, 2.0, 3.0], [1.0, 3.0, 4.0]),
        make_found([0.5], []),
        make_found([], []),
        make_found([0.3, 0.9], None, [0.25, 2.0]),
    ]
    figures = evaluate_onsets(recordings, 0.1)
    assert figures.precision == pytest.approx(2 / 3)
    assert figures.recall == pytest.approx(2 / 3)
    assert figures.f1 == pytest.approx(2 / 3)
    assert figures.median_error_s == pytest.approx(0.002)
    assert (figures.marks_found, figures.false_alarms) == (0.5, 0.5)
    strict = evaluate_onsets(recordings, 0.6)  # the third onset, of probability 0.5, is gone
    assert strict.recall == pytest.approx(1 / 3)
    assert count_onsets(recordings, 0.1).sum(axis=0).tolist() == [3, 2, 3, 1, 2, 1, 2]


def test_nothing_to_count_is_no_number() -> None:
    figures = evaluate_onsets([], 0.5)
    assert np.isnan([figures.f1, figures.recall, figures.median_error_s]).all()
    assert np.isnan([figures.marks_found, figures.false_alarms]).all()
