"""Speed of training: from a set ten times as large as memory, and in two processes.

    python -m benchmarks.training [--gb 4] [--steps 12] [--rounds 2]

Recordings of a minute are packed whole until the pack has the size asked for; a step takes 32 clips
of one second from anywhere in it. Each step is done twice: with nothing of the pack in memory (the
system is told to forget it before every step: less than a set of ten times the memory would have
there), and again with what it reads in memory. Steps are those of ``shotprint train``, one thread,
without what Lightning does around them.

Two processes: ``shotprint train`` itself with ``--devices``, a thread each; the steps that a
longer run has more, over the time that they add. Figures are medians.
"""

import argparse
import mmap
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import run, say
from benchmarks.workshop import SHOTPRINT
from shotprint.audio import write_wav
from shotprint.clips import ClipRule
from shotprint.manifest import build_manifest
from shotprint.packing import Pack, PackSettings, open_pack, pack
from shotprint.training.dataset import TrainingBatches
from shotprint.training.module import TrainingModule
from shotprint.training.recipe import Recipe
from shotprint.training.start import build_start

RATE_HZ, RECORDING_S = 32000, 60
RULE = ClipRule(max_clips=20)
RECIPE = Recipe(weights="shipped", accelerator="cpu", num_threads=1, short_clip_s=0.0)
EPOCHS = (1, 3)  # of the shorter and the longer run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--gb", type=float, default=4.0, help="size of the pack")
    parser.add_argument("--steps", type=int, default=12, help="of an epoch that are timed")
    parser.add_argument("--rounds", type=int, default=2, help="epochs of each kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = make_pack(Path(folder), options.gb)
        opened, n_rounds = open_pack(path), options.rounds
        rows = np.arange(len(opened.manifest))
        batches = TrainingBatches(opened, rows, rows % 2, RULE, RECIPE)
        say(f"{path.stat().st_size / 1e9:.1f} GB, load {os.getloadavg()[0]:.1f}")
        reading = take_turns(opened, lambda step: batches[step], options.steps, n_rounds)
        training = take_turns(opened, make_step(batches), options.steps, n_rounds)
        print("| one process | in memory | from the disk |\n|---|---|---|")
        print(f"| reading a batch | {1e3 * reading[0]:.1f} ms | {1e3 * reading[1]:.1f} ms |")
        print(f"| a step | {1e3 * training[0]:.0f} ms | {1e3 * training[1]:.0f} ms |")
        print("| `shotprint train` | steps/s | processor seconds a step |\n|---|---|---|")
        for n_devices, name in ((1, "one process"), (2, "two processes")):
            steps_per_s, cpu_s = time_run(path, n_devices, batches.n_steps)
            print(f"| {name} | {steps_per_s:.2f} | {cpu_s:.2f} |")


def make_pack(folder: Path, size_gb: float) -> Path:
    """Pack repeated noise with bursts, under two labels; no two recordings have the same bytes."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, RATE_HZ * RECORDING_S).astype(np.float32)
    noise[:: 3 * RATE_HZ] = 0.5
    rows = []
    for number in range(max(2, round(size_gb * 1e9 / (2 * len(noise))))):
        path, label = folder / f"{number}.wav", f"gun{number % 2}"
        write_wav(path, np.roll(noise, 1000 * number)[None], RATE_HZ)
        rows.append({"recording": path.name, "path": str(path), "label": label, "group": path.name})
    say(f"packing {len(rows)} recordings")
    pack(build_manifest(rows)[0], folder / "set.h5", PackSettings(crop=False, clip_rule=RULE))
    for path in folder.glob("*.wav"):
        path.unlink()
    return folder / "set.h5"


def make_step(batches: TrainingBatches) -> Callable[[tuple[int, int]], object]:
    """Return what one step of training does, its batch included."""
    network = build_start(RECIPE, batches.pack.labels).network
    network.backbone.to(memory_format=torch.channels_last)
    module = TrainingModule(network, RECIPE, 1000)
    module.on_train_epoch_start()
    optimizer = module.configure_optimizers()["optimizer"]

    def step(place: tuple[int, int]) -> None:
        optimizer.zero_grad()
        module.training_step(batches[place], 0).backward()
        optimizer.step()

    return step


def take_turns(
    opened: Pack, step: Callable[[tuple[int, int]], object], n_steps: int, n_rounds: int
) -> tuple[float, float]:
    """Return the median of the seconds of a step, in memory and from the disk."""
    times_s: tuple[list[float], list[float]] = ([], [])
    for epoch in range(n_rounds):
        for number in range(n_steps):
            forget(opened)
            for place in (1, 0):  # what was read from the disk is in memory then
                begin_s = time.perf_counter()
                step((epoch, number))
                times_s[place].append(time.perf_counter() - begin_s)
    return statistics.median(times_s[0]), statistics.median(times_s[1])


def forget(opened: Pack) -> None:
    """Have the system forget what it holds of a pack in memory."""
    assert isinstance(opened.waveform.base, mmap.mmap)
    opened.waveform.base.madvise(mmap.MADV_DONTNEED)
    with opened.path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def time_run(path: Path, n_devices: int, n_steps: int) -> tuple[float, float]:
    """Return the steps a second of ``shotprint train``, and the processor seconds of a step."""
    options = ["--weights", "shipped", "--device", "cpu", "--num-threads", "1", "--probe-l2", "0"]
    options += ["--devices", str(n_devices), "--short-clip-s", "0"]
    short, long = (
        run([SHOTPRINT, "train", path, "-o", folder, *options, "--epochs", str(epochs)])
        for epochs in EPOCHS
        for folder in (path.with_name(f"run-{n_devices}-{epochs}"),)
    )
    n_more = (EPOCHS[1] - EPOCHS[0]) * n_steps
    return n_more / (long.wall_s - short.wall_s), (long.cpu_s - short.cpu_s) / n_more


if __name__ == "__main__":
    main()
