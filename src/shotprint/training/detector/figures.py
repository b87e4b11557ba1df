"""What held-out recordings say of the detector: thresholds, figures, precision-recall curves.

The thresholds with which a fold is scored are chosen on the other folds. Those for use are
chosen on all of them; how often they are right is said by the former.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.detection.picking import pick_onsets
from shotprint.evaluation import Resampling, bootstrap_over_groups
from shotprint.evaluation.detection import Found, OnsetFigures, count_onsets, evaluate_onsets
from shotprint.evaluation.intervals import sum_by_group
from shotprint.files import write_text
from shotprint.training.detector.bursts import compose_bursts
from shotprint.training.detector.crossval import N_BURSTS, locate, name_recording
from shotprint.training.detector.fit import DetectorRecipe
from shotprint.training.detector.labels import FRAME_S
from shotprint.training.detector.sets import Floats, Recording, Times

GRID = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
CURVE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
BURST_TOLERANCE_S = 0.01
NAMES = ("precision", "recall", "f1", "marks_found", "false_alarms")

Thresholds = tuple[float, float]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What both experts, trained without its fold, hear in a recording; (n_frames,) logits."""

    name: str
    sha256: str
    fold: int
    group: str
    true_s: Times | None
    marks_s: Times | None
    far: Floats
    near: Floats

    def find(self, thresholds: Thresholds, lowest: float = 0.5) -> Found:
        """Return the shots that the pair finds with its thresholds, as in use."""
        far, near = (np.log(p / (1 - p)) for p in thresholds)
        logits = np.maximum(self.far - np.float32(far), self.near - np.float32(near))
        onsets = pick_onsets(logits, lowest)
        return Found(
            np.maximum(onsets.moment, 0.0) * FRAME_S,
            onsets.probability,
            self.true_s,
            self.marks_s,
            self.group,
        )


def read_held_out(
    recordings: Sequence[Recording], recipes: Sequence[DetectorRecipe], out_dir: Path
) -> tuple[list[HeldOut], list[HeldOut]]:
    """Return recordings and composed bursts with what `crossval.hear_held_out` kept of them."""
    real: list[HeldOut] = []
    composed: list[HeldOut] = []
    for fold in sorted({recording.fold for recording in recordings} - {-1}):
        mine = [recording for recording in recordings if recording.fold == fold]
        heard = [np.load(locate(out_dir, fold, recipe)) for recipe in recipes]

        def hear(name: str, heard: Any = heard) -> tuple[Floats, Floats]:
            far, near = (logits[name].astype(np.float32) for logits in heard)
            return far, near

        for each in mine:
            known = (each.sha256, fold, each.group, each.onsets_s, each.marks_s)
            real.append(HeldOut(name_recording(each), *known, *hear(name_recording(each))))
        for place, burst in enumerate(compose_bursts(mine, N_BURSTS, seed=fold)):
            name = f"composed/{fold}-{place:03d}"
            known = ("", fold, burst.source.group, burst.onsets_s, None)
            composed.append(HeldOut(name, *known, *hear(name)))
    return real, composed


def count_grid(recordings: Sequence[HeldOut]) -> dict[Thresholds, NDArray[np.int64]]:
    """Return the counts of `evaluation.detection.count_onsets` for each pair of thresholds."""
    return {
        thresholds: count_onsets([each.find(thresholds) for each in recordings], 0.5)
        for thresholds in itertools.product(GRID, GRID)
    }


def choose_thresholds(
    grid: Mapping[Thresholds, NDArray[np.int64]], rows: NDArray[np.bool_]
) -> Thresholds:
    """Return the pair with the best F1 plus share of marks less share of false alarms.

    Parameters
    ----------
    rows : (n,) the recordings to choose on
    """

    def rate(pair: Thresholds) -> float:
        shares = np.nan_to_num(_compute_shares(grid[pair][rows].sum(axis=0)))
        return float(shares[2] + shares[3] - shares[4])

    return max(grid, key=rate)


def summarize_held_out(
    real: Sequence[HeldOut], composed: Sequence[HeldOut]
) -> tuple[dict[str, Any], Thresholds]:
    """Return all figures, and the thresholds for use."""
    folds = np.array([each.fold for each in real])
    grid = count_grid(real)
    chosen = {int(f): choose_thresholds(grid, folds != f) for f in sorted(set(folds.tolist()))}
    found = [each.find(chosen[each.fold]) for each in real]
    bursts = [each.find(chosen[each.fold]) for each in composed]
    counts = count_onsets(found, 0.5)
    totals = _compute_shares(counts.sum(axis=0))
    low, high = bootstrap_over_groups(
        sum_by_group(counts, [each.group for each in real]), _compute_shares, Resampling()
    )
    thresholds = choose_thresholds(grid, np.ones(len(real), bool))
    loose = [each.find(thresholds, CURVE[0]) for each in real]
    figures = {
        "thresholds": {"far": thresholds[0], "near": thresholds[1]},
        "held_out": {
            name: {"value": value, "interval": [a, b]}
            for name, value, a, b in zip(
                NAMES, totals.tolist(), low.tolist(), high.tolist(), strict=True
            )
        },
        "median_error_s": evaluate_onsets(found, 0.5).median_error_s,
        "bursts_found": evaluate_onsets(bursts, 0.5, BURST_TOLERANCE_S).recall,
        "folds": {
            str(fold): {"thresholds": pair, **vars(_evaluate(found, folds == fold))}
            for fold, pair in chosen.items()
        },
        "curve": [vars(evaluate_onsets(loose, threshold)) for threshold in CURVE],
    }
    return figures, thresholds


def _evaluate(found: Sequence[Found], rows: NDArray[np.bool_]) -> OnsetFigures:
    return evaluate_onsets(
        [each for each, is_meant in zip(found, rows, strict=True) if is_meant], 0.5
    )


def _compute_shares(sums: Any) -> NDArray[np.float64]:
    """Counts (…, 7) → precision, recall, F1, marks found, false alarms (…, 5)."""
    counts = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    n_found, n_right, n_true, n_marks, n_marked, n_alarms, n_without = counts
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (
            n_right / n_found,
            n_right / n_true,
            2 * n_right / (n_found + n_true),
            n_marks / n_marked,
            n_alarms / n_without,
        )
    return np.stack(shares, axis=-1)


def write_shots(path: Path, real: Sequence[HeldOut], figures: Mapping[str, Any]) -> None:
    """Write the shots found with each fold's thresholds, as ``shotprint detect`` writes them."""
    rows = []
    for each in real:
        found = each.find(figures["folds"][str(each.fold)]["thresholds"])
        shots = [
            {"onset_s": round(float(onset_s), 5), "detection_probability": round(float(p), 6)}
            for onset_s, p in zip(found.onsets_s, found.probability, strict=True)
        ]
        row = {"path": each.name, "sha256": each.sha256, "error": None, "shots": shots}
        rows.append(json.dumps(row, ensure_ascii=False))
    write_text(path, '{"recordings": [\n' + ",\n".join(rows) + "\n]}\n")
