"""Likelihood ratios of recognised recordings, by the calibrations that a model file holds."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from shotprint.errors import ShotprintError
from shotprint.evidence import PAIR, LikelihoodCalibration
from shotprint.pairs import compute_pair_scores
from shotprint.recognition.model import ModelMetadata
from shotprint.recognition.results import RecordingResult


@dataclass(frozen=True)
class Ratio:
    """A log10 likelihood ratio with its interval.

    Attributes
    ----------
    recordings : the path it is about, or the two that are compared
    value : what H1 is about; empty for two recordings
    llr, low, high : within the bounds that the validation supports
    is_bounded : whether the llr was cut off at a bound
    """

    recordings: tuple[str, ...]
    value: str
    llr: float
    low: float
    high: float
    is_bounded: bool


def find_calibration(
    metadata: ModelMetadata, hypothesis: str, path: str | os.PathLike[str] | None = None
) -> LikelihoodCalibration:
    """Return what turns probabilities into likelihood ratios, of a file or of the model.

    Raises
    ------
    ShotprintError : the file is none or about something else; the model holds none
    """
    if path is not None:
        try:
            found = LikelihoodCalibration.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ShotprintError(f"{path} cannot be read ({error})") from None
        if found.hypothesis != hypothesis:
            raise ShotprintError(
                f"{path} is about a {found.hypothesis}, not a {hypothesis}; validate with "
                f"--hypothesis {hypothesis}"
            )
        return found
    if hypothesis not in metadata.evidence:
        known = ", ".join(metadata.evidence) or "nothing"
        raise ShotprintError(
            f"the model {metadata.name} holds likelihood ratios for {known}, not for {hypothesis}; "
            "calibrate it (shotprint calibrate, export --calibration)"
        )
    return metadata.likelihoods[hypothesis]


def rate_recording(
    result: RecordingResult, calibration: LikelihoodCalibration, values: Sequence[str] = ()
) -> list[Ratio]:
    """Return the ratio of each value, the strongest first; only of `values` where some are given.

    Raises
    ------
    ShotprintError : a value that the hypotheses do not know
    """
    scores = calibration.score(_list_probabilities(result))
    for value in values:
        if value not in scores:
            raise ShotprintError(
                f"the hypotheses know no {calibration.hypothesis} {value!r}; give one of "
                f"{', '.join(scores)}"
            )
    names = list(values) or list(scores)
    found = calibration.apply([scores[name] for name in names])
    rows = zip(names, found.llr, found.low, found.high, found.is_bounded, strict=True)
    ratios = [
        Ratio((result.path,), name, float(llr), float(low), float(high), bool(bounded))
        for name, llr, low, high, bounded in rows
    ]
    return sorted(ratios, key=lambda ratio: -ratio.llr)


def compare_recordings(
    results: Sequence[RecordingResult], calibration: LikelihoodCalibration
) -> Iterator[Ratio]:
    """Yield the ratio of every two recordings: one listed model fired in both, or two did."""
    labels = tuple(calibration.values)
    rows = []
    for result in results:
        found = _list_probabilities(result)
        if set(found) != set(labels):
            raise ShotprintError(
                f"the {PAIR} calibration is for other labels than the model answers; use its own"
            )
        rows.append(np.array([found[label] for label in labels]))
    for i, j in combinations(range(len(rows)), 2):
        ratio = calibration.apply(compute_pair_scores(rows[i], rows[j]))
        yield Ratio(
            (results[i].path, results[j].path),
            "",
            float(ratio.llr),
            float(ratio.low),
            float(ratio.high),
            bool(ratio.is_bounded),
        )


def list_enrolled(result: RecordingResult) -> list[Ratio]:
    """Return the ratio of each enrolled gun, the highest first."""
    return [
        Ratio((result.path,), each.gun, each.llr, each.low, each.high, each.is_bounded)
        for each in result.enrolled or ()
    ]


def _list_probabilities(result: RecordingResult) -> Mapping[str, float]:
    return {score.label: score.probability for score in result.candidates or ()}
