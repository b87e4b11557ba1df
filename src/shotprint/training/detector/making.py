"""From tables of recordings to a detector with figures: what ``train-detector`` does."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from shotprint.backbones import find_backbone
from shotprint.backbones.checkpoints import load_backbone
from shotprint.backbones.efficientat import MobileNet
from shotprint.detection import DetectorMetadata
from shotprint.files import compute_sha256, write_text
from shotprint.training.detector.crossval import DetectorSets, hear_held_out
from shotprint.training.detector.figures import (
    collect_cases,
    judge_held_out,
    simulate_cases,
    summarize_held_out,
    write_shots,
)
from shotprint.training.detector.fit import DetectorRecipe, fit_detector, simulate_recordings
from shotprint.training.detector.judge import CANDIDATE, fit_verdict
from shotprint.training.detector.likeness import BACKBONE, Likeness
from shotprint.training.detector.network import DetectorNetwork, DetectorPair
from shotprint.training.detector.sets import Recording
from shotprint.weights import locate_weights

FAR_RECIPE = DetectorRecipe(expert="far", width=48)
NEAR_RECIPE = DetectorRecipe(expert="near", width=36, steps=1200)
LIMITS = (
    "Trained on handguns heard by street sensors at 45 m to 1.3 km, on eight guns of online videos "
    "close by, and on simulated shots. Fireworks, and blows that sound like shots, may count."
)


@dataclass(frozen=True, eq=False)
class Made:
    """The trained networks, what their file says of them, and the held-out figures."""

    experts: DetectorPair
    likeness: Likeness
    metadata: DetectorMetadata
    figures: dict[str, Any]


def make_detector(
    sets: DetectorSets,
    out_dir: Path,
    jobs: int | None = None,
    weights_dir: Path | None = None,
    **changes: Any,
) -> Made:
    """Score the experts on held-out folds, fit the judge, train on everything.

    Leaves ``figures.json``, ``shots.json`` (what was found in held-out recordings) and the
    weights in `out_dir`. What is done there is kept: an interrupted run goes on.

    Parameters
    ----------
    weights_dir : folder of published weights, see `weights.locate_weights`
    changes : of both experts' recipes
    """
    weights = locate_weights(find_backbone(BACKBONE).weights, weights_dir)
    recipes = [dataclasses.replace(recipe, **changes) for recipe in (FAR_RECIPE, NEAR_RECIPE)]
    hear_held_out(sets, recipes, out_dir, jobs)
    recordings = sets.read()
    backbone = load_backbone(BACKBONE, weights)
    assert isinstance(backbone, MobileNet)
    likeness = Likeness(backbone)
    cases = [
        *collect_cases(recordings, recipes, likeness, out_dir),
        *simulate_cases(recipes, likeness, out_dir),
    ]
    judged = judge_held_out(cases)
    figures, threshold = summarize_held_out(cases, judged)
    write_text(out_dir / "figures.json", json.dumps(figures, indent=1) + "\n")
    write_shots(out_dir / "shots.json", cases, judged, figures)
    experts = [_fit(recordings, recipe, out_dir) for recipe in recipes]
    verdict = fit_verdict(cases)
    with torch.no_grad():
        likeness.head.weight.copy_(torch.from_numpy(verdict.rater.weights)[None])
        likeness.head.bias.fill_(verdict.rater.bias)
    metadata = dataclasses.replace(
        describe(recordings, recipes),
        threshold=threshold,
        candidate=CANDIDATE,
        judge=verdict.judge.to_mapping(),
        weights={"file": weights.name, "sha256": compute_sha256(weights)},
    )
    return Made(DetectorPair(*experts).eval(), likeness.eval(), metadata, figures)


def _fit(recordings: Sequence[Recording], recipe: DetectorRecipe, out_dir: Path) -> DetectorNetwork:
    """Train an expert on everything, unless it is done."""
    path = out_dir / f"{recipe.expert}.pt"
    if path.is_file():
        network = DetectorNetwork(recipe.width)
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    simulated = simulate_recordings(recipe)
    network = fit_detector(recordings, simulated, recipe)
    torch.save(network.state_dict(), path)
    return network


def describe(
    recordings: Sequence[Recording], recipes: Sequence[DetectorRecipe]
) -> DetectorMetadata:
    """Return what the detector's file states of itself, but for judge and threshold."""
    hashes = sorted(recording.sha256 for recording in recordings)
    return DetectorMetadata(
        name="shots",
        version="1",
        threshold=0.5,
        recipe={recipe.expert: asdict(recipe) for recipe in recipes},
        data={
            "recordings": len(recordings),
            "with_onsets": sum(bool(len(r.onsets_s)) for r in recordings if r.onsets_s is not None),
            "with_marks": sum(recording.marks_s is not None for recording in recordings),
            "sha256": hashlib.sha256("".join(hashes).encode()).hexdigest(),
        },
        licences={"model": "MIT", "efficientat": "MIT"},
        description="finds the moments at which shots begin",
        limits=LIMITS,
    )
