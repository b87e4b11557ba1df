"""What held-out recordings say of the detector: figures, thresholds, the judge for use.

A fold's candidates come from experts trained without it, are judged by trees fitted to the other
folds, and count from a threshold chosen on the other folds. Judge and threshold for use come
from all folds; how good they are is said by the former.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shotprint.evaluation import Resampling, bootstrap_over_groups
from shotprint.evaluation.detection import Found, count_onsets, evaluate_onsets
from shotprint.evaluation.intervals import sum_by_group
from shotprint.files import write_text
from shotprint.training.detector.bursts import compose_bursts
from shotprint.training.detector.crossval import (
    N_BURSTS,
    TELEPHONED,
    locate,
    name_recording,
    telephone,
)
from shotprint.training.detector.fit import DetectorRecipe, hear, simulate_recordings
from shotprint.training.detector.judge import Case, collect_truth, find_candidates, fit_verdict
from shotprint.training.detector.likeness import Likeness
from shotprint.training.detector.network import DetectorNetwork
from shotprint.training.detector.sets import Floats, Recording

THRESHOLDS = tuple(np.round(np.arange(0.1, 0.991, 0.01), 2).tolist())
MAX_FALSE_ALARMS = 0.01
CURVE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
BURST_TOLERANCE_S = 0.01
NAMES = ("precision", "recall", "f1", "marks_found", "false_alarms")


def collect_cases(
    recordings: Sequence[Recording],
    recipes: Sequence[DetectorRecipe],
    likeness: Likeness,
    out_dir: Path,
) -> list[Case]:
    """Return the candidates of held-out recordings, also telephoned, and of bursts composed."""
    cases = []
    for fold in sorted({recording.fold for recording in recordings} - {-1}):
        mine = [recording for recording in recordings if recording.fold == fold]
        heard = [np.load(locate(out_dir, fold, recipe)) for recipe in recipes]
        collect = functools.partial(_collect, likeness, heard)
        for each in mine:
            facts = {"kind": each.kind, "sha256": each.sha256, "fold": fold, "group": each.group}
            known = {**facts, "true_s": each.onsets_s, "marks_s": each.marks_s}
            name = name_recording(each)
            cases.append(collect(name, each.waveform, known))
            known["telephoned"] = True
            cases.append(collect(TELEPHONED + name, telephone(each), known))
        for place, burst in enumerate(compose_bursts(mine, N_BURSTS, seed=fold)):
            facts = {"kind": "composed", "sha256": "", "fold": fold, "group": burst.source.group}
            known = {**facts, "true_s": burst.onsets_s, "marks_s": None}
            cases.append(collect(f"composed/{fold}-{place:03d}", burst.waveform, known))
    return cases


def _collect(
    likeness: Likeness,
    heard: Sequence[Mapping[str, Any]],
    name: str,
    waveform: Floats,
    known: Mapping[str, Any],
) -> Case:
    """Return the candidates that the experts have `heard` in a recording of that name."""
    logits = np.stack([each[name].astype(np.float32) for each in heard])
    times_s, evidence, sounds = find_candidates(logits, waveform, likeness)
    tolerance = {"tolerance_s": BURST_TOLERANCE_S} if known["kind"] == "composed" else {}
    truth = collect_truth(times_s, known["true_s"], known["marks_s"], **tolerance)
    return Case(name=name, times_s=times_s, evidence=evidence, sounds=sounds, truth=truth, **known)


def simulate_cases(
    recipes: Sequence[DetectorRecipe], likeness: Likeness, out_dir: Path
) -> list[Case]:
    """Return the candidates in simulated shots of guns and a site that no expert heard.

    The experts are those of the first fold. The cases belong to no fold: no figure is of them.
    """
    unheard = dataclasses.replace(recipes[1], seed=recipes[1].seed + 1)
    experts = [load_expert(out_dir, recipe) for recipe in recipes]
    cases = []
    for each in simulate_recordings(unheard):
        heard = [{each.path: hear(expert, each.waveform)} for expert in experts]
        facts = {"kind": "simulated", "sha256": "", "fold": -1, "group": each.path}
        known = {**facts, "true_s": each.onsets_s, "marks_s": None}
        cases.append(_collect(likeness, heard, each.path, each.waveform, known))
    return cases


def load_expert(out_dir: Path, recipe: DetectorRecipe) -> DetectorNetwork:
    """Return the expert that was trained without the first fold."""
    network = DetectorNetwork(recipe.width)
    path = locate(out_dir, 0, recipe).with_suffix(".pt")
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def judge_held_out(cases: Sequence[Case]) -> list[Found]:
    """Return the candidates of each case of a fold with what is judged without that fold."""
    verdicts = {
        fold: fit_verdict([case for case in cases if case.fold != fold])
        for fold in sorted({case.fold for case in cases} - {-1})
    }
    judged = [case for case in cases if case.fold >= 0]
    return [
        Found(
            case.times_s,
            1 / (1 + np.exp(-verdicts[case.fold].score(case))),
            case.true_s,
            case.marks_s,
            case.group,
        )
        for case in judged
    ]


def choose_threshold(counts: Mapping[float, NDArray[np.int64]], rows: NDArray[np.bool_]) -> float:
    """Return the threshold with the best F1 plus share of marks at few false alarms.

    Few: in `MAX_FALSE_ALARMS` of the recordings at most; where no threshold keeps to that, the
    highest is returned.

    Parameters
    ----------
    counts : threshold → `evaluation.detection.count_onsets` (n, 7)
    rows : (n,) the recordings to choose on
    """
    shares = {
        threshold: np.nan_to_num(_compute_shares(count[rows].sum(axis=0)))
        for threshold, count in counts.items()
    }
    quiet = [threshold for threshold, each in shares.items() if each[4] <= MAX_FALSE_ALARMS]
    return max(quiet or [max(counts)], key=lambda threshold: shares[threshold][2:4].sum())


def summarize_held_out(
    cases: Sequence[Case], found: Sequence[Found]
) -> tuple[dict[str, Any], float]:
    """Return all figures, and the threshold for use.

    Parameters
    ----------
    cases : those of folds first
    found : of `judge_held_out`
    """
    cases = cases[: len(found)]
    is_real = np.array([case.is_scored for case in cases])
    is_composed = np.array([case.kind == "composed" for case in cases])
    is_telephoned = np.array([case.telephoned for case in cases])
    folds = np.array([case.fold for case in cases])
    counts = {threshold: count_onsets(found, threshold) for threshold in THRESHOLDS}
    chosen = {
        fold: choose_threshold(counts, is_real & (folds != fold))
        for fold in sorted(set(folds.tolist()))
    }
    kept = [_keep(each, chosen[case.fold]) for each, case in zip(found, cases, strict=True)]
    real = _select(kept, is_real)
    own = count_onsets(real, 0.0)
    totals = _compute_shares(own.sum(axis=0))
    low, high = bootstrap_over_groups(
        sum_by_group(own, [each.group for each in real]), _compute_shares, Resampling()
    )
    candidates = _select(found, is_real)
    threshold = choose_threshold(counts, is_real)
    figures = {
        "threshold": threshold,
        "held_out": {
            name: {"value": value, "interval": [a, b]}
            for name, value, a, b in zip(
                NAMES, totals.tolist(), low.tolist(), high.tolist(), strict=True
            )
        },
        "median_error_s": evaluate_onsets(real, 0.0).median_error_s,
        "bursts_found": evaluate_onsets(_select(kept, is_composed), 0.0, BURST_TOLERANCE_S).recall,
        "telephoned": vars(evaluate_onsets(_select(kept, is_telephoned), 0.0)),
        "folds": {
            str(fold): {
                **vars(evaluate_onsets(_select(kept, is_real & (folds == fold)), 0.0)),
                "threshold": own_threshold,
            }
            for fold, own_threshold in chosen.items()
        },
        "curve": [vars(evaluate_onsets(candidates, each)) for each in CURVE],
    }
    return figures, threshold


def _keep(found: Found, threshold: float) -> Found:
    sure = found.probability >= threshold
    return Found(
        found.onsets_s[sure], found.probability[sure], found.true_s, found.marks_s, found.group
    )


def _select(found: Sequence[Found], rows: NDArray[np.bool_]) -> list[Found]:
    return [each for each, is_meant in zip(found, rows, strict=True) if is_meant]


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


def write_shots(
    path: Path, cases: Sequence[Case], judged: Sequence[Found], figures: Mapping[str, Any]
) -> None:
    """Write what is found in held-out recordings, as ``shotprint detect`` writes it."""
    rows = []
    for case, found in zip(cases, judged, strict=False):  # simulated cases stand last
        if not case.is_scored:
            continue
        kept = _keep(found, figures["folds"][str(case.fold)]["threshold"])
        shots = [
            {"onset_s": round(float(onset_s), 5), "detection_probability": round(float(p), 6)}
            for onset_s, p in zip(kept.onsets_s, kept.probability, strict=True)
        ]
        row = {"path": case.name, "sha256": case.sha256, "error": None, "shots": shots}
        rows.append(json.dumps(row, ensure_ascii=False))
    write_text(path, '{"recordings": [\n' + ",\n".join(rows) + "\n]}\n")
