"""Are probabilities as often right as they say? And fitting what makes them so.

Expected calibration error (ECE) here: recordings sorted by the probability of their answer, cut
into ten bins of equal size, and the mean over the bins of |accuracy − mean probability|, weighted
by size (M. P. Naeini et al., AAAI 2015, with bins of equal mass). With a few hundred recordings
even a perfect forecaster shows an ECE of a few hundredths.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.calibration import apply_calibration
from shotprint.evaluation.classification import compute_log_loss
from shotprint.evaluation.intervals import Resampling

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_BINS = 10
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
SEARCH_STEPS = 60
_TINY = 1e-6
_GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Bin:
    """A bin of a reliability diagram: how many, their mean probability, how many are right."""

    n: int
    mean_probability: float
    n_correct: int


def bin_reliability(
    confidence: Floats, correct: NDArray[np.bool_], n_bins: int = N_BINS
) -> list[Bin]:
    """Return bins of equal mass, the least probable first; fewer where there are fewer answers.

    Parameters
    ----------
    confidence, correct : (n,) the probability of each answer, and whether it is right
    """
    order = np.argsort(confidence, kind="stable")
    return [
        Bin(len(part), float(confidence[part].mean()), int(correct[part].sum()))
        for part in np.array_split(order, n_bins)
        if len(part)
    ]


def compute_ece(confidence: Floats, correct: NDArray[np.bool_], n_bins: int = N_BINS) -> float:
    """Return the expected calibration error over bins of equal mass; NaN with no answer."""
    bins = bin_reliability(confidence, correct, n_bins)
    if not bins:
        return float("nan")
    return sum(abs(b.n_correct - b.n * b.mean_probability) for b in bins) / len(confidence)


def compute_brier(probabilities: Floats, truth: Ints) -> float:
    """Return the mean squared distance of probabilities (n, k) from the truth, 0…2.

    G. W. Brier, Monthly Weather Review 78 (1950), for several classes; NaN with no recording.
    """
    if not len(truth):
        return float("nan")
    targets = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - targets) ** 2).sum(axis=1).mean())


def describe_calibration(
    probabilities: Floats, truth: Ints, groups: NDArray[Any], resampling: Resampling
) -> dict[str, Any]:
    """Return ECE, Brier score and log-loss with intervals, and the bins of a diagram.

    Parameters
    ----------
    probabilities : (n, k)
    truth : (n,) codes
    groups : (n,) what a resample draws whole
    """
    figures: dict[str, Callable[[Floats, Ints], float]] = {
        "log_loss": compute_log_loss,
        "brier": compute_brier,
        "ece": _compute_answer_ece,
    }
    described = {
        name: {
            "value": compute(probabilities, truth),
            "bootstrap": _bootstrap(compute, probabilities, truth, (groups, resampling)),
        }
        for name, compute in figures.items()
    }
    correct = probabilities.argmax(axis=1) == truth
    bins = bin_reliability(probabilities.max(axis=1), correct)
    return {**described, "n": len(truth), "bins": [vars(each) for each in bins]}


def fit_temperature(log_probabilities: Floats, truth: Ints) -> float:
    """Return the temperature with the least log-loss, 0.05…20.

    Parameters
    ----------
    log_probabilities : (n, k), of single clips
    truth : (n,) codes
    """

    def lose(log_temperature: float) -> float:
        calibration = {"temperature": float(np.exp(log_temperature))}
        return _lose(log_probabilities, np.ones(len(truth)), truth, calibration)

    return float(np.exp(minimize(lose, np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE))))


def fit_correlation(means: Floats, n_clips: Ints, truth: Ints, temperature: float) -> float:
    """Return how much the clips of a recording repeat each other, 0…1, by the least log-loss.

    Parameters
    ----------
    means : (n, k) mean log-probabilities of the clips of each recording
    n_clips, truth : (n,)
    """

    def lose(correlation: float) -> float:
        return _lose(
            means, n_clips, truth, {"temperature": temperature, "correlation": correlation}
        )

    return minimize(lose, 0.0, 1.0)


def measure_correlation(evidence: Floats, groups: NDArray[Any]) -> float:
    """Return how much the recordings of one group are alike in their evidence, 0…1.

    The intraclass correlation by one-way analysis of variance with groups of unequal size (A.
    Donner, International Statistical Review 54, 1986, eq. 2.1); 1, that is, they only repeat each
    other, where no group has two.

    Parameters
    ----------
    evidence, groups : (n,)
    """
    _, codes = np.unique(groups, return_inverse=True)
    sizes = np.bincount(codes)
    n, n_groups = len(evidence), len(sizes)
    if n_groups < 2 or n == n_groups:
        return 1.0
    means = np.bincount(codes, evidence) / sizes
    between = float((sizes * (means - evidence.mean()) ** 2).sum()) / (n_groups - 1)
    within = float(((evidence - means[codes]) ** 2).sum()) / (n - n_groups)
    usual_size = (n - float((sizes**2).sum()) / n) / (n_groups - 1)
    total = between + (usual_size - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 1.0


def fit_calibration(
    clips: Sequence[NDArray[Any]], truth: Ints, groups: NDArray[Any]
) -> Mapping[str, Any]:
    """Fit temperature and correlations, as `shotprint.calibration` applies them.

    Parameters
    ----------
    clips : of each recording the log-probabilities (n_clips, k) of its clips, by a network that
        did not hear its group
    truth, groups : (n_recordings,)
    """
    n_clips = np.array([len(each) for each in clips])
    means = np.stack([each.mean(axis=0) for each in clips])
    temperature = fit_temperature(np.concatenate(clips), np.repeat(truth, n_clips))
    correlation = fit_correlation(means, n_clips, truth, temperature)
    calibration = {
        "method": "temperature",
        "temperature": round(temperature, 4),
        "correlation": round(correlation, 4),
    }
    of_truth = apply_calibration(means, n_clips, calibration)[np.arange(len(truth)), truth]
    log_odds = np.log(np.maximum(of_truth, _TINY) / np.maximum(1 - of_truth, _TINY))
    source_correlation = measure_correlation(log_odds, groups)
    return {**calibration, "source_correlation": round(source_correlation, 4)}


def _compute_answer_ece(probabilities: Floats, truth: Ints) -> float:
    return compute_ece(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)


def _lose(means: Floats, n_clips: Any, truth: Ints, calibration: Mapping[str, Any]) -> float:
    return compute_log_loss(apply_calibration(means, n_clips, calibration), truth)


def _bootstrap(
    compute: Callable[[Floats, Ints], float],
    probabilities: Floats,
    truth: Ints,
    drawing: tuple[NDArray[Any], Resampling],
) -> list[float] | None:
    """Percentile interval of a figure, whole groups drawn; None with fewer than two groups."""
    groups, resampling = drawing
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    rng = np.random.default_rng(resampling.seed)
    figures = []
    for _ in range(resampling.n_resamples):
        drawn = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        figures.append(compute(probabilities[drawn], truth[drawn]))
    tail = 50 * (1 - resampling.confidence)
    low, high = np.percentile(figures, [tail, 100 - tail])
    return [float(low), float(high)]


def minimize(lose: Callable[[float], float], low: float, high: float) -> float:
    """Golden-section search for the least value in low…high, of a function with one dip."""
    for _ in range(SEARCH_STEPS):
        width = _GOLDEN * (high - low)
        if lose(high - width) <= lose(low + width):
            high = low + width
        else:
            low = high - width
    return float((low + high) / 2)
