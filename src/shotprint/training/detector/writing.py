"""The detector for use: trained on everything, with what makes it repeatable."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

from shotprint.detection import DetectorMetadata
from shotprint.training.detector.crossval import DetectorSets
from shotprint.training.detector.fit import DetectorRecipe, fit_detector, simulate_recordings
from shotprint.training.detector.network import DetectorNetwork
from shotprint.training.detector.sets import Recording

LIMITS = (
    "Trained on handguns heard by street sensors at 45 m to 1.3 km, on nine guns of online videos "
    "close by, and on simulated shots. Fireworks, and blows that sound like shots, may count."
)


def fit_sets(sets: DetectorSets, recipe: DetectorRecipe) -> tuple[DetectorNetwork, list[Recording]]:
    """Train on every recording of the sets."""
    recordings = sets.read()
    simulated = simulate_recordings(recipe.seed + 1) if recipe.simulated else []
    return fit_detector(recordings, simulated, recipe), recordings


def describe(
    recordings: Sequence[Recording], recipe: DetectorRecipe, threshold: float
) -> DetectorMetadata:
    """Return what the detector's file states of itself."""
    hashes = sorted(recording.sha256 for recording in recordings)
    return DetectorMetadata(
        name="shots",
        version="1",
        threshold=threshold,
        recipe=asdict(recipe),
        data={
            "recordings": len(recordings),
            "with_onsets": sum(bool(len(r.onsets_s)) for r in recordings if r.onsets_s is not None),
            "with_marks": sum(recording.marks_s is not None for recording in recordings),
            "sha256": hashlib.sha256("".join(hashes).encode()).hexdigest(),
        },
        licences={"model": "MIT"},
        description="finds the moments at which shots begin",
        limits=LIMITS,
    )
