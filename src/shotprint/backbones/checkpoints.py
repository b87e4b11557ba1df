"""Reading and writing weights: published, of the baseline, and our own.

=============  =====================================================  =====================
layout         keys                                                   file
=============  =====================================================  =====================
published      as in our modules, plus fixed front-end tensors        .pth ``{'model'}``, .pt
baseline       ``base.<PANNs key>``, ``fc_transfer.weight|bias``      .pth ``{'model'}``
our own        ``backbone.<key>``, ``head.<key>`` (any common prefix  .safetensors; .ckpt
               such as ``network.`` before them)                      ``{'state_dict'}``
=============  =====================================================  =====================

Nothing is unpickled but tensors and plain containers, so that a file cannot run code.
"""

import functools
import json
import os
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from shotprint.backbones import BACKBONES, build_backbone
from shotprint.backbones.base import Backbone
from shotprint.backbones.network import Network
from shotprint.errors import ShotprintError
from shotprint.files import write_beside
from shotprint.frontends import PANNS, mel_filterbank

# Class order of the baseline's own fine-tuned checkpoint (the columns of its published matrix).
BASELINE_LABELS = (
    "BoltAction22",
    "Colt1911",
    "Glock9",
    "Glock45",
    "HKUSP",
    "Kimber45",
    "Lorcin380",
    "M16",
    "MP40",
    "Remington700",
    "Ruger22",
    "Ruger357",
    "Sig9",
    "Smith&Wesson22",
    "Smith&Wesson38special",
    "SportKing22",
    "WASR-10",
    "WinchesterM14",
)

METADATA_KEY = "shotprint"  # of the JSON in a safetensors header or a .ckpt dictionary
_FRONTEND_PREFIXES = ("spectrogram_extractor.", "logmel_extractor.")
# How torch words it that a pickle asks for more than tensors.
_REFUSAL = re.compile(
    "nsupported (global|class)|unrecognized function|Can only (build|create)", re.I
)

State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Weights as read: the backbone's, the head's (empty: there is none), and what is said."""

    path: Path
    backbone: State
    head: State
    metadata: Mapping[str, Any]
    is_baseline: bool
    is_ours: bool


def load_backbone(name: str, path: str | os.PathLike[str]) -> Backbone:
    """Build a backbone and give it the weights of a file; returned in evaluation mode.

    Parameters
    ----------
    name : one of `BACKBONES`
    path : in any of the layouts above. Our own files may leave out the AudioSet classifier;
        the backbone then has none, and its `forward_audioset` fails.

    Raises
    ------
    ShotprintError : the file cannot be read, holds more than tensors, or is of another network
    """
    checkpoint = read_checkpoint(path)
    return _fill_backbone(name, checkpoint)


def load_network(
    path: str | os.PathLike[str],
    backbone_name: str | None = None,
    labels: Sequence[str] | None = None,
) -> Network:
    """Load a fine-tuned recogniser: the baseline's checkpoint or one of our own.

    Parameters
    ----------
    backbone_name : None: what the file says, or else what its shapes say
    labels : in the order of the classes. None: what the file says, or else the baseline's 18

    Returns
    -------
    the network in evaluation mode

    Raises
    ------
    ShotprintError : as for `load_backbone`; there is no head; the labels are unknown or too few
    """
    checkpoint = read_checkpoint(path)
    if not checkpoint.head:
        raise ShotprintError(
            f"{path} holds a backbone without a head, so it knows no guns; "
            "expected a fine-tuned network: train one from it first"
        )
    name = backbone_name or checkpoint.metadata.get("backbone")
    name = name or identify_backbone(checkpoint.backbone)
    if name is None:
        raise ShotprintError(
            f"{path} is of no backbone known here; expected one of {', '.join(BACKBONES)}"
        )
    network = Network(_fill_backbone(name, checkpoint), _choose_labels(checkpoint, labels))
    load_head(network, checkpoint)
    return network.eval()


def load_head(network: Network, checkpoint: Checkpoint) -> None:
    """Give a network the head of a checkpoint; one without mean and scale uses none."""
    scaling = {"mean": network.head.mean, "scale": network.head.scale}
    state = {**scaling, **checkpoint.head}
    _load_strict(network.head, state, f"the head of {checkpoint.path}")


def write_network(
    network: Network,
    backbone_name: str,
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a network as safetensors, beside and renamed, without the AudioSet classifier.

    `metadata`, which JSON must be able to hold, goes into the header together with the
    backbone's name and the labels; `read_checkpoint` returns it.
    """
    header = {**(metadata or {}), "backbone": backbone_name, "labels": list(network.labels)}
    left_out = f"backbone.{network.backbone.audioset_layer}."
    state = {
        key: value.detach().cpu().contiguous()
        for key, value in network.state_dict().items()
        if not key.startswith(left_out)
    }
    with write_beside(path) as beside:
        # Not safetensors' own file writing: that denies the file to everyone but its owner.
        beside.write_bytes(save(state, {METADATA_KEY: json.dumps(header, ensure_ascii=False)}))


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read weights in any of the layouts above; nothing of the file is executed."""
    path = Path(path)
    if not path.is_file():
        raise ShotprintError(f"there is no file {path}; expected weights (.pth, .pt, .safetensors)")
    if path.suffix.lower() == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state, metadata = _read_pickle(path)
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ShotprintError(
            f"{path} holds no state dictionary; expected tensors by name, bare or under "
            "'model' or 'state_dict'"
        )
    return _divide(path, state, metadata)


def identify_backbone(state: Mapping[str, Tensor]) -> str | None:
    """Return the backbone whose names and shapes agree best, None if fewer than half do."""
    shapes = {(key, tuple(value.shape)) for key, value in state.items()}
    agreement = {}
    for name in BACKBONES:
        expected = _list_shapes(name)
        agreement[name] = len(shapes & expected) / len(shapes | expected)
    best = max(agreement, key=lambda name: agreement[name])
    return best if agreement[best] >= 0.5 else None


@functools.cache
def _list_shapes(name: str) -> frozenset[tuple[str, tuple[int, ...]]]:
    """Return keys and shapes of a backbone, built without memory."""
    with torch.device("meta"):
        state = build_backbone(name).state_dict()
    return frozenset((key, tuple(value.shape)) for key, value in state.items())


def _read_safetensors(path: Path) -> tuple[State, Mapping[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ShotprintError(
            f"{path} cannot be read as safetensors ({error}); download or write it again"
        ) from error
    return state, metadata


def _read_pickle(path: Path) -> tuple[State, Mapping[str, Any]]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of file formats: errors follow
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError) as error:
        if _REFUSAL.search(str(error)):
            raise ShotprintError(
                f"{path} holds Python objects besides tensors, which could run code, so it is "
                "refused; expected a state dictionary: save only that, or use safetensors"
            ) from error
        raise ShotprintError(
            f"{path} cannot be read as PyTorch weights; it may be half a download or another "
            "kind of file: fetch it again"
        ) from error
    if not isinstance(content, dict):
        return {}, {}
    metadata = content.get(METADATA_KEY, {})
    for key in ("model", "state_dict"):
        if isinstance(content.get(key), dict):
            return dict(content[key]), metadata
    return content, metadata


def _divide(path: Path, state: State, metadata: Mapping[str, Any]) -> Checkpoint:
    """Tell the layout from the keys and take backbone and head apart."""
    prefix = next((key[: -len("head.weight")] for key in state if key.endswith("head.weight")), "")
    is_ours = any(key.startswith(f"{prefix}backbone.") for key in state)
    is_baseline = not is_ours and any(key.startswith("base.") for key in state)
    if is_ours:
        backbone, head = _take(state, f"{prefix}backbone."), _take(state, f"{prefix}head.")
    elif is_baseline:
        backbone, head = _take(state, "base."), _take(state, "fc_transfer.")
    else:
        backbone, head = state, {}
    _require_our_frontend(path, backbone)
    backbone = {k: v for k, v in backbone.items() if not k.startswith(_FRONTEND_PREFIXES)}
    return Checkpoint(path, backbone, head, metadata, is_baseline, is_ours)


def _take(state: State, prefix: str) -> State:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _require_our_frontend(path: Path, state: State) -> None:
    """Refuse a PANNs network trained on another log-mel spectrogram: its shapes would fit."""
    found = state.get("logmel_extractor.melW")
    if found is None:
        return
    expected = torch.from_numpy(mel_filterbank(PANNS).T.copy())
    tolerance = 1e-3 * float(np.max(mel_filterbank(PANNS)))
    if found.shape != expected.shape or (found - expected).abs().max() > tolerance:
        raise ShotprintError(
            f"{path} was trained on other mel bands (melW {tuple(found.shape)}); expected "
            f"{PANNS.n_mels} bands from {PANNS.fmin_hz:g} to {PANNS.fmax_hz:g} Hz at "
            f"{PANNS.sample_rate_hz} Hz: use the 32 kHz checkpoint"
        )


def _fill_backbone(name: str, checkpoint: Checkpoint) -> Backbone:
    """Build the backbone and load it; without its AudioSet classifier where ours left it out."""
    backbone = build_backbone(name)
    if checkpoint.is_ours and not _take(checkpoint.backbone, f"{backbone.audioset_layer}."):
        backbone.remove_audioset_layer()
    try:
        _load_strict(backbone, checkpoint.backbone, f"{checkpoint.path} as {name}")
    except ShotprintError as error:
        likely = identify_backbone(checkpoint.backbone)
        hint = f"it looks like {likely}" if likely else "it looks like no backbone known here"
        raise ShotprintError(f"{error}; {hint}") from None
    return backbone.eval()


def _load_strict(module: nn.Module, state: State, what: str) -> None:
    """Load a state dictionary or name the first keys and shapes that differ."""
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    wrong = [f"{key} is missing" for key in expected.keys() - found.keys()]
    wrong += [f"{key} is not expected" for key in found.keys() - expected.keys()]
    wrong += [
        f"{key} is {found[key]}, expected {expected[key]}"
        for key in expected.keys() & found.keys()
        if expected[key] != found[key]
    ]
    if wrong:
        shown = ", ".join(sorted(wrong)[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ShotprintError(f"cannot load {what}: {shown}{more}")
    module.load_state_dict(state)


def _choose_labels(checkpoint: Checkpoint, labels: Sequence[str] | None) -> Sequence[str]:
    """Return the labels asked for, written in the file, or of the baseline; one a class."""
    n_classes = len(checkpoint.head.get("weight", ()))
    if labels is None:
        labels = checkpoint.metadata.get("labels")
    if labels is None and checkpoint.is_baseline and n_classes == len(BASELINE_LABELS):
        labels = BASELINE_LABELS
    if labels is None or len(labels) != n_classes:
        found = "none are" if labels is None else f"{len(labels)} labels are"
        raise ShotprintError(
            f"{checkpoint.path} has {n_classes} classes but {found} given; "
            "give the labels in the order it was trained with"
        )
    return labels
