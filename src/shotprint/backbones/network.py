"""The whole recogniser: front-end, backbone and head, from waveform to log-probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shotprint.backbones.logmel import LogMel


class Network(nn.Module):
    """Front-end, backbone and a linear head over the labels.

    Shape: waveform (n, n_samples) → log-probabilities (n, n_labels), embedding (n, d).
    """

    def __init__(self, backbone: nn.Module, labels: Sequence[str], dropout: float = 0.0) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.logmel = LogMel(backbone.frontend)
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.embedding_dim, len(self.labels))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        return self.classify(self.logmel(waveform))

    def classify(self, logmel: Tensor) -> tuple[Tensor, Tensor]:
        """Go on from the log-mel spectrogram (n, n_mels, n_frames)."""
        embedding = self.backbone(logmel)
        logits = self.head(self.dropout(embedding))
        return torch.log_softmax(logits.float(), dim=1), embedding
