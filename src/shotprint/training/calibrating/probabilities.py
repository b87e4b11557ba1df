"""Calibrated probabilities: fitted on all folds, shown for fits without the fold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.backbones.torch_model import TorchModel
from shotprint.calibration import NO_CALIBRATION, apply_calibration
from shotprint.evaluation.calibration import describe_calibration, fit_calibration
from shotprint.evaluation.decisions import Judged, evaluate_decisions
from shotprint.evaluation.intervals import Resampling
from shotprint.firearms import Firearm
from shotprint.training.calibrating.sets import Clips, Set

UNKNOWN_SHARE = 0.05
"""Of shots of known guns that may be called unknown."""


@dataclass(frozen=True, eq=False)
class Probabilities:
    """What was fitted on all folds, and what the fits without a recording's own fold give it.

    Attributes
    ----------
    crossed : (n, k) of each recording
    shots : of each recording (n_shots, k), each shot alone
    known_at : what all but `UNKNOWN_SHARE` of the shots reach with their most probable model
    """

    calibration: Mapping[str, Any]
    crossed: NDArray[np.float64]
    shots: list[NDArray[np.float64]]
    known_at: float
    figures: dict[str, Any]


def fit_probabilities(
    clips: Clips,
    truth: NDArray[np.int64],
    own: Set,
    model: TorchModel,
    firearms: Mapping[str, Firearm],
) -> Probabilities:
    """Fit on all folds, and for the figures on all but one in turn.

    Parameters
    ----------
    clips : of each recording the log-probabilities (n_clips, k), out of fold
    truth : (n_recordings,)
    """
    n_clips = np.array([len(each) for each in clips])
    means = np.stack([each.mean(axis=0, dtype=np.float64) for each in clips])
    crossed = np.zeros_like(means)
    shots: list[NDArray[np.float64]] = [means[:0]] * len(clips)
    for fold in sorted(set(own.folds.tolist())):
        rest, mine = own.folds != fold, own.folds == fold
        kept = [each for each, keep in zip(clips, rest.tolist(), strict=True) if keep]
        fitted = fit_calibration(kept, truth[rest], own.groups[rest])
        crossed[mine] = apply_calibration(means[mine], n_clips[mine], fitted)
        for row in np.flatnonzero(mine):
            shots[row] = apply_calibration(clips[row].astype(float), 1, fitted)
    calibration = fit_calibration(clips, truth, own.groups)
    rows, of_shots = np.repeat(np.arange(len(clips)), n_clips), np.concatenate(shots)
    known_at = float(np.quantile(of_shots.max(axis=1), UNKNOWN_SHARE))
    raw = apply_calibration(means, n_clips, NO_CALIBRATION)
    resampling, labels = Resampling(n_resamples=1000), model.metadata.label_names
    figures = {
        "recordings_raw": describe_calibration(raw, truth, own.groups, resampling),
        "recordings": describe_calibration(crossed, truth, own.groups, resampling),
        "clips": describe_calibration(of_shots, truth[rows], own.groups[rows], resampling),
        "decisions": evaluate_decisions(
            Judged(crossed, truth, own.groups), labels, firearms, resampling
        ),
        "known_called_unknown": {
            "clips": float((of_shots.max(axis=1) < known_at).mean()),
            "recordings": float((crossed.max(axis=1) < known_at).mean()),
        },
    }
    return Probabilities(calibration, crossed, shots, round(known_at, 4), figures)
