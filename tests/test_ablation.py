"""The choice of a setting for a test fold never looks at that fold."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
from benchmarks import ablation

WORSE, BETTER = list(ablation.CANDIDATES)[1:3]


def write_scores(out_dir: Path, name: str, accuracy: dict[tuple[int, int], float]) -> None:
    """Store ten recordings a fold; `accuracy` of (scored, other fold left out), else 0.5."""
    for pair in ablation.ALL_PAIRS:
        folder = ablation.place_run(out_dir, name, pair)
        folder.mkdir(parents=True)
        scores = {}
        for scored in pair:
            share = accuracy.get((scored, sum(pair) - scored), 0.5)
            wrong = (np.arange(10) >= 10 * share).astype(int)
            scores[str(scored)] = np.log([[0.6, 0.4], [0.4, 0.6]])[wrong]
            scores[f"truth_{scored}"] = np.zeros(10, int)
        np.savez(folder / ablation.ANSWERS, **scores)


@pytest.fixture
def studied(tmp_path: Path) -> Path:
    """For test fold 2 BETTER is the best; WORSE is perfect on fold 2 itself."""
    scores = {
        WORSE: {(2, other): 1.0 for other in ablation.FOLDS if other != 2},
        BETTER: {(other, 2): 0.6 for other in ablation.FOLDS if other != 2},
    }
    for name in ablation.CANDIDATES:
        write_scores(tmp_path, name, scores.get(name, {}))
    return tmp_path


def test_scores_of_the_test_fold_do_not_choose(studied: Path) -> None:
    assert ablation.score_inner(studied, BETTER, 2) == pytest.approx(0.6)
    assert ablation.score_inner(studied, WORSE, 2) == pytest.approx(0.5)
    assert ablation.choose(studied, 2) == BETTER
    assert [ablation.choose(studied, fold) for fold in (0, 1, 3, 4)] == [WORSE] * 4


def test_equal_scores_choose_the_first(tmp_path: Path) -> None:
    for name in ablation.CANDIDATES:
        write_scores(tmp_path, name, {})
    assert ablation.choose(tmp_path, 0) == ablation.RECIPE


def test_nothing_is_chosen_before_all_networks_are_scored(studied: Path) -> None:
    (ablation.place_run(studied, WORSE, (2, 4)) / ablation.ANSWERS).unlink()
    assert ablation.choose(studied, 2) is None
    assert ablation.choose(studied, 3) == WORSE


def test_several_settings_answer_with_the_mean_of_their_log_probabilities(tmp_path: Path) -> None:
    names = list(ablation.CANDIDATES)[:2]
    sure, unsure = np.log([0.05, 0.95]), np.log([0.6, 0.4])  # of the second label, which is true
    for name, rows in zip(names, ((sure, unsure), (unsure, sure)), strict=True):
        folder = ablation.place_run(tmp_path, name, (0,))
        folder.mkdir(parents=True)
        np.savez(folder / ablation.ANSWERS, **{"0": np.stack(rows), "truth_0": np.array([1, 1])})
    found = [ablation.read_correct(tmp_path, name, (0,), 0) for name in names]
    np.testing.assert_array_equal(found, [[True, False], [False, True]])
    joined = ablation.read_correct(tmp_path, names, (0,), 0)
    np.testing.assert_array_equal(joined, [True, True])
