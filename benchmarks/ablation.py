"""What matters in the recipe, and what its choice costs; writes docs/ablation.md.

A network trained without the folds a and b serves two choices: scored on b the one made for the
test fold a, scored on a the one made for b. Only the setting chosen for a is then trained on
everything but a and scored on a, so no fold helps to choose what is tested on it.

    python -m benchmarks.ablation set.h5 -o DIR --weights-dir ../shared/weights

`set.h5` must hold whole recordings and the shots that detectors found in them which had not heard
them: ``shotprint pack set.csv -o set.h5 --clip full --max-clips 16 --onsets detector/shots.json``,
the list that ``shotprint train-detector`` leaves. Runs that are done are kept, so the study can be
interrupted.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.evaluation import Resampling, bootstrap_over_groups
from shotprint.files import write_text
from shotprint.packing import open_pack
from shotprint.training.recipe import load_recipe

PAGE = Path(__file__).parents[1] / "docs" / "ablation.md"
ANSWERS = "answers.npz"
MIN_PROBABILITY = 1e-7
FOLDS = range(5)
ALL_PAIRS = tuple(combinations(FOLDS, 2))
TABLE_PAIRS = ((0, 1), (2, 3), (0, 4))  # score every fold, fold 0 twice
ONE_LENGTH = {"short_clip_s": 0.0}
NO_MIXUP = {"mixup_alpha": 0.0}
NO_AUGMENTATION = {
    "time_shift_s": 0.0,
    "gain_db": 0.0,
    "eq_db": 0.0,
    "noise_probability": 0.0,
    "spec_masks": 0,
    **NO_MIXUP,
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
RECIPE = "the recipe"
CANDIDATES: Mapping[str, Mapping[str, Any]] = {
    RECIPE: {},
    "clips of 1 s only": ONE_LENGTH,
    "clips of 1 s only, no mixup": {**ONE_LENGTH, **NO_MIXUP},
    "clips of 0.5 s only, no mixup": {"clip_length_s": 0.5, **ONE_LENGTH, **NO_MIXUP},
}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    **CANDIDATES,
    "frozen: head fitted, nothing fine-tuned": {"epochs": 0},
    "one learning rate, first 40 % of the stages frozen": {"layer_decay": 1.0, "frozen_share": 0.4},
    "no augmentation": NO_AUGMENTATION,
    "strong augmentation": STRONG_AUGMENTATION,
    "head at random, fine-tuned at 1e-3, 12 epochs": RANDOM_HEAD,
    "from scratch (no pretrained weights), 12 epochs": FROM_SCRATCH,
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "clips of 2 s only": {"clip_length_s": 2.0, **ONE_LENGTH},
    "whole recordings, not aligned": {"clip_length_s": 0.0, "onset_at_s": 0.0, "max_clips": 1},
}

Folds = tuple[int, ...]
Bools = NDArray[np.bool_]


def score_folds(
    pack_path: Path, out_dir: Path, changes: Mapping[str, Any], folds: Folds, weights: str
) -> None:
    """Train without one or two folds; store log-probabilities and truth of their recordings."""
    from shotprint.backbones.checkpoints import load_network
    from shotprint.training.dataset import choose_clip_rule
    from shotprint.training.fit import fit
    from shotprint.training.scoring import compute_probabilities

    held_out: dict[str, Any] = {"test_fold": folds[0]}
    for fold in folds[1:]:
        held_out |= {"validation": "fold", "validation_fold": fold}
    clips = {"clip_length_s": 1.0, "onset_at_s": 0.1}
    recipe = load_recipe(None, {**clips, **changes, **held_out, "num_threads": 1})
    fit(pack_path, recipe, out_dir, resume=True, weights_dir=weights or None)
    pack = open_pack(pack_path)
    network = load_network(out_dir / "model.safetensors")
    fold_of = pack.manifest["fold"].astype(int).to_numpy()
    codes = {label: code for code, label in enumerate(pack.labels)}
    truth = pack.manifest["label"].map(codes).to_numpy()
    rule = choose_clip_rule(pack, recipe)
    scores = {}
    for fold in folds:
        rows = np.flatnonzero(fold_of == fold)
        probabilities = compute_probabilities(network, pack, rows, rule)
        scores[str(fold)] = np.log(np.maximum(probabilities, MIN_PROBABILITY))
        scores[f"truth_{fold}"] = truth[rows]
    partial = out_dir / "answers.partial.npz"
    np.savez(partial, **scores)
    partial.replace(out_dir / ANSWERS)


def place_run(out_dir: Path, name: str, folds: Folds) -> Path:
    """Return the folder of a network: the setting, and the folds it was trained without."""
    return out_dir / f"{list(SETTINGS).index(name):02d}" / "".join(map(str, folds))


def read_correct(
    out_dir: Path, names: str | Sequence[str], folds: Folds, scored: int
) -> Bools | None:
    """Return whether each recording of a fold was recognised; None: not all trained yet.

    Parameters
    ----------
    names : of one setting, or of several, whose log-probabilities are averaged
    """
    names = [names] if isinstance(names, str) else names
    paths = [place_run(out_dir, name, folds) / ANSWERS for name in names]
    if not all(path.is_file() for path in paths):
        return None
    answers = []
    for path in paths:
        with np.load(path) as scores:
            answers.append(scores[str(scored)])
            truth = scores[f"truth_{scored}"]
    found: Bools = np.mean(answers, axis=0).argmax(axis=1) == truth
    return found


def score_inner(out_dir: Path, name: str | Sequence[str], test_fold: int) -> float | None:
    """Return the mean accuracy of the networks that serve the choice for a test fold.

    They are trained without it and one other fold each, and scored on that other fold.
    """
    pairs = [pair for pair in ALL_PAIRS if test_fold in pair]
    found = [read_correct(out_dir, name, pair, sum(pair) - test_fold) for pair in pairs]
    means = [float(correct.mean()) for correct in found if correct is not None]
    return sum(means) / len(means) if len(means) == len(pairs) else None


def choose(out_dir: Path, test_fold: int) -> str | None:
    """Return the candidate with the best inner score, the first of equal ones."""
    scores = {name: score_inner(out_dir, name, test_fold) for name in CANDIDATES}
    known = {name: score for name, score in scores.items() if score is not None}
    return max(known, key=known.__getitem__) if len(known) == len(scores) else None


def average(pack_path: Path, scores: Sequence[tuple[int, Bools | None]]) -> str | None:
    """Return accuracy and its interval over groups as two cells of a table.

    Parameters
    ----------
    scores : fold and whether its recordings were recognised; a fold scored twice counts half
    """
    manifest = open_pack(pack_path).manifest
    fold_of = manifest["fold"].astype(int).to_numpy()
    hits, times = np.zeros(len(manifest)), np.zeros(len(manifest))
    for fold, correct in scores:
        if correct is None:
            return None
        hits[fold_of == fold] += correct
        times[fold_of == fold] += 1
    hits /= times
    _, group = np.unique(manifest["group"], return_inverse=True)
    sums = np.stack([np.bincount(group, hits), np.bincount(group)], axis=1)
    low, high = bootstrap_over_groups(sums, lambda s: s[:, :1] / s[:, 1:], Resampling())
    return f"{hits.mean():.3f} | {low[0]:.3f} to {high[0]:.3f}"


def format_page(pack_path: Path, out_dir: Path) -> str:
    """Return the page; rows whose networks are not all trained stay as they stand in it."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    before = {line.split(" | ")[0]: line for line in text.splitlines()}
    rows = []
    for name in SETTINGS:
        scores = [(f, read_correct(out_dir, name, p, f)) for p in TABLE_PAIRS for f in p]
        cells = average(pack_path, scores)
        row = f"| {name} | {cells} |" if cells else before.get(f"| {name}")
        rows += [f"{row}\n"] if row else []
    return INNER + "".join(rows) + format_nested(pack_path, out_dir) + END


def format_nested(pack_path: Path, out_dir: Path) -> str:
    """Return the part on the choice for every outer fold; empty until all of it is done."""
    chosen = [choose(out_dir, fold) for fold in FOLDS]
    everything = tuple(CANDIDATES)
    own, common, joined, rows = [], [], [], []
    for fold, name in zip(FOLDS, chosen, strict=True):
        if name is None:
            return ""
        own.append((fold, read_correct(out_dir, name, (fold,), fold)))
        common.append((fold, read_correct(out_dir, RECIPE, (fold,), fold)))
        joined.append((fold, read_correct(out_dir, everything, (fold,), fold)))
        columns = (*CANDIDATES, everything)
        inner = [score_inner(out_dir, candidate, fold) or 0.0 for candidate in columns]
        cells = " | ".join(f"{score:.3f}" for score in inner)
        rows.append(f"| {fold} | {cells} | {name} |\n")
    nested, fixed, mean = (average(pack_path, scores) for scores in (own, common, joined))
    if nested is None or fixed is None or mean is None:
        return ""
    columns = " | ".join([*CANDIDATES, "mean of all four", "chosen of the four"])
    head = f"| test fold | {columns} |\n|{'---|' * (len(CANDIDATES) + 3)}\n"
    outer = (
        "\n| on the five test folds | accuracy | 95 % interval |\n|---|---|---|\n"
        f"| setting chosen for each fold | {nested} |\n| {RECIPE}, for all folds | {fixed} |\n"
        f"| mean of the log-probabilities of all four, nothing chosen | {mean} |\n"
    )
    return NESTED + head + "".join(rows) + outer


INNER = """# What matters in the recipe

Accuracy per recording on **inner** folds of the eight guns of `guns9` (599 recordings,
27 groups, the fixed folds of `groups.csv`); 95 % intervals by bootstrap over groups.
Every row changes the default recipe as it says. A network is trained without two
folds and scored on both, each of which serves the choice for the other
(`benchmarks/ablation.py` says how), so no figure here touches the test fold of the choice
it serves. Three folds to train on instead of four, and guns of two groups of which
sometimes neither is left, make these figures lower than those of the five folds
themselves. Three pairs of folds a row.

| setting | accuracy | 95 % interval |
|---|---|---|
"""
NESTED = """
## A choice of its own for every test fold

For each test fold the setting with the best mean inner score is chosen: over the four networks
that are trained without the test fold and one other, each scored on that other. What is chosen
is then trained on the four folds and scored on the test fold, so no fold helps to choose what is
tested on it. Inner scores that differ by a point or less choose by chance; what that costs
stands in the difference between the first two rows below. Where all are trained anyway, nothing
need be chosen: the mean of their log-probabilities.

"""
END = """
Made by `python -m benchmarks.ablation set.h5 -o DIR`, `set.h5` packed with
`--clip full --max-clips 16 --onsets detector/shots.json`: the clips stand at shots found by
detectors that had not heard them, as `train-detector` lists them.

One choice for all five folds is not strictly nested: the score on fold b helped to choose what is
later tested on b. The choice for every test fold is, but for one thing: what the candidates are
was settled by people who knew the inner scores of all folds. The differences between the upper
rows are far inside the intervals. The mean of all four candidates needs no choice and is the best
of what was tried, here and on the inner folds (0.725 in the table below against 0.713); it takes
four networks, of which one is small enough to be shipped, so the recipe is the first of them.

## The same with clips of one length

Measured before clips of two lengths came, in the same way, on the same three pairs of folds: each
row changes `recipes/one_length.toml` in the one respect that it names. The clips stand at the
loudest sounds (`shotprint pack set.csv -o set.h5 --clip full`), so the rows compare with each other
and not with those of the first table. Chosen for each test fold among its first four, this gave
0.691 (0.595 to 0.790); the recipe for all folds 0.723 (0.638 to 0.805).

| setting | accuracy | 95 % interval |
|---|---|---|
| `recipes/one_length.toml` | 0.609 | 0.448 to 0.757 |
| frozen: head fitted, nothing fine-tuned | 0.606 | 0.449 to 0.745 |
| learning rate falls by 0.7 a stage inwards | 0.606 | 0.446 to 0.755 |
| no augmentation | 0.621 | 0.462 to 0.762 |
| weaker head penalty (0.02) | 0.591 | 0.433 to 0.738 |
| strong augmentation | 0.584 | 0.435 to 0.726 |
| head at random, fine-tuned at 1e-3, 12 epochs | 0.563 | 0.412 to 0.715 |
| from scratch (no pretrained weights), 12 epochs | 0.363 | 0.242 to 0.487 |
| learning rate 1e-3 | 0.568 | 0.416 to 0.713 |
| no stage frozen | 0.600 | 0.441 to 0.749 |
| clips of 0.5 s | 0.581 | 0.426 to 0.727 |
| clips of 2 s | 0.558 | 0.412 to 0.698 |
| whole recordings, not aligned | 0.570 | 0.420 to 0.715 |

## What led to the recipe, and what did not help

Inner means of all ten pairs of folds; guns without a training clip are left out of these figures,
so they are higher than those above. A difference of half a point is chance.

| what | inner accuracy |
|---|---|
| *nothing fine-tuned: logistic regression on the frozen network* | |
| clips of 1 s at the four loudest sounds | 0.686 |
| the same at the four most probable shots | 0.698 |
| the same at up to 16 shots | 0.689 |
| clips of 0.5 s at up to 16 shots | 0.689 |
| **one head for clips of both lengths, the mean of both answers** | **0.710** |
| the same, but the 0.5 s always the first half of the 1 s, not placed by the onset | 0.693 |
| the same with the second half, too | 0.676 |
| clips of 0.3 s, of 2 s (loudest sounds) | 0.624, 0.647 |
| clips of 0.5 s played at half speed, of 0.25 s at a quarter of it | 0.606, 0.610 |
| means and deviations for each quarter of the bands, of the time, instead of all | 0.665, 0.660 |
| these together with those of all | 0.685 |
| linear discriminant analysis with shrinkage 0.3, 0.6, 0.9 (four shots) | 0.683, 0.688, 0.697 |
| the first 50, 100, 200 principal components, whitened | 0.654, 0.647, 0.656 |
| every group of recordings weighs the same | 0.694 |
| penalty 0.1, 0.4, 0.8 on the head | 0.696, 0.699, 0.700 |
| *fine-tuned* | |
| the recipe before: loudest sounds, 40 % of the stages frozen | 0.704 |
| loudest sounds, rates that fall by 0.7 a stage inwards | 0.707 |
| the mean of four recipes (frozen, the two above, no augmentation) | 0.701 |
| rates that fall inwards, up to 16 shots | 0.710 |
| the same with mixup | 0.713 |
| the same, clips of 0.5 s, no mixup | 0.697 |
| the mean of the last two: two networks | 0.724 |
| the mean of the four networks of the table above | 0.725 |
| one network with the mean of their weights | 0.705 |
| **clips of both lengths in one network, mixup: the recipe** | **0.713** |
| *rate of fire, in a logistic regression of its own, added with weight 0.4* | |
| alone | 0.451 |
| with rates that fall inwards, loudest sounds (0.707) | 0.706 |
| with up to 16 shots and mixup (0.713) | 0.715 |
| with the mean of the two networks (0.724) | 0.724 |
| with the mean of the four networks (0.725) | 0.730 |
| with the recipe | 0.711 |

Rate of fire: a histogram of the logarithm of the gaps between shots, their number and median
gap, from shots of a detector that did not hear the recording. It tells guns apart that a person
would tell by it (gaps of 50 ms against 100 ms), but a clip holds several shots, so the network
hears it already; what it adds is chance, and it is not part of the recogniser.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights-dir", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()

    def run(wanted: Sequence[tuple[str, Folds]]) -> None:
        futures = {}
        for name, folds in dict.fromkeys(wanted):
            folder = place_run(args.output, name, folds)
            if not (folder / ANSWERS).is_file():
                job = (args.pack, folder, dict(SETTINGS[name]), folds, args.weights_dir)
                futures[pool.submit(score_folds, *job)] = f"{name}, without folds {folds}"
        for future in as_completed(futures):
            future.result()
            print(f"done: {futures[future]}", file=sys.stderr)
            write_text(PAGE, format_page(args.pack, args.output))

    with ProcessPoolExecutor(args.jobs) as pool:
        run([(name, pair) for name in CANDIDATES for pair in ALL_PAIRS])
        run([(name, (fold,)) for name in CANDIDATES for fold in FOLDS])
        run([(name, pair) for name in SETTINGS for pair in TABLE_PAIRS])
    write_text(PAGE, format_page(args.pack, args.output))


if __name__ == "__main__":
    main()
