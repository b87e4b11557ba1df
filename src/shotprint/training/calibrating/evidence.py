"""Likelihood ratios of the calibrated network: what turns its probabilities into them."""

import dataclasses
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shotprint.errors import ShotprintError
from shotprint.evaluation import Predictions, Resampling, read_predictions
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

Fitted = tuple[dict[str, Any], list[float]]


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
        settings = Settings(hypothesis, (), RESAMPLING, predictions_sha256=sha256)
        try:
            found = validate(predictions, firearms, settings)
        except ShotprintError:  # fewer than two calibres are known
            continue
        evidence[hypothesis] = json.loads(found.calibration.to_json())
        figures[hypothesis] = found.report["all"]["figures"]
    if len(set(predictions.columns["fold"])) >= MIN_FOLDS:
        evidence[PAIR], figures[PAIR] = _fit_pairs(predictions, sha256)
    return evidence, figures


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
