"""PANNs Cnn6, Cnn10 and Cnn14: plain convolutional networks pretrained on AudioSet.

Kong et al.: "PANNs: Large-scale pretrained audio neural networks for audio pattern
recognition", IEEE/ACM TASLP 28 (2020), table I. Module names follow the published checkpoints,
so that these load with no key left over.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shotprint.backbones.base import Backbone
from shotprint.errors import ShotprintError
from shotprint.frontends import PANNS

N_AUDIOSET_CLASSES = 527
N_POOLINGS = 5  # a sixth block is not pooled
BLOCK_DROPOUT = 0.2
EMBEDDING_DROPOUT = 0.5


class ConvBlock(nn.Module):
    """Convolutions that keep the size, each with batch norm and ReLU; without biases.

    A 5×5 kernel comes alone; 3×3 kernels come in twos, which see the same 5×5 neighbourhood.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.is_double = kernel == 3
        if self.is_double:
            self.conv2 = nn.Conv2d(c_out, c_out, kernel, padding=kernel // 2, bias=False)
            self.bn2 = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x))) if self.is_double else x


class Panns(Backbone):
    """Cnn6, Cnn10 or Cnn14, by the width of the blocks and their kernel (see `BACKBONES`).

    Shape: log-mel spectrogram (n, 64, n_frames), dB → embedding (n, embedding_dim). At least
    `min_frames` frames (16 with four poolings, 32 with five), or nothing is left to pool.
    """

    frontend = PANNS
    audioset_layer = "fc_audioset"

    def __init__(self, channels: Sequence[int], kernel: int) -> None:
        super().__init__()
        self.embedding_dim = self.description_dim = channels[-1]
        self.n_blocks = len(channels)
        self.min_frames = 2 ** min(self.n_blocks, N_POOLINGS)
        self.bn0 = nn.BatchNorm2d(self.frontend.n_mels)
        for i, (c_in, c_out) in enumerate(zip((1, *channels), channels, strict=False), start=1):
            self.add_module(f"conv_block{i}", ConvBlock(c_in, c_out, kernel))
        self.fc1 = nn.Linear(channels[-1], self.embedding_dim)
        self.fc_audioset = nn.Linear(self.embedding_dim, N_AUDIOSET_CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, logmel: Tensor) -> Tensor:
        """Return the embedding, before the dropout that a head may apply to it."""
        # Shapes as exported stay symbolic; the check is for eager calls.
        if not (torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()):
            self._require_frames(logmel.shape[-1])
        x = self.bn0(logmel[..., None]).transpose(1, 3)  # (n, 1, n_frames, 64)
        for i in range(1, self.n_blocks + 1):
            x = self.get_submodule(f"conv_block{i}")(x)
            if i <= N_POOLINGS:
                x = nn.functional.avg_pool2d(x, 2)
            x = nn.functional.dropout(x, BLOCK_DROPOUT, self.training)
        x = x.mean(dim=3)  # over bands: (n, channels, frames)
        x = x.amax(dim=2) + x.mean(dim=2)
        x = nn.functional.dropout(x, EMBEDDING_DROPOUT, self.training)
        return torch.relu(self.fc1(x))

    def describe(self, logmel: Tensor) -> Tensor:
        """Return what a head looks at: the embedding, as in the baseline."""
        embedding: Tensor = self(logmel)
        return embedding

    def forward_audioset(self, logmel: Tensor) -> Tensor:
        """Return the logits (n, 527) of the AudioSet classes; sigmoid gives probabilities."""
        logits: Tensor = self.fc_audioset(self(logmel))
        return logits

    def _require_frames(self, n_frames: int) -> None:
        if n_frames < self.min_frames:
            shortest_s = (self.min_frames - 1) * PANNS.hop_length / PANNS.sample_rate_hz
            raise ShotprintError(
                f"a clip of {n_frames} frames is too short for this network: it halves time "
                f"{min(self.n_blocks, N_POOLINGS)} times and needs {self.min_frames} frames "
                f"({shortest_s:.2f} s); cut longer clips or pad with zeros"
            )
