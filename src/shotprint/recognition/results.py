"""Answers, and the JSON in which they leave: schema ``shotprint/1`` (see ``docs/json.md``)."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import shotprint

SCHEMA = "shotprint/1"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Score:
    """The probability of a label, a calibre or a category."""

    label: str
    probability: float


@dataclass(frozen=True)
class RecordingResult:
    """The answer for one recording; where `error` is set, there is none.

    Attributes
    ----------
    path : as given on the command line, or below a given folder
    sha256 : of the file; None: its bytes cannot be read
    duration_s, sample_rate_hz, channels : of the recording itself, not of the model's input
    candidates, calibre, category : the most probable first; each sums to one
    shots : one mapping a shot; empty: none was looked for
    warnings : what makes the answer doubtful, such as a file that is cut short
    """

    path: str
    sha256: str | None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    error: str | None = None
    label: str | None = None
    probability: float | None = None
    candidates: tuple[Score, ...] | None = None
    calibre: tuple[Score, ...] | None = None
    category: tuple[Score, ...] | None = None
    shots: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answered, by the hash of its file."""

    name: str
    version: str
    sha256: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """The answers of one run and what is needed to repeat them."""

    model: ModelIdentity
    settings: Mapping[str, Any]
    recordings: tuple[RecordingResult, ...]

    def to_json(self) -> str:
        """Return the document, one line a recording; the same input gives the same bytes."""
        head = {
            "schema": SCHEMA,
            "shotprint": shotprint.__version__,
            "model": vars(self.model),
            "settings": self.settings,
        }
        lines = [f'"{name}": {_dump(value)},' for name, value in head.items()]
        recordings = ",\n".join(_dump(_to_mapping(recording)) for recording in self.recordings)
        return "\n".join(["{", *lines, '"recordings": [', recordings, "]}", ""])


def rank_scores(labels: Sequence[str], probabilities: NDArray[np.float64]) -> tuple[Score, ...]:
    """Return the scores, the highest first; equal ones in the order of the labels."""
    order = np.argsort(-probabilities, kind="stable").tolist()
    return tuple(Score(labels[i], float(probabilities[i])) for i in order)


def sum_scores(kinds: Sequence[str], probabilities: NDArray[np.float64]) -> tuple[Score, ...]:
    """Return the sums of the probabilities over labels of one kind, the highest first.

    Parameters
    ----------
    kinds : the calibre or category of each label; empty ones count together as ``unknown``
    """
    names = [kind or UNKNOWN for kind in kinds]
    distinct = list(dict.fromkeys(names))
    sums = [
        math.fsum(p for p, name in zip(probabilities.tolist(), names, strict=True) if name == kind)
        for kind in distinct
    ]
    return rank_scores(distinct, np.array(sums))


def _to_mapping(result: RecordingResult) -> dict[str, Any]:
    def show(scores: tuple[Score, ...] | None) -> list[dict[str, Any]] | None:
        if scores is None:
            return None
        return [{"label": s.label, "probability": _round(s.probability)} for s in scores]

    content = dict(vars(result))
    content["path"] = printable(result.path)
    content["error"] = None if result.error is None else printable(result.error)
    content["probability"] = None if result.probability is None else _round(result.probability)
    for name in ("candidates", "calibre", "category"):
        content[name] = show(content[name])
    return content


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _round(probability: float) -> float:
    """Keep eight digits: the last ones of float32 sums differ between processors."""
    return float(f"{probability:.8g}")


def printable(path: str) -> str:
    """Return a path as valid Unicode; bytes of a name that are no UTF-8 become ``\\udc..``."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
