"""Training of the detector, as one function of its recordings and its recipe."""

import csv
import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from shotprint.detection.facts import DETECTOR, STEP_SAMPLES
from shotprint.errors import ShotprintError
from shotprint.progress import show_progress
from shotprint.simulation.cadre import POSITIONS, Settings, simulate_set
from shotprint.training.detector.excerpts import (
    FAR,
    NEAR,
    Excerpt,
    Pool,
    find_singles,
    make_excerpt,
    make_pool,
)
from shotprint.training.detector.labels import (
    Labels,
    label_as_doubtful,
    label_by_level,
    label_by_network,
    label_exactly,
)
from shotprint.training.detector.network import DetectorNetwork
from shotprint.training.detector.sets import Floats, Recording, read_sets

N_RELABELLED = 4
"""Marked recordings are labelled anew at the ends of the first three quarters of training."""

HARDEN_STEPS = 500
TRUTH_FILE = "shots.csv"


@dataclass(frozen=True)
class DetectorRecipe:
    """How the detector is trained; the defaults made the shipped one.

    Attributes
    ----------
    steps, batch_size : of excerpts of six seconds
    learning_rate : of AdamW; it rises for 50 steps, then falls along a cosine
    average_decay : of the running average of the weights, which is what is kept
    expert : ``far``: of recordings with known onsets · ``near``: of marked and simulated ones
    width : channels of the network
    simulated : whether the near expert hears simulated shots, too
    """

    expert: str = "far"
    steps: int = 1000
    batch_size: int = 6
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    average_decay: float = 0.99
    width: int = 48
    simulated: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.expert not in ("far", "near"):
            raise ShotprintError(f"found the expert {self.expert!r}; expected far or near")
        if min(self.steps, self.batch_size, self.width) < 1:
            raise ShotprintError(
                f"found steps {self.steps}, batch_size {self.batch_size} and width {self.width}; "
                "expected whole numbers above 0"
            )


def fit_detector(
    recordings: Sequence[Recording], simulated: Sequence[Recording], recipe: DetectorRecipe
) -> DetectorNetwork:
    """Train a network; the same recordings and recipe give the same one on one kind of CPU.

    Parameters
    ----------
    recordings : what it may hear
    simulated : see `simulate_recordings`

    Raises
    ------
    ShotprintError : there is no recording with shots, or none without
    """
    torch.manual_seed(recipe.seed)
    everything = [*recordings, *simulated]
    shares = FAR if recipe.expert == "far" else NEAR
    n_real = len(recordings)
    labels = [_label(each, recipe.expert, place < n_real) for place, each in enumerate(everything)]
    pool = make_pool(everything, labels, len(simulated), shares)
    if not (pool.exact or pool.marked) or not pool.without:
        raise ShotprintError(
            f"found {len(pool.exact) + len(pool.marked)} recordings with shots and "
            f"{len(pool.without)} without; expected some of both"
        )
    network, average = DetectorNetwork(recipe.width), DetectorNetwork(recipe.width)
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = show_progress(range(recipe.steps), total=recipe.steps, description="training")
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, recipe.steps)
        loss = _compute_loss(network.train(), _draw_batch(pool, recipe, step))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        _follow(average, network, min(recipe.average_decay, (step + 1) / (step + 10)))
        _look_again(pool, average, step + 1, recipe.steps)
    return average.eval()


def _label(recording: Recording, expert: str, is_real: bool) -> Labels:
    if recording.marks_s is not None:
        return label_by_level(recording)
    if expert == "near" and is_real and recording.has_shots:
        return label_as_doubtful(recording)
    return label_exactly(recording)


def _schedule(step: int, n_steps: int) -> float:
    return float(min(1.0, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * step / n_steps)))


def _draw_batch(pool: Pool, recipe: DetectorRecipe, step: int) -> list[Excerpt]:
    return [
        make_excerpt(pool, np.random.default_rng([recipe.seed, step, place]))
        for place in range(recipe.batch_size)
    ]


def _compute_loss(network: DetectorNetwork, batch: list[Excerpt]) -> torch.Tensor:
    """Cross-entropy of the frames, weighted."""
    waveforms, targets, weights = (
        torch.from_numpy(np.stack(part)) for part in zip(*batch, strict=True)
    )
    losses = functional.binary_cross_entropy_with_logits(
        network(waveforms), targets, reduction="none"
    )
    return (losses * weights).sum() / weights.sum()


@torch.no_grad()
def _follow(average: DetectorNetwork, network: DetectorNetwork, decay: float) -> None:
    """Move the average a little towards the network."""
    others = network.state_dict()
    for name, values in average.state_dict().items():
        if values.dtype.is_floating_point:
            values.lerp_(others[name], 1 - decay)
        else:
            values.copy_(others[name])


def _look_again(pool: Pool, network: DetectorNetwork, n_done: int, n_steps: int) -> None:
    """Let the network say where marked shots begin, and what deceives it."""
    if n_done % HARDEN_STEPS == 0:
        for place in pool.without:
            heard = hear(network, pool.recordings[place].waveform)
            pool.hardness[place] = 0.15 + 1 / (1 + np.exp(-heard.max(initial=-9.0)))
    if (
        n_done % max(1, n_steps // N_RELABELLED) == 0
        and n_done < n_steps
        and "marked" in pool.shares
    ):
        for place in pool.marked:
            recording = pool.recordings[place]
            pool.labels[place] = label_by_network(recording, hear(network, recording.waveform))
        pool.singles = find_singles(pool)


@torch.no_grad()
def hear(network: DetectorNetwork, waveform: Floats) -> Floats:
    """Return the log-odds that a shot begins, every 4 ms, for (n_samples,) at 12 kHz.

    Whole steps are made by reflection, as `detection.Detector.hear` does.
    """
    n_frames = len(waveform) // DETECTOR.hop_length
    n_missing = -len(waveform) % STEP_SAMPLES
    if len(waveform) < 2 * STEP_SAMPLES:
        n_missing += 2 * STEP_SAMPLES
    mode = "reflect" if n_missing < len(waveform) else "constant"
    padded = np.pad(waveform, (0, n_missing), mode=mode)  # type: ignore[call-overload]
    logits: Floats = network.eval()(torch.from_numpy(padded)[None])[0].numpy()
    return logits[:n_frames]


def simulate_recordings(recipe: DetectorRecipe) -> list[Recording]:
    """Simulate a shot of each gun at each position; the muzzle blast is the onset.

    None for an expert that hears none.
    """
    if recipe.expert == "far" or not recipe.simulated:
        return []
    seed = recipe.seed + 1
    with tempfile.TemporaryDirectory() as folder:
        shots = Path(folder) / "shots"
        simulate_set(shots, Settings(seed=seed, positions=tuple(POSITIONS), shots=1))
        _write_truth(shots)
        return [dataclasses.replace(each, fold=-1) for each in read_sets([shots / TRUTH_FILE])]


def _write_truth(folder: Path) -> None:
    with (folder / "simulation.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [f"{row['path']},{row['muzzle_blast_arrival_s']}" for row in rows]
    text = "\n".join(["recording,shot_onsets_s", *lines, ""])
    (folder / TRUTH_FILE).write_text(text, encoding="utf-8")
