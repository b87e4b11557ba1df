"""From a model's probabilities to a log10 likelihood ratio: the calibration that a validation fits.

Hypotheses are sets of guns. H1: one of the guns of this value (a model, a calibre, a category)
fired. H2: one of the other listed guns fired, each as probable as the next. The *score* is the
log10 ratio of the two that the network's probabilities imply; it is no likelihood ratio yet,
because networks are too sure of themselves. The calibration, fitted on recordings that the network
was not trained on, turns it into one: ``llr = slope · score + intercept``, held between bounds.
`shotprint.likelihood` fits it, ``shotprint validate`` writes it; here it is read and applied, with
NumPy only. `docs/likelihood-ratios.md` explains it all.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotprint.errors import ShotprintError

FORMAT = "shotprint-likelihood/1"
HYPOTHESES = ("model", "calibre", "category")
PAIR = "pair"
ENROLLED = "enrolled"
SCORES_AT_ONCE = 10_000  # times the number of replicates: 32 MB
MIN_PROBABILITY = 1e-9  # of a gun: smaller ones, 0 among them, are taken as this

Hypothesis = Literal["model", "calibre", "category"]
Kind = Literal["model", "calibre", "category", "pair", "enrolled"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def compute_scores(probabilities: ArrayLike, member: ArrayLike) -> Floats:
    """Return the log10 ratio that probabilities imply for each value, with equal priors of guns.

    Parameters
    ----------
    probabilities : (…, k) of the k listed guns, 0…1; each below 1e-9 counts as 1e-9
    member : (k, v), whether a gun has a value; each value has a gun, and another gun lacks it

    Returns
    -------
    (…, v): log10 of the mean probability of the value's guns over the mean of all others'.

    Raises
    ------
    ShotprintError : a value that all guns have, or none
    """
    p = np.maximum(np.asarray(probabilities, float), MIN_PROBABILITY)
    inside = np.asarray(member, float)
    n_inside, n_outside = inside.sum(axis=0), (1 - inside).sum(axis=0)
    if not (np.all(n_inside > 0) and np.all(n_outside > 0)):
        raise ShotprintError(
            "a hypothesis holds every listed gun or none; a likelihood ratio needs guns on both "
            "sides"
        )
    return np.asarray(np.log10((p @ inside / n_inside) / (p @ (1 - inside) / n_outside)))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Log10 likelihood ratios of one shape, each with its interval.

    Attributes
    ----------
    llr, low, high : the likelihood ratio and the ends of its interval, all within the bounds
    is_bounded : whether `llr` was cut off at a bound: the recordings support no stronger one
    """

    llr: Floats
    low: Floats
    high: Floats
    is_bounded: Bools


@dataclass(frozen=True)
class LikelihoodCalibration:
    """How scores become log10 likelihood ratios, and what that rests on.

    Attributes
    ----------
    hypothesis : what the values are: gun models, calibres or categories; ``pair``: scores are of
        pairs of recordings (`shotprint.pairs`), and each gun model is a value;
        ``enrolled``: scores are against the references of a gun (`shotprint.references`), and the
        values are the guns that were enrolled for the calibration
    values : label → value, for every gun that the hypotheses know
    slope, intercept : of ``llr = slope · score + intercept``; slope ≥ 0
    lower, upper : bounds of the llr (ELUB), lower ≤ 0 ≤ upper
    replicates : slope and intercept refitted on resampled groups, for the interval
    confidence : coverage of the interval, 0…1
    n_recordings, n_groups : what it was fitted on
    predictions_sha256 : of the file that it was fitted on
    """

    hypothesis: Kind
    values: Mapping[str, str]
    slope: float
    intercept: float
    lower: float
    upper: float
    replicates: Sequence[tuple[float, float]]
    confidence: float
    n_recordings: int
    n_groups: int
    predictions_sha256: str

    @property
    def h1(self) -> str:
        """What H1 says, with ``X`` for the value."""
        if self.hypothesis == PAIR:
            return "one listed gun model fired in both recordings"
        if self.hypothesis == ENROLLED:
            return "the enrolled gun X fired, or another one of its model"
        return f"a gun of the {self.hypothesis} X fired"

    @property
    def h2(self) -> str:
        """What H2 says."""
        if self.hypothesis == PAIR:
            return "two different listed gun models fired in the two recordings"
        if self.hypothesis == ENROLLED:
            return "a gun of another model fired"
        return f"one of the listed guns that are not of the {self.hypothesis} X fired"

    def score(self, probabilities: Mapping[str, float]) -> dict[str, float]:
        """Return value → score, from label → probability of one recording.

        Raises
        ------
        ShotprintError : a gun of the hypotheses has no probability
        """
        if missing := [label for label in self.values if label not in probabilities]:
            raise ShotprintError(
                f"there is no probability for {missing[0]!r}, which the likelihood ratios were "
                "calibrated with; use the calibration of this model"
            )
        names = sorted(set(self.values.values()))
        member = [[value == name for name in names] for value in self.values.values()]
        scores = compute_scores([probabilities[label] for label in self.values], member)
        return dict(zip(names, scores.tolist(), strict=True))

    def apply(self, scores: ArrayLike) -> Evidence:
        """Return the likelihood ratios of scores, any shape; ±inf ends at a bound, NaN stays."""
        scores = np.asarray(scores, float)
        free = apply_affine(scores, self.slope, self.intercept)
        blocks = np.array_split(scores.ravel(), scores.size // SCORES_AT_ONCE + 1)
        low, high = np.concatenate([self._bracket(block) for block in blocks], axis=1)
        return Evidence(
            llr=np.clip(free, self.lower, self.upper),
            low=low.reshape(scores.shape),
            high=high.reshape(scores.shape),
            is_bounded=(free < self.lower) | (free > self.upper),
        )

    def _bracket(self, scores: Floats) -> Floats:
        """Return the ends of the intervals of llrs of scores (n,): (2, n)."""
        slopes, intercepts = np.array(self.replicates or [(self.slope, self.intercept)]).T
        drawn = apply_affine(scores[:, None], slopes, intercepts)
        tail = 50 * (1 - self.confidence)
        ends = [tail, 100 - tail]
        return np.asarray(np.percentile(np.clip(drawn, self.lower, self.upper), ends, axis=1))

    def to_json(self) -> str:
        """Return the calibration as JSON text, read back by `from_json` without loss."""
        content = {"format": FORMAT, "h1": self.h1, "h2": self.h2, **dataclasses.asdict(self)}
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "LikelihoodCalibration":
        """Read what `to_json` wrote; keys that it does not know are passed over.

        Raises
        ------
        ShotprintError : not such a text, or values that no calibration has
        """
        try:
            content = json.loads(text)
            found = content.get("format")
        except (ValueError, AttributeError):
            raise ShotprintError(f"no calibration of likelihood ratios; {_EXPECTED}") from None
        if found != FORMAT:
            raise ShotprintError(f"a calibration of the format {found!r}; {_EXPECTED}")
        try:
            return _read(cls, content)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ShotprintError(
                f"a damaged calibration of likelihood ratios; {_EXPECTED}"
            ) from None


_EXPECTED = f"{FORMAT} was expected; write it with: shotprint validate"


def apply_affine(scores: ArrayLike, slope: ArrayLike, intercept: ArrayLike) -> Floats:
    """Return ``slope · scores + intercept``; with slope 0 an infinite score counts for nothing."""
    slope = np.asarray(slope, float)
    known = np.where(slope == 0, 0.0, np.asarray(scores, float))
    return np.asarray(slope * known + np.asarray(intercept, float))


def _read(cls: type[LikelihoodCalibration], content: Mapping[str, Any]) -> LikelihoodCalibration:
    """Make a calibration of JSON values; KeyError, TypeError or ValueError where one is wrong."""
    numbers = {
        name: float(content[name])
        for name in ("slope", "intercept", "lower", "upper", "confidence")
    }
    replicates = tuple((float(a), float(b)) for a, b in content["replicates"])
    values = {str(label): str(value) for label, value in content["values"].items()}
    calibration = cls(
        hypothesis=content["hypothesis"],
        values=values,
        replicates=replicates,
        n_recordings=int(content["n_recordings"]),
        n_groups=int(content["n_groups"]),
        predictions_sha256=str(content["predictions_sha256"]),
        **numbers,
    )
    finite = np.isfinite([*numbers.values(), *(end for pair in replicates for end in pair)]).all()
    in_order = calibration.lower <= 0 <= calibration.upper and calibration.slope >= 0
    if not (
        finite and in_order and 0 < calibration.confidence < 1 and len(set(values.values())) > 1
    ):
        raise ValueError("out of range")
    if calibration.hypothesis not in (*HYPOTHESES, PAIR, ENROLLED):
        raise ValueError("no such hypothesis")
    return calibration
