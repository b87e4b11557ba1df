"""How near a shot is to the reference shots of a gun that no network was trained on.

In the embedding space of a network, standardised with the mean and the standard deviation of its
training shots, x is the direction of a questioned shot, r the mean direction of the reference
shots, and c_k those of the listed models. If shots scatter around the direction of their gun by a
von Mises–Fisher distribution of concentration κ, the log10 ratio of "the reference gun" to
"a listed model, each as probable" is

    score = log10( exp(κ cos(x, r)) / mean over k of exp(κ cos(x, c_k)) )

So a sound that is near to everything gains nothing by it. Like any score it becomes a likelihood
ratio only by calibration (``shotprint calibrate-enrolment``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotprint.errors import ShotprintError

CONCENTRATION = 10.0  # κ; its exact value matters little, for scores are calibrated
_TINY = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceSpace:
    """The space in which shots are compared with references.

    Attributes
    ----------
    mean, scale : (d,) of embeddings of training shots; scale above 0
    labels, cohort : of the listed models, and the mean direction (k, d) of each, of length 1
    """

    mean: Floats
    scale: Floats
    labels: tuple[str, ...]
    cohort: Floats

    def point(self, embeddings: ArrayLike) -> Floats:
        """Return the directions (…, d) of embeddings (…, d), of length 1."""
        return _normalize((np.asarray(embeddings, float) - self.mean) / self.scale)

    def join(self, embeddings: ArrayLike) -> Floats:
        """Return the mean direction (d,) of reference embeddings (n, d), n at least 1."""
        return _normalize(self.point(embeddings).mean(axis=0))

    def score(
        self, questioned: ArrayLike, references: ArrayLike, without: Sequence[str] = ()
    ) -> Floats:
        """Return the score (…) of embeddings (…, d) against references (n, d).

        Parameters
        ----------
        without : listed models that do not count, such as that of the reference gun itself

        Raises
        ------
        ShotprintError : no listed model would be left
        """
        kept = [label not in without for label in self.labels]
        if not any(kept):
            raise ShotprintError(
                "no other listed model is left to compare with; use a model that knows two or more"
            )
        directions = self.point(questioned)
        near = np.exp(CONCENTRATION * (directions @ self.cohort[kept].T)).mean(axis=-1)
        own = CONCENTRATION * (directions @ self.join(references))
        return np.asarray((own - np.log(near)) / np.log(10))

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON values of six digits."""
        rows = zip(self.labels, self.cohort, strict=True)
        return {
            "mean": _round_all(self.mean),
            "scale": _round_all(self.scale),
            "cohort": {label: _round_all(row) for label, row in rows},
        }

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> "ReferenceSpace":
        """Read what `to_mapping` wrote; KeyError, TypeError or ValueError where it is damaged."""
        cohort = np.array(list(content["cohort"].values()), float)
        mean, scale = (np.array(content[name], float) for name in ("mean", "scale"))
        if cohort.shape[1:] != mean.shape or mean.shape != scale.shape or not (scale > 0).all():
            raise ValueError("sizes that do not fit")
        return cls(mean, scale, tuple(content["cohort"]), _normalize(cohort))


def fit_space(embeddings: ArrayLike, labels: Sequence[str]) -> ReferenceSpace:
    """Return the space of the training shots of a network.

    Parameters
    ----------
    embeddings : (n, d)
    labels : (n,) the model that fired each
    """
    embeddings, truth = np.asarray(embeddings, float), np.asarray(labels)
    mean, scale = embeddings.mean(axis=0), embeddings.std(axis=0) + 1e-6
    directions = _normalize((embeddings - mean) / scale)
    names = tuple(sorted(set(truth.tolist())))
    cohort = np.stack([directions[truth == name].mean(axis=0) for name in names])
    return ReferenceSpace(mean, scale, names, _normalize(cohort))


def _normalize(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _TINY))


def _round_all(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
