"""The detector on recordings of places it never heard: every held-out part trained and scored."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shotprint.detection.facts import DETECTOR
from shotprint.files import write_beside
from shotprint.progress import show_progress
from shotprint.simulation.recorders import apply_telephone
from shotprint.training.detector.bursts import compose_bursts
from shotprint.training.detector.fit import (
    DetectorRecipe,
    fit_detector,
    hear,
    simulate_recordings,
)
from shotprint.training.detector.sets import Floats, Recording, read_sets

N_BURSTS = 60  # a fold
TELEPHONED = "telephoned/"
"""Before the name of a recording as a telephone leaves it."""


@dataclass(frozen=True)
class DetectorSets:
    """Tables of recordings, and of their groups; see `sets`."""

    tables: tuple[Path, ...]
    groups: tuple[Path, ...] = ()
    n_folds: int = 6

    def read(self) -> list[Recording]:
        """Read all recordings into memory."""
        return read_sets(self.tables, self.groups, self.n_folds)


def hear_held_out(
    sets: DetectorSets, recipes: Sequence[DetectorRecipe], out_dir: Path, jobs: int | None = None
) -> None:
    """Train each expert without each fold, and keep what it hears in the fold's recordings.

    ``fold-<k>-<expert>.npz`` holds the logits of each recording and composed burst, and
    ``.pt`` the weights. What is done is kept, so that an interrupted run goes on.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    folds = sorted({recording.fold for recording in sets.read()} - {-1})
    missing = [
        (recipe, fold)
        for recipe in recipes
        for fold in folds
        if not locate(out_dir, fold, recipe).is_file()
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context) as pool:
        futures = [pool.submit(_hear_fold, sets, *each, out_dir) for each in missing]
        done = as_completed(futures)
        for future in show_progress(done, total=len(futures), description="folds"):
            future.result()


def locate(out_dir: Path, fold: int, recipe: DetectorRecipe) -> Path:
    """Return where the logits of an expert trained without a fold are."""
    return out_dir / f"fold-{fold}-{recipe.expert}.npz"


def _hear_fold(sets: DetectorSets, recipe: DetectorRecipe, fold: int, out_dir: Path) -> None:
    torch.set_num_threads(1)
    recordings = sets.read()
    simulated = simulate_recordings(recipe)
    heard = [recording for recording in recordings if recording.fold != fold]
    network = fit_detector(heard, simulated, recipe)
    held_out = [recording for recording in recordings if recording.fold == fold]
    logits = {name_recording(each): hear(network, each.waveform) for each in held_out}
    for each in held_out:
        logits[TELEPHONED + name_recording(each)] = hear(network, telephone(each))
    for place, burst in enumerate(compose_bursts(held_out, N_BURSTS, seed=fold)):
        logits[f"composed/{fold}-{place:03d}"] = hear(network, burst.waveform)
    path = locate(out_dir, fold, recipe)
    torch.save(network.state_dict(), path.with_suffix(".pt"))
    with write_beside(path) as beside, beside.open("wb") as file:
        small: Any = {name: each.astype(np.float16) for name, each in logits.items()}
        np.savez_compressed(file, **small)


def telephone(recording: Recording) -> Floats:
    """Return a recording's waveform (n_samples,) as a telephone leaves it."""
    return apply_telephone(recording.waveform, DETECTOR.sample_rate_hz)


def name_recording(recording: Recording) -> str:
    """Return its table's folder and its path below that."""
    return f"{recording.folder.name}/{recording.path}"
