"""One training run, from a pack to a folder that says everything about itself.

``recipe.toml`` the recipe in force · ``run.json`` seeds, versions, hashes, split, figures ·
``split.csv`` the part of every recording · ``metrics.csv`` and ``tensorboard/`` figures of each
epoch · ``checkpoints/last.ckpt`` to go on from · ``model.safetensors`` the averaged weights ·
``predictions.csv`` answers for the test part, if there is one.
"""

import contextlib
import dataclasses
import importlib.metadata
import json
import logging
import os
import platform
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import ClusterEnvironment
from torch.utils.data import DataLoader

from shotprint import __version__
from shotprint.backbones import BackboneSpec, find_backbone
from shotprint.backbones.checkpoints import write_network
from shotprint.backbones.network import Network
from shotprint.clips import ClipRule
from shotprint.errors import ShotprintError
from shotprint.evaluation.intervals import wilson_interval
from shotprint.files import write_text
from shotprint.packing import Pack, open_pack
from shotprint.recognition.predictions import write_predictions
from shotprint.training.callbacks import (
    CHECKPOINT,
    EpochRecords,
    Figures,
    Probe,
    ProgressLine,
    is_exhausted,
)
from shotprint.training.dataset import Batch, StepSampler, TrainingBatches, choose_clip_rule
from shotprint.training.devices import (
    ALONE,
    Share,
    build_strategy,
    choose_accelerator,
    find_environment,
    is_lost,
    start_processes,
)
from shotprint.training.module import TrainingModule
from shotprint.training.parts import Parts, divide, write_parts
from shotprint.training.probe import fit_logistic_regression
from shotprint.training.recipe import Recipe, compare_recipes, load_recipe, write_recipe
from shotprint.training.scoring import (
    Floats,
    compute_embeddings,
    compute_probabilities,
    count_correct,
    list_predictions,
)
from shotprint.training.start import Start, build_start

FORMAT = "shotprint-run/1"
MODEL = "model.safetensors"
PREDICTIONS = "predictions.csv"
_HASH_DIGITS = 12
_PACKAGES = ("torch", "lightning", "numpy", "h5py", "soxr")
_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True)
class FitResult:
    """What a run gave.

    Attributes
    ----------
    counts : recordings of each part
    metrics : such as loss, validation_accuracy, test_accuracy
    remarks : sentences to show beside the figures
    """

    out_dir: Path
    counts: Mapping[str, int]
    metrics: Mapping[str, Any]
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Run:
    """Everything that is fixed before the first step."""

    pack: Pack
    recipe: Recipe
    rule: ClipRule
    spec: BackboneSpec
    parts: Parts
    labels: np.ndarray[Any, np.dtype[np.int64]]
    out_dir: Path
    environment: ClusterEnvironment

    @property
    def share(self) -> Share:
        """Which of the processes of the run this one is."""
        return Share(self.environment.global_rank(), self.environment.world_size())

    def score(self, network: Network, part: str, share: Share = ALONE) -> tuple[Figures, Floats]:
        """Return figures of a part and the probabilities they come from.

        Parameters
        ----------
        share : of several processes each answers for its share; all must take part
        """
        rows = self.parts.rows(part)
        own_rows, min_samples = share.take(rows), self.spec.min_samples
        answers = compute_probabilities(network, self.pack, own_rows, self.rule, min_samples)
        on_device = torch.from_numpy(answers).to(network.head.weight.device)
        probabilities = share.gather(on_device, len(rows)).cpu().numpy()
        truth = self.labels[rows]
        own = probabilities[np.arange(len(rows)), truth]
        figures = {
            f"{part}_accuracy": count_correct(probabilities, truth) / len(rows),
            f"{part}_loss": float(-np.log(np.maximum(own, 1e-12)).mean()),
        }
        return figures, probabilities

    def fit_head(self, module: TrainingModule, device: torch.device, share: Share = ALONE) -> None:
        """Fit the head to clips around the onsets of the training part; all else stays."""
        rows, min_samples = share.take(self.parts.rows("train")), self.spec.min_samples
        network = module.network.to(device)
        embeddings, owners = compute_embeddings(network, self.pack, rows, self.rule, min_samples)
        targets = torch.from_numpy(self.labels[rows])[owners]
        embeddings, targets = share.collect(embeddings, targets)
        fit_logistic_regression(network.head, embeddings, targets, self.recipe.probe_l2)
        module.average.load_state_dict(network.state_dict())


def fit(
    pack_path: str | os.PathLike[str],
    recipe: Recipe,
    out_dir: str | os.PathLike[str],
    *,
    resume: bool = False,
    weights_dir: str | os.PathLike[str] | None = None,
) -> FitResult | None:
    """Train a network and write everything about it to a folder.

    Parameters
    ----------
    resume : go on from the last complete epoch of a run of the same recipe and pack, to the
        same weights (on a CPU, with as many threads) as a run that was never interrupted
    weights_dir : folder of published weights

    Returns
    -------
    The figures; None in the further processes of a run on several devices.

    Raises
    ------
    ShotprintError
        The folder holds another run, or one that was not to be resumed; the pack does not suit
        the recipe; the start weights cannot be had; training diverged.
    """
    started_s = time.monotonic()
    run = prepare(pack_path, recipe, Path(out_dir))
    is_main = run.share.rank == 0
    if is_main:
        check_folder(run, resume)
        if done := find_finished(run):
            return done
    start = build_start(run.recipe, run.pack.labels, weights_dir)
    remarks = (*run.parts.remarks, *find_overlap(run, start))
    if is_main:
        write_recipe(run.recipe, run.out_dir / "recipe.toml")
        write_parts(run.pack.manifest, run.parts, run.out_dir / "split.csv")
        write_run(run, start, remarks, None)  # the last: whoever finds it finds the others
    with _threads(run.recipe):
        module = train(run, start)
        if not is_main:
            return None
        network = choose_weights(module).to(choose_device(run.recipe))
        metrics = summarize(run, network, module)
    metrics["wall_s"] = round(time.monotonic() - started_s, 1)
    write_network(network, run.recipe.backbone, run.out_dir / MODEL, describe_model(run, start))
    write_run(run, start, remarks, metrics)
    return FitResult(run.out_dir, run.parts.count(), metrics, remarks)


def choose_device(recipe: Recipe) -> torch.device:
    """Return where the first process answers while the trainer is not at work."""
    return torch.device("cuda:0" if choose_accelerator(recipe) == "cuda" else "cpu")


def prepare(pack_path: str | os.PathLike[str], recipe: Recipe, out_dir: Path) -> _Run:
    """Open the pack, divide it and fix what the recipe leaves open."""
    choose_accelerator(recipe)
    pack = open_pack(pack_path)
    spec = find_backbone(recipe.backbone)
    rate = pack.settings.sample_rate_hz
    if rate != spec.frontend.sample_rate_hz:
        raise ShotprintError(
            f"{pack_path} is packed at {rate} Hz, but {spec.name} hears "
            f"{spec.frontend.sample_rate_hz} Hz; pack again with --backbone {spec.name}"
        )
    if len(pack.labels) < 2:
        raise ShotprintError(
            f"{pack_path} has the label {pack.labels[0]} only; two are needed to tell apart"
        )
    rule = choose_clip_rule(pack, recipe)
    min_s, shortest_s = spec.min_samples / rate, rule.views[-1].length_s
    if 0 < shortest_s < min_s:
        raise ShotprintError(
            f"clips of {shortest_s:g} s are too short for {spec.name}: give {min_s:.2f} s or more"
        )
    recipe = dataclasses.replace(
        recipe,
        clip_length_s=float(rule.length_s),
        onset_at_s=float(rule.onset_at_s),
        max_clips=rule.max_clips,
        short_clip_s=rule.short_length_s,
    )
    if recipe.weights == "none":  # random stages are neither worth keeping nor probing
        recipe = dataclasses.replace(
            recipe, freeze_base=False, frozen_share=0.0, freeze_norm=False, probe_l2=0.0
        )
    parts = divide(pack.manifest, recipe)
    codes = {label: code for code, label in enumerate(pack.labels)}
    labels = np.array([codes[label] for label in pack.manifest["label"]], np.int64)
    return _Run(pack, recipe, rule, spec, parts, labels, out_dir, find_environment(recipe))


def check_folder(run: _Run, resume: bool) -> None:
    """Refuse a folder with another run, or with one that is not to be resumed."""
    description = run.out_dir / "run.json"
    if not description.is_file():
        return
    if not resume:
        raise ShotprintError(
            f"{run.out_dir} holds a run already; go on with it with --resume, or choose another "
            "folder"
        )
    differences = compare_recipes(load_recipe(run.out_dir / "recipe.toml"), run.recipe)
    begun = json.loads(description.read_text(encoding="utf-8"))
    if begun["pack"]["content_sha256"] != run.pack.content_sha256:
        differences.append("the pack has other content")
    protocol = run.parts.protocol
    if begun["split"]["protocol_sha256"] != (protocol.sha256 if protocol else None):
        differences.append("the protocol has other folds")
    if differences:
        raise ShotprintError(
            f"{run.out_dir} cannot be resumed: {'; '.join(differences)}; start again in another "
            "folder, or give what it was started with"
        )


def find_finished(run: _Run) -> FitResult | None:
    """Return what the run in the folder gave if it is complete; `check_folder` knows it is this."""
    description, recipe = run.out_dir / "run.json", run.out_dir / "recipe.toml"
    if not (description.is_file() and (run.out_dir / MODEL).is_file()):
        return None
    content = json.loads(description.read_text(encoding="utf-8"))
    if content["metrics"] is None or load_recipe(recipe).max_steps != run.recipe.max_steps:
        return None
    return FitResult(
        run.out_dir, content["split"]["counts"], content["metrics"], tuple(content["remarks"])
    )


def train(run: _Run, start: Start) -> TrainingModule:
    """Run all epochs that are missing; return the module as it then is."""
    recipe, share, network = run.recipe, run.share, start.network
    rows = run.parts.rows("train")
    batches = TrainingBatches(run.pack, rows, run.labels, run.rule, recipe, share)
    n_steps = batches.n_steps * recipe.epochs
    if run.spec.family == "efficientat":
        # A fifth faster for convolutions of single channels; plain ones gain nothing.
        network.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = TrainingModule(network, recipe, n_steps, share)
    checkpoint = run.out_dir / CHECKPOINT
    needs_probe = recipe.probe_l2 > 0 and not (start.has_head or checkpoint.is_file())
    if not recipe.epochs:
        if needs_probe and share.rank == 0:
            run.fit_head(module, choose_device(recipe))
        return module
    if checkpoint.is_file() and _is_finished(module, checkpoint):
        return module
    score = None
    if len(run.parts.rows("validation")):
        score = lambda: run.score(module.average, "validation", share)[0]  # noqa: E731
    callbacks = [
        EpochRecords(run.out_dir, batches.n_steps, score),
        ProgressLine(n_steps),
        *([Probe(run.fit_head)] if needs_probe else []),
    ]
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=StepSampler(batches.n_steps),
        num_workers=recipe.num_workers,
        persistent_workers=recipe.num_workers > 0,
    )
    with _quiet(), start_processes(run.environment, recipe):
        _run_trainer(build_trainer(run, callbacks), module, loader, checkpoint)
    return module


def _run_trainer(
    trainer: pl.Trainer, module: TrainingModule, loader: DataLoader[Batch], checkpoint: Path
) -> None:
    """Train from the checkpoint on, if there is one; say in shotprint's words what stopped it."""
    try:
        trainer.fit(
            module,
            loader,
            ckpt_path=checkpoint if checkpoint.is_file() else None,
            weights_only=True,
        )
    except SystemExit as error:  # what Lightning makes of Ctrl-C, and of being asked to end
        asked = 128 + signal.SIGTERM
        if trainer.received_sigterm or error.code == asked:
            raise SystemExit(asked) from None
        if not trainer.is_global_zero:
            raise SystemExit(130) from None  # the first process says so
        raise KeyboardInterrupt from None
    except ShotprintError:
        if not trainer.is_global_zero:
            raise SystemExit(2) from None  # as above
        raise
    except RuntimeError as error:
        if trainer.world_size == 1 or not is_lost(error):
            raise
        raise ShotprintError(
            f"process {trainer.global_rank + 1} of {trainer.world_size}: another one ended, or did "
            f"not answer for {module.recipe.timeout_s} s; see what it says, and go on with --resume"
        ) from None


def _is_finished(module: TrainingModule, checkpoint: Path) -> bool:
    """Load a checkpoint if there is nothing left to train after it."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    history = json.loads(content["history"])
    recipe = module.recipe
    if len(history) < recipe.epochs and not is_exhausted(history, recipe.patience):
        return False
    module.load_state_dict(content["state_dict"])
    module.on_load_checkpoint(content)
    return True


def build_trainer(run: _Run, callbacks: list[pl.Callback]) -> pl.Trainer:
    """Return a Lightning trainer that does nothing but run the loop."""
    recipe = run.recipe
    accelerator = choose_accelerator(recipe)
    precision = recipe.precision
    if precision == "auto":
        precision = "32" if accelerator == "cpu" else "bf16"
        if accelerator != "cpu" and not torch.cuda.is_bf16_supported():
            precision = "16"
    return pl.Trainer(
        accelerator=accelerator,
        devices=recipe.devices,
        num_nodes=recipe.nodes,
        strategy=build_strategy(recipe),
        plugins=[run.environment],
        precision=_PRECISIONS[precision],
        max_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        callbacks=callbacks,
        logger=TensorBoardLogger(run.out_dir, name="tensorboard", version=""),
        default_root_dir=run.out_dir,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's hints; what concerns the user is said by shotprint."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def _threads(recipe: Recipe) -> Iterator[None]:
    before = torch.get_num_threads()
    share = before if recipe.devices == 1 else max(1, (os.cpu_count() or 1) // recipe.devices)
    torch.set_num_threads(recipe.num_threads or share)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_weights(module: TrainingModule) -> Network:
    """Return the network that is kept: the average, where it was watched at its best epoch."""
    network = module.average
    if module.best is not None and module.recipe.patience:
        network.load_state_dict(module.best)
    return network.eval()


def summarize(run: _Run, network: Network, module: TrainingModule) -> dict[str, Any]:
    """Return the final figures; write the predictions of the test part."""
    metrics: dict[str, Any] = {"epochs": len(module.history)}
    if module.history:
        metrics["loss"] = module.history[-1]["loss"]
    if len(run.parts.rows("validation")):
        metrics.update(run.score(network, "validation")[0])
    rows = run.parts.rows("test")
    if len(rows):
        figures, probabilities = run.score(network, "test")
        n_correct = round(figures["test_accuracy"] * len(rows))
        low, high = wilson_interval(n_correct, len(rows))
        metrics.update(figures, test_correct=n_correct, test_wilson95=[float(low), float(high)])
        labels = run.pack.labels
        answers = list_predictions(run.pack.manifest.iloc[rows], labels, probabilities)
        write_predictions(run.out_dir / PREDICTIONS, answers, labels)
    return metrics


def find_overlap(run: _Run, start: Start) -> tuple[str, ...]:
    """Say if the start weights were trained on recordings that are now tested or validated."""
    known = set(start.metadata.get("trained_on", ()))
    held_out = run.pack.manifest["sha256"][run.parts.part != "train"]
    n_heard = sum(value[:_HASH_DIGITS] in known for value in held_out)
    if not n_heard:
        return ()
    return (
        f"the start weights {start.source} were trained on {n_heard} of the {len(held_out)} "
        "recordings held out here, so their figures say nothing; start with weights = published",
    )


def describe_model(run: _Run, start: Start) -> dict[str, Any]:
    """Return what the file of weights says of itself, besides backbone and labels."""
    trained = run.pack.manifest["sha256"].iloc[run.parts.rows("train")]
    return {
        "clip_rule": dataclasses.asdict(run.rule),
        "sample_rate_hz": run.pack.settings.sample_rate_hz,
        "recipe": dataclasses.asdict(run.recipe),
        "pack": _describe_pack(run.pack),
        "start": {"weights": start.source, "sha256": start.sha256},
        "trained_on": sorted(value[:_HASH_DIGITS] for value in trained),
        "versions": _versions(),
    }


def write_run(
    run: _Run, start: Start, remarks: tuple[str, ...], metrics: Mapping[str, Any] | None
) -> None:
    """Write ``run.json``; `metrics` None: not finished."""
    protocol = run.parts.protocol
    content = {
        "format": FORMAT,
        "pack": _describe_pack(run.pack),
        "labels": list(run.pack.labels),
        "clip_rule": dataclasses.asdict(run.rule),
        "seed": run.recipe.seed,
        "start": {
            "weights": start.source,
            "sha256": start.sha256,
            "has_head": start.has_head,
        },
        "split": {
            "protocol": protocol.name if protocol else None,
            "protocol_sha256": protocol.sha256 if protocol else None,
            "leaks": protocol.leaks if protocol else False,
            "test_fold": run.recipe.test_fold,
            "counts": run.parts.count(),
        },
        "remarks": list(remarks),
        "n_parameters": sum(value.numel() for value in start.network.parameters()),
        "versions": _versions(),
        "metrics": metrics,
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    write_text(run.out_dir / "run.json", f"{text}\n")


def _describe_pack(pack: Pack) -> dict[str, Any]:
    return {
        "name": pack.path.name,
        "content_sha256": pack.content_sha256,
        "manifest_sha256": pack.manifest_sha256,
        "n_recordings": len(pack.manifest),
        "settings": dataclasses.asdict(pack.settings),
    }


def _versions() -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"shotprint": __version__, "python": platform.python_version(), **versions}
