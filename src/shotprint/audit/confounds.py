"""Could a classifier cheat? How well the class is guessed from how clips were made.

The facts of a clip's file and level say nothing about a gun. If a table of them names the class
of clips that it has not seen, so can a network, which hears the same: the sample rate by where
the band ends, the length by padding, the codec by what it left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotprint.audit.records import Sound
from shotprint.evaluation.intervals import Resampling, bootstrap_over_groups, sum_by_group

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_BINS = 10
ALL = "all together"
NUMBERS = ("length", "peak level", "mean level", "end of the band")
WORDS = ("sample rate", "channels", "codec", "clipped")
MIN_CLIPPED = 10  # samples of a clip: one run or two at a peak are not heard


@dataclass(frozen=True)
class Confound:
    """How well the class is guessed from a fact, by clips of other folds.

    Attributes
    ----------
    value : mean over the classes of how often they are guessed right; blindly: `chance`
    interval : 95 %, bootstrap over groups; None with fewer than two groups
    n, n_groups : how many clips, and of how many groups
    """

    fact: str
    value: float
    interval: tuple[float, float] | None
    chance: float
    n: int
    n_groups: int

    @property
    def skill(self) -> float:
        """How far the lower end of the interval stands above chance: 0 not, 1 always right."""
        low = self.value if self.interval is None else self.interval[0]
        return (low - self.chance) / (1 - self.chance)


def list_facts(sounds: Sequence[Sound]) -> dict[str, list[str] | list[float]]:
    """Return the facts of each clip: numbers, or words."""
    return {
        "sample rate": [f"{sound.sample_rate_hz} Hz" for sound in sounds],
        "channels": [str(sound.channels) for sound in sounds],
        "codec": [f"{sound.container} {sound.codec}" for sound in sounds],
        "clipped": ["yes" if is_clipped(sound) else "no" for sound in sounds],
        "length": [sound.duration_s for sound in sounds],
        "peak level": [sound.levels.peak_dbfs for sound in sounds],
        "mean level": [sound.levels.rms_dbfs for sound in sounds],
        "end of the band": [sound.levels.band_edge_hz for sound in sounds],
    }


def is_clipped(sound: Sound) -> bool:
    """Tell whether a clip is clipped in more than a peak or two."""
    return sound.levels.clipped_samples >= MIN_CLIPPED


def measure_confounds(
    facts: Mapping[str, Sequence[str] | Sequence[float]],
    labels: Sequence[str],
    groups: Sequence[str],
    folds: Sequence[int],
) -> list[Confound]:
    """Guess the class of each fold's clips by the others', from each fact and from all.

    A fact that all clips share is left out; so is everything where there is one class only.
    Numbers are cut into at most `MAX_BINS` bins of equal count. Several facts are taken as
    independent given the class (naive Bayes), all classes as equally probable.

    Parameters
    ----------
    labels, groups, folds : of each clip
    """
    _, label = np.unique(np.array(labels), return_inverse=True)
    fold = np.asarray(folds)
    varying = {name: values for name, values in facts.items() if len(set(values)) > 1}
    if label.max(initial=0) == 0 or len(np.unique(fold)) < 2 or not varying:
        return []
    scores = {
        name: _score_classes(np.array(values), label, fold) for name, values in varying.items()
    }
    if len(scores) > 1:
        scores[ALL] = np.sum(list(scores.values()), axis=0)
    return [_rate(name, each, label, groups) for name, each in scores.items()]


def _score_classes(values: NDArray, label: Ints, fold: Ints) -> Floats:
    """Return ln p(value | class) (n, n_classes) as the other folds have it."""
    n_classes = int(label.max()) + 1
    scores = np.zeros((len(label), n_classes))
    for held_out in np.unique(fold):
        test = fold == held_out
        codes = _encode(values, ~test)
        counts = np.zeros((n_classes, int(codes.max()) + 1))
        np.add.at(counts, (label[~test], codes[~test]), 1.0)
        share = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 0.5 * counts.shape[1])
        scores[test] = np.log(share).T[codes[test]]
    return scores


def _encode(values: NDArray, training: NDArray[np.bool_]) -> Ints:
    """Return a code for each value: of the word, or of the bin as the training part cuts them."""
    if values.dtype.kind != "f":
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    quantiles = np.linspace(0, 1, MAX_BINS + 1)[1:-1]
    edges = np.unique(np.quantile(values[training], quantiles))
    codes: Ints = np.searchsorted(edges, values, side="right").astype(np.int64)
    return codes


def _rate(fact: str, scores: Floats, label: Ints, groups: Sequence[str]) -> Confound:
    """Average the probability of the right class.

    That is how often a guess is right which takes classes at random, as probable as the fact
    makes them. Always taking the most probable one would hang on ties: where five classes have
    one rate, it names one of them for all.
    """
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    right = odds[np.arange(len(label)), label] / odds.sum(axis=1)
    is_of = np.eye(scores.shape[1])[label]
    sums = sum_by_group(np.hstack([is_of * right[:, None], is_of]), groups)
    low, high = bootstrap_over_groups(sums, _mean_recall, Resampling())
    ends = (float(low[0]), float(high[0]))
    return Confound(
        fact=fact,
        value=round(float(_mean_recall(sums.sum(axis=0, keepdims=True))[0, 0]), 4),
        interval=None if np.isnan(ends).any() else (round(ends[0], 4), round(ends[1], 4)),
        chance=round(1 / scores.shape[1], 4),
        n=len(label),
        n_groups=len(sums),
    )


def _mean_recall(sums: Floats) -> Floats:
    """Return the mean recall (m, 1) over the classes that occur, of sums (m, 2 · n_classes)."""
    right, n = np.split(sums, 2, axis=1)
    recall = np.where(n > 0, right / np.maximum(n, 1), np.nan)
    means: Floats = np.nanmean(recall, axis=1, keepdims=True)
    return means
