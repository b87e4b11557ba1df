"""EfficientAT "mn": MobileNetV3-Large of any width, pretrained on AudioSet by distillation.

Schmid, Koutini, Widmer: "Efficient large-scale audio tagging via transformer-to-CNN knowledge
distillation", ICASSP 2023; Howard et al.: "Searching for MobileNetV3", ICCV 2019, table 1.
Module names follow the published checkpoints, so that these load with no key left over.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from shotprint.backbones.base import Backbone
from shotprint.frontends import EFFICIENTAT

N_AUDIOSET_CLASSES = 527

DESCRIBED_STAGES = (6, 10, 13)
"""Stages whose means and deviations join the description: the last of a run of equal resolution
in time and bands, where it is still fine enough to tell one recorder's shot from another's."""


class BlockShape(NamedTuple):
    """One inverted residual of MobileNetV3-Large, in channels before the width is applied."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    hard_swish: bool
    stride: int


# MobileNetV3-Large (Howard et al., table 1).
BLOCKS = (
    BlockShape(3, 16, 16, False, False, 1),
    BlockShape(3, 64, 24, False, False, 2),
    BlockShape(3, 72, 24, False, False, 1),
    BlockShape(5, 72, 40, True, False, 2),
    BlockShape(5, 120, 40, True, False, 1),
    BlockShape(5, 120, 40, True, False, 1),
    BlockShape(3, 240, 80, False, True, 2),
    BlockShape(3, 200, 80, False, True, 1),
    BlockShape(3, 184, 80, False, True, 1),
    BlockShape(3, 184, 80, False, True, 1),
    BlockShape(3, 480, 112, True, True, 1),
    BlockShape(3, 672, 112, True, True, 1),
    BlockShape(5, 672, 160, True, True, 2),
    BlockShape(5, 960, 160, True, True, 1),
    BlockShape(5, 960, 160, True, True, 1),
)


def round_channels(channels: float) -> int:
    """Round to a multiple of 8, at least 8, never more than 10 % down."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def conv_norm(
    c_in: int, c_out: int, kernel: int, stride: int, groups: int, activation: type[nn.Module] | None
) -> nn.Sequential:
    """Convolution without bias, batch norm, activation; padded to keep the size at stride 1."""
    layers: list[nn.Module] = [
        nn.Conv2d(c_in, c_out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.01),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


class SqueezeExcitation(nn.Module):
    """Channel weights from the mean over bands and frames: linear, ReLU, linear, sigmoid."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean(dim=(2, 3))))))
        return x * weight[:, :, None, None]


class ConcurrentSqueezeExcitation(nn.Module):
    """The published checkpoints allow several axes to be squeezed; "mn" uses the channels only."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([SqueezeExcitation(channels, squeezed)])

    def forward(self, x: Tensor) -> Tensor:
        excited: Tensor = self.conc_se_layers[0](x)
        return excited


class InvertedResidual(nn.Module):
    """Expand (1×1), filter each channel, squeeze-and-excitate, project (1×1), add the input."""

    def __init__(self, c_in: int, shape: BlockShape, width: float) -> None:
        super().__init__()
        expanded = round_channels(shape.expanded * width)
        c_out = round_channels(shape.out * width)
        activation = nn.Hardswish if shape.hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != c_in:
            layers.append(conv_norm(c_in, expanded, 1, 1, 1, activation))
        layers.append(
            conv_norm(expanded, expanded, shape.kernel, shape.stride, expanded, activation)
        )
        if shape.squeeze:
            layers.append(ConcurrentSqueezeExcitation(expanded, round_channels(expanded // 4)))
        layers.append(conv_norm(expanded, c_out, 1, 1, 1, None))
        self.block = nn.Sequential(*layers)
        self.adds_input = shape.stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        filtered: Tensor = self.block(x)
        return x + filtered if self.adds_input else filtered


class MobileNet(Backbone):
    """EfficientAT mn of a given width (0.4, 0.5, 1.0, 2.0 and 4.0 are published).

    Shape: log-mel spectrogram (n, 128, n_frames) → embedding (n, 6 × the last block's width).
    """

    frontend = EFFICIENTAT
    audioset_layer = "classifier.5"

    def __init__(self, width: float) -> None:
        super().__init__()
        c_in = round_channels(16 * width)
        layers: list[nn.Module] = [conv_norm(1, c_in, 3, 2, 1, nn.Hardswish)]
        for shape in BLOCKS:
            layers.append(InvertedResidual(c_in, shape, width))
            c_in = round_channels(shape.out * width)
        self.embedding_dim = 6 * c_in
        layers.append(conv_norm(c_in, self.embedding_dim, 1, 1, 1, nn.Hardswish))
        self.features = nn.Sequential(*layers)
        hidden = round_channels(1280 * width)
        stage_widths = [round_channels(BLOCKS[stage - 1].out * width) for stage in DESCRIBED_STAGES]
        self.description_dim = 2 * sum(stage_widths) + self.embedding_dim + hidden
        linear_init = partial(nn.init.normal_, std=0.01)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.embedding_dim, hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(hidden, N_AUDIOSET_CLASSES),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                linear_init(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, logmel: Tensor) -> Tensor:
        """Return the embedding: the mean of the last feature map over bands and frames."""
        last: Tensor = self.features(logmel[:, None])
        return last.mean(dim=(2, 3))

    def describe(self, logmel: Tensor) -> Tensor:
        """Return what a head looks at, (n, description_dim).

        Mean and standard deviation over bands and frames of each of the `DESCRIBED_STAGES`, the
        embedding, and the hidden layer of the AudioSet classifier.
        """
        parts, last = describe_stages(self.features, logmel)
        embedding = last.mean(dim=(2, 3))
        hidden = self.classifier[3](self.classifier[2](embedding))
        return torch.cat([*parts, embedding, hidden], dim=1)

    def forward_audioset(self, logmel: Tensor) -> Tensor:
        """Return the logits (n, 527) of the AudioSet classes."""
        hidden = self.classifier[:5](self.features(logmel[:, None]))
        logits: Tensor = self.get_submodule(self.audioset_layer)(hidden)
        return logits


def describe_stages(stages: nn.Sequential, logmel: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return mean and deviation over bands and frames of the `DESCRIBED_STAGES`, and the last map.

    Parameters
    ----------
    stages : the features of a `MobileNet`, or the first of them
    logmel : (n, 128, n_frames)
    """
    x = logmel[:, None]
    parts = []
    for stage, layer in enumerate(stages):
        x = layer(x)
        if stage in DESCRIBED_STAGES:
            mean = x.mean(dim=(2, 3))
            variance = (x - mean[:, :, None, None]).square().mean(dim=(2, 3))
            parts += [mean, torch.sqrt(variance + 1e-5)]
    return parts, x
