"""The detector on recordings of places it never heard: every held-out part trained and scored."""

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from shotprint.detection import Detector, DetectorMetadata, find_shots
from shotprint.detection.model import Floats
from shotprint.errors import RecordingError
from shotprint.files import write_text
from shotprint.progress import show_progress
from shotprint.training.detector.fit import (
    DetectorRecipe,
    fit_detector,
    simulate_recordings,
)
from shotprint.training.detector.network import DetectorNetwork
from shotprint.training.detector.sets import Recording, read_sets

LOW_THRESHOLD = 0.02
"""What is less probable is not written down; figures at higher thresholds follow from the rest."""


@dataclass(frozen=True)
class DetectorSets:
    """Tables of recordings, and of their groups; see `sets`."""

    tables: tuple[Path, ...]
    groups: tuple[Path, ...] = ()
    n_folds: int = 6

    def read(self) -> list[Recording]:
        """Read all recordings into memory."""
        return read_sets(self.tables, self.groups, self.n_folds)


class TorchDetector:
    """A network that has not been exported, as a `detection.DetectorModel`."""

    sha256 = ""

    def __init__(self, network: DetectorNetwork, threshold: float) -> None:
        self._network = network.eval()
        self.metadata = DetectorMetadata("in training", "0", threshold)

    def run(self, waveforms: Floats) -> Floats:
        """Return a logit every 48 samples, (n, n_samples / 48), for (n, n_samples) at 12 kHz."""
        with torch.inference_mode():
            logits: Floats = self._network(torch.from_numpy(waveforms)).numpy()
        return logits


def cross_validate(
    sets: DetectorSets, recipe: DetectorRecipe, out_dir: Path, jobs: int | None = None
) -> Path:
    """Train without each fold, find the shots of its recordings, write all of them to one file.

    Folds that are done are kept, so that an interrupted run goes on.

    Returns
    -------
    JSON: for each recording ``path`` (table's folder and name below it), ``fold``, what is known
    (``onsets_s`` or ``marks_s``), and ``shots`` with ``onset_s`` and ``detection_probability``
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    folds = sorted({recording.fold for recording in sets.read()} - {-1})
    missing = [fold for fold in folds if not _locate(out_dir, fold, recipe).is_file()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context) as pool:
        futures = [pool.submit(_score_fold, sets, recipe, fold, out_dir) for fold in missing]
        done = as_completed(futures)
        for future in show_progress(done, total=len(futures), description="folds"):
            future.result()
    recordings = [
        row
        for fold in folds
        for row in json.loads(_locate(out_dir, fold, recipe).read_text("utf-8"))["recordings"]
    ]
    path = out_dir / "held-out.json"
    write_text(path, _dump(recipe, sorted(recordings, key=lambda row: str(row["path"]))))
    return path


def _locate(out_dir: Path, fold: int, recipe: DetectorRecipe) -> Path:
    return out_dir / f"fold-{fold}-seed-{recipe.seed}-steps-{recipe.steps}.json"


def _score_fold(sets: DetectorSets, recipe: DetectorRecipe, fold: int, out_dir: Path) -> None:
    torch.set_num_threads(1)
    recordings = sets.read()
    simulated = simulate_recordings(recipe.seed + 1) if recipe.simulated else []
    heard = [recording for recording in recordings if recording.fold != fold]
    network = fit_detector(heard, simulated, recipe)
    held_out = [recording for recording in recordings if recording.fold == fold]
    rows = list(_find(network, held_out))
    torch.save(network.state_dict(), out_dir / f"fold-{fold}.pt")
    write_text(_locate(out_dir, fold, recipe), _dump(recipe, rows))


def _find(network: DetectorNetwork, recordings: Sequence[Recording]) -> Iterator[dict[str, Any]]:
    """Find shots as a user would: from the files, with the code that is used on files."""
    detector = Detector(TorchDetector(network, LOW_THRESHOLD))
    for recording in recordings:
        row = {
            "path": f"{recording.folder.name}/{recording.path}",
            "sha256": recording.sha256,
            "fold": recording.fold,
            "onsets_s": _listed(recording.onsets_s),
            "marks_s": _listed(recording.marks_s),
        }
        try:
            shots, _ = find_shots(recording.folder / recording.path, detector)
        except RecordingError as error:
            yield {**row, "error": str(error), "shots": []}
            continue
        found = [
            {"onset_s": s.onset_s, "detection_probability": round(s.probability, 6)} for s in shots
        ]
        yield {**row, "error": None, "shots": found}


def _listed(times: Any) -> list[float] | None:
    return None if times is None else [float(time_s) for time_s in times]


def _dump(recipe: DetectorRecipe, rows: Sequence[dict[str, Any]]) -> str:
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f'{{"recipe": {json.dumps(asdict(recipe))}, "recordings": [\n{lines}\n]}}\n'
