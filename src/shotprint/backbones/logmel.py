"""The log-mel front-ends as a torch module, for training and inside the exported model.

The discrete Fourier transform is written as matrix products, which ONNX Runtime computes as
fast as a transform of its own, after two foldings that leave a quarter of the multiplications.
With N samples x[n] a frame and r[n] = x[N-1-n], the same backwards, phases counted from the
middle of the frame, so that real parts meet cosines and imaginary parts sines of
2π·k·(m + ½)/N:

1. Cosines are even and sines odd about the middle: s = x + r is all that cosines see of the
   frame, d = x - r all that sines see.
2. About a quarter of the frame they are even or odd as the bin k is: for m < N/4 the even bins
   need s[N/2+m] + s[m] and d[N/2+m] + d[m] alone, the odd bins the differences.

So a frame is read in the quarters m and N/2+m, forwards and backwards. They are copied in blocks
that both the hop and a quarter are multiples of (64 samples), not sample by sample.

`shotprint.frontends.compute_logmel` computes the same with NumPy's FFT; a test compares them.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from shotprint.frontends import Frontend, mel_filterbank, window


class LogMel(nn.Module):
    """Log-mel spectrogram of a front-end.

    Shape: waveform (n, n_samples), float32 → (n, n_mels, n_frames); n_samples above n_fft / 2.
    It is computed in float32 also under mixed precision, since powers span more than half
    precision holds.
    """

    window_forwards: Tensor
    window_backwards: Tensor
    blocks_forwards: Tensor
    blocks_backwards: Tensor
    cos_even: Tensor
    sin_even: Tensor
    cos_odd: Tensor
    sin_odd: Tensor
    mel_even: Tensor
    mel_odd: Tensor

    def __init__(self, frontend: Frontend) -> None:
        super().__init__()
        self.frontend = frontend
        quarter = frontend.n_fft // 4
        self.block = math.gcd(frontend.hop_length, quarter)
        forwards = np.r_[0:quarter, 2 * quarter : 3 * quarter]  # the samples m and N/2 + m
        n_used = 1 + int(np.flatnonzero(mel_filterbank(frontend).any(axis=0)).max())
        mel = mel_filterbank(frontend).T[:n_used]
        phase = 2 * np.pi * np.outer(np.arange(quarter) + 0.5, np.arange(n_used)) / frontend.n_fft
        floats = {
            "window_forwards": window(frontend)[forwards],
            "window_backwards": window(frontend)[::-1][forwards],
            "cos_even": np.cos(phase[:, 0::2]),
            "sin_even": np.sin(phase[:, 0::2]),
            "cos_odd": np.cos(phase[:, 1::2]),
            "sin_odd": np.sin(phase[:, 1::2]),
            "mel_even": mel[0::2],
            "mel_odd": mel[1::2],
        }
        for name, value in floats.items():
            tensor = torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))
            self.register_buffer(name, tensor, persistent=False)
        blocks = torch.from_numpy(forwards[:: self.block] // self.block)
        self.register_buffer("blocks_forwards", blocks, persistent=False)
        last = frontend.n_fft // self.block - 1
        self.register_buffer("blocks_backwards", last - blocks, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        with torch.autocast(waveform.device.type, enabled=False):
            mel = self.compute_mel_power(*self.frame(waveform.float()))
            return self.compress(mel).transpose(1, 2)

    def frame(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Pre-emphasise, pad, cut and window: two quarters of each frame, (n, n_frames, N/2).

        Returns them forwards (x above) and backwards (r).
        """
        settings = self.frontend
        if settings.preemphasis:
            waveform = waveform[:, 1:] - settings.preemphasis * waveform[:, :-1]
        blocks = self.reflect(waveform).reshape(waveform.shape[0], -1, self.block)
        n_frames = waveform.shape[1] // settings.hop_length + 1
        step = settings.hop_length // self.block
        starts = torch.arange(n_frames, device=waveform.device)[:, None] * step
        forwards = blocks[:, starts + self.blocks_forwards].flatten(2)
        backwards = blocks.flip(-1)[:, starts + self.blocks_backwards].flatten(2)
        return forwards * self.window_forwards, backwards * self.window_backwards

    def reflect(self, waveform: Tensor) -> Tensor:
        """Pad by reflection of half a frame on both sides, less at the end to whole blocks."""
        half = self.frontend.n_fft // 2
        n_end = half - (waveform.shape[1] + 2 * half) % self.block
        start = waveform[:, 1 : half + 1].flip(-1)
        end = waveform[:, -half - 1 : -1].flip(-1)[:, :n_end]
        return torch.cat([start, waveform, end], dim=1)

    def compute_mel_power(self, forwards: Tensor, backwards: Tensor) -> Tensor:
        """Power spectrum of the frames, summed over mel bands: (n, n_frames, n_mels)."""
        s, d = forwards + backwards, forwards - backwards
        quarter = self.frontend.n_fft // 4
        s_low, s_high = s[..., :quarter], s[..., quarter:]
        d_low, d_high = d[..., :quarter], d[..., quarter:]
        even = ((s_high + s_low) @ self.cos_even).square()
        even = even + ((d_high + d_low) @ self.sin_even).square()
        odd = ((s_high - s_low) @ self.cos_odd).square()
        odd = odd + ((d_high - d_low) @ self.sin_odd).square()
        return even @ self.mel_even + odd @ self.mel_odd

    def compress(self, mel: Tensor) -> Tensor:
        """Apply the front-end's logarithm."""
        settings = self.frontend
        if settings.log_rule == "floored_db":
            log = 10 * torch.log10(mel.clamp(min=settings.log_floor))
        else:
            log = torch.log(mel + settings.log_floor)
        return (log + settings.shift) / settings.scale
