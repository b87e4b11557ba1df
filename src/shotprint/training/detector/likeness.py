"""How like a shot a second of sound is, by the first layers of a network that knows many sounds.

Drum rolls, breaking glass and page turns deceive networks that were trained on shots alone. The
first stages of EfficientAT mn04, trained on the two million sounds of AudioSet, tell them from
shots by their texture. They hear the band that the detector hears, the rest being silent to them.

waveform (12 kHz) → log-mel bands of EfficientAT → stages 0 to 13 → mean and deviation of three of
them → one number, by logistic regression
"""

import dataclasses
import itertools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from shotprint.backbones.efficientat import DESCRIBED_STAGES, MobileNet, describe_stages
from shotprint.backbones.logmel import LogMel
from shotprint.detection.facts import DETECTOR
from shotprint.detection.judging import CLIP_SAMPLES
from shotprint.frontends import EFFICIENTAT
from shotprint.training.detector.sets import Floats

BACKBONE = "efficientat_mn04"
CLIPS_AT_ONCE = 32
_RATIO = EFFICIENTAT.sample_rate_hz / DETECTOR.sample_rate_hz


class LowBandLogMel(LogMel):
    """The front-end of EfficientAT for sound at 12 kHz, as if it were resampled to 32 kHz.

    The bins of the spectrum are the same, up to 6 kHz. Pre-emphasis weights their powers.
    """

    def __init__(self) -> None:
        low = {
            name: round(getattr(EFFICIENTAT, name) / _RATIO)
            for name in ("sample_rate_hz", "n_fft", "win_length", "hop_length")
        }
        super().__init__(dataclasses.replace(EFFICIENTAT, preemphasis=0.0, **low))
        n_bins = self.mel_even.shape[0] + self.mel_odd.shape[0]
        turn = 2 * np.pi * np.arange(n_bins) / EFFICIENTAT.n_fft
        gain = _RATIO**2 * np.abs(1 - EFFICIENTAT.preemphasis * np.exp(-1j * turn)) ** 2
        weights = torch.from_numpy(gain.astype(np.float32))[:, None]
        self.mel_even *= weights[0::2]
        self.mel_odd *= weights[1::2]
        for table in ("cos_even", "sin_even", "cos_odd", "sin_odd", "mel_even", "mel_odd"):
            setattr(self, table, getattr(self, table).half().float())  # in half the room


class Likeness(nn.Module):
    """Log-odds that a clip is of a shot.

    Shape: waveform (n, n_samples) at 12 kHz, level normalised → (n, 1, 1), as many axes as the
    experts' answer.

    Parameters
    ----------
    backbone : its first stages are taken over, each row of weights rounded to 255 steps
    """

    def __init__(self, backbone: MobileNet) -> None:
        super().__init__()
        self.logmel = LowBandLogMel()
        self.stages = nn.Sequential(*list(backbone.eval().features)[: max(DESCRIBED_STAGES) + 1])
        _round_weights(self.stages)
        with torch.no_grad():
            n_described = self.describe(torch.zeros(1, CLIP_SAMPLES)).shape[1]
        self.head = nn.Linear(n_described, 1)

    def forward(self, waveform: Tensor) -> Tensor:
        score: Tensor = self.head(self.describe(waveform))
        return score[:, :, None]

    def describe(self, waveform: Tensor) -> Tensor:
        """Return mean and deviation over bands and frames of the described stages, (n, d)."""
        return torch.cat(describe_stages(self.stages, self.logmel(waveform))[0], dim=1)

    @torch.no_grad()
    def describe_clips(self, clips: Floats) -> Floats:
        """Return `describe` of many clips (n, n_samples)."""
        parts = [
            self.describe(torch.from_numpy(clips[start : start + CLIPS_AT_ONCE])).numpy()
            for start in range(0, len(clips), CLIPS_AT_ONCE)
        ]
        return np.concatenate([np.zeros((0, self.head.in_features), np.float32), *parts])


@torch.no_grad()
def _round_weights(stages: nn.Module) -> None:
    """Let convolutions do the work of batch norms, then round: eight bits a weight are enough."""
    for module in stages.modules():
        if isinstance(module, nn.Sequential):
            for place, (conv, norm) in enumerate(itertools.pairwise(list(module))):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[place] = fuse_conv_bn_eval(conv, norm)
                    module[place + 1] = nn.Identity()
    for module in stages.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            rows = module.weight.flatten(1)
            scale = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
            module.weight.copy_((torch.round(rows / scale) * scale).view_as(module.weight))
