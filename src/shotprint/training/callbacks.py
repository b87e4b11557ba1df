"""What happens around the steps: scoring, records and checkpoints after each epoch, progress."""

import csv
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from shotprint.errors import ShotprintError
from shotprint.files import write_beside, write_text
from shotprint.training.devices import Share
from shotprint.training.module import TrainingModule

CHECKPOINT = Path("checkpoints") / "last.ckpt"
Figures = dict[str, float]


class Probe(pl.Callback):
    """Fit the head before the first step, when the processes of the run can speak to each other.

    Parameters
    ----------
    fit_head : does so, on a device, as one of several processes
    """

    def __init__(self, fit_head: Callable[[TrainingModule, torch.device, Share], None]) -> None:
        self.fit_head = fit_head

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, TrainingModule)
        self.fit_head(pl_module, trainer.strategy.root_device, pl_module.share)


class EpochRecords(pl.Callback):
    """Score, record and save after every complete epoch; stop where `patience` says so.

    Parameters
    ----------
    score : gives figures of the validation part, among them ``validation_accuracy`` and
        ``validation_loss``; None: nothing is watched
    """

    def __init__(self, out_dir: Path, n_steps: int, score: Callable[[], Figures] | None) -> None:
        self.out_dir = out_dir
        self.n_steps = n_steps
        self.score = score
        self.losses: list[Any] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.world_size > 1:  # Lightning's handler waits until all processes are asked to end
            signal.signal(signal.SIGTERM, _end)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.losses = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        self.losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TrainingModule)
        if len(self.losses) < self.n_steps:
            return  # stopped on the way by max_steps: the last complete epoch stays
        row = self._describe_epoch(trainer, pl_module.share)
        pl_module.history.append(row)
        if self.score is not None and is_best(pl_module.history):
            pl_module.best = copy_state(pl_module)
        if trainer.is_global_zero:
            write_metrics(self.out_dir / "metrics.csv", pl_module.history)
        for logger in trainer.loggers:
            logger.log_metrics(row, trainer.global_step)
        save_checkpoint(trainer, self.out_dir / CHECKPOINT)
        should_stop = is_exhausted(pl_module.history, pl_module.recipe.patience)
        trainer.should_stop = trainer.strategy.broadcast(should_stop)

    def _describe_epoch(self, trainer: pl.Trainer, share: Share) -> Figures:
        loss = float(share.gather(sum(self.losses)[None], share.world).mean()) / len(self.losses)
        if not abs(loss) < float("inf"):
            raise ShotprintError(
                f"the loss is {loss} in epoch {trainer.current_epoch + 1}: training diverged; "
                "try a lower learning_rate or a longer warm-up"
            )
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "loss": loss,
        }
        return {**row, **(self.score() if self.score else {})}


def _end(signum: int, _: Any) -> None:
    raise SystemExit(128 + signum)  # a run can be resumed from any moment


def is_best(history: Sequence[Mapping[str, float]]) -> bool:
    """Tell whether the last epoch has the highest accuracy, or as high with the lowest loss."""
    ranks = [(row["validation_accuracy"], -row["validation_loss"]) for row in history]
    return ranks[-1] == max(ranks) and ranks.count(ranks[-1]) == 1


def is_exhausted(history: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Tell whether the last `patience` epochs brought no better one; 0: never."""
    if not patience or not history:
        return False
    best = max(n for n in range(1, len(history) + 1) if is_best(history[:n]))
    return len(history) - best >= patience


def copy_state(module: TrainingModule) -> dict[str, Any]:
    """Return a copy of the averaged weights, on the CPU."""
    return {key: value.cpu().clone() for key, value in module.average.state_dict().items()}


def save_checkpoint(trainer: pl.Trainer, path: Path) -> None:
    """Write a checkpoint beside and rename it; every device takes part."""
    if not trainer.is_global_zero:
        trainer.save_checkpoint(path)  # writes nothing but waits for the first device
        return
    with write_beside(path) as beside:
        trainer.save_checkpoint(beside)


def write_metrics(path: str | os.PathLike[str], history: Sequence[Mapping[str, float]]) -> None:
    """Write one row an epoch as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())


class ProgressLine(pl.Callback):
    """On a terminal: steps, loss, validation accuracy and the time left; nothing in a pipe."""

    def __init__(self, total_steps: int) -> None:
        self.total_steps = total_steps
        self.loss = float("nan")
        self.progress: Any = None
        self.task: Any = None
        self.updated_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.progress.add_task(
            "training", total=self.total_steps, completed=trainer.global_step
        )
        self.progress.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        now_s = time.monotonic()
        if self.progress is None or now_s - self.updated_s < 0.2:
            return
        assert isinstance(pl_module, TrainingModule)
        self.updated_s = now_s
        loss = float(outputs["loss"])
        # nan is unequal to itself: the first loss starts the smoothing.
        self.loss = loss if self.loss != self.loss else 0.9 * self.loss + 0.1 * loss
        self.progress.update(
            self.task,
            completed=trainer.global_step,
            description=describe_progress(trainer, pl_module, self.loss),
        )

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self.stop()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the line away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


def describe_progress(trainer: pl.Trainer, module: TrainingModule, loss: float) -> str:
    """Return the words of the progress line."""
    text = f"epoch {trainer.current_epoch + 1}/{module.recipe.epochs} · loss {loss:.3f}"
    if module.history and "validation_accuracy" in module.history[-1]:
        text += f" · validation accuracy {module.history[-1]['validation_accuracy']:.3f}"
    return text
