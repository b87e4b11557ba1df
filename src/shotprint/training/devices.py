"""The processes of one run: who starts them, which this one is, what they tell each other.

A run on several devices has a process for each. torchrun and SLURM start all of them; where
neither does, the first starts the others on its machine with the command it was started with.
Each reads and augments its share of every batch; what concerns whole batches (mixing, statistics
of batch norm, gradients, figures) is exchanged, so that the result is that of one process.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

from shotprint.errors import ShotprintError
from shotprint.training.recipe import Recipe

_LOST = ("gloo", "NCCL", "onnection", "imed out", "Broken pipe")  # in the words of torch


@dataclass(frozen=True)
class Share:
    """The part of everything that one process has: every `world`-th, from `rank`."""

    rank: int = 0
    world: int = 1

    def take(self, items: Any) -> Any:
        """Return the own rows of an array, a tensor or a sequence."""
        return items[self.rank :: self.world]

    def gather(self, mine: Tensor, n: int) -> Tensor:
        """Return the rows of all processes, (n, …), in the order that `take` divides.

        Every process must call it at the same moment. Gradients flow back to whose row it is.
        """
        if self.world == 1:
            return mine
        whole: Tensor = _Gather.apply(mine, self, n)  # type: ignore[no-untyped-call]
        return whole

    def collect(self, *mine: Tensor) -> tuple[Tensor, ...]:
        """Return tensors of all processes put together; each may bring any number of rows."""
        if self.world == 1:
            return mine
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, mine)
        return tuple(torch.cat(each) for each in zip(*parts, strict=True))


ALONE = Share()


class _Gather(torch.autograd.Function):
    """Rows of all processes by adding up what has zeros in the others' places: exact."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, share: Share, n: int) -> Tensor:
        ctx.share = share
        whole = mine.new_zeros((n, *mine.shape[1:]))
        share.take(whole).copy_(mine)
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        whole = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return ctx.share.take(whole), None, None


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the clips of all processes; `nn.SyncBatchNorm` is for GPUs only.

    Every process must have as many clips.
    """

    share: Share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        parts = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
        variances, means = self.share.gather(torch.stack(parts)[None], self.share.world).unbind(1)
        mean = means.mean(dim=0)
        variance = (variances + (means - mean).square()).mean(dim=0)
        with torch.no_grad():
            n = x.numel() // x.shape[1] * self.share.world
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * (n / (n - 1)), self.momentum or 0.0)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


def share_batch_norm(network: nn.Module, share: Share) -> None:
    """Replace every batch norm of a network by one over the clips of all processes."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.load_state_dict(child.state_dict())
                shared.share = share
                setattr(parent, name, shared)


def choose_accelerator(recipe: Recipe) -> Literal["cpu", "cuda"]:
    """Return what a recipe trains on.

    Raises
    ------
    ShotprintError : PyTorch finds no GPU where one was asked for, or fewer than were asked for
    """
    if recipe.accelerator == "cpu":
        return "cpu"
    n_found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n_found and recipe.accelerator == "auto":
        return "cpu"
    if n_found < recipe.devices:
        raise ShotprintError(
            f"PyTorch {torch.__version__} finds {n_found} GPUs with CUDA, {recipe.devices} were "
            "asked for; give fewer --devices, or --device cpu, or install a PyTorch for your GPU"
        )
    return "cuda"


def find_environment(recipe: Recipe) -> ClusterEnvironment:
    """Return who starts the processes of a run; it knows which of them this one is.

    Raises
    ------
    ShotprintError
        Other processes were started than the recipe says; its batch cannot be divided equally;
        several nodes, and nobody to start a process on each.
    """
    world = recipe.devices * recipe.nodes
    try:
        environment: ClusterEnvironment
        if TorchElasticEnvironment.detect():
            environment = TorchElasticEnvironment()
        elif SLURMEnvironment.detect():
            environment = SLURMEnvironment(auto_requeue=False)  # --resume goes on, bit for bit
        else:
            environment = LightningEnvironment()
    except RuntimeError as error:  # SLURM's variables contradict each other
        raise ShotprintError(" ".join(str(error).split())) from None
    if recipe.nodes > 1 and isinstance(environment, LightningEnvironment):
        raise ShotprintError(
            f"{recipe.nodes} nodes were asked for, but this process was started on its own; start "
            "one a device with torchrun or srun (docs/training.md)"
        )
    environment.set_world_size(world)
    environment.set_global_rank(environment.node_rank() * recipe.devices + environment.local_rank())
    if environment.world_size() != world:
        raise ShotprintError(
            f"{environment.world_size()} processes were started, but devices {recipe.devices} and "
            f"nodes {recipe.nodes} make {world}; give --devices and --nodes as they were started"
        )
    if recipe.batch_size % world:
        raise ShotprintError(
            f"a batch_size of {recipe.batch_size} cannot be divided among {world} processes; give "
            f"a multiple of {world}"
        )
    return environment


def build_strategy(recipe: Recipe) -> DDPStrategy | str:
    """Return how Lightning is to train: alone, or exchanging gradients."""
    if recipe.devices * recipe.nodes == 1:
        return "auto"
    timeout = timedelta(seconds=recipe.timeout_s)
    # What batch norm knows is the same everywhere: see `SharedBatchNorm`.
    return DDPStrategy(timeout=timeout, broadcast_buffers=False)


@contextlib.contextmanager
def start_processes(environment: ClusterEnvironment, recipe: Recipe) -> Iterator[None]:
    """Start the further processes of this machine where nobody else does; end with them.

    Lightning would start them, too, but kills this process without a word when one of them ends.
    """
    if recipe.devices * recipe.nodes == 1:
        yield
        return
    before = dict(os.environ)
    os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())  # else Lightning sets another
    others: list[subprocess.Popen[bytes]] = []
    try:
        if not environment.creates_processes_externally:
            address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(environment.main_port)}
            os.environ.update(address, LOCAL_RANK="0")
            for rank in range(1, recipe.devices):
                others.append(
                    subprocess.Popen(sys.orig_argv, env={**os.environ, "LOCAL_RANK": str(rank)})
                )
        yield
    finally:
        for process in others:
            process.kill()  # it writes nothing
            process.wait()
        os.environ.clear()
        os.environ.update(before)


def is_lost(error: RuntimeError) -> bool:
    """Tell whether an error of torch means that another process ended or does not answer."""
    return isinstance(error, dist.DistError) or any(word in str(error) for word in _LOST)
