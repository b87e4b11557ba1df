"""Answers, and the JSON in which they leave: schema ``shotprint/1`` (see ``docs/json.md``)."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import shotprint
from shotprint.decisions import Decision
from shotprint.recognition.judgement import Measure

SCHEMA = "shotprint/1"
SHOTS_SCHEMA = "shotprint-shots/1"
UNKNOWN = "unknown"
ANSWER_FIELDS = (
    *("label", "probability", "candidates", "calibre", "category"),
    *("gunshot_probability", "decision", "resemblance", "guns", "gun", "enrolled"),
)


@dataclass(frozen=True, slots=True)
class Score:
    """The probability of a label, a calibre or a category."""

    label: str
    probability: float


@dataclass(frozen=True)
class ShotResult:
    """One shot; times in seconds on the player's clock.

    Attributes
    ----------
    onset_s, end_s, detection_probability, peak_dbfs, clipped : see `detection.DetectedShot`
    gap_s : since the onset of the shot before; None: it is the first
    burst : which of the recording's bursts it belongs to, from 0; None: none
    label, …, decision : as of a recording; None where shots were found but not recognised
    gun : which of the recording's guns fired it, all its shots taken into account; None: not asked
    """

    onset_s: float
    end_s: float
    detection_probability: float
    peak_dbfs: float
    clipped: bool
    gap_s: float | None = None
    burst: int | None = None
    label: str | None = None
    probability: float | None = None
    candidates: tuple[Score, ...] | None = None
    calibre: tuple[Score, ...] | None = None
    category: tuple[Score, ...] | None = None
    gunshot_probability: float | None = None
    decision: Decision | None = None
    gun: Score | None = None


@dataclass(frozen=True)
class GunSet:
    """Models that fired all shots of a recording, each at least one."""

    labels: tuple[str, ...]
    probability: float


@dataclass(frozen=True)
class GunsResult:
    """How many guns fired the shots of a recording, and which; see `shotprint.guns`.

    Attributes
    ----------
    n_probabilities : of 1, 2, 3 guns of different models
    sets : the most probable sets of models
    by_pairs : guns by the likelihood ratios between every two shots, and the fewest and the most
        over their intervals; None: not asked, or too many shots
    """

    n_probabilities: tuple[float, ...]
    sets: tuple[GunSet, ...]
    by_pairs: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class EnrolledRatio:
    """How much an enrolled gun is supported: a log10 likelihood ratio within its bounds.

    Attributes
    ----------
    gun : its name in the file of references
    llr, low, high : see `evidence.Evidence`
    is_bounded : whether the llr was cut off at a bound
    words : of the verbal scale in use
    """

    gun: str
    llr: float
    low: float
    high: float
    is_bounded: bool
    words: str


@dataclass(frozen=True)
class BurstResult:
    """Three or more shots in quick succession, and their rate in rounds a minute."""

    onset_s: float
    end_s: float
    n_shots: int
    rate_of_fire_rpm: float


@dataclass(frozen=True)
class RecordingResult:
    """The answer for one recording; where `error` is set, there is none.

    Attributes
    ----------
    path : as given on the command line, or below a given folder
    sha256 : of the file; None: its bytes cannot be read
    duration_s, sample_rate_hz, channels : of the recording itself, not of the model's input
    start_s : when its sound begins on the player's clock, later than 0 in some videos
    candidates, calibre, category : the most probable first; each sums to one
    gunshot_probability : that a gunshot is in it; None: the model cannot say
    decision : what may be stated of it
    resemblance : measures beside the range of the validation; None: the model states none
    guns : how many guns fired; None: fewer than two shots
    enrolled : likelihood ratio of each enrolled gun, the highest first; None: not asked for
    shots : in order of time; empty: none was looked for or found
    bursts : runs of shots in quick succession
    warnings : what makes the answer doubtful, such as a file that is cut short
    """

    path: str
    sha256: str | None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    start_s: float | None = None
    error: str | None = None
    label: str | None = None
    probability: float | None = None
    candidates: tuple[Score, ...] | None = None
    calibre: tuple[Score, ...] | None = None
    category: tuple[Score, ...] | None = None
    gunshot_probability: float | None = None
    decision: Decision | None = None
    resemblance: Mapping[str, Measure] | None = None
    guns: GunsResult | None = None
    enrolled: tuple[EnrolledRatio, ...] | None = None
    shots: tuple[ShotResult, ...] = ()
    bursts: tuple[BurstResult, ...] = ()
    warnings: tuple[str, ...] = ()


RECORDING_FIELDS = tuple(field.name for field in fields(RecordingResult))


@dataclass(frozen=True)
class CombinedResult:
    """The answer of several recordings of one gun together, as `--same-source` asks for.

    Attributes
    ----------
    n_recordings : how many it rests on
    left_out : paths of those it does not: they failed, or are no gunshots
    """

    n_recordings: int
    left_out: tuple[str, ...]
    label: str | None = None
    probability: float | None = None
    candidates: tuple[Score, ...] | None = None
    calibre: tuple[Score, ...] | None = None
    category: tuple[Score, ...] | None = None
    gunshot_probability: float | None = None
    decision: Decision | None = None


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answered, by the hash of its file."""

    name: str
    version: str
    sha256: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class DetectorIdentity:
    """Which detector found the shots, by the hash of its file, and from which probability on."""

    name: str
    version: str
    sha256: str
    threshold: float


@dataclass(frozen=True)
class Results:
    """The answers of one run and what is needed to repeat them.

    Attributes
    ----------
    detector : None: no shots were looked for
    same_source : of all recordings together; None: not asked for
    """

    model: ModelIdentity
    detector: DetectorIdentity | None
    settings: Mapping[str, Any]
    recordings: Sequence[RecordingResult]
    same_source: CombinedResult | None = None

    @property
    def head(self) -> dict[str, Any]:
        """The document without its recordings."""
        head = {
            "schema": SCHEMA,
            "shotprint": shotprint.__version__,
            "model": vars(self.model),
            "detector": None if self.detector is None else vars(self.detector),
            "settings": self.settings,
        }
        if self.same_source is not None:
            content = _show_answer(self.same_source)
            content["left_out"] = [printable(path) for path in self.same_source.left_out]
            head["same_source"] = content
        return head

    def to_json(self) -> str:
        """Return the document, one line a recording; the same input gives the same bytes."""
        return "".join(self.to_lines())

    def to_lines(self) -> Iterator[str]:
        """Yield the document piece by piece, as it can be written in bounded memory."""
        return _format_document(self.head, self.recordings, RECORDING_FIELDS)


@dataclass(frozen=True)
class Detections:
    """The shots that one run found, without a word on what fired them."""

    detector: DetectorIdentity
    settings: Mapping[str, Any]
    recordings: tuple[RecordingResult, ...]

    def to_json(self) -> str:
        """Return the document of schema ``shotprint-shots/1``, one line a recording."""
        head = {
            "schema": SHOTS_SCHEMA,
            "shotprint": shotprint.__version__,
            "detector": vars(self.detector),
            "settings": self.settings,
        }
        names = [name for name in RECORDING_FIELDS if name not in ANSWER_FIELDS]
        return "".join(_format_document(head, self.recordings, names))


def _format_document(
    head: Mapping[str, Any], recordings: Sequence[RecordingResult], names: Sequence[str]
) -> Iterator[str]:
    lines = [f'"{name}": {_dump(value)},' for name, value in head.items()]
    yield "\n".join(["{", *lines, '"recordings": [', ""])
    for number, recording in enumerate(recordings):
        yield (",\n" if number else "") + format_recording(recording, names)
    yield "\n]}\n"


def format_recording(recording: RecordingResult, names: Sequence[str] = RECORDING_FIELDS) -> str:
    """Return a line; shot after shot, or ten thousands of them would fill the memory."""
    content = _show_answer(recording)
    content["path"] = printable(recording.path)
    content["error"] = None if recording.error is None else printable(recording.error)
    content["bursts"] = [vars(burst) for burst in recording.bursts]
    if recording.guns is not None:
        by_pairs = recording.guns.by_pairs
        content["guns"] = {
            "n_probabilities": [_round(p) for p in recording.guns.n_probabilities],
            "sets": [
                {"labels": list(each.labels), "probability": _round(each.probability)}
                for each in recording.guns.sets
            ],
            "by_pairs": by_pairs and dict(zip(("n", "low", "high"), by_pairs, strict=True)),
        }
    if recording.resemblance is not None:
        content["resemblance"] = {
            name: {**vars(measure), "is_usual": measure.is_usual}
            for name, measure in recording.resemblance.items()
        }
    if recording.enrolled is None:
        names = [name for name in names if name != "enrolled"]
    else:
        content["enrolled"] = [
            {
                "gun": ratio.gun,
                "log10_lr": round(ratio.llr, 6),
                "low": round(ratio.low, 6),
                "high": round(ratio.high, 6),
                "is_bounded": ratio.is_bounded,
                "words": ratio.words,
            }
            for ratio in recording.enrolled
        ]
    del content["shots"]
    texts = {name: _dump(value) for name, value in content.items()}
    texts["shots"] = f"[{', '.join(_dump(show_shot(shot)) for shot in recording.shots)}]"
    return "{" + ", ".join(f'"{name}": {texts[name]}' for name in names) + "}"


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


def show_shot(shot: ShotResult) -> dict[str, Any]:
    """Return the fields of a shot as the JSON has them."""
    content = _show_answer(shot)
    content["detection_probability"] = _round(shot.detection_probability)
    if shot.gun is not None:
        content["gun"] = {"label": shot.gun.label, "probability": _round(shot.gun.probability)}
    if shot.label is None:
        content = {name: value for name, value in content.items() if name not in ANSWER_FIELDS}
    return content


def _show_answer(result: RecordingResult | ShotResult | CombinedResult) -> dict[str, Any]:
    """Return the fields of a result, scores as mappings."""
    content = dict(vars(result))
    for name in ("probability", "gunshot_probability"):
        content[name] = None if content[name] is None else _round(content[name])
    if result.decision is not None:
        decision = result.decision
        p = None if decision.probability is None else _round(decision.probability)
        content["decision"] = {"level": decision.level, "label": decision.label, "probability": p}
    for name in ("candidates", "calibre", "category"):
        scores = content[name]
        if scores is not None:
            content[name] = [
                {"label": s.label, "probability": _round(s.probability)} for s in scores
            ]
    return content


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _round(probability: float) -> float:
    """Keep eight digits: the last ones of float32 sums differ between processors."""
    return float(f"{probability:.8g}")


def printable(path: str) -> str:
    """Return a path as valid Unicode; bytes of a name that are no UTF-8 become ``\\udc..``."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
