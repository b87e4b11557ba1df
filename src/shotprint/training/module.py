"""What happens in one training step, and with which learning rates.

waveform → augmentation → log-mel spectrogram → mixing and masking → network → loss → weights,
and the running average of the weights that is scored and kept in the end.
"""

import copy
import json
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from shotprint.backbones.checkpoints import METADATA_KEY
from shotprint.backbones.logmel import LogMel
from shotprint.backbones.network import Network
from shotprint.frontends import mel_filterbank, window
from shotprint.training.augmentation import (
    MAX_TIME_SHARE,
    augment_waveforms,
    make_chance,
    mask_spectrograms,
    mix_styles,
    mix_up,
)
from shotprint.training.dataset import Batch
from shotprint.training.devices import ALONE, Share, share_batch_norm
from shotprint.training.recipe import Recipe

_AUGMENT, _DROPOUT = 2, 3  # streams of random numbers, after those of `dataset`


class FastLogMel(nn.Module):
    """The same log-mel spectrogram by the fast Fourier transform.

    It takes a quarter of the time of the matrix products of `LogMel`, which stand there for the
    exported model. Shape: waveform (n, n_samples) → (n, n_mels, n_frames).
    """

    def __init__(self, logmel: LogMel) -> None:
        super().__init__()
        self.slow = logmel
        settings = self.settings = logmel.frontend
        self.register_buffer("window", torch.from_numpy(window(settings)), persistent=False)
        self.register_buffer("mel", torch.from_numpy(mel_filterbank(settings)), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        settings = self.settings
        if settings.preemphasis:
            waveform = waveform[:, 1:] - settings.preemphasis * waveform[:, :-1]
        spectrum = torch.stft(
            waveform,
            settings.n_fft,
            settings.hop_length,
            window=self.get_buffer("window"),
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return self.slow.compress(self.get_buffer("mel") @ power)


class TrainingModule(pl.LightningModule):
    """A network in training, its running average, and what happened so far.

    Parameters
    ----------
    n_steps : of the whole schedule, over all epochs
    share : the part of every batch that this process has

    Attributes
    ----------
    average : the network whose weights are the running average; `network` itself without one
    history : one row of figures an epoch
    best : the average's state at the epoch with the best validation; None: not watched
    """

    def __init__(
        self, network: Network, recipe: Recipe, n_steps: int, share: Share = ALONE
    ) -> None:
        super().__init__()
        self.share = share
        self.network = network
        self.recipe = recipe
        self.n_steps = n_steps
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.logmel = FastLogMel(network.logmel)
        if recipe.average_decay:
            self.average = copy.deepcopy(network).requires_grad_(False).eval()
        else:
            self.average = network
        if share.world > 1:
            share_batch_norm(network.backbone, share)
        for stage in self.list_frozen():
            stage.requires_grad_(False)

    def on_train_epoch_start(self) -> None:
        self.average.eval()
        self.network.train()
        for stage in self.list_frozen():
            stage.eval()
        if self.recipe.freeze_norm:
            for module in self.network.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def list_frozen(self) -> list[nn.Module]:
        """Return the parts of the backbone that stay as they were."""
        if self.recipe.freeze_base:
            return [self.network.backbone]
        stages = list_stages(self.network.backbone)
        return stages[: count_frozen(self.network.backbone, self.recipe)]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        seeds = (self.recipe.seed, batch.epoch, batch.step)
        rank = self.share.rank
        dropout_seed = np.random.SeedSequence((*seeds, _DROPOUT, rank)).generate_state(1)
        torch.manual_seed(int(dropout_seed[0]))
        chance = make_chance((*seeds, _AUGMENT, 0), batch.waveforms.device, self.share)
        recipe = self.recipe
        targets = smooth_labels(batch.labels, len(self.network.labels), recipe.label_smoothing)
        with torch.no_grad():
            logmel = self.compute_logmel(batch.waveforms, chance)
            logmel, targets = mix_up(logmel, targets, recipe.mixup_alpha, chance)
            frontend = self.network.logmel.frontend
            frames = round(recipe.spec_time_width_s * frontend.sample_rate_hz / frontend.hop_length)
            frames = min(frames, logmel.shape[2] // MAX_TIME_SHARE)
            logmel = mask_spectrograms(
                logmel, recipe.spec_masks, recipe.spec_bands_width, frames, chance
            )
            logmel, targets = self.share.take(logmel), self.share.take(targets)
        log_probabilities, _ = self.network.classify(logmel)
        penalty = 0.5 * recipe.head_l2 * self.network.head.weight.square().sum()
        return compute_loss(log_probabilities, targets, recipe.loss) + penalty

    def compute_logmel(self, waveforms: Tensor, chance: Any) -> Tensor:
        """Augment and take the log-mel spectrogram, in float32 whatever the precision.

        Returns
        -------
        of the whole batch, from the waveforms of the own share
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            rate = self.network.logmel.frontend.sample_rate_hz
            augmented = augment_waveforms(waveforms, rate, self.recipe, chance)
            n = len(waveforms) * self.share.world
            logmel = self.share.gather(self.logmel(augmented), n)
            return mix_styles(logmel, self.recipe, chance)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.average is not self.network:
            # Early on the average follows quickly, or it would stay near where it began.
            step = self.global_step
            follow = (1 + step) / (10 + step)
            decay = min(self.recipe.average_decay, follow) if step > 1 else 0.0
            update_average(self.average, self.network, decay)

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        groups = group_parameters(self.network, recipe)
        if recipe.optimizer == "adam":
            optimizer: torch.optim.Optimizer = torch.optim.Adam(groups, amsgrad=True)
        else:
            optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: compute_lr_factor(step, self.n_steps, recipe)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Only tensors and plain values, so that loading with weights_only=True reads it back.
        checkpoint["history"] = json.dumps(self.history)
        checkpoint["best"] = self.best
        checkpoint[METADATA_KEY] = {
            "backbone": self.recipe.backbone,
            "labels": list(self.network.labels),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = json.loads(checkpoint["history"])
        self.best = checkpoint["best"]


def smooth_labels(labels: Tensor, n_labels: int, smoothing: float) -> Tensor:
    """Return targets (n, n_labels): 1 at the label, less a share that is spread over all."""
    one_hot = nn.functional.one_hot(labels, n_labels).float()
    return one_hot * (1 - smoothing) + smoothing / n_labels


def compute_loss(log_probabilities: Tensor, targets: Tensor, loss: str) -> Tensor:
    """Return −Σ target · log p, as the mean over clips (``cross_entropy``).

    ``clip_nll`` is the baseline's loss: the mean over clips and labels, the same divided by the
    number of labels. Adam divides it out again.
    """
    product = -targets * log_probabilities
    return product.mean() if loss == "clip_nll" else product.sum(dim=1).mean()


def compute_lr_factor(step: int, n_steps: int, recipe: Recipe) -> float:
    """Return what learning rates are multiplied by at a step: a ramp, then the schedule."""
    ramp = min(1.0, (step + 1) / max(1.0, recipe.warmup_fraction * n_steps))
    if recipe.schedule == "constant":
        return ramp
    return ramp * 0.5 * (1 + float(np.cos(np.pi * min(1.0, step / n_steps))))


def list_stages(backbone: nn.Module) -> list[nn.Module]:
    """Return the parts of a backbone from the input to the embedding."""
    features = getattr(backbone, "features", None)
    if isinstance(features, nn.Sequential):
        return [*features, backbone.classifier]
    return [module for name, module in backbone.named_children() if name != "fc_audioset"]


def count_frozen(backbone: nn.Module, recipe: Recipe) -> int:
    """Return how many stages, from the input, a recipe leaves as they are."""
    return round(recipe.frozen_share * len(list_stages(backbone)))


def group_parameters(network: Network, recipe: Recipe) -> list[dict[str, Any]]:
    """Return optimizer groups: the head, then the stages with learning rates that fall inwards."""
    groups: list[dict[str, Any]] = [
        {
            "params": list(network.head.parameters()),
            "lr": recipe.learning_rate,
            "weight_decay": 0.0,  # `head_l2` instead
        }
    ]
    if recipe.freeze_base:
        return groups
    stages = list_stages(network.backbone)
    for depth, stage in enumerate(reversed(stages[count_frozen(network.backbone, recipe) :])):
        scale = recipe.backbone_lr_scale * recipe.layer_decay**depth
        parameters = list(stage.parameters())
        groups.append({"params": parameters, "lr": recipe.learning_rate * scale})
    return groups


def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move every weight and statistic of `average` towards `network` by 1 − `decay`."""
    old, new = list(average.state_dict().values()), list(network.state_dict().values())
    is_float = [value.is_floating_point() for value in new]
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    move(_select(old, is_float), _select(new, is_float), None)
    for into, value, moves in zip(old, new, is_float, strict=True):
        if not moves:
            into.copy_(value)


def _select(values: Sequence[Tensor], chosen: Sequence[bool]) -> list[Tensor]:
    return [value for value, is_chosen in zip(values, chosen, strict=True) if is_chosen]
