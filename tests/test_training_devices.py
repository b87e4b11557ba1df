"""Training in several processes gives what one process gives, whoever starts them.

Real processes on this machine, which exchange by gloo: started by shotprint itself, by torchrun,
and as SLURM starts them.
"""

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from shotprint.backbones.checkpoints import load_network
from shotprint.errors import ShotprintError
from shotprint.packing import pack
from shotprint.training.crossval import crossval, name_device
from shotprint.training.fit import fit
from shotprint.training.recipe import Recipe, load_recipe, write_recipe
from shotprint.training.start import build_start
from training_sets import SETTINGS, SMALL, make_set

WAIT_S = 120
NORMS = {  # everything that looks at a whole batch: mixing, masks, statistics of batch norm
    **SMALL,
    **{"epochs": 2, "clips_per_recording": 2, "validation": "groups", "test_fold": 0},
    **{"mixup_alpha": 0.3, "mixstyle_probability": 0.5, "noise_probability": 0.5},
    **{"lowpass_probability": 0.5, "clipping_probability": 0.5},
}
PROBE = {  # the default way: head fitted first, statistics frozen
    **NORMS,
    **{"weights": "shipped", "freeze_norm": True, "probe_l2": 0.2, "learning_rate": 1e-4},
    **{"epochs": 4, "timeout_s": 60},
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    pack(make_set(folder), folder / "set.h5", SETTINGS)
    return folder / "set.h5"


def train_alone(packed: Path, out_dir: Path, entries: dict[str, Any]) -> None:
    assert fit(packed, load_recipe(None, entries), out_dir) is not None


def make_command(packed: Path, out_dir: Path, entries: dict[str, Any]) -> list[str]:
    """Return the arguments of Python for a run on two devices."""
    config = out_dir.with_suffix(".toml")
    write_recipe(load_recipe(None, {**entries, "devices": 2}), config)
    return ["-m", "shotprint", "train", str(packed), "-o", str(out_dir), "--config", str(config)]


def run(*command: str) -> str:
    """Run to the end, return what came on standard output."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_figures(out_dir: Path) -> list[dict[str, float]]:
    with (out_dir / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def flatten(network: torch.nn.Module) -> torch.Tensor:
    values = [value for value in network.state_dict().values() if value.is_floating_point()]
    return torch.cat([value.flatten().double() for value in values])


def test_two_processes_of_torchrun_do_what_one_does(packed: Path, tmp_path: Path) -> None:
    """The weights move the same way: what is between them is rounding, which Adam enlarges.

    Two threads on one device make the same difference, 0.003; noise, mixing or batch norm of the
    own share alone make 0.2 and more.
    """
    train_alone(packed, tmp_path / "one", NORMS)
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")
    stdout = run(*torchrun, *make_command(packed, tmp_path / "two", NORMS))
    assert stdout.count("test fold 0: accuracy") == 1
    start = build_start(load_recipe(None, NORMS), ["high", "low", "middle"]).network
    one, two = (
        flatten(load_network(tmp_path / name / "model.safetensors")) - flatten(start)
        for name in ("one", "two")
    )
    assert (two - one).norm() < 0.01 * one.norm()
    for first, second in zip(*map(read_figures, (tmp_path / "one", tmp_path / "two")), strict=True):
        assert second == pytest.approx(first, rel=3e-3)


def start_as_slurm(command: list[str], rank: int, port: int) -> "subprocess.Popen[str]":
    """Start one task of two on one node, with the variables that srun sets."""
    tasks = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1"}
    place = {"SLURM_NODEID": "0", "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "MASTER_PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **tasks, **place, **job, "MASTER_ADDR": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def find_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_one_of_two_killed_ends_the_other_and_the_run_goes_on(packed: Path, tmp_path: Path) -> None:
    """Undisturbed: started by shotprint. Killed: started as by SLURM. Then gone on with."""
    train_alone(packed, tmp_path / "one", PROBE)
    run(*make_command(packed, tmp_path / "two", PROBE))
    ones, twos = read_figures(tmp_path / "one"), read_figures(tmp_path / "two")
    assert [row["validation_loss"] for row in twos] == pytest.approx(
        [row["validation_loss"] for row in ones], rel=1e-3
    )

    command, port = make_command(packed, tmp_path / "run", PROBE), find_port()
    tasks = [start_as_slurm(command, rank, port) for rank in (0, 1)]
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    while all(task.poll() is None for task in tasks) and not checkpoint.is_file():
        time.sleep(0.002)
    tasks[1].kill()
    stdout, stderr = tasks[0].communicate(timeout=WAIT_S)
    assert (tasks[0].returncode, stdout) == (2, "")
    assert stderr.count("\n") == 1
    assert stderr.startswith("shotprint: process 1 of 2: another one ended")
    assert tasks[1].communicate(timeout=WAIT_S) == ("", "")
    assert tasks[1].returncode == -signal.SIGKILL

    tasks = [start_as_slurm([*command, "--resume"], rank, port) for rank in (0, 1)]
    for task in tasks:
        stderr = task.communicate(timeout=WAIT_S)[1]
        assert task.returncode == 0, stderr
    for name in ("model.safetensors", "metrics.csv", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("entries", "variables", "message"),
    [
        ({"batch_size": 9, "devices": 2}, {}, "batch_size of 9 cannot be divided among 2"),
        ({"nodes": 2}, {}, "2 nodes were asked for, but this process was started on its own"),
        ({}, {"SLURM_NTASKS": "8"}, "set `--ntasks=8`"),
        (
            {"devices": 2},
            {"SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4", "SLURM_NODEID": "0"},
            "8 processes were started, but devices 2 and nodes 1 make 2; give --devices",
        ),
    ],
)
def test_processes_that_do_not_fit_are_refused(
    packed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: dict[str, Any],
    variables: dict[str, str],
    message: str,
) -> None:
    for name, value in {**variables, "SLURM_LOCALID": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ShotprintError, match=message):
        fit(packed, load_recipe(None, {**SMALL, **entries}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("name", ["cuda", "gpu"])
def test_cuda_is_refused_where_there_is_none(packed: Path, tmp_path: Path, name: str) -> None:
    recipe = load_recipe(None, {**SMALL, "accelerator": name})
    for train in (fit, crossval):
        with pytest.raises(ShotprintError, match="finds 0 GPUs with CUDA, 1 were asked for"):
            train(packed, recipe, tmp_path / "run")


def test_crossval_gives_every_process_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [name_device(place, 2) for place in range(2)] == ["0", "1"]
    assert name_device(0, 1) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert [name_device(place, 2) for place in range(2)] == ["3", "5"]
    assert name_device(0, 1) is None


def test_crossval_is_for_one_node(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(ShotprintError, match="found 2 nodes, but crossval"):
        crossval(packed, Recipe(nodes=2), tmp_path / "cv")
