"""Can a gun that the network never heard be told from the known ones? Leaves each gun out in turn.

    python -m benchmarks.unknown_gun set.csv -o DIR --weights-dir ../shared/weights

For each gun the recipe is cross-validated on all others; each fold's network then hears the known
guns of its own test part and the recordings of the unknown gun in that fold, so neither was heard
in training. The area under the ROC curve is taken over all folds of a gun, for each of a few
scores; writes ``unknown_gun.json``. Folds that are done are kept.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from shotprint.backbones.torch_model import TorchModel
from shotprint.calibration import normalize
from shotprint.files import write_text
from shotprint.manifest import read_manifest, write_manifest
from shotprint.packing import Pack, PackSettings, open_pack, pack
from shotprint.recognition.shots import run_clips
from shotprint.training.crossval import crossval
from shotprint.training.dataset import read_recorded_clips
from shotprint.training.recipe import load_recipe

NEIGHBOURS = 5
Floats = NDArray[np.float64]
SCORES = ("highest probability", "entropy", "nearness of known shots", "nearness of their mean")


def score_clips(
    log_probabilities: Floats, embeddings: Floats, known: Floats, head: tuple[Floats, Floats]
) -> dict[str, float]:
    """Return each of `SCORES` of a recording; the higher, the more like a known gun.

    Parameters
    ----------
    log_probabilities, embeddings : (n_clips, k), (n_clips, d)
    known : (n, d) embeddings of the training part, standardised
    head : mean and scale (d,) that they were standardised with
    """
    p = normalize(log_probabilities.mean(axis=0))
    standard = (embeddings - head[0]) / head[1]
    spread = -float(np.sqrt((standard**2).mean(axis=1)).mean())
    standard /= np.linalg.norm(standard, axis=1, keepdims=True)
    nearest = np.sort(standard @ known.T, axis=1)[:, -NEIGHBOURS:].mean()
    values = (p.max(), (p * np.log(np.maximum(p, 1e-12))).sum(), nearest, spread)
    return dict(zip(SCORES, map(float, values), strict=True))


def study_gun(gun: str, whole: Pack, options: argparse.Namespace) -> dict[str, float]:
    """Return the area under the ROC curve of each score with `gun` left out."""
    folder = options.output / gun.replace(" ", "_")
    manifest = read_manifest(options.output / "set.csv")
    if not (folder / "set.h5").is_file():
        pack(manifest[manifest["label"] != gun], folder / "set.h5", PackSettings())
    if not (folder / "cv" / "crossval.json").is_file():
        crossval(
            folder / "set.h5",
            load_recipe(options.config),
            folder / "cv",
            jobs=options.jobs,
            resume=True,
            weights_dir=options.weights_dir,
        )
    folds = whole.manifest["fold"].astype(int).to_numpy()
    labels = whole.manifest["label"].to_numpy()
    rows: list[tuple[bool, dict[str, float]]] = []
    for fold in sorted(set(folds.tolist())):
        model = TorchModel(folder / "cv" / f"fold-{fold}", firearms={})
        rule = model.metadata.clip_rule
        heard = [
            run_clips(model, read_recorded_clips(whole, row, rule)) for row in range(len(folds))
        ]
        trained = np.concatenate(
            [heard[row][1] for row in np.flatnonzero((folds != fold) & (labels != gun))]
        )
        head = trained.mean(axis=0), trained.std(axis=0) + 1e-6
        known = (trained - head[0]) / head[1]
        known /= np.linalg.norm(known, axis=1, keepdims=True)
        rows += [
            (labels[row] != gun, score_clips(*heard[row][:2], known, head))
            for row in np.flatnonzero(folds == fold)
        ]
    truth = [is_known for is_known, _ in rows]
    return {name: float(roc_auc_score(truth, [s[name] for _, s in rows])) for name in SCORES}


def main() -> None:
    """Study every gun of a manifest with the column fold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="recipe; without: the default one")
    parser.add_argument("--jobs", type=int, help="folds trained at the same time")
    parser.add_argument("--weights-dir", type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    write_manifest(read_manifest(options.manifest), options.output / "set.csv")
    if not (options.output / "whole.h5").is_file():
        pack(read_manifest(options.manifest), options.output / "whole.h5", PackSettings())
    whole = open_pack(options.output / "whole.h5")
    found: dict[str, Mapping[str, Any]] = {}
    for gun in whole.labels:
        found[gun] = study_gun(gun, whole, options)
        print(gun, {name: round(value, 3) for name, value in found[gun].items()}, flush=True)
        write_text(options.output / "unknown_gun.json", json.dumps(found, indent=1) + "\n")
    for name in SCORES:
        print(f"{name}: mean {np.mean([each[name] for each in found.values()]):.3f}")


if __name__ == "__main__":
    main()
