"""From the mean log-probabilities of clips to calibrated probabilities.

One number, the temperature, makes the probabilities of one clip as sure as they are right: they
are divided by it (C. Guo et al., "On calibration of modern neural networks", ICML 2017). Clips of
one recording, and recordings of one gun, repeat each other's evidence: n of them count as
n / (1 + (n − 1) ρ) independent ones, where ρ is the correlation between repeats (the effective
sample size of a mean of equally correlated terms: L. Kish, "Survey Sampling", 1965, §5.4).
ρ = 1: a second clip adds nothing, ρ = 0: it counts in full.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotprint.errors import ShotprintError

Floats = NDArray[np.float64]
CORRELATIONS = ("correlation", "source_correlation", "gun_correlation")
NO_CALIBRATION: Mapping[str, Any] = {"method": "none"}


def check_calibration(name: str, calibration: Mapping[str, Any]) -> None:
    """Raise `ShotprintError` unless it is one that `apply_calibration` understands.

    Parameters
    ----------
    name : of the model, for the message
    """
    correlations = [calibration.get(key, 1.0) for key in CORRELATIONS]
    is_known = calibration.get("method") == "none" or (
        calibration.get("method") == "temperature"
        and _is_number(calibration.get("temperature"))
        and calibration["temperature"] > 0
        and all(_is_number(value) and 0 <= value <= 1 for value in correlations)
    )
    if not is_known:
        raise ShotprintError(
            f"the model {name} has the calibration {dict(calibration)}; expected method 'none', or "
            "'temperature' with a temperature above 0 and correlations of 0 to 1"
        )


def count_independent(n: ArrayLike, correlation: float) -> Floats:
    """Return how many independent pieces of evidence n equally correlated ones are worth."""
    n = np.asarray(n, float)
    return np.asarray(n / (1 + (n - 1) * correlation))


def normalize(logits: Floats) -> Floats:
    """Return the probabilities (…, k) of logits (…, k): their softmax."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def apply_calibration(means: Floats, n_clips: ArrayLike, calibration: Mapping[str, Any]) -> Floats:
    """Return the probabilities (…, k) of recordings.

    Parameters
    ----------
    means : (…, k) mean over the clips of each recording of their log-probabilities
    n_clips : (…) how many clips each mean is over
    calibration : see `ModelMetadata.calibration`
    """
    return normalize(scale_means(means, n_clips, calibration))


def scale_means(means: Floats, n_clips: ArrayLike, calibration: Mapping[str, Any]) -> Floats:
    """Return the calibrated logits (…, k); see `apply_calibration`."""
    n = count_independent(n_clips, calibration.get("correlation", 1.0))
    return np.asarray(means * (n / calibration.get("temperature", 1.0))[..., None])


def combine_recordings(logits: Floats, calibration: Mapping[str, Any]) -> Floats:
    """Return the probabilities (k,) that recordings of one gun give together.

    Parameters
    ----------
    logits : (n_recordings, k) calibrated logits of each, see `scale_means`
    calibration : its ``source_correlation`` says how much recordings of one gun repeat each other
    """
    n = count_independent(len(logits), calibration.get("source_correlation", 1.0))
    return normalize(logits.mean(axis=0) * n)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
