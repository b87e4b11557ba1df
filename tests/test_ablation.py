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
            scores[str(scored)] = np.arange(10) < 10 * share
        np.savez(folder / "correct.npz", **scores)


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
    (ablation.place_run(studied, WORSE, (2, 4)) / "correct.npz").unlink()
    assert ablation.choose(studied, 2) is None
    assert ablation.choose(studied, 3) == WORSE
