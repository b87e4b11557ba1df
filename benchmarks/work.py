"""What runs in a process of its own: ``python -m benchmarks.work MODULE.JOB ARGUMENTS-AS-JSON``.

A job is a function of a module of this package; its answer is JSON on standard output. Those here
import what they need, and no more.
"""

import importlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # NumPy reads it when it is imported

import numpy as np

RATE_HZ = 48000
DURATION_S = 2.0
SHOT_AT_S = 0.3


def write_recordings(folder: str, n: int, shots: str) -> None:
    """Write two-second stereo recordings at 48 kHz of a shot each, all of them different.

    Parameters
    ----------
    shots : folder of recordings by ``shotprint simulate``
    """
    from shotprint.audio import read, write_wav

    sources = sorted(Path(shots).rglob("*.wav"))
    n_samples = round(DURATION_S * RATE_HZ)
    for seed in range(n):
        rng = np.random.default_rng(seed)
        source = sources[seed * len(sources) // n]
        shot = read(source, sample_rate_hz=RATE_HZ).waveform[0]
        shot /= np.abs(shot).max()
        place = round((SHOT_AT_S + rng.uniform(0, 0.2)) * RATE_HZ)
        recording = 3e-4 * rng.standard_normal((2, n_samples), np.float32)
        part = shot[: n_samples - place]
        recording[:, place : place + len(part)] += rng.uniform(0.5, 0.9, (2, 1)) * part
        write_wav(Path(folder) / f"shot{seed:04d}.wav", recording.astype(np.float32), RATE_HZ)


def time_model(path: str, threads: int, n: int) -> float:
    """Return the milliseconds that a model takes for one two-second clip.

    Weights run in PyTorch, a model file in ONNX Runtime.
    """
    from shotprint.recognition import Model, OnnxModel

    model: Model
    if path.endswith(".onnx"):
        model = OnnxModel(path, threads)
    else:
        import torch

        from shotprint.backbones.torch_model import TorchModel

        torch.set_num_threads(threads)
        model = TorchModel(path, firearms={})
    clip = make_clip(DURATION_S, model.metadata.sample_rate_hz)
    return time_call(lambda: model.run(clip), n)


def time_frontend(path: str, duration_s: float, n: int) -> dict[str, float]:
    """Return the milliseconds of the front-end in the graph, of the rest, and of NumPy's own.

    One thread. ONNX Runtime's profile says which share of the time the front-end's nodes take.
    """
    from benchmarks.floor import profile_nodes
    from shotprint.backbones import find_backbone
    from shotprint.frontends import compute_logmel
    from shotprint.recognition import OnnxModel

    model = OnnxModel(path)
    clip = make_clip(duration_s, model.metadata.sample_rate_hz)
    whole_ms = time_call(lambda: model.run(clip), n)
    share = find_share(profile_nodes(path, {"waveform": clip}, n))
    frontend = find_backbone(model.metadata.backbone).frontend
    numpy_ms = time_call(lambda: compute_logmel(clip, frontend), n)
    return {"frontend": share * whole_ms, "network": (1 - share) * whole_ms, "numpy": numpy_ms}


def time_training(pack: str, backbone: str, batch_size: int, n: int, threads: int) -> float:
    """Return the median of the seconds from step to step of `n`, after two that are not counted.

    ``shotprint train`` as it is, from random weights and with clips of one length.
    """
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from shotprint.training.fit import fit
    from shotprint.training.recipe import load_recipe

    entries = {
        "backbone": backbone,
        "weights": "none",
        "batch_size": batch_size,
        "short_clip_s": 0.0,
        "epochs": 1,
        "clips_per_recording": 1 + n,  # an epoch has steps enough
        "max_steps": n + 3,
        "num_threads": threads,
    }
    moments_s: list[float] = []
    register_optimizer_step_post_hook(lambda *_: moments_s.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as folder:
        fit(pack, load_recipe(None, entries), folder)
    return statistics.median(np.diff(moments_s)[2:].tolist())


def find_share(nodes: list[dict[str, Any]]) -> float:
    """Return the share of a model's time that nodes of its log-mel front-end take."""
    spent = sum(each["dur"] for each in nodes if "/logmel/" in each["name"])
    if not spent:
        raise SystemExit("benchmarks: no node of the model is of a front-end 'logmel'")
    return float(spent / sum(each["dur"] for each in nodes))


def make_clip(duration_s: float, rate_hz: int) -> np.ndarray:
    """Return a clip of noise, (1, n_samples) float32."""
    rng = np.random.default_rng(0)
    return 0.1 * rng.standard_normal((1, round(duration_s * rate_hz)), np.float32)


def time_call(call: Callable[[], Any], n: int) -> float:
    """Return the median of the milliseconds that `n` calls take, after three not counted."""
    times_ms = []
    for _ in range(n + 3):
        begin_s = time.perf_counter()
        call()
        times_ms.append(1e3 * (time.perf_counter() - begin_s))
    return statistics.median(times_ms[3:])


if __name__ == "__main__":
    module, _, name = sys.argv[1].rpartition(".")
    job = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    print(json.dumps(job(**json.loads(sys.argv[2]))))
