"""Likelihood ratios of the calibrated network: what turns its probabilities into them."""

import dataclasses
import json
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shotprint.evaluation import Predictions, Resampling, read_predictions
from shotprint.evaluation.levels import UNKNOWN, Level, name_levels
from shotprint.evidence import PAIR, Hypothesis, LikelihoodCalibration
from shotprint.files import compute_sha256
from shotprint.firearms import Firearm
from shotprint.likelihood import Settings, validate
from shotprint.likelihood.calibrators import fit_affine
from shotprint.likelihood.pairs import (
    bootstrap_pairs,
    bound_pairs,
    crossfit_pairs,
    draw_pairs,
    measure_pairs,
)

RESAMPLING = Resampling(n_resamples=200)
MIN_FOLDS = 3  # a pair may touch two, and a third is needed to fit on


def fit_evidence(
    path: Path, firearms: Mapping[str, Firearm]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the calibrations of the log10 likelihood ratios by hypothesis, and their Cllr.

    Parameters
    ----------
    path : out-of-fold predictions, calibrated
    """
    predictions, sha256 = read_predictions(path), compute_sha256(path)
    evidence, figures = {}, {}
    for hypothesis in typing.get_args(Hypothesis):
        if hypothesis != "model" and not _has_two(predictions.labels, firearms, hypothesis):
            continue
        settings = Settings(hypothesis, (), RESAMPLING, predictions_sha256=sha256)
        found = validate(predictions, firearms, settings)
        evidence[hypothesis] = json.loads(found.calibration.to_json())
        figures[hypothesis] = found.report["all"]["figures"]
    if len(set(predictions.columns["fold"])) >= MIN_FOLDS:
        evidence[PAIR], figures[PAIR] = _fit_pairs(predictions, sha256)
    return evidence, figures


def _has_two(labels: Sequence[str], firearms: Mapping[str, Firearm], level: Level) -> bool:
    """Tell whether the labels have two different known calibres or categories."""
    return len({*name_levels(labels, firearms, level)} - {UNKNOWN}) > 1


def _fit_pairs(predictions: Predictions, sha256: str) -> tuple[dict[str, Any], dict[str, Any]]:
    assert predictions.probabilities is not None
    assert predictions.groups is not None
    folds = np.array(predictions.columns["fold"])
    pairs = draw_pairs(predictions.probabilities, predictions.truth, predictions.groups, folds)
    fitted = fit_affine(pairs.trials, pairs.n_groups)
    lower, upper = bound_pairs(pairs, fitted)
    replicates = bootstrap_pairs(pairs, RESAMPLING)
    calibration = LikelihoodCalibration(
        hypothesis="pair",
        values={label: label for label in predictions.labels},
        lower=lower,
        upper=upper,
        replicates=tuple((float(a), float(b)) for a, b in replicates),
        confidence=RESAMPLING.confidence,
        n_recordings=len(predictions.recordings),
        n_groups=pairs.n_groups,
        predictions_sha256=sha256,
        **dataclasses.asdict(fitted),
    )
    figures = measure_pairs(pairs, crossfit_pairs(pairs), RESAMPLING)
    return json.loads(calibration.to_json()), figures
