"""What held-out recordings say of the detector: figures, a page, precision-recall curves.

The threshold with which a fold is scored is chosen on the other folds. The one for use is chosen
on all of them; how often it is right is said by the former.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shotprint.evaluation import Resampling, bootstrap_over_groups
from shotprint.evaluation.detection import (
    Found,
    count_onsets,
    evaluate_onsets,
)
from shotprint.evaluation.intervals import sum_by_group
from shotprint.files import write_text

THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.01), 2)
MAX_FALSE_ALARMS = 0.01
BURST_TOLERANCE_S = 0.01


def read_held_out(path: Path) -> tuple[list[Found], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return recordings, their folds, and which are composed bursts."""
    rows = json.loads(path.read_text(encoding="utf-8"))["recordings"]
    found = [
        Found(
            onsets_s=np.array([shot["onset_s"] for shot in row["shots"]]),
            probability=np.array([shot["detection_probability"] for shot in row["shots"]]),
            true_s=None if row["onsets_s"] is None else np.array(row["onsets_s"], float),
            marks_s=None if row["marks_s"] is None else np.array(row["marks_s"], float),
            group=row["group"],
        )
        for row in rows
    ]
    composed = np.array([row["path"].startswith("composed/") for row in rows])
    return found, np.array([row["fold"] for row in rows]), composed


def choose_threshold(recordings: Sequence[Found]) -> float:
    """Return the threshold with the best F1 plus share of marks among those with few alarms.

    Few: in at most `MAX_FALSE_ALARMS` of the recordings without shots; where none has so few,
    the one with the fewest.
    """
    figures = [evaluate_onsets(recordings, float(threshold)) for threshold in THRESHOLDS]
    fewest = max(MAX_FALSE_ALARMS, min(each.false_alarms for each in figures))
    fit = [each for each in figures if each.false_alarms <= fewest]
    return max(fit, key=lambda each: each.f1 + each.marks_found).threshold


def summarize_held_out(path: Path) -> dict[str, Any]:
    """Return all figures of `crossval.cross_validate`'s file."""
    found, folds, composed = read_held_out(path)
    real = [each for each, is_composed in zip(found, composed, strict=True) if not is_composed]
    real_folds = folds[~composed]
    thresholds = {
        int(fold): choose_threshold([r for r, f in zip(real, real_folds, strict=True) if f != fold])
        for fold in sorted(set(real_folds.tolist()))
    }
    counts = np.zeros((0, 7))
    groups: list[str] = []
    errors: list[float] = []
    n_burst = np.zeros(2)
    for fold, threshold in thresholds.items():
        mine = [r for r, f in zip(real, real_folds, strict=True) if f == fold]
        counts = np.concatenate([counts, count_onsets(mine, threshold)])
        groups += [each.group for each in mine]
        errors.append(evaluate_onsets(mine, threshold).median_error_s)
        bursts = [r for r, f, c in zip(found, folds, composed, strict=True) if c and f == fold]
        n_burst += count_onsets(bursts, threshold, BURST_TOLERANCE_S).sum(axis=0)[1:3]
    default = choose_threshold(real)
    values = _compute_shares(counts.sum(axis=0, keepdims=True))[0]
    low, high = bootstrap_over_groups(sum_by_group(counts, groups), _compute_shares, Resampling())
    names = ("precision", "recall", "f1", "marks_found", "false_alarms")
    at_default = evaluate_onsets(real, default)
    return {
        "nested": {
            "thresholds": thresholds,
            **{
                name: {"value": values[i], "interval": [low[i], high[i]]}
                for i, name in enumerate(names)
            },
            "bursts_found": float(n_burst[0] / n_burst[1]) if n_burst[1] else None,
        },
        "default": {
            **vars(at_default),
            "bursts_found": evaluate_onsets(
                [r for r, c in zip(found, composed, strict=True) if c], default, BURST_TOLERANCE_S
            ).recall,
        },
        "folds": {
            str(fold): vars(
                evaluate_onsets(
                    [r for r, f in zip(real, real_folds, strict=True) if f == fold],
                    thresholds[fold],
                )
            )
            for fold in thresholds
        },
        "curve": [vars(evaluate_onsets(real, float(t))) for t in THRESHOLDS],
    }


def _compute_shares(sums: Any) -> Any:
    """Counts (m, 7) → precision, recall, F1, marks found, false alarms (m, 5)."""
    n_found, n_right, n_true, n_marks, n_marked, n_alarms, n_without = np.asarray(sums, float).T
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (
            n_right / n_found,
            n_right / n_true,
            2 * n_right / (n_found + n_true),
            n_marks / n_marked,
            n_alarms / n_without,
        )
    return np.stack(shares, axis=1)


def write_figures(path: Path) -> Path:
    """Write ``figures.json`` beside `path`, and return it."""
    target = path.with_name("figures.json")
    write_text(target, json.dumps(summarize_held_out(path), indent=1) + "\n")
    return target
