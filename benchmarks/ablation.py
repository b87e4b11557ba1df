"""What matters in the recipe, measured on inner folds only; writes docs/ablation.md.

Outer fold a is never used to choose anything for fold a: a network trained without the folds a
and b is scored on b for the choice made for a, and on a for the choice made for b. Three such pairs
score every fold, fold 0 twice.

    python -m benchmarks.ablation set.h5 -o DIR --weights-dir ../shared/weights

`set.h5` must hold whole recordings (``shotprint pack set.csv -o set.h5 --clip full``). Runs that
are done are kept, so the study can be interrupted.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from shotprint.evaluation import Resampling, bootstrap_over_groups
from shotprint.files import write_text
from shotprint.packing import open_pack
from shotprint.training.recipe import load_recipe

PAGE = Path(__file__).parents[1] / "docs" / "ablation.md"
PAIRS = ((0, 1), (2, 3), (4, 0))
NO_AUGMENTATION = {
    "time_shift_s": 0.0,
    "gain_db": 0.0,
    "eq_db": 0.0,
    "noise_probability": 0.0,
    "spec_masks": 0,
}
STRONG_AUGMENTATION = {
    "time_shift_s": 0.05,
    "gain_db": 6.0,
    "eq_db": 8.0,
    "noise_probability": 0.5,
    "noise_snr_min_db": 5.0,
    "lowpass_probability": 0.2,
    "spec_masks": 2,
}
FROM_SCRATCH = {"weights": "none", "learning_rate": 1e-3, "head_l2": 0.0, "epochs": 12}
RANDOM_HEAD = {"probe_l2": 0.0, "head_l2": 0.0, "learning_rate": 1e-3, "epochs": 12}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "the recipe": {},
    "frozen: head fitted, nothing fine-tuned": {"epochs": 0},
    "head at random, fine-tuned at 1e-3, 12 epochs": RANDOM_HEAD,
    "from scratch (no pretrained weights), 12 epochs": FROM_SCRATCH,
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "no stage frozen": {"frozen_share": 0.0},
    "learning rate falls by 0.7 a stage inwards": {"layer_decay": 0.7, "frozen_share": 0.0},
    "clips of 0.5 s": {"clip_length_s": 0.5},
    "clips of 2 s": {"clip_length_s": 2.0},
    "whole recordings, not aligned": {"clip_length_s": 0.0, "onset_at_s": 0.0, "max_clips": 1},
    "no augmentation": NO_AUGMENTATION,
    "strong augmentation": STRONG_AUGMENTATION,
    "weaker head penalty (0.02)": {"probe_l2": 0.02, "head_l2": 0.02},
}


def score_pair(
    pack_path: Path, out_dir: Path, changes: Mapping[str, Any], pair: tuple[int, int], weights: str
) -> None:
    """Train without two folds and store for each recording of both whether it is recognised."""
    from shotprint.backbones.checkpoints import load_network
    from shotprint.training.dataset import choose_clip_rule
    from shotprint.training.fit import fit
    from shotprint.training.scoring import compute_probabilities

    a, b = pair
    folds = {"test_fold": a, "validation": "fold", "validation_fold": b}
    clips = {"clip_length_s": 1.0, "onset_at_s": 0.1}
    recipe = load_recipe(None, {**clips, **changes, **folds, "num_threads": 1})
    fit(pack_path, recipe, out_dir, resume=True, weights_dir=weights or None)
    pack = open_pack(pack_path)
    network = load_network(out_dir / "model.safetensors")
    fold = pack.manifest["fold"].astype(int).to_numpy()
    codes = {label: code for code, label in enumerate(pack.labels)}
    truth = pack.manifest["label"].map(codes).to_numpy()
    rule = choose_clip_rule(pack, recipe)
    scores = {}
    for scored in pair:
        rows = np.flatnonzero(fold == scored)
        probabilities = compute_probabilities(network, pack, rows, rule)
        scores[str(scored)] = probabilities.argmax(axis=1) == truth[rows]
    partial = out_dir / "correct.partial.npz"
    np.savez(partial, **scores)
    partial.replace(out_dir / "correct.npz")


def summarize(pack_path: Path, folder: Path) -> tuple[float, float, float] | None:
    """Return accuracy and its interval over groups; None: not all pairs are done."""
    files = [folder / f"{a}{b}" / "correct.npz" for a, b in PAIRS]
    if not all(file.is_file() for file in files):
        return None
    manifest = open_pack(pack_path).manifest
    fold = manifest["fold"].astype(int).to_numpy()
    hits, times = np.zeros(len(manifest)), np.zeros(len(manifest))
    for file in files:
        with np.load(file) as scores:
            for name in scores.files:
                hits[fold == int(name)] += scores[name]
                times[fold == int(name)] += 1
    hits /= times
    _, group = np.unique(manifest["group"], return_inverse=True)
    sums = np.stack([np.bincount(group, hits), np.bincount(group)], axis=1)
    low, high = bootstrap_over_groups(sums, lambda s: s[:, :1] / s[:, 1:], Resampling())
    return float(hits.mean()), float(low[0]), float(high[0])


def format_page(pack_path: Path, out_dir: Path) -> str:
    rows = []
    for place, name in enumerate(SETTINGS):
        found = summarize(pack_path, out_dir / f"{place:02d}")
        if found is not None:
            accuracy, low, high = found
            rows.append(f"| {name} | {accuracy:.3f} | {low:.3f} to {high:.3f} |")
    head = (
        "# What matters in the recipe\n\n"
        "Accuracy per recording on **inner** folds of the eight guns of `guns9` (599 recordings,\n"
        "27 groups, the fixed folds of `groups.csv`); 95 % intervals by bootstrap over groups.\n"
        "Every row changes the default recipe in the one respect that it names. A network is\n"
        "trained without two folds and scored on both, each of which serves the choice for the\n"
        "other (`benchmarks/ablation.py` says how), so no figure here touches the test fold of\n"
        "the choice it serves. Three folds to train on instead of four, and guns of two groups of\n"
        "which sometimes neither is left, make these figures lower than those of the five folds\n"
        "themselves.\n\n"
    )
    table = "| setting | accuracy | 95 % interval |\n|---|---|---|\n" + "\n".join(rows)
    command = (
        "\n\nMade by `python -m benchmarks.ablation set.h5 -o DIR`, `set.h5` packed with "
        "`--clip full`.\n"
    )
    return head + table + command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights-dir", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    with ProcessPoolExecutor(args.jobs) as pool:
        futures = {}
        for place, (name, changes) in enumerate(SETTINGS.items()):
            for a, b in PAIRS:
                folder = args.output / f"{place:02d}" / f"{a}{b}"
                if not (folder / "correct.npz").is_file():
                    job = (args.pack, folder, dict(changes), (a, b), args.weights_dir)
                    futures[pool.submit(score_pair, *job)] = f"{name}, folds {a} and {b}"
        for future in as_completed(futures):
            future.result()
            print(f"done: {futures[future]}", file=sys.stderr)
            write_text(PAGE, format_page(args.pack, args.output))
    write_text(PAGE, format_page(args.pack, args.output))


if __name__ == "__main__":
    main()
