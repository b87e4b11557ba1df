"""How many guns fired, over the whole path, on audio composed of real shots of one to three guns.

    python -m benchmarks.composed set.csv --crossval cv --calibration calibration.json \
        --background SOUNDS -o composed.json

Each case is written as a recording: shots cut from recordings of one fold, pasted 0.3 to 3 s apart
into a background 40 dB below them. Of automatic fire a cut of 0.7 s holds several shots, with
``--after-s 0.35`` fewer. The detector finds the shots, the network of the fold, which
heard none of the recordings, recognises them. Two answers are counted: the number of guns that
``shotprint recognize`` states, and the clusters of the shots by the likelihood ratios of
``shotprint compare`` between every two of them (average linkage, cut at a log10 LR of 0, at most
three: `by_pairs` in the JSON). Temperature, correlations and pair calibration were fitted on all
folds, and the shipped detector heard recordings of this set: a little too good for either answer.
"""

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import find_recordings, read, write_wav
from shotprint.backbones.torch_model import TorchModel
from shotprint.clips import ClipRule, find_onsets
from shotprint.detection import Detector, OnnxDetector
from shotprint.files import write_text
from shotprint.firearms import read_firearms
from shotprint.guns import MAX_GUNS
from shotprint.manifest import read_manifest
from shotprint.recognition import Recognizer
from shotprint.weights import shipped_detector

RATE_HZ = 44100
BEFORE_S, FADE_S = 0.03, 0.05
GAPS_S = (0.3, 3.0)
MAX_SHOTS = 4  # of a gun
BACKGROUND_PEAK = 0.005
Floats = NDArray[np.float32]


def cut_shot(path: str, after_s: float) -> Floats:
    """Return the loudest shot of a recording (n_samples,), its peak 0.5, faded out."""
    waveform = read(path, sample_rate_hz=RATE_HZ).waveform[0]
    onset = int(find_onsets(waveform, RATE_HZ, ClipRule())[0])
    shot = waveform[max(0, onset - round(BEFORE_S * RATE_HZ)) : onset + round(after_s * RATE_HZ)]
    n_fade = min(len(shot), round(FADE_S * RATE_HZ))
    shaped = shot / np.abs(shot).max() / 2
    shaped[-n_fade:] *= np.linspace(1, 0, n_fade)
    return shaped.astype(np.float32)


def compose(paths: list[str], background: str, after_s: float, rng: np.random.Generator) -> Floats:
    """Return shots in random order in a background, (n_samples,)."""
    shots = [cut_shot(path, after_s) * rng.uniform(0.3, 1) for path in rng.permutation(paths)]
    starts = np.cumsum(rng.uniform(*GAPS_S, len(shots)) * RATE_HZ).astype(int)
    length = starts[-1] + RATE_HZ * 2
    sound = read(background, sample_rate_hz=RATE_HZ).waveform[0]
    mixed = np.resize(sound / max(1e-6, np.abs(sound).max()), length) * BACKGROUND_PEAK
    for shot, start in zip(shots, starts.tolist(), strict=True):
        mixed[start : start + len(shot)] += shot
    return mixed.astype(np.float32)


def study(options: argparse.Namespace) -> dict[str, Any]:
    """Return counts of both answers by the true number of guns."""
    manifest = read_manifest(options.manifest)
    sounds = [str(each.path) for each in find_recordings([str(options.background)])]
    content = json.loads(options.calibration.read_text(encoding="utf-8"))
    folds = sorted(set(manifest["fold"]))
    recognizers = {fold: _open(options.crossval / f"fold-{fold}", content) for fold in folds}
    rng = np.random.default_rng(0)
    answers: dict[str, list[list[int]]] = {
        name: [[0] * MAX_GUNS for _ in range(MAX_GUNS)] for name in ("sets", "clusters")
    }
    n_shots = n_found = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.wav"
        for case in range(options.n):
            mine = manifest[manifest["fold"] == folds[case % len(folds)]]
            guns = rng.permutation(sorted(set(mine["label"])))[: 1 + case % MAX_GUNS]
            chosen: list[str] = []
            for gun in guns:
                least = 2 if len(guns) == 1 else 1
                known = mine["path"][mine["label"] == gun].to_numpy(str)
                n_chosen = min(len(known), int(rng.integers(least, MAX_SHOTS + 1)))
                chosen += rng.choice(known, n_chosen, False).tolist()
            mixed = compose(chosen, str(rng.choice(sounds)), options.after_s, rng)
            write_wav(path, mixed[None], RATE_HZ)
            result = recognizers[folds[case % len(folds)]].recognize_file(path)
            n_shots, n_found = n_shots + len(chosen), n_found + len(result.shots)
            stated = np.argmax(result.guns.n_probabilities) + 1 if result.guns else 1
            answers["sets"][len(guns) - 1][int(stated) - 1] += 1
            by_pairs = result.guns.by_pairs if result.guns else None
            answers["clusters"][len(guns) - 1][(by_pairs or (1,))[0] - 1] += 1
    accuracy = {name: float(np.trace(table) / options.n) for name, table in answers.items()}
    return {
        "n": options.n,
        "n_shots": n_shots,
        "n_found": n_found,
        "accuracy": accuracy,
        "answers": answers,
    }


def _open(folder: Path, content: Mapping[str, Any]) -> Recognizer:
    model = TorchModel(folder, firearms=read_firearms())
    facts = {name: content[name] for name in ("calibration", "judgement", "evidence")}
    model.metadata = dataclasses.replace(model.metadata, **facts)
    return Recognizer(model, detector=Detector(OnnxDetector(shipped_detector()), None))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--crossval", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--background", type=Path, required=True)
    parser.add_argument("--after-s", type=float, default=0.7, help="kept of a shot, in seconds")
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    found = study(options)
    write_text(options.output, json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
