"""Training of the judge on candidates of recordings that the experts never heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from shotprint.detection.judging import (
    LIKENESS,
    NODE,
    Evidence,
    Judge,
    cut_candidates,
    gather_evidence,
)
from shotprint.detection.picking import pick_onsets
from shotprint.errors import MissingExtraError
from shotprint.evaluation.detection import (
    AFTER_MARK_S,
    BEFORE_MARK_S,
    TOLERANCE_S,
    match_onsets,
)
from shotprint.training.detector.labels import FRAME_S
from shotprint.training.detector.likeness import Likeness
from shotprint.training.detector.sets import Floats, Times

try:
    from sklearn.ensemble import HistGradientBoostingClassifier
except ModuleNotFoundError:
    raise MissingExtraError("train", "training the judge of the detector") from None

CANDIDATE = 0.1
"""Probability from which on an expert's word makes a candidate."""
N_TREES, N_ENSEMBLES = 100, 3
WEIGHTS = {"exact": 4.0, "marked": 0.6, "without": 12.0, "composed": 1.0, "simulated": 0.3}
"""Of a candidate, by what is known of its recording: marks are many and doubtful, candidates in
recordings without shots are few and matter most."""
TELEPHONE_WEIGHT = 0.5
"""Times the weight of a candidate that a telephone left."""
LIKENESS_L2 = 0.01
MAX_ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class Case:
    """The candidates of a held-out recording.

    Attributes
    ----------
    kind : one of `WEIGHTS`
    times_s, evidence : (n,), (n, len(EVIDENCE)), its likeness not yet known
    sounds : (n, d) what `Likeness.describe` says of each candidate's clip
    telephoned : whether it is what a telephone leaves of the recording
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
    sounds: Floats
    truth: Times
    true_s: Times | None
    marks_s: Times | None
    telephoned: bool = False

    @property
    def is_scored(self) -> bool:
        """Whether figures are of it: a real recording as it is, of a fold."""
        return self.fold >= 0 and self.kind != "composed" and not self.telephoned

    @property
    def weights(self) -> Times:
        """Weight of each candidate in training, (n,)."""
        weight = WEIGHTS[self.kind] * (TELEPHONE_WEIGHT if self.telephoned else 1.0)
        return np.full(len(self.truth), weight)


class Rater(NamedTuple):
    """Likeness as a function of what is described: weights (d,), bias."""

    weights: Floats
    bias: float

    def rate(self, sounds: Floats) -> Floats:
        """Return the log-odds (n,) of descriptions (n, d)."""
        likeness: Floats = sounds @ self.weights + np.float32(self.bias)
        return likeness


class Verdict(NamedTuple):
    """Who judges: a rater of sounds, and a judge who counts on it."""

    judge: Judge
    rater: Rater

    def score(self, case: Case) -> Times:
        """Return the log-odds of each candidate, (n,)."""
        return self.judge.score(_with_likeness(case, self.rater))


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


def find_candidates(
    logits: Floats, waveform: Floats, likeness: Likeness
) -> tuple[Times, Evidence, Floats]:
    """Return moments (n,) of candidates, the evidence but for likeness, and their descriptions."""
    found = pick_onsets(logits.max(axis=0), CANDIDATE)
    evidence = gather_evidence(waveform, logits, found.moment)
    sounds = likeness.describe_clips(cut_candidates(waveform, found.moment))
    return np.maximum(found.moment, 0.0) * FRAME_S, evidence, sounds


def fit_verdict(cases: Sequence[Case]) -> Verdict:
    """Fit a rater and a judge.

    In training the judge gets the likeness that a rater states who does not know the fold: else
    it would trust what the rater knows by heart.
    """
    evidence = []
    for fold in sorted({case.fold for case in cases}):
        rater = fit_rater([case for case in cases if case.fold != fold] or cases)
        evidence += [_with_likeness(case, rater) for case in cases if case.fold == fold]
    ordered = sorted(cases, key=lambda case: case.fold)
    return Verdict(fit_judge(ordered, evidence), fit_rater(cases))


def _with_likeness(case: Case, rater: Rater) -> Evidence:
    evidence = case.evidence.copy()
    evidence[:, LIKENESS] = rater.rate(case.sounds)
    return evidence


def fit_rater(cases: Sequence[Case]) -> Rater:
    """Fit logistic regression to descriptions of candidates."""
    sounds, truth, weights = _gather(cases, [case.sounds for case in cases])
    mean, scale = sounds.mean(axis=0), sounds.std(axis=0) + 1e-4
    x = torch.from_numpy(((sounds - mean) / scale).astype(np.float32))
    targets = torch.from_numpy(truth).float()
    shares = torch.from_numpy(weights / weights.sum()).float()
    slope = torch.zeros(x.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [slope, bias], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def evaluate() -> torch.Tensor:
        optimizer.zero_grad()
        losses = functional.binary_cross_entropy_with_logits(
            x @ slope + bias, targets, reduction="none"
        )
        loss = (shares * losses).sum() + 0.5 * LIKENESS_L2 * slope.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(evaluate)  # type: ignore[no-untyped-call]
    own = slope.detach().numpy() / scale
    return Rater(own.astype(np.float32), float(bias.item() - own @ mean))


def _gather(cases: Sequence[Case], values: Sequence[Any]) -> tuple[Any, Times, Times]:
    """Join values, truth and weights of the candidates whose truth is known."""
    truth = np.concatenate([case.truth for case in cases])
    weights = np.concatenate([case.weights for case in cases])
    known = np.isfinite(truth)
    return np.concatenate(values)[known], truth[known], weights[known]


def fit_judge(cases: Sequence[Case], evidence: Sequence[Evidence]) -> Judge:
    """Fit boosted trees to candidates; several sets of them, averaged.

    Parameters
    ----------
    evidence : of each case, likeness included
    """
    rows, truth, weights = _gather(cases, evidence)
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
        ).fit(rows, truth, sample_weight=weights)
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
