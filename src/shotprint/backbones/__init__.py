"""The pretrained networks: what there is, and how one is built.

Names and figures need no torch; `build_backbone` imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.frontends import EFFICIENTAT, PANNS, Frontend

if TYPE_CHECKING:
    from shotprint.backbones.base import Backbone


@dataclass(frozen=True)
class BackboneSpec:
    """What is known of a backbone before it is built.

    Attributes
    ----------
    weights : name of the published weights in `weights.toml`
    min_frames : shortest log-mel spectrogram that the network takes
    arguments : what its class is built with: ``width``, or ``channels`` and ``kernel``
    """

    name: str
    family: Literal["panns", "efficientat"]
    frontend: Frontend
    embedding_dim: int
    weights: str
    min_frames: int
    arguments: Mapping[str, Any]

    @property
    def min_samples(self) -> int:
        """Shortest clip, in samples at the front-end's rate."""
        hops = (self.min_frames - 1) * self.frontend.hop_length
        return max(self.frontend.min_samples, hops + (self.frontend.preemphasis > 0))


def _describe_panns(name: str, n_blocks: int, kernel: int) -> BackboneSpec:
    channels = tuple(64 * 2**i for i in range(n_blocks))
    arguments = MappingProxyType({"channels": channels, "kernel": kernel})
    min_frames = 2 ** min(n_blocks, 5)  # five poolings at most, each halves time
    return BackboneSpec(name, "panns", PANNS, channels[-1], name, min_frames, arguments)


def _describe_efficientat(name: str, width: float, embedding_dim: int) -> BackboneSpec:
    arguments = MappingProxyType({"width": width})
    return BackboneSpec(name, "efficientat", EFFICIENTAT, embedding_dim, name, 1, arguments)


BACKBONES: dict[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        _describe_panns("panns_cnn6", n_blocks=4, kernel=5),
        _describe_panns("panns_cnn10", n_blocks=4, kernel=3),
        _describe_panns("panns_cnn14", n_blocks=6, kernel=3),
        _describe_efficientat("efficientat_mn04", width=0.4, embedding_dim=384),
        _describe_efficientat("efficientat_mn05", width=0.5, embedding_dim=480),
        _describe_efficientat("efficientat_mn10", width=1.0, embedding_dim=960),
        _describe_efficientat("efficientat_mn20", width=2.0, embedding_dim=1920),
        _describe_efficientat("efficientat_mn40", width=4.0, embedding_dim=3840),
    )
}


def find_backbone(name: str) -> BackboneSpec:
    """Return the backbone of that name; raise ShotprintError with the names there are."""
    if name not in BACKBONES:
        raise ShotprintError(
            f"there is no backbone {name!r}; expected one of {', '.join(sorted(BACKBONES))}"
        )
    return BACKBONES[name]


def build_backbone(name: str) -> Backbone:
    """Build a backbone with random weights.

    See `base.Backbone`; `checkpoints.load_backbone` gives it weights.
    """
    spec = find_backbone(name)
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("train", f"the backbone {name}") from None
    if spec.family == "panns":
        from shotprint.backbones.panns import Panns

        return Panns(**spec.arguments)
    from shotprint.backbones.efficientat import MobileNet

    return MobileNet(**spec.arguments)
