"""The network that hears, every 4 ms, whether a shot begins.

waveform (12 kHz) → log-mel bands and energies of 1 ms, as they are and less their mean
around → a fast path that times (4 ms steps, ±0.1 s) and a slow path that understands (16 ms
steps, 1.5 s back and 0.5 s ahead: is this an echo of what was heard before?) → one logit a frame.

Layers see a picture of one row, (n, c, 1, n_frames): ONNX Runtime has fast kernels for pictures
only.

Less their mean, level and the recorder's colour are gone, and a distant shot over a quiet place
looks like a near one; as they are, an echo is seen to be weaker than its shot. Everything depends
on a finite surrounding, so that hours are heard in pieces with the same result.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from shotprint.backbones.logmel import LogMel
from shotprint.detection.facts import DETECTOR, FRAMES_A_STEP

ENERGY_SAMPLES = 12  # 1 ms
ENERGY_FLOOR = 1e-9  # the power of about one step of 16 bits
MEAN_STEPS = 43  # 0.69 s
N_BACK = 32  # steps between the taps of the last slow layer, which looks back only


class DetectorNetwork(nn.Module):
    """Logits of "a shot begins here".

    Shape: waveform (n, n_samples) at 12 kHz, n_samples a multiple of 192 → (n, n_samples / 48);
    frame i is about the moment of sample 48·i.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.logmel = LogMel(DETECTOR)
        n_features = DETECTOR.n_mels + DETECTOR.hop_length // ENERGY_SAMPLES
        self.enter = Layer(2 * n_features, width, 5)
        self.fast = nn.Sequential(*(Residual(width, 2**i) for i in range(4)))
        self.descend = Layer(2 * width, width, 3)
        self.slow = nn.Sequential(*(Residual(width, 2**i) for i in range(5)))
        self.recall = Residual(width, N_BACK, looks_back=True)
        self.join = Layer(2 * width, width, 1)
        self.judge = nn.Sequential(Residual(width, 1), Residual(width, 2))
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, waveform: Tensor) -> Tensor:
        return self.hear(self.compute_features(waveform))

    def hear(self, features: Tensor) -> Tensor:
        """Return the logits for features (n, 88, 1, n_frames)."""
        fast = self.fast(self.enter(features))
        slow = self.recall(self.slow(self.descend(_shrink(fast))))
        joined = self.join(torch.cat([fast, _stretch(slow)], dim=1))
        logits: Tensor = self.head(self.judge(joined))[:, 0, 0]
        return logits

    def compute_features(self, waveform: Tensor) -> Tensor:
        """Bands and energies in natural logarithms, less their local mean and as they are.

        Returns (n, 88, 1, n_frames).
        """
        bands = self.logmel(waveform)[:, :, :-1]
        features = torch.cat([bands, compute_energies(waveform)], dim=1)[:, :, None]
        steps = functional.avg_pool2d(features, (1, FRAMES_A_STEP))
        mean = functional.avg_pool2d(
            steps, (1, MEAN_STEPS), 1, (0, MEAN_STEPS // 2), count_include_pad=False
        )
        return torch.cat([0.4 * (features - _stretch(mean)), 0.2 * features + 1.5], dim=1)


class DetectorPair(nn.Module):
    """Two experts, one for far shots and one for near ones, on one front-end.

    Shape: waveform (n, n_samples) as `DetectorNetwork` → (n, 2, n_samples / 48).
    """

    def __init__(self, far: DetectorNetwork, near: DetectorNetwork) -> None:
        super().__init__()
        self.far, self.near = far, near

    def forward(self, waveform: Tensor) -> Tensor:
        features = self.far.compute_features(waveform)
        return torch.stack([self.far.hear(features), self.near.hear(features)], dim=1)


def compute_energies(waveform: Tensor) -> Tensor:
    """Log-power of each millisecond of a frame, low notes weakened: (n, 4, n_frames)."""
    sharp = waveform[:, 1:] - 0.97 * waveform[:, :-1]
    half = DETECTOR.hop_length // 2  # the frame reaches from half a hop before to half behind
    padded = torch.cat([sharp[:, :half].flip(1), sharp[:, :1], sharp[:, : -half or None]], dim=1)
    n_parts = DETECTOR.hop_length // ENERGY_SAMPLES
    power = padded.reshape(waveform.shape[0], -1, n_parts, ENERGY_SAMPLES).square().mean(dim=3)
    return torch.log(power + ENERGY_FLOOR).transpose(1, 2)


class Layer(nn.Module):
    """Convolution, batch norm, ReLU; (n, n_in, 1, n_frames) → (n, n_out, 1, n_frames)."""

    def __init__(self, n_in: int, n_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, (1, kernel), padding=(0, kernel // 2), bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)))


class Residual(nn.Module):
    """x + layer(x) of three taps, `dilation` apart; `looks_back`: the last one is the present."""

    def __init__(self, width: int, dilation: int, looks_back: bool = False) -> None:
        super().__init__()
        self.back = 2 * dilation if looks_back else 0
        self.conv = nn.Conv2d(
            width,
            width,
            (1, 3),
            padding=(0, 0 if looks_back else dilation),
            dilation=(1, dilation),
            bias=False,
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (self.back, 0)) if self.back else x
        return x + functional.relu(self.norm(self.conv(padded)))


def _shrink(x: Tensor) -> Tensor:
    """Mean and maximum of each step of four frames: (n, c, 1, n_frames) → (n, 2c, 1, n_steps)."""
    step = (1, FRAMES_A_STEP)
    return torch.cat([functional.avg_pool2d(x, step), functional.max_pool2d(x, step)], dim=1)


def _stretch(x: Tensor) -> Tensor:
    """Repeat each step for its four frames: (n, c, 1, n_steps) → (n, c, 1, n_frames)."""
    return functional.interpolate(x, scale_factor=(1.0, float(FRAMES_A_STEP)), mode="nearest")
