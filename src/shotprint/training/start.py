"""The network that training begins with."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shotprint.backbones import build_backbone, find_backbone
from shotprint.backbones.checkpoints import load_backbone, load_head, read_checkpoint
from shotprint.backbones.network import Network
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.training.recipe import Recipe
from shotprint.weights import locate_weights, shipped_backbone


@dataclass(frozen=True, eq=False)
class Start:
    """A network to train, and where its weights are from.

    Attributes
    ----------
    source : ``none`` or the name of the file
    sha256 : of that file, empty for ``none``
    has_head : whether the head's weights are from the file, too
    metadata : what the file says of itself
    """

    network: Network
    source: str
    sha256: str = ""
    has_head: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


def build_start(
    recipe: Recipe, labels: Sequence[str], weights_dir: str | os.PathLike[str] | None = None
) -> Start:
    """Build the network of a recipe and give it the weights to start from.

    The head is taken over where it is for the same labels in the same order; else it is new.

    Parameters
    ----------
    weights_dir : folder of published weights, see `weights.locate_weights`

    Raises
    ------
    ShotprintError
        As `locate_weights` and `load_backbone`; the shipped weights are of another backbone.
    """
    torch.manual_seed(recipe.seed)
    path = _locate(recipe, weights_dir)
    if path is None:
        network = Network(build_backbone(recipe.backbone), labels, recipe.dropout)
        _follow_statistics(network)
        network.backbone.remove_audioset_layer()
        return Start(network, "none")
    checkpoint = read_checkpoint(path)
    network = Network(load_backbone(recipe.backbone, path), labels, recipe.dropout)
    has_head = bool(checkpoint.head) and list(labels) == checkpoint.metadata.get("labels")
    if has_head:
        load_head(network, checkpoint)
    network.backbone.remove_audioset_layer()
    return Start(
        network=network,
        source=path.name,
        sha256=compute_sha256(path),
        has_head=has_head,
        metadata=checkpoint.metadata,
    )


def _locate(recipe: Recipe, weights_dir: str | os.PathLike[str] | None) -> Path | None:
    if recipe.weights == "none":
        return None
    if recipe.weights == "published":
        return locate_weights(find_backbone(recipe.backbone).weights, weights_dir)
    if recipe.weights == "shipped":
        return shipped_backbone()
    path = Path(recipe.weights)
    if not path.is_file():
        raise ShotprintError(
            f"weights is {recipe.weights!r}, which is no file; give shipped, published, none or "
            "a file"
        )
    return path


def _follow_statistics(network: Network) -> None:
    """Let batch norm learn its statistics in tens of steps; mn's own 0.01 takes hundreds."""
    for module in network.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
