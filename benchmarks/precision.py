"""What a smaller model file costs: accuracy on the grouped folds, size, time of a clip.

    python -m benchmarks.precision set.csv --crossval cv -o precision.json

The network of each fold is exported and made smaller by ``shotprint quantize``, its ranges read
from recordings of its training part; then each of the three files answers for the recordings of the
test fold, from their loudest sounds (``recognize --whole``). Times are the least of 50 calls with
one clip of one second and one thread.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import say
from shotprint.audio import FoundRecording
from shotprint.backbones.torch_model import load_described
from shotprint.evaluation import Resampling, bootstrap_over_groups
from shotprint.evaluation.intervals import sum_by_group
from shotprint.export import export_network
from shotprint.files import write_text
from shotprint.firearms import read_firearms
from shotprint.inference import Precision
from shotprint.manifest import read_manifest
from shotprint.quantization import quantize
from shotprint.recognition import OnnxModel, Recognizer

N_CALIBRATING = 100
N_CALLS = 50


def find(rows: Any) -> list[FoundRecording]:
    """Return the recordings of rows of a manifest."""
    return [FoundRecording(row.path, row.recording) for row in rows.itertuples()]


def time_clip(model: OnnxModel) -> float:
    """Return the milliseconds of a clip of one second."""
    clip = np.random.default_rng(0).normal(0, 0.1, (1, model.metadata.sample_rate_hz))
    taken = []
    for _ in range(N_CALLS):
        begin = time.perf_counter()
        model.run(clip.astype(np.float32))
        taken.append(time.perf_counter() - begin)
    return 1000 * min(taken)


def measure_fold(run: Path, training: Any, test: Any, folder: Path) -> dict[str, Any]:
    """Return for each file its size, time, and which recordings it answers rightly."""
    full = folder / "full.onnx"
    export_network(*load_described(run, None, firearms=read_firearms(None), card={}), full)
    calibrating = training.sample(min(N_CALIBRATING, len(training)), random_state=0)
    paths = {"float32": full}
    for precision in Precision:
        paths[precision.value] = folder / f"{precision.value}.onnx"
        quantize(full, paths[precision.value], find(calibrating), precision)
    measured = {}
    for name, path in paths.items():
        model = OnnxModel(path)
        answers = [each.label for each in Recognizer(model).recognize(find(test))]
        right = [int(a == b) for a, b in zip(answers, test.label, strict=True)]
        size_mb = path.stat().st_size / 1e6
        measured[name] = {"size_mb": size_mb, "clip_ms": time_clip(model), "right": right}
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--crossval", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.manifest)
    folds, groups = [], []
    for fold, test in manifest.groupby("fold"):
        say(f"fold {fold}")
        training = manifest[manifest.fold != fold]
        with tempfile.TemporaryDirectory() as folder:
            run = arguments.crossval / f"fold-{fold}"
            folds.append(measure_fold(run, training, test, Path(folder)))
        groups += test.group.tolist()
    summary = {}
    for name in folds[0]:
        right = np.concatenate([fold[name]["right"] for fold in folds])
        sums = sum_by_group(np.stack([right, np.ones(len(right))], axis=1), groups)
        low, high = (
            float(end[0])
            for end in bootstrap_over_groups(sums, lambda s: s[:, :1] / s[:, 1:], Resampling())
        )
        summary[name] = {
            "right": int(right.sum()),
            "n": len(right),
            "accuracy": round(float(right.mean()), 4),
            "interval": [round(low, 4), round(high, 4)],
            "size_mb": round(float(np.mean([fold[name]["size_mb"] for fold in folds])), 2),
            "clip_ms": round(float(np.median([fold[name]["clip_ms"] for fold in folds])), 2),
        }
    write_text(arguments.output, json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
