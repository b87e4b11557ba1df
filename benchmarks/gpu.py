"""Recognition and fine-tuning on a GPU, beside the CPU of the same machine.

    python -m benchmarks.gpu [--shots 17] [--device cuda]

Writes ``gpu.json``, which ``make bench`` shows on its page. The set is simulated, as large as the
CADRE set: 17 shots of each gun, recorder and position make 5,814 recordings of 1.2 s. A time of a
network is the median of single calls after some that are not counted; of a step of training, by
events of the GPU; of a command, its whole wall time, start included.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import describe_processor, run, say
from benchmarks.rows import Row, format_table
from benchmarks.work import make_clip, time_call
from benchmarks.workshop import work_for
from shotprint.files import write_text
from shotprint.simulation.guns import read_guns
from shotprint.training.recipe import Recipe
from shotprint.weights import shipped_model

EPOCHS = Recipe().epochs
GUNS = tuple(read_guns())
RECORD = Path(__file__).with_name("gpu.json")
SHOTPRINT = [sys.executable, "-m", "shotprint"]
CLIP_S = 1.0
BATCHES = (1, 64)
N_FEW, N_MANY = 50, 450
NETWORKS = {"mn10": "efficientat_mn10", "Cnn14": "panns_cnn14"}
N_STEPS_ON_CPU = 3
MAX_WORKERS = 8


@dataclass(frozen=True)
class OnGpu:
    """What was measured, when and on what."""

    measured: str
    gpu: str
    processor: str
    n_cores: int
    versions: dict[str, str]
    n_recordings: int
    rows: tuple[Row, ...]


class Machine:
    """A folder of what is measured, and the GPU."""

    def __init__(self, folder: Path, n_shots: int, device: str) -> None:
        self.folder, self.n_shots, self.device = folder, n_shots, device
        self.n_cores = len(os.sched_getaffinity(0))
        self.way = f"{self.n_cores} cores of that machine"
        self.pack = folder / "set.h5"
        self.models = {"shipped mn04": shipped_model()}
        self.paths: list[Path] = []

    def prepare(self) -> None:
        """Write and pack the recordings, export models with random weights; all at once."""
        recordings, manifest = self.folder / "set", self.folder / "set.csv"
        recordings.mkdir()
        with ThreadPoolExecutor(self.n_cores) as pool:
            exported = [pool.submit(self.export, *each) for each in NETWORKS.items()]
            list(pool.map(self.simulate, GUNS))
            for folder in (self.folder / "guns").glob("*/*/"):
                folder.rename(recordings / folder.name)
            run([*SHOTPRINT, "import", "cadre", recordings, "-o", manifest])
            run([*SHOTPRINT, "pack", manifest, "-o", self.pack])
            self.models.update(future.result() for future in exported)
        self.paths = sorted(recordings.rglob("*.wav"))

    def simulate(self, gun: str) -> None:
        """Write the recordings of a gun."""
        command = [*SHOTPRINT, "simulate", "-o", self.folder / "guns" / gun, "--guns", gun]
        run([*command, "--shots", str(self.n_shots), "--workers", "1"])

    def export(self, name: str, backbone: str) -> tuple[str, Path]:
        """Write a model file of random weights."""
        path = self.folder / f"{name}.onnx"
        weights = path.with_suffix(".safetensors")
        work_for("gpu.write_weights", backbone=backbone, path=str(weights))
        run([*SHOTPRINT, "export", weights, "-o", path])
        return name, path

    def measure_training(self) -> Iterator[Row]:
        """Minutes of whole runs of the default recipe."""
        starts = {
            f"all of {name} from random weights": ["--backbone", backbone, "--weights", "none"]
            for name, backbone in NETWORKS.items()
        }
        starts["mn04 from the shipped weights"] = ["--weights", "shipped"]
        for name, options in starts.items():
            out_dir = Path(tempfile.mkdtemp(dir=self.folder)) / "run"
            command = [*SHOTPRINT, "train", self.pack, "-o", out_dir, "--device", self.device]
            command += ["--test-fold", "0", "--num-workers", str(self.n_workers), *options]
            seconds = run(command).wall_s
            said = json.loads((out_dir / "run.json").read_text(encoding="utf-8"))
            say(f"  {name}: {said['metrics']}")
            what = f"`train`, {name}, {len(self.paths):,} recordings, {EPOCHS} epochs"
            yield Row(what, seconds / 60, "minutes")

    def measure_steps(self) -> Iterator[Row]:
        """Steps a second of training."""
        for name, backbone in NETWORKS.items():
            arguments = {"pack": str(self.pack), "backbone": backbone, "n_workers": self.n_workers}
            on_gpu = work_for("gpu.time_steps", device=self.device, n=100, **arguments)
            on_cpu = work_for("gpu.time_steps", device="cpu", n=N_STEPS_ON_CPU, **arguments)
            what = f"`train`, {name}, 32 clips of {CLIP_S:g} s a step"
            yield Row(what, 1 / on_gpu, "steps/s", True, None, None, 1 / on_cpu, self.way)

    @property
    def n_workers(self) -> int:
        """Processes that read clips."""
        return min(MAX_WORKERS, self.n_cores)

    def measure_networks(self) -> Iterator[Row]:
        """Clips a second of a network alone, from and to memory."""
        for name, path in self.models.items():
            for size in BATCHES:
                arguments = {"path": str(path), "size": size}
                on_gpu = work_for(
                    "gpu.time_network", device=self.device, threads=1, n=20, **arguments
                )
                on_cpu = work_for(
                    "gpu.time_network", device="cpu", threads=self.n_cores, n=3, **arguments
                )
                what = f"{name}, {size} clips of {CLIP_S:g} s in a call"
                rates = [1e3 * size / value for value in (on_gpu, on_cpu)]
                yield Row(what, rates[0], "clips/s", True, None, None, rates[1], self.way)

    def measure_recognition(self) -> Iterator[Row]:
        """Recordings a second of ``shotprint recognize``, without the start."""
        for name in ("shipped mn04", "Cnn14"):
            rates = []
            for device in (self.device, "cpu"):
                command = [*SHOTPRINT, "recognize", "--format", "csv", "--device", device]
                command += ["--model", self.models[name]]
                few, many = (
                    run([*command, *self.paths[:n]]).wall_s for n in (N_FEW, N_FEW + N_MANY)
                )
                rates.append(N_MANY / (many - few))
            what = f"`recognize`, {name}"
            yield Row(what, rates[0], "files/s", True, None, None, rates[1], self.way)


def time_network(path: str, device: str, threads: int, size: int, n: int) -> float:
    """Return the milliseconds that a model file takes for `size` clips, copying included."""
    from shotprint.recognition import OnnxModel

    model = OnnxModel(path, threads, device)
    clips = np.repeat(make_clip(CLIP_S, model.metadata.sample_rate_hz), size, axis=0)
    return time_call(lambda: model.run(clips), n)


def write_weights(backbone: str, path: str) -> None:
    """Write random weights of a recogniser of 18 guns."""
    import torch

    from shotprint.backbones import build_backbone
    from shotprint.backbones.checkpoints import BASELINE_LABELS, write_network
    from shotprint.backbones.network import Network

    torch.manual_seed(0)
    network = Network(build_backbone(backbone), BASELINE_LABELS).eval()
    network.backbone.remove_audioset_layer()
    write_network(network, backbone, Path(path), {})


def time_steps(pack: str, backbone: str, device: str, n: int, n_workers: int) -> float:
    """Return the median of the seconds from step to step of `n`, after three not counted."""
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from shotprint.training.fit import fit
    from shotprint.training.recipe import load_recipe

    entries = {
        "backbone": backbone,
        "weights": "none",
        "short_clip_s": 0.0,
        "epochs": 1,
        "max_steps": n + 4,
        "accelerator": device,
        "num_workers": n_workers,
    }
    moments: list[Any] = []

    def note(*_: object) -> None:
        if device == "cpu":
            moments.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        moments.append(event)

    register_optimizer_step_post_hook(note)
    with tempfile.TemporaryDirectory() as folder:
        fit(pack, load_recipe(None, entries), folder)
    if device != "cpu":
        torch.cuda.synchronize()
        moments = [moments[0].elapsed_time(moment) / 1e3 for moment in moments]
    return statistics.median(np.diff(moments)[3:].tolist())


def main() -> None:
    """Measure what runs, write the record after each part, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--shots", type=int, default=17, help="of every gun at every position")
    parser.add_argument("--device", default="cuda", help="cpu: only to see that this runs")
    parser.add_argument("-o", "--output", type=Path, default=RECORD)
    options = parser.parse_args()
    rows: list[Row] = []
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder), options.shots, options.device)
        machine.prepare()
        parts = {
            "training": machine.measure_training,
            "recognition": machine.measure_recognition,
            "networks": machine.measure_networks,
            "steps of training": machine.measure_steps,
        }
        for name, measure in parts.items():
            say(f"measuring {name}")
            try:
                for row in measure():
                    rows.append(row)
                    write_record(options.output, machine, rows)  # what was measured stays
            except SystemExit as error:
                problems.append(f"{name}: {error}")
    print(format_table(rows, "the CPU"))
    if problems:
        raise SystemExit("; ".join(problems))


def write_record(path: Path, machine: Machine, rows: Sequence[Row]) -> None:
    """Write what was measured so far."""
    found = OnGpu(
        measured=date.today().isoformat(),
        gpu=name_gpu(),
        processor=describe_processor(),
        n_cores=machine.n_cores,
        versions=find_versions(),
        n_recordings=len(machine.paths),
        rows=tuple(rows),
    )
    write_text(path, json.dumps(asdict(found), indent=1) + "\n")


def name_gpu() -> str:
    """Return the name of the GPU."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def find_versions() -> dict[str, str]:
    """Return what computed."""
    found = {}
    for name in ("torch", "onnxruntime-gpu", "onnxruntime", "lightning"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def read_record() -> OnGpu | None:
    """Return what was measured last; None: never."""
    if not RECORD.is_file():
        return None
    content = json.loads(RECORD.read_text(encoding="utf-8"))
    rows = tuple(Row(**fields) for fields in content.pop("rows"))
    return OnGpu(**content, rows=rows)


if __name__ == "__main__":
    main()
