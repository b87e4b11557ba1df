"""Recorders: from the pressure at the microphone to the samples in the file.

pressure → band → microphone overload → electrical noise → gain control → clipping → codec
"""

import dataclasses
import functools
import io

import numpy as np
import soundfile
from numpy.typing import NDArray

from shotprint.audio import resample
from shotprint.simulation.air import Floats


@dataclasses.dataclass(frozen=True)
class Recorder:
    """A recorder's properties; the three shipped ones are guesses at the kind, not measurements.

    Attributes
    ----------
    name, prefix : as in the CADRE set's folder and file names
    low_hz, high_hz : second-order band limits (−3 dB)
    overload_db : sound pressure at which the microphone itself saturates, dB SPL
    full_scale_db : sound pressure of full scale, dB SPL; None where the operator sets the level
        at each position
    noise_db : electrical noise before the gain control, dB below full scale (negative)
    gain_control : phones turn quiet sound up and the gain down after a loud one
    codec : "none", "transform" (a perceptual coder's effect) or "mu-law"
    codec_band_hz, codec_snr_db : what the transform coder keeps: band and signal over error
    """

    name: str
    prefix: str
    sample_rate_hz: int
    n_channels: int = 1
    low_hz: float = 20.0
    high_hz: float = 20000.0
    overload_db: float = 150.0
    full_scale_db: float | None = None
    noise_db: float = -80.0
    gain_control: bool = False
    codec: str = "none"
    codec_band_hz: float = 16000.0
    codec_snr_db: float = 18.0


ZOOM = Recorder("Zoom", "ZM", 96000, n_channels=2, low_hz=25.0, high_hz=30000.0)
SAMSUNG = Recorder(
    "Samsung", "SA", 48000,
    low_hz=90.0, high_hz=19000.0, overload_db=127.0, full_scale_db=124.0, noise_db=-76.0,
    gain_control=True, codec="transform", codec_band_hz=15500.0, codec_snr_db=16.0,
)  # fmt: skip
IPHONE = Recorder(
    "iPhone", "IP", 48000,
    low_hz=60.0, high_hz=17000.0, overload_db=131.0, full_scale_db=128.0, noise_db=-80.0,
    gain_control=True, codec="transform", codec_band_hz=17000.0, codec_snr_db=20.0,
)  # fmt: skip
RECORDERS = {recorder.name: recorder for recorder in (ZOOM, SAMSUNG, IPHONE)}


def apply_recorder(
    pressure_pa: Floats,
    recorder: Recorder,
    rng: np.random.Generator,
    full_scale_db: float | None = None,
) -> Floats:
    """Record a sound: band, overload, noise, gain control, clipping, codec.

    Parameters
    ----------
    pressure_pa : (n_channels, n_samples) at the recorder's rate
    full_scale_db : the level set by the operator; needed where the recorder has none of its own

    Returns
    -------
    (n_channels, n_samples) float32, −1 … 1
    """
    band = band_response(pressure_pa.shape[-1], recorder)
    heard = np.fft.irfft(np.fft.rfft(pressure_pa) * band, pressure_pa.shape[-1])
    return digitise(heard, recorder, rng, full_scale_db)


@functools.lru_cache(maxsize=8)
def band_response(n_samples: int, recorder: Recorder) -> NDArray[np.complex128]:
    """Return the response of a recorder's second-order Butterworth high-pass and low-pass.

    At the frequencies of ``rfft`` of `n_samples`: applied to a whole recording it is circular,
    what rings past the end comes back at the start.
    """
    s = 1j * np.fft.rfftfreq(n_samples, 1.0 / recorder.sample_rate_hz)
    low, high = s / recorder.low_hz, s / recorder.high_hz
    high_pass = low**2 / (1.0 + np.sqrt(2.0) * low + low**2)
    return np.asarray(high_pass / (1.0 + np.sqrt(2.0) * high + high**2))


def digitise(
    pressure_pa: Floats,
    recorder: Recorder,
    rng: np.random.Generator,
    full_scale_db: float | None = None,
) -> Floats:
    """Do all that `apply_recorder` does except for the band."""
    level_db = recorder.full_scale_db if full_scale_db is None else full_scale_db
    if level_db is None:
        raise ValueError(f"{recorder.name} has no full scale of its own; give full_scale_db")
    waveform = overload(pressure_pa, _level_to_pa(recorder.overload_db)) / _level_to_pa(level_db)
    waveform += 10.0 ** (recorder.noise_db / 20.0) * rng.standard_normal(waveform.shape)
    if recorder.gain_control:
        waveform = control_gain(waveform, recorder.sample_rate_hz)
    waveform = np.clip(waveform, -1.0, 1.0)
    if recorder.codec == "transform":
        waveform = apply_transform_codec(
            waveform, recorder.sample_rate_hz, recorder.codec_band_hz, recorder.codec_snr_db
        )
    elif recorder.codec == "mu-law":
        waveform = apply_mu_law(waveform)
    return np.asarray(np.clip(waveform, -1.0, 1.0), np.float32)


def overload(pressure_pa: Floats, limit_pa: float) -> Floats:
    """Saturate softly: linear up to half of `limit_pa`, then a hyperbolic tangent up to it."""
    knee_pa = 0.5 * limit_pa
    heard = pressure_pa.copy()
    loud = np.nonzero(np.abs(pressure_pa) > knee_pa)
    excess = (np.abs(pressure_pa[loud]) - knee_pa) / knee_pa
    heard[loud] = np.sign(pressure_pa[loud]) * knee_pa * (1.0 + np.tanh(excess))
    return heard


def control_gain(
    waveform: Floats,
    sample_rate_hz: float,
    target: float = 0.25,
    most_gain_db: float = 12.0,
    attack_s: float = 0.004,
    release_s: float = 0.6,
    block_s: float = 0.002,
) -> Floats:
    """Turn the gain down after a loud sound within `attack_s` and up again within `release_s`.

    The level is the peak of blocks of all channels together; the gain is linear in between. It
    starts settled on the first block. The first milliseconds of a shot pass at the old gain.

    Parameters
    ----------
    waveform : (n_channels, n_samples)
    target : peak that the gain aims at
    """
    n_samples = waveform.shape[-1]
    n_block = max(round(block_s * sample_rate_hz), 1)
    n_blocks = -(-n_samples // n_block)
    padded = np.zeros(n_blocks * n_block)
    padded[:n_samples] = np.abs(waveform).max(axis=0)
    peaks = padded.reshape(n_blocks, n_block).max(axis=1)
    wanted = np.minimum(10.0 ** (most_gain_db / 20.0), target / np.maximum(peaks, 1e-9))
    attack, release = -np.expm1(-block_s / attack_s), -np.expm1(-block_s / release_s)
    gain, gains = float(wanted[0]), np.empty(n_blocks)
    for index, goal in enumerate(wanted.tolist()):
        gains[index] = gain
        gain += (attack if goal < gain else release) * (goal - gain)
    starts = np.arange(n_blocks) * n_block
    return np.asarray(waveform * np.interp(np.arange(n_samples), starts, gains))


def apply_transform_codec(
    waveform: Floats, sample_rate_hz: float, band_hz: float, snr_db: float, n_frame: int = 512
) -> Floats:
    """Imitate a perceptual coder: drop what is above the band, round each band of each frame.

    Overlapping sine-windowed frames; the step is set by each band's own power, so weak parts of
    a band vanish and the error spreads over the frame, before the onset as well.

    Parameters
    ----------
    waveform : (n_channels, n_samples)
    snr_db : band power over the power of the rounding error
    """
    n_channels, n_samples = waveform.shape
    hop = n_frame // 2
    n_frames = n_samples // hop + 2
    padded = np.zeros((n_channels, (n_frames + 1) * hop))
    padded[:, hop : hop + n_samples] = waveform
    window = np.sin(np.pi * (np.arange(n_frame) + 0.5) / n_frame)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_frame, axis=1)[:, ::hop] * window
    spectra = _round_bands(np.fft.rfft(frames), sample_rate_hz / n_frame, band_hz, snr_db)
    frames = np.fft.irfft(spectra, n_frame) * window
    joined = np.zeros_like(padded)
    n_whole = frames.shape[1] * hop
    joined[:, :n_whole] += frames[:, :, :hop].reshape(n_channels, -1)
    joined[:, hop : hop + n_whole] += frames[:, :, hop:].reshape(n_channels, -1)
    return joined[:, hop : hop + n_samples]


def _round_bands(
    spectra: NDArray[np.complex128], step_hz: float, band_hz: float, snr_db: float
) -> NDArray[np.complex128]:
    """Round (n_channels, n_frames, n_bins) spectra, with a step for each of some 15 bands."""
    n_kept = min(int(band_hz / step_hz), spectra.shape[-1])
    edges = np.unique(np.rint(np.geomspace(1, n_kept, 17)).astype(int))[:-1]
    edges[0] = 0
    parts = np.ascontiguousarray(spectra[..., :n_kept]).view(np.float64)  # real, imaginary, …
    widths = 2 * np.diff(np.append(edges, n_kept))
    power = np.add.reduceat(parts**2, 2 * edges, axis=-1) / widths
    step = np.sqrt(12.0 * power * 10.0 ** (-snr_db / 10.0)) + 1e-12
    step = np.repeat(step, widths, axis=-1)
    coded = np.zeros_like(spectra)
    coded[..., :n_kept] = (np.rint(parts / step) * step).view(np.complex128)
    return coded


def apply_mu_law(waveform: Floats, mu: float = 255.0) -> Floats:
    """Round to the 256 steps of µ-law (the continuous form of ITU-T G.711)."""
    compressed = np.sign(waveform) * np.log1p(mu * np.abs(waveform)) / np.log1p(mu)
    rounded = np.rint(compressed * 127.0) / 127.0
    return np.asarray(np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(mu)) / mu)


TELEPHONE_HZ = 8000


def apply_telephone(waveform: Floats, sample_rate_hz: int) -> NDArray[np.float32]:
    """Return what a telephone leaves of a waveform (n_samples,): 8 kHz and GSM 06.10.

    A real coder (ETSI EN 300 961, full rate, 13 kbit/s), libsndfile's; it adds no delay.
    """
    low = resample(waveform.astype(np.float32), sample_rate_hz, TELEPHONE_HZ)
    file = io.BytesIO()
    soundfile.write(file, np.clip(low, -1, 1), TELEPHONE_HZ, format="WAV", subtype="GSM610")
    file.seek(0)
    coded, _ = soundfile.read(file, dtype="float32")
    heard = resample(coded, TELEPHONE_HZ, sample_rate_hz)
    telephoned: NDArray[np.float32] = np.zeros(len(waveform), np.float32)
    n_samples = min(len(heard), len(waveform))
    telephoned[:n_samples] = heard[:n_samples]
    return telephoned


def _level_to_pa(level_db: float) -> float:
    """Sound pressure of a level in dB re 20 µPa."""
    return float(2e-5 * 10.0 ** (level_db / 20.0))
