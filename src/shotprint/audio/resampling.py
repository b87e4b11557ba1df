"""From one sample rate to another, at once or bit by bit (soxr, quality HQ)."""

from typing import Any

import numpy as np
import soxr

from shotprint.audio.sources import Floats


class Resampler:
    """Resamples sound that arrives in pieces; joined, the output equals `resample` of the whole.

    It does not depend on where the pieces are cut. A tone below 0.91 of the lower Nyquist
    frequency stays as it is, one above that frequency vanishes.

    Parameters
    ----------
    from_hz, to_hz : the rates of what is pushed and of what is returned
    n_channels : of every piece
    """

    def __init__(self, from_hz: float, to_hz: float, n_channels: int) -> None:
        self._n_channels = n_channels
        self._stream: Any = None
        if from_hz != to_hz:
            self._stream = soxr.ResampleStream(from_hz, to_hz, n_channels)

    def push(self, waveform: Floats) -> Floats:
        """Take the next piece (n_channels, n_samples); return what is ready, maybe nothing."""
        return self._resample(waveform, last=False)

    def finish(self) -> Floats:
        """Return the rest, once, after the last piece."""
        return self._resample(np.zeros((self._n_channels, 0), np.float32), last=True)

    def _resample(self, waveform: Floats, last: bool) -> Floats:
        waveform = waveform.astype(np.float32, copy=False)
        if self._stream is None:
            return waveform
        resampled = self._stream.resample_chunk(np.ascontiguousarray(waveform.T), last=last)
        return np.ascontiguousarray(resampled.T)


def resample(waveform: Floats, from_hz: float, to_hz: float) -> Floats:
    """Return the waveform (…, n_samples) at another rate, as `Resampler` does.

    n_samples becomes n_samples · to_hz / from_hz, rounded.
    """
    if from_hz == to_hz:
        return waveform.astype(np.float32)
    flat = waveform.reshape(-1, waveform.shape[-1]).astype(np.float32, copy=False)
    resampled = soxr.resample(flat.T, from_hz, to_hz)
    return np.ascontiguousarray(resampled.T).reshape(*waveform.shape[:-1], -1)
