"""The log-mel front-ends as a torch module, for training and inside the exported model.

The discrete Fourier transform is written as matrix products, which ONNX Runtime computes as
fast as a transform of its own, after two foldings that leave a quarter of the multiplications:

1. With N samples a frame, ``a[n] = x[n] + x[n + N/2]`` holds the even frequency bins and
   ``b[n] = x[n] - x[n + N/2]`` the odd ones (decimation in frequency).
2. Cosines are even and sines odd about the middle of what is left, n → N/2 - n (the other way
   round for the odd bins), so real and imaginary parts need the sums and differences of the
   two halves alone.

`shotprint.frontends.compute_logmel` computes the same with NumPy's FFT; a test compares them.
"""

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

    def __init__(self, frontend: Frontend) -> None:
        super().__init__()
        self.frontend = frontend
        quarter = frontend.n_fft // 4  # of the N samples, after both foldings
        n = np.arange(quarter + 1)
        bins = np.arange(quarter + 1)
        even = 2 * np.pi * np.outer(n, 2 * bins) / frontend.n_fft
        odd = 2 * np.pi * np.outer(n, 2 * bins[:-1] + 1) / frontend.n_fft
        mel = mel_filterbank(frontend).astype(np.float64).T  # (n_fft // 2 + 1, n_mels)
        constants = {
            "window": window(frontend),
            "cos_even": np.cos(even),
            "sin_even": np.sin(even),
            "cos_odd": np.cos(odd),
            "sin_odd": np.sin(odd),
            "mel_even": mel[0::2],
            "mel_odd": mel[1::2],
        }
        for name, value in constants.items():
            tensor = torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        with torch.autocast(waveform.device.type, enabled=False):
            mel = self.compute_mel_power(self.frame(waveform.float()))
            return self.compress(mel).transpose(1, 2)

    def frame(self, waveform: Tensor) -> Tensor:
        """Pre-emphasise, pad by reflection, cut and window: (n, n_frames, n_fft)."""
        settings = self.frontend
        if settings.preemphasis:
            waveform = waveform[:, 1:] - settings.preemphasis * waveform[:, :-1]
        half = settings.n_fft // 2
        padded = nn.functional.pad(waveform[:, None], (half, half), mode="reflect")[:, 0]
        n_frames = waveform.shape[1] // settings.hop_length + 1
        starts = torch.arange(n_frames, device=waveform.device) * settings.hop_length
        samples = torch.arange(settings.n_fft, device=waveform.device)
        return padded[:, starts[:, None] + samples] * self.window

    def compute_mel_power(self, frames: Tensor) -> Tensor:
        """Power spectrum of the frames, summed over mel bands: (n, n_frames, n_mels)."""
        half = self.frontend.n_fft // 2
        first, second = frames[..., :half], frames[..., half:]
        real_even, imag_even = self.fold(first + second, 1)
        real_odd, imag_odd = self.fold(first - second, -1)
        even = (real_even @ self.cos_even).square() + (imag_even @ self.sin_even).square()
        odd = (real_odd @ self.cos_odd).square() + (imag_odd @ self.sin_odd).square()
        return even @ self.mel_even + odd @ self.mel_odd

    def fold(self, x: Tensor, sign: int) -> tuple[Tensor, Tensor]:
        """Fold about the middle: the parts that meet the cosines and those that meet the sines."""
        middle = x.shape[-1] // 2
        # The first sample and the middle one have no partner: each meets a zero.
        ends = torch.zeros_like(x[..., :1])
        mirrored = torch.cat([ends, x[..., middle + 1 :].flip(-1), ends], dim=-1)
        upper = sign * mirrored
        return x[..., : middle + 1] + upper, x[..., : middle + 1] - upper

    def compress(self, mel: Tensor) -> Tensor:
        """Apply the front-end's logarithm."""
        settings = self.frontend
        if settings.log_rule == "floored_db":
            log = 10 * torch.log10(mel.clamp(min=settings.log_floor))
        else:
            log = torch.log(mel + settings.log_floor)
        return (log + settings.shift) / settings.scale
