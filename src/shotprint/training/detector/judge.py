"""Training of the judge on candidates of recordings that the experts never heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.detection.judging import NODE, Evidence, Judge, gather_evidence
from shotprint.detection.picking import pick_onsets
from shotprint.errors import MissingExtraError
from shotprint.evaluation.detection import (
    AFTER_MARK_S,
    BEFORE_MARK_S,
    TOLERANCE_S,
    match_onsets,
)
from shotprint.training.detector.labels import FRAME_S
from shotprint.training.detector.sets import Floats, Times

try:
    from sklearn.ensemble import HistGradientBoostingClassifier
except ModuleNotFoundError:
    raise MissingExtraError("train", "training the judge of the detector") from None

CANDIDATE = 0.15
"""Probability from which on an expert's word makes a candidate."""
N_TREES, N_ENSEMBLES = 100, 3
WEIGHTS = {"exact": 1.0, "marked": 0.3, "without": 3.0, "composed": 0.5, "simulated": 0.3}
"""Of a candidate, by what is known of its recording: marks are many and doubtful, candidates in
recordings without shots are few and matter most."""


@dataclass(frozen=True, eq=False)
class Case:
    """The candidates of a held-out recording.

    Attributes
    ----------
    kind : one of `WEIGHTS`
    times_s, evidence : (n,), (n, len(EVIDENCE))
    truth : (n,) 1: a shot · 0: none · NaN: not known
    true_s, marks_s : what is known of the recording's shots
    """

    name: str
    sha256: str
    kind: str
    fold: int
    group: str
    times_s: Times
    evidence: Evidence
    truth: Times
    true_s: Times | None
    marks_s: Times | None


def collect_truth(
    times_s: Times, true_s: Times | None, marks_s: Times | None, tolerance_s: float = TOLERANCE_S
) -> Times:
    """Return which candidates are shots; those outside all marked windows may be either."""
    truth = np.zeros(len(times_s))
    if true_s is not None:
        for found, _ in match_onsets(times_s, true_s, tolerance_s):
            truth[found] = 1.0
    elif marks_s is not None:
        late = times_s[:, None] - marks_s
        is_marked = ((late >= -BEFORE_MARK_S) & (late <= AFTER_MARK_S)).any(axis=1)
        truth = np.where(is_marked, 1.0, np.nan)
    return truth


def find_candidates(logits: Floats, waveform: Floats) -> tuple[Times, Evidence]:
    """Return the moments (n,) of candidates and what speaks for and against them."""
    found = pick_onsets(logits.max(axis=0), CANDIDATE)
    return np.maximum(found.moment, 0.0) * FRAME_S, gather_evidence(waveform, logits, found.moment)


def fit_judge(cases: Sequence[Case]) -> Judge:
    """Fit boosted trees to candidates; several sets of them, averaged."""
    evidence = np.concatenate([case.evidence for case in cases])
    truth = np.concatenate([case.truth for case in cases])
    weights = np.concatenate([np.full(len(case.truth), WEIGHTS[case.kind]) for case in cases])
    known = np.isfinite(truth)
    parts, roots, baselines = [], [], []
    n_nodes = 0
    for seed in range(N_ENSEMBLES):
        model = HistGradientBoostingClassifier(
            max_iter=N_TREES,
            max_depth=4,
            learning_rate=0.08,
            l2_regularization=1.0,
            max_features=0.5,
            early_stopping=False,
            random_state=seed,
        ).fit(evidence[known], truth[known], sample_weight=weights[known])
        baselines.append(float(np.ravel(model._baseline_prediction)[0]))
        for (predictor,) in model._predictors:
            parts.append(_convert(predictor.nodes))
            roots.append(n_nodes)
            n_nodes += len(parts[-1])
    return Judge(np.concatenate(parts), np.array(roots), float(np.mean(baselines)))


def _convert(nodes: NDArray[Any]) -> NDArray[Any]:
    """Return a tree of scikit-learn as ours; leaves speak for a share of the average."""
    tree = np.zeros(len(nodes), NODE)
    is_leaf = nodes["is_leaf"].astype(bool)
    tree["feature"] = np.where(is_leaf, -1, nodes["feature_idx"])
    tree["left"], tree["right"] = nodes["left"], nodes["right"]
    tree["value"] = np.where(is_leaf, nodes["value"] / N_ENSEMBLES, nodes["num_threshold"])
    return tree
