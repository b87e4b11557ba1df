"""Checkpoints as recognisers: the network, and the metadata that say how it must be used."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shotprint.backbones import find_backbone
from shotprint.backbones.checkpoints import (
    Checkpoint,
    identify_backbone,
    load_backbone,
    load_network,
    read_checkpoint,
)
from shotprint.backbones.logmel import LogMel
from shotprint.calibration import NO_CALIBRATION
from shotprint.clips import ClipRule
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.firearms import Firearm
from shotprint.frontends import Frontend
from shotprint.inference import parse_device
from shotprint.recognition.model import Floats, ModelMetadata
from shotprint.weights import read_registry

CHECKPOINT_NAME = "model.safetensors"  # in the folder of a training run
CARD_ENTRIES = (
    *("name", "version", "description", "limits", "licences", "data"),
    *("calibration", "judgement", "evidence", "enrolment"),
)


class Embedder(nn.Module):
    """Front-end and backbone without a head: waveform (n, n_samples) → embedding (n, d)."""

    def __init__(self, backbone: nn.Module, frontend: Frontend) -> None:
        super().__init__()
        self.logmel = LogMel(frontend)
        self.backbone = backbone

    def forward(self, waveform: Tensor) -> Tensor:
        embedding: Tensor = self.backbone(self.logmel(waveform))
        return embedding


def load_described(
    path: str | os.PathLike[str],
    backbone_name: str | None = None,
    *,
    firearms: Mapping[str, Firearm],
    card: Mapping[str, Any] | None = None,
) -> tuple[nn.Module, ModelMetadata]:
    """Load weights with what is known of their use.

    The baseline's checkpoint and bare backbones hear recordings whole and at their own level,
    as the baseline does in use; our own say how their clips are cut.

    Parameters
    ----------
    path : the folder of a training run, or weights in any layout of `checkpoints`
    backbone_name : None: what the file says, or else what its shapes say
    firearms : label → calibre and category; a label that is not there has neither
    card : replaces entries of the metadata: any of `CARD_ENTRIES`

    Returns
    -------
    a `Network`, or an `Embedder` (metadata without labels) where there is no head; both in
    evaluation mode

    Raises
    ------
    ShotprintError : as for `load_network`; the card has an unknown entry
    """
    path = Path(path)
    path = path / CHECKPOINT_NAME if path.is_dir() else path
    checkpoint = read_checkpoint(path)
    name = backbone_name or checkpoint.metadata.get("backbone")
    name = name or identify_backbone(checkpoint.backbone)
    if name is None:
        raise ShotprintError(f"{path} is of no backbone known here; name it with --backbone")
    network: nn.Module
    if checkpoint.head:
        network = load_network(path, name)
        labels: Sequence[str] = network.labels
    else:
        network, labels = Embedder(load_backbone(name, path), find_backbone(name).frontend), ()
    guns = tuple(firearms.get(label, Firearm(label, "", "", "")) for label in labels)
    metadata = _describe(checkpoint, name, guns)
    return network.eval(), _apply_card(metadata, card or {})


def _describe(checkpoint: Checkpoint, name: str, guns: tuple[Firearm, ...]) -> ModelMetadata:
    spec = find_backbone(name)
    said = dict(checkpoint.metadata)
    is_trained_here = checkpoint.is_ours and bool(guns)
    clip_rule = ClipRule() if is_trained_here else ClipRule(length_s=0, onset_at_s=0)
    if "clip_rule" in said:
        clip_rule = ClipRule(**said["clip_rule"])
    licences = {f"weights {spec.weights}": read_registry()[spec.weights].licence}
    return ModelMetadata(
        name=said.get("name", checkpoint.path.stem),
        version=said.get("version", "1"),
        labels=guns,
        sample_rate_hz=spec.frontend.sample_rate_hz,
        min_samples=spec.min_samples,
        clip_rule=clip_rule,
        level=said.get("level", "peak_half" if is_trained_here else "as_recorded"),
        backbone=name,
        calibration=said.get("calibration", NO_CALIBRATION),
        judgement=said.get("judgement", {}),
        evidence=said.get("evidence", {}),
        recipe=said.get("recipe", {}),
        data={name: said[name] for name in ("pack", "trained_on") if name in said},
        weights={"sha256": compute_sha256(checkpoint.path), "start": said.get("start", {})},
        licences={**licences, **said.get("licences", {})},
        description=said.get("description", f"{name} with {len(guns)} labels"),
        limits=said.get("limits", "It answers with one of its labels whatever it hears."),
        software={f"training {name}": text for name, text in said.get("versions", {}).items()},
    )


def _apply_card(metadata: ModelMetadata, card: Mapping[str, Any]) -> ModelMetadata:
    if unknown := sorted(set(card) - set(CARD_ENTRIES)):
        raise ShotprintError(
            f"the card has an unknown entry {unknown[0]!r}; known are {', '.join(CARD_ENTRIES)}"
        )
    changes = dict(card)
    for name in ("licences", "data"):
        if name in card:
            changes[name] = {**getattr(metadata, name), **card[name]}
    return dataclasses.replace(metadata, **changes)


class TorchModel:
    """Weights as a `recognition.Model` in PyTorch; see `load_described`.

    Parameters
    ----------
    device : as for `inference.open_session`

    Attributes
    ----------
    device : what it runs on: ``cpu`` or ``cuda:N``

    Raises
    ------
    ShotprintError : as `load_described`; PyTorch cannot use the device
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        backbone_name: str | None = None,
        *,
        device: str = "cpu",
        **more: Any,
    ) -> None:
        self.device = _find_device(device)
        self._network, self.metadata = load_described(path, backbone_name, **more)
        self._network.to(self.device)
        self.sha256 = str(self.metadata.weights["sha256"])

    def run(self, waveforms: Floats) -> tuple[Floats, Floats]:
        """Return log-probabilities (n, n_labels) and embedding (n, d) of clips (n, n_samples)."""
        with torch.inference_mode():
            outputs = self._network(torch.from_numpy(waveforms).to(self.device))
        if isinstance(outputs, Tensor):
            return np.zeros((len(waveforms), 0), np.float32), outputs.cpu().numpy()
        return outputs[0].cpu().numpy(), outputs[1].cpu().numpy()


def _find_device(device: str) -> str:
    kind, number = parse_device(device)
    n_found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cpu" or (kind == "auto" and not n_found):
        return "cpu"
    if number >= n_found:
        raise ShotprintError(
            f"GPU {number} was asked for, but PyTorch {torch.__version__} finds {n_found} with "
            "CUDA; give --device cpu, or install a PyTorch for your GPU"
        )
    return f"cuda:{number}"
