"""The whole recogniser: front-end, backbone and head, from waveform to log-probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shotprint.backbones.base import Backbone
from shotprint.backbones.logmel import LogMel


class Head(nn.Linear):
    """Linear layer over embeddings that are first brought to zero mean and unit scale.

    `mean` and `scale` belong to the backbone and the training part; `training.probe` sets them.
    Until then, and where a head was trained without them, they change nothing.

    Shape: embedding (n, d) → logits (n, n_labels).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, embedding_dim: int, n_labels: int) -> None:
        super().__init__(embedding_dim, n_labels)
        self.register_buffer("mean", torch.zeros(embedding_dim))
        self.register_buffer("scale", torch.ones(embedding_dim))

    def forward(self, embedding: Tensor) -> Tensor:
        return super().forward((embedding - self.mean) / self.scale)


class Network(nn.Module):
    """Front-end, backbone and a linear head over the labels.

    Shape: waveform (n, n_samples) → log-probabilities (n, n_labels) and the embedding that the
    head sees, (n, d): the backbone's `describe`.
    """

    def __init__(self, backbone: Backbone, labels: Sequence[str], dropout: float = 0.0) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.logmel = LogMel(backbone.frontend)
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = Head(backbone.description_dim, len(self.labels))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        return self.classify(self.logmel(waveform))

    def classify(self, logmel: Tensor) -> tuple[Tensor, Tensor]:
        """Go on from the log-mel spectrogram (n, n_mels, n_frames)."""
        embedding = self.backbone.describe(logmel)
        logits = self.head(self.dropout(embedding))
        return torch.log_softmax(logits.float(), dim=1), embedding
