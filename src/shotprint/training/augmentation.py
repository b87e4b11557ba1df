"""What a clip could have sounded like: another recorder, level, noise, band, in torch.

Waveforms are changed in one transform to the spectrum and back, where equaliser, low-pass and
coloured noise are products and sums; spectrograms are mixed and masked. All functions draw from
the generators they are given, so that the same state gives the same batch, and change nothing
in place. Small draws come from NumPy, noise from torch, on the device of the clips. Waveforms are
of one process's share of the batch; what mixes and masks spectrograms sees the whole batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shotprint.training.devices import ALONE, Share
from shotprint.training.recipe import Recipe

EQ_POINTS = 6
EQ_LOW_HZ = 50.0
LOWPASS_HZ = (3500.0, 15000.0)
LOWPASS_ORDER = 12  # −3 dB at the corner, −36 dB an octave
NOISE_FLAT_BELOW_HZ = 100.0
MAX_CLIPPING_DB = 12.0
MAX_TIME_SHARE = 4  # a mask over time covers at most one part in so many
_TINY = 1e-6


@dataclass(frozen=True)
class Chance:
    """The random numbers of one batch: `small` for settings, `noise` for samples.

    They are drawn for the whole batch, of which a process has a `share` of n clips, so that a
    clip has the same whoever augments it.
    """

    small: np.random.Generator
    noise: torch.Generator
    share: Share = ALONE

    def uniform(self, low: float, high: float, n: int) -> NDArray[np.float64]:
        """Draw (n, 1) numbers."""
        numbers: NDArray[np.float64] = self.share.take(self.small.uniform(low, high, self._all(n)))
        return numbers

    def normal(self, spread: float, n: int, n_each: int) -> NDArray[np.float64]:
        """Draw (n, n_each) numbers around 0."""
        drawn = self.small.normal(0, spread, self._all(n, n_each))
        numbers: NDArray[np.float64] = self.share.take(drawn)
        return numbers

    def happens(self, probability: float, n: int) -> NDArray[np.bool_]:
        """Draw (n, 1) yes or no."""
        answers: NDArray[np.bool_] = self.share.take(self.happens_to_all(probability, n))
        return answers

    def happens_to_all(self, probability: float, n: int) -> NDArray[np.bool_]:
        """Draw (n, 1) yes or no for every process, (n · processes, 1)."""
        return self.small.random(self._all(n)) < probability

    def _all(self, n: int, n_each: int = 1) -> tuple[int, int]:
        return n * self.share.world, n_each


def make_chance(
    seeds: tuple[int, ...], device: torch.device | str = "cpu", share: Share = ALONE
) -> Chance:
    """Return the generators that belong to `seeds`, such as (seed, epoch, batch)."""
    sequence = np.random.SeedSequence(seeds)
    noise = torch.Generator(device)
    noise.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return Chance(np.random.default_rng(sequence), noise, share)


def normalize_batch(waveforms: Tensor) -> Tensor:
    """Do as `clips.normalize_level` does: mean 0 and peak 0.5, (n, n_samples)."""
    centred = waveforms - waveforms.mean(dim=1, keepdim=True)
    return 0.5 * centred / centred.abs().amax(dim=1, keepdim=True).clamp(min=_TINY)


def augment_waveforms(
    waveforms: Tensor, sample_rate_hz: int, recipe: Recipe, chance: Chance
) -> Tensor:
    """Filter, add noise, clip and change the level of each clip, (n, n_samples) float32.

    The level is set as by `normalize_batch` before and after, then changed by `gain_db`.
    """
    n, length = waveforms.shape
    waveforms = normalize_batch(waveforms)
    frequency_hz = torch.fft.rfftfreq(length, 1 / sample_rate_hz, device=waveforms.device)
    equaliser = draw_equaliser_db(n, frequency_hz, recipe, chance)
    lowpass = draw_lowpass_db(n, frequency_hz, recipe.lowpass_probability, chance)
    filters = [response for response in (equaliser, lowpass) if response is not None]
    if filters or recipe.noise_probability:
        spectrum = torch.fft.rfft(waveforms)
        for response_db in filters:
            spectrum *= torch.exp(response_db * (np.log(10) / 20))
        spectrum = add_noise(spectrum, frequency_hz, recipe, chance)
        waveforms = torch.fft.irfft(spectrum, length)
    waveforms = clip_peaks(waveforms, recipe.clipping_probability, chance)
    level = 10 ** (chance.uniform(-recipe.gain_db, recipe.gain_db, n) / 20)
    return normalize_batch(waveforms) * _like(level, waveforms)


def draw_equaliser_db(
    n: int, frequency_hz: Tensor, recipe: Recipe, chance: Chance
) -> Tensor | None:
    """Draw smooth responses in dB, (n, n_frequencies), or None where all are flat.

    Normal at `EQ_POINTS` frequencies an equal ratio apart, from 50 Hz (and below) to the
    highest, linear over the logarithm of frequency in between.
    """
    points = chance.normal(recipe.eq_db, n, EQ_POINTS)
    points *= chance.happens(recipe.eq_probability, n)
    if not points.any():
        return None
    ratio = torch.log(frequency_hz.clamp(min=EQ_LOW_HZ) / EQ_LOW_HZ)
    position = ratio / ratio[-1] * (EQ_POINTS - 1)
    index = torch.arange(EQ_POINTS, device=position.device)
    hats = (1 - (position - index[:, None]).abs()).clamp(min=0)
    return _like(points, position) @ hats


def draw_lowpass_db(
    n: int, frequency_hz: Tensor, probability: float, chance: Chance
) -> Tensor | None:
    """Draw Butterworth low-passes in dB, (n, n_frequencies), or None where there are none."""
    is_on = chance.happens(probability, n)
    corner_hz = np.where(
        is_on, np.exp(chance.uniform(np.log(LOWPASS_HZ[0]), np.log(LOWPASS_HZ[1]), n)), np.inf
    )
    if not is_on.any():
        return None
    ratio = frequency_hz / _like(corner_hz, frequency_hz)
    return -10 * torch.log10(1 + ratio**LOWPASS_ORDER)


def add_noise(spectrum: Tensor, frequency_hz: Tensor, recipe: Recipe, chance: Chance) -> Tensor:
    """Add noise of a drawn level and colour to some spectra, (n, n_frequencies) complex.

    Its amplitude falls as 1 / frequency to the power of 0 … 1 above 100 Hz; the ratio of the
    powers of clip and noise is between `noise_snr_min_db` and `noise_snr_max_db`.
    """
    n = len(spectrum)
    all_on = chance.happens_to_all(recipe.noise_probability, n)[:, 0]
    is_on = chance.share.take(all_on)
    snr_db = chance.uniform(recipe.noise_snr_min_db, recipe.noise_snr_max_db, n)[is_on]
    slope = chance.uniform(0, 1, n)[is_on]
    if not is_on.any():
        return spectrum
    octaves = torch.log(frequency_hz.clamp(min=NOISE_FLAT_BELOW_HZ) / NOISE_FLAT_BELOW_HZ)
    colour = torch.exp(-_like(slope, frequency_hz) * octaves)
    noisy = torch.from_numpy(np.flatnonzero(is_on)).to(spectrum.device)
    signal_power = torch.view_as_real(spectrum)[noisy].square().sum(dim=(1, 2))
    level = (signal_power / colour.square().sum(dim=1)).sqrt()[:, None]
    level = level * _like(10 ** (-snr_db / 20), level)
    noise = torch.randn(  # complex, of power 1
        (int(all_on.sum()), len(frequency_hz)),
        generator=chance.noise,
        device=spectrum.device,
        dtype=spectrum.dtype,
    )
    if chance.share.world > 1:  # of all clips with noise, those of this process
        noise = noise[chance.share.take(np.cumsum(all_on) - 1)[is_on]]
    return spectrum.index_add(0, noisy, noise.mul_(colour.mul_(level)))


def clip_peaks(waveforms: Tensor, probability: float, chance: Chance) -> Tensor:
    """Clip some clips at a level 0 to 12 dB below their peak, (n, n_samples)."""
    n = len(waveforms)
    below_db = np.where(chance.happens(probability, n), chance.uniform(0, MAX_CLIPPING_DB, n), 0.0)
    if not below_db.any():
        return waveforms
    limit = waveforms.abs().amax(dim=1, keepdim=True) * _like(10 ** (-below_db / 20), waveforms)
    return torch.maximum(torch.minimum(waveforms, limit), -limit)


def mix_styles(logmel: Tensor, recipe: Recipe, chance: Chance) -> Tensor:
    """Mix mean and spread over time of each band with another clip's, (n, n_mels, n_frames).

    Freq-MixStyle (Kim et al., "Domain generalization with relaxed instance frequency-wise
    normalization", Interspeech 2022): the channel moves, the event stays. Whole batches are
    mixed or not.
    """
    if chance.small.random() >= recipe.mixstyle_probability:
        return logmel
    alpha = recipe.mixstyle_alpha
    share = _like(chance.small.beta(alpha, alpha, (len(logmel), 1, 1)), logmel)
    partner = _permutation(logmel, chance)
    mean, spread = logmel.mean(dim=2, keepdim=True), logmel.std(dim=2, keepdim=True) + _TINY
    new_mean = share * mean + (1 - share) * mean[partner]
    new_spread = share * spread + (1 - share) * spread[partner]
    return (logmel - mean) / spread * new_spread + new_mean


def mix_up(logmel: Tensor, targets: Tensor, alpha: float, chance: Chance) -> tuple[Tensor, Tensor]:
    """Mix each clip and its target with another's, the larger share its own.

    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018, on spectrograms.

    Parameters
    ----------
    logmel : (n, n_mels, n_frames)
    targets : (n, n_labels)
    alpha : of the beta distribution of the shares; 0: nothing is mixed
    """
    if not alpha:
        return logmel, targets
    drawn = chance.small.beta(alpha, alpha, (len(logmel), 1))
    share = _like(np.maximum(drawn, 1 - drawn), logmel)
    partner = _permutation(logmel, chance)
    mixed = torch.lerp(logmel[partner], logmel, share[..., None])
    return mixed, torch.lerp(targets[partner], targets, share)


def mask_spectrograms(
    logmel: Tensor, n_masks: int, max_bands: int, max_frames: int, chance: Chance
) -> Tensor:
    """Set stretches of bands and of frames to the mean of the clip, (n, n_mels, n_frames).

    Park et al., "SpecAugment", Interspeech 2019. Each of `n_masks` masks an axis is 0 to
    `max_bands` or `max_frames` wide.
    """
    n, n_mels, n_frames = logmel.shape
    bands = _draw_masks(n, n_mels, n_masks, min(max_bands, n_mels), chance)
    frames = _draw_masks(n, n_frames, n_masks, min(max_frames, n_frames), chance)
    masked = torch.from_numpy(bands[:, :, None] | frames[:, None, :]).to(logmel.device)
    return torch.where(masked, logmel.mean(dim=(1, 2), keepdim=True), logmel)


def _draw_masks(
    n: int, size: int, n_masks: int, max_width: int, chance: Chance
) -> NDArray[np.bool_]:
    """Draw which of `size` places are masked: (n, size)."""
    width = chance.small.integers(0, max_width + 1, (n, n_masks, 1))
    start = chance.small.integers(0, size - width + 1)
    place = np.arange(size)
    is_covered = (place >= start) & (place < start + width)
    masked: NDArray[np.bool_] = is_covered.sum(axis=1) > 0
    return masked


def _permutation(like: Tensor, chance: Chance) -> Tensor:
    return torch.from_numpy(chance.small.permutation(len(like))).to(like.device)


def _like(values: NDArray[np.floating], tensor: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(tensor.device, torch.float32)
