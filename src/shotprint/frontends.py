"""Log-mel front-ends of the pretrained networks, in NumPy.

waveform → (pre-emphasis) → frames → window → power spectrum → mel bands → logarithm

Both front-ends give (…, n_mels, n_frames). `backbones.logmel` is the same in torch, built from
`window` and `mel_filterbank` of this module; a test holds them together.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shotprint.errors import ShotprintError

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Frontend:
    """Everything that fixes a log-mel spectrogram; see `PANNS` and `EFFICIENTAT`.

    Attributes
    ----------
    win_length : length of the Hann window in samples; zeros on both sides fill it up to `n_fft`
    periodic_window : True: period `win_length`; False: symmetric, both ends are zero
    mel_scale : ``slaney``: linear below 1 kHz, triangles in Hz of unit area ·
        ``kaldi``: logarithmic throughout, triangles in mel of unit height
    preemphasis : a in y[t] = x[t + 1] − a·x[t], which drops the first sample; 0: none
    log_rule : ``floored_db``: 10·log10(max(power, log_floor)) ·
        ``offset_ln``: ln(power + log_floor)
    shift, scale : the logarithm becomes (logarithm + shift) / scale
    """

    name: str
    sample_rate_hz: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    fmin_hz: float
    fmax_hz: float
    periodic_window: bool
    mel_scale: Literal["slaney", "kaldi"]
    preemphasis: float
    log_rule: Literal["floored_db", "offset_ln"]
    log_floor: float
    shift: float = 0.0
    scale: float = 1.0

    @property
    def min_samples(self) -> int:
        """Shortest waveform: reflection by n_fft/2 needs one sample more than it mirrors."""
        return self.n_fft // 2 + 1 + (self.preemphasis > 0)

    def count_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` give: one on the first sample, one each hop."""
        return 1 + (n_samples - (self.preemphasis > 0)) // self.hop_length


# Kong et al. 2020, "PANNs", §II-B. 32 ms window, 10 ms hop at 32 kHz; 14 kHz stays below the
# roll-off of lossy AudioSet sound; 1e-10 is −100 dB.
PANNS = Frontend(
    name="panns",
    sample_rate_hz=32000,
    n_fft=1024,
    win_length=1024,
    hop_length=320,
    n_mels=64,
    fmin_hz=50.0,
    fmax_hz=14000.0,
    periodic_window=True,
    mel_scale="slaney",
    preemphasis=0.0,
    log_rule="floored_db",
    log_floor=1e-10,
)

# Schmid et al. 2023, "Efficient Large-Scale Audio Tagging". 25 ms window, 10 ms hop at 32 kHz.
# (x + 4.5) / 5 brings the logarithm of ordinary sound to about −1…1.
EFFICIENTAT = Frontend(
    name="efficientat",
    sample_rate_hz=32000,
    n_fft=1024,
    win_length=800,
    hop_length=320,
    n_mels=128,
    fmin_hz=0.0,
    fmax_hz=15000.0,
    periodic_window=False,
    mel_scale="kaldi",
    preemphasis=0.97,
    log_rule="offset_ln",
    log_floor=1e-5,
    shift=4.5,
    scale=5.0,
)

FRONTENDS: dict[str, Frontend] = {f.name: f for f in (PANNS, EFFICIENTAT)}


def window(frontend: Frontend) -> NDArray[np.float32]:
    """Return the Hann window sin²(π·t / period), centred in zeros; shape (n_fft,)."""
    length = frontend.win_length
    period = length if frontend.periodic_window else length - 1
    hann = np.sin(np.pi * np.arange(length) / period) ** 2
    left = (frontend.n_fft - length) // 2
    right = frontend.n_fft - length - left
    return np.pad(hann, (left, right)).astype(np.float32)


def mel_filterbank(frontend: Frontend) -> NDArray[np.float32]:
    """Return the weight of each spectrum bin in each mel band; shape (n_mels, n_fft // 2 + 1).

    n_mels triangles stand on n_mels + 2 points equally spaced in mel from fmin_hz to fmax_hz.
    ``slaney`` draws them over Hz and divides each by half its width, so that noise of equal
    density fills all bands alike; ``kaldi`` draws them over mel.
    """
    bins_hz = np.linspace(0.0, frontend.sample_rate_hz / 2, frontend.n_fft // 2 + 1)
    ends_hz = np.array([frontend.fmin_hz, frontend.fmax_hz])
    if frontend.mel_scale == "slaney":
        points_hz = _slaney_to_hz(_divide(_hz_to_slaney(ends_hz), frontend.n_mels))
        half_widths_hz = (points_hz[2:] - points_hz[:-2]) / 2
        bands = _draw_triangles(bins_hz, points_hz) / half_widths_hz[:, None]
    else:
        points_mel = _divide(_hz_to_kaldi(ends_hz), frontend.n_mels)
        bands = _draw_triangles(_hz_to_kaldi(bins_hz), points_mel)
    return bands.astype(np.float32)


def compute_logmel(waveform: NDArray[np.floating[Any]], frontend: Frontend) -> NDArray[np.float32]:
    """Compute the log-mel spectrogram of one or many waveforms.

    Parameters
    ----------
    waveform : (…, n_samples), floating point, −1…1, at `frontend.sample_rate_hz`; at least
        `frontend.min_samples` long. Silence is allowed: it gives the floor of the logarithm.

    Returns
    -------
    (…, n_mels, n_frames) with `frontend.count_frames(n_samples)` frames

    Raises
    ------
    TypeError : the waveform is not floating point
    ShotprintError : it is too short, or holds NaN or infinity
    """
    waveform = _require_usable(np.asarray(waveform), frontend)
    if frontend.preemphasis:
        waveform = waveform[..., 1:] - np.float32(frontend.preemphasis) * waveform[..., :-1]
    half = frontend.n_fft // 2
    padded = np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(half, half)], mode="reflect")
    frames = sliding_window_view(padded, frontend.n_fft, axis=-1)[..., :: frontend.hop_length, :]
    spectrum = np.fft.rfft(frames * _cached_window(frontend), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
    mel_power = _cached_filterbank(frontend) @ np.swapaxes(power, -1, -2)
    return _take_logarithm(mel_power, frontend)


def _take_logarithm(mel_power: NDArray[np.float32], frontend: Frontend) -> NDArray[np.float32]:
    """Apply `log_rule`, `shift` and `scale`."""
    floor = np.float32(frontend.log_floor)
    if frontend.log_rule == "floored_db":
        logarithm = 10 * np.log10(np.maximum(mel_power, floor))
    else:
        logarithm = np.log(mel_power + floor)
    return (logarithm + np.float32(frontend.shift)) / np.float32(frontend.scale)


def _require_usable(waveform: NDArray[np.floating[Any]], frontend: Frontend) -> NDArray[np.float32]:
    """Return the waveform as float32, or raise what is wrong with it."""
    if not np.issubdtype(waveform.dtype, np.floating):
        raise TypeError(
            f"the waveform is {waveform.dtype}, expected float32 in −1…1; "
            "divide int16 samples by 32768"
        )
    if waveform.ndim == 0 or waveform.shape[-1] < frontend.min_samples:
        raise ShotprintError(
            f"a waveform of shape {waveform.shape} is too short for the {frontend.name} "
            f"front-end: expected (…, n_samples) with at least {frontend.min_samples} samples; "
            "pad it with zeros"
        )
    if not np.isfinite(waveform).all():
        raise ShotprintError(
            "the waveform holds NaN or infinite samples, expected numbers in −1…1; "
            "replace them or leave the recording out"
        )
    return waveform.astype(np.float32, copy=False)


def _divide(ends_mel: Float64Array, n_mels: int) -> Float64Array:
    """Return the corners of `n_mels` half-overlapping triangles between two ends."""
    return np.linspace(ends_mel[0], ends_mel[1], n_mels + 2, dtype=np.float64)


def _draw_triangles(positions: Float64Array, points: Float64Array) -> Float64Array:
    """Return triangle i at `positions`: 0 at point i, 1 at i + 1, 0 at i + 2 and beyond."""
    left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
    rising = (positions - left) / (centre - left)
    falling = (right - positions) / (right - centre)
    return np.maximum(0.0, np.minimum(rising, falling))


# Slaney, Auditory Toolbox (1998): 15 mel = 1000 Hz, linear below; above it 27 steps make 6.4 times.
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = 15.0
_SLANEY_LOG_STEP = np.log(6.4) / 27


def _hz_to_slaney(hz: Float64Array) -> Float64Array:
    linear = hz * (_SLANEY_BREAK_MEL / _SLANEY_BREAK_HZ)
    above = np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ
    logarithmic = _SLANEY_BREAK_MEL + np.log(above) / _SLANEY_LOG_STEP
    return np.where(hz < _SLANEY_BREAK_HZ, linear, logarithmic)


def _slaney_to_hz(mel: Float64Array) -> Float64Array:
    linear = mel * (_SLANEY_BREAK_HZ / _SLANEY_BREAK_MEL)
    above = np.maximum(mel - _SLANEY_BREAK_MEL, 0.0)
    logarithmic = _SLANEY_BREAK_HZ * np.exp(above * _SLANEY_LOG_STEP)
    return np.where(mel < _SLANEY_BREAK_MEL, linear, logarithmic)


def _hz_to_kaldi(hz: Float64Array) -> Float64Array:
    # mel = 1127·ln(1 + f / 700) (O'Shaughnessy 1987); triangles are the same without the factor.
    mel: Float64Array = np.log1p(hz / 700.0)
    return mel


_cached_window = functools.lru_cache(window)
_cached_filterbank = functools.lru_cache(mel_filterbank)
