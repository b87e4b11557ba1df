"""Is it a gunshot at all, and does the recording resemble those that the model was validated on?

A model file may hold a judgement (`ModelMetadata.judgement`): a logistic regression on the
model's own embedding that tells gunshots from other sounds, and for a few measures of a clip the
range in which the recordings of the validation lie. See ``docs/statements.md``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CLIP_MEASURES = ("level_dbfs", "band_hz", "clipped_share", "decay_s", "noise_db")
MEASURES = (*CLIP_MEASURES, "distance")
DESCRIPTIONS = {
    "level_dbfs": ("quieter", "louder"),
    "band_hz": ("less high frequency", "more high frequency"),
    "clipped_share": ("less clipped", "more clipped"),
    "decay_s": ("a shorter decay", "a longer decay"),
    "noise_db": ("less noise", "more noise"),
    "distance": ("nearer to the known shots", "farther from the known shots"),
}
"""Measure → in words what it is to lie below and above its range."""

FLOOR_DB = -120.0
BAND_WIDTH_HZ = 500.0
BAND_DEPTH_DB = 60.0
PEAK_PART_S = 0.1
NEAR_PEAK = 0.99
BLOCK = 64  # samples whose energy is summed first
_TINY = 1e-12


@dataclass(frozen=True)
class Measure:
    """A measure of a recording beside the range in which those of the validation lie."""

    value: float
    low: float
    high: float

    @property
    def is_usual(self) -> bool:
        """Whether it lies in the range."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a model file says of gunshots and of its validation.

    Attributes
    ----------
    mean, scale : (d,) of the embeddings of gunshots, to standardise with
    weights, bias : (d,) of the logistic regression on standardised embeddings; positive: gunshot
    known_at : below this probability of its most probable model a gun counts as unknown
    ranges : measure → low, high
    """

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float
    known_at: float
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Judgement":
        """Read it from the metadata of a model; KeyError, TypeError, ValueError: it is none."""
        names = ("mean", "scale", "weights")
        mean, scale, weights = (np.array(values[name], np.float32) for name in names)
        if not mean.shape == scale.shape == weights.shape == (len(mean),):
            raise ValueError("mean, scale and weights of a judgement differ in length")
        ranges = {name: (float(low), float(high)) for name, (low, high) in values["ranges"].items()}
        return cls(mean, scale, weights, float(values["bias"]), float(values["known_at"]), ranges)

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain values for the metadata of a model, six digits each."""
        arrays = {name: _round_all(getattr(self, name)) for name in ("mean", "scale", "weights")}
        ranges = {name: _round_all(ends) for name, ends in self.ranges.items()}
        return {**arrays, "bias": self.bias, "known_at": self.known_at, "ranges": ranges}

    def rate(self, embeddings: Floats) -> Floats:
        """Return for embeddings (n, d) the log-odds of a gunshot and the distance: (n, 2).

        The distance is the root mean square of the standardised embedding: about 1 for what is
        like the gunshots that the model knows.
        """
        standard = (embeddings - self.mean) / self.scale
        log_odds = standard @ self.weights + self.bias
        distance = np.sqrt(np.mean(standard**2, axis=1))
        return np.stack([log_odds, distance], axis=1)

    def compare(self, traits: Floats) -> dict[str, Measure]:
        """Return measures of a recording, the median over its clips, beside their ranges.

        Parameters
        ----------
        traits : (n_clips, n_traits), see `join_traits`
        """
        medians = dict(zip(MEASURES, np.median(traits[:, 1:], axis=0).tolist(), strict=True))
        return {name: Measure(medians[name], *ends) for name, ends in self.ranges.items()}


def join_traits(judgement: Judgement | None, embeddings: Floats, measures: Floats) -> Floats:
    """Return the traits of shots: log-odds of a gunshot, then `MEASURES`: (n, n_traits).

    Parameters
    ----------
    judgement : None: nothing is asked, (n, 0)
    embeddings, measures : (n, d) and (n, n_clip_measures), see `measure_clips`
    """
    if judgement is None:
        return np.zeros((len(embeddings), 0), np.float32)
    rated = judgement.rate(embeddings)
    return np.hstack([rated[:, :1], measures, rated[:, 1:]]).astype(np.float32)


def find_gunshot_probability(traits: Floats) -> float | None:
    """Return how probable it is that one of the clips (n, n_traits) is a gunshot, or None.

    The clip most like one decides: a recording may hold other sounds, too.
    """
    if not traits.shape[1]:
        return None
    return float(1 / (1 + np.exp(-float(np.clip(traits[:, 0].max(), -50, 50)))))


def explain_unusual(measures: Mapping[str, Measure]) -> tuple[str, ...]:
    """Return a warning that names what lies outside the range of the validation, if anything.

    Without values, which stand beside it, so that many recordings can share one line.
    """
    unusual = [
        DESCRIPTIONS[name][measure.value > measure.high]
        for name, measure in measures.items()
        if not measure.is_usual
    ]
    if not unusual:
        return ()
    return (
        "it is unlike the recordings that the model was validated on, whose figures may not hold "
        f"for it: {', '.join(unusual)}",
    )


def measure_clips(clips: Floats, sample_rate_hz: int, onset_at_s: float) -> Floats:
    """Return `CLIP_MEASURES` of clips (n, n_samples): (n, 5).

    ``level_dbfs`` of the peak; ``band_hz``, up to where bands of 500 Hz stay within 60 dB of the
    strongest; ``clipped_share`` of the samples of the 100 ms around the peak that come within 1 %
    of it; ``decay_s``, in which the energy still to come falls from −5 to −25 dB (M. R.
    Schroeder, JASA 37, 1965: reverberation, and shots that follow); ``noise_db``, effective value
    of what stands before the onset over the peak, at least −120.
    """
    clips = clips - clips.mean(axis=1, keepdims=True)
    places = np.abs(clips).argmax(axis=1)
    peak = np.abs(clips[np.arange(len(clips)), places])
    return np.stack(
        [
            _to_db(peak),
            _measure_band(clips, sample_rate_hz),
            _measure_clipping(clips, places, sample_rate_hz),
            _measure_decay(clips, sample_rate_hz),
            _measure_noise(clips, peak, round(0.8 * onset_at_s * sample_rate_hz)),
        ],
        axis=1,
    ).astype(np.float32)


def _measure_band(clips: Floats, sample_rate_hz: int) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(clips)
    power = spectrum.real**2 + spectrum.imag**2
    n_bins = max(1, round(BAND_WIDTH_HZ * clips.shape[1] / sample_rate_hz))
    n_bands = max(1, power.shape[1] // n_bins)
    bands = power[:, : n_bands * n_bins].reshape(len(clips), n_bands, -1).mean(axis=2)
    strong = bands >= bands.max(axis=1, keepdims=True) * 10 ** (-BAND_DEPTH_DB / 10)
    return np.asarray((n_bands - strong[:, ::-1].argmax(axis=1)) * BAND_WIDTH_HZ)


def _measure_clipping(
    clips: Floats, places: NDArray[np.int64], sample_rate_hz: int
) -> NDArray[np.float64]:
    half = round(PEAK_PART_S * sample_rate_hz / 2)
    shares = []
    for clip, place in zip(clips, places.tolist(), strict=True):
        part = np.abs(clip[max(0, place - half) : place + half])
        shares.append(float((part >= NEAR_PEAK * abs(clip[place])).mean()))
    return np.array(shares)


def _measure_decay(clips: Floats, sample_rate_hz: int) -> NDArray[np.float64]:
    if n_missing := -clips.shape[1] % BLOCK:
        clips = np.pad(clips, ((0, 0), (0, n_missing)))
    blocks = clips.reshape(len(clips), -1, BLOCK)
    gone = np.cumsum(np.einsum("ijk,ijk->ij", blocks, blocks), axis=1, dtype=np.float64)
    ends = np.array(
        [
            [_find_energy(each, total, total[-1] * (1 - 10 ** (db / 10))) for db in (-5, -25)]
            for each, total in zip(blocks, gone, strict=True)
        ]
    )
    return np.asarray((ends[:, 1] - ends[:, 0]) / sample_rate_hz)


def _find_energy(blocks: Floats, gone: NDArray[np.float64], energy: float) -> int:
    """Return the sample by which an energy is gone, of (n, BLOCK) whose energies sum to `gone`."""
    block = int(np.searchsorted(gone, energy))
    missing = energy - (gone[block - 1] if block else 0.0)
    return block * BLOCK + int(np.searchsorted(np.cumsum(blocks[block] ** 2), missing))


def _measure_noise(clips: Floats, peak: Floats, n_before: int) -> NDArray[np.float64]:
    before = clips[:, : max(1, n_before)].astype(np.float64)
    effective = np.sqrt(np.mean(before**2, axis=1))
    return _to_db(effective / np.maximum(peak, _TINY))


def _to_db(amplitudes: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(20 * np.log10(np.maximum(amplitudes, _TINY)), FLOOR_DB))


def _round_all(values: Sequence[float] | Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
