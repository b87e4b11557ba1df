"""A tiny set for the tests of packing and training: three guns that a small network can tell."""

from pathlib import Path

import numpy as np
import pandas as pd

from shotprint.audio import write_wav
from shotprint.clips import ClipRule
from shotprint.manifest import build_manifest
from shotprint.packing import PackSettings

RATE_HZ = 32000
RULE = ClipRule(length_s=0.25, onset_at_s=0.05, max_clips=2)
SETTINGS = PackSettings(clip_rule=RULE, margin_s=0.05)
SMALL = {
    "weights": "none",
    "frozen_share": 0.0,
    "layer_decay": 1.0,
    "mixup_alpha": 0.0,
    "freeze_norm": False,
    "probe_l2": 0.0,
    "head_l2": 0.0,
    "learning_rate": 3e-3,
    "backbone_lr_scale": 1.0,
    "average_decay": 0.9,
    "batch_size": 8,
    "time_shift_s": 0.01,
    "num_threads": 1,
    "accelerator": "cpu",
}
"""Entries that make a recipe fit for a test: all of mn04 from random weights, one thread."""


def make_shot(pitch_hz: float, rng: np.random.Generator, n_samples: int = 20000) -> np.ndarray:
    """Return a decaying tone in noise after some silence, (n_samples,) float32."""
    time_s = np.arange(n_samples) / RATE_HZ
    onset_s = rng.uniform(0.1, 0.3)
    after_s = np.maximum(time_s - onset_s, 0)
    tone = np.sin(2 * np.pi * pitch_hz * rng.uniform(0.9, 1.1) * after_s)
    shot = np.where(time_s >= onset_s, tone * np.exp(-after_s / 0.02), 0)
    return (rng.uniform(0.1, 0.8) * shot + 1e-3 * rng.normal(size=n_samples)).astype(np.float32)


def make_set(folder: Path, n_each: int = 8, n_groups: int = 4) -> pd.DataFrame:
    """Write recordings of three guns and return their manifest; group i of a gun has fold i."""
    rng = np.random.default_rng(0)
    rows = []
    for label, pitch_hz in (("low", 300.0), ("middle", 1500.0), ("high", 6000.0)):
        for i in range(n_each):
            path = folder / label / f"{i}.wav"
            write_wav(path, make_shot(pitch_hz, rng)[None], RATE_HZ)
            rows.append(
                {
                    "recording": f"{label}/{i}.wav",
                    "path": str(path),
                    "label": label,
                    "group": f"{label}-{i % n_groups}",
                    "fold": str(i % n_groups),
                    "recorder": "phöne/A",
                }
            )
    return build_manifest(rows)[0]


def make_others(folder: Path) -> pd.DataFrame:
    """Write steady tones and hums, which are no gunshots; return their manifest."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(12):
        tone = np.sin(2 * np.pi * (100 + 90 * i) * np.arange(20000) / RATE_HZ)
        sound = 0.2 * tone + 0.02 * rng.standard_normal(20000)
        write_wav(folder / f"{i}.wav", sound[None].astype(np.float32), RATE_HZ)
        rows.append(
            {
                "recording": f"{i}.wav",
                "path": str(folder / f"{i}.wav"),
                "label": "hum",
                "group": f"g{i}",
            }
        )
    return build_manifest(rows)[0]
