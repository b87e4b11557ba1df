"""How many guns fired: fitted and measured on shots of one to three guns put together.

Each case is composed within one fold, so that one network, which heard none of them, answers for
all its shots: recordings of one, two or three guns of different models, one or more of each.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.evaluation.calibration import minimize
from shotprint.guns import MAX_GUNS, compute_set_likelihoods, list_sets, weigh_sets
from shotprint.training.calibrating.sets import Set

N_CASES = 900
MAX_RECORDINGS = 8
"""Of a gun in a case; at most 1, 2, 4 or 8, so that there are cases of few and of many shots."""
_TINY = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """Shots of `n_guns` guns.

    Attributes
    ----------
    fold : of all its recordings
    n_shots : how many there are
    sizes, log_likelihoods : (n_sets,) how many models each set holds, and of each set
    """

    n_guns: int
    fold: int
    n_shots: int
    sizes: NDArray[np.int64]
    log_likelihoods: Floats

    def weigh(self, correlation: float) -> Floats:
        """Return the probabilities of 1, 2, … guns."""
        weights = weigh_sets(self.log_likelihoods, self.sizes, self.n_shots, correlation)
        return np.asarray(np.bincount(self.sizes, weights, MAX_GUNS + 1)[1:], np.float64)


def compose_cases(
    shots_of: list[Floats], truth: NDArray[np.int64], own: Set, seed: int = 0
) -> list[Case]:
    """Put recordings together at random; folds with too few models give fewer guns.

    Parameters
    ----------
    shots_of : of each recording the probabilities (n_shots, k) of its shots, calibrated without
        its fold
    truth : (n_recordings,)
    """
    rng = np.random.default_rng(seed)
    folds = sorted(set(own.folds.tolist()))
    cases = []
    for place in range(N_CASES):
        fold = folds[rng.integers(len(folds))]
        mine = np.flatnonzero(own.folds == fold)
        models = rng.permutation(np.unique(truth[mine]))[: 1 + place % MAX_GUNS]
        most = 2 ** rng.integers(int(np.log2(MAX_RECORDINGS)) + 1)
        shots = []
        for model in models:
            known = mine[truth[mine] == model]
            chosen = rng.choice(known, min(len(known), 1 + int(rng.integers(most))), replace=False)
            shots += [shots_of[row] for row in chosen]
        joined = np.concatenate(shots)
        sets = list_sets(joined.shape[1], len(joined))
        likelihoods = compute_set_likelihoods(joined, sets)
        sizes = np.array([len(labels) for labels in sets])
        cases.append(Case(len(models), fold, len(joined), sizes, likelihoods))
    return cases


def fit_gun_correlation(cases: list[Case]) -> float:
    """Return the correlation of `shotprint.guns` with the least log-loss of the number of guns."""
    return round(minimize(lambda correlation: _lose(cases, correlation), 0.0, 1.0), 4)


def measure_guns(cases: list[Case]) -> dict[str, Any]:
    """Return how often the number of guns is right, each fold with what the others fitted."""
    found = np.zeros((len(cases), MAX_GUNS))
    for fold in sorted({case.fold for case in cases}):
        others = [case for case in cases if case.fold != fold]
        correlation = fit_gun_correlation(others or cases)
        for place, case in enumerate(cases):
            if case.fold == fold:
                found[place] = case.weigh(correlation)
    n_guns = np.array([case.n_guns for case in cases])
    answer = 1 + found.argmax(axis=1)
    of_truth = found[np.arange(len(cases)), n_guns - 1]
    return {
        "n": len(cases),
        "accuracy": float((answer == n_guns).mean()),
        "log_loss": float(-np.log(np.maximum(of_truth, _TINY)).mean()),
        "by_n_guns": [
            {
                "n_guns": n,
                "n": int((n_guns == n).sum()),
                "answers": [
                    int(((n_guns == n) & (answer == a)).sum()) for a in range(1, MAX_GUNS + 1)
                ],
            }
            for n in range(1, MAX_GUNS + 1)
        ],
        "chance": {"accuracy": 1 / MAX_GUNS, "log_loss": float(np.log(MAX_GUNS))},
    }


def _lose(cases: list[Case], correlation: float) -> float:
    of_truth = [case.weigh(correlation)[case.n_guns - 1] for case in cases]
    return float(-np.log(np.maximum(of_truth, _TINY)).mean())
