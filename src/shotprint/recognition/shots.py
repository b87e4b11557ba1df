"""From the sections of a recording to recognised shots, and from these to one answer."""

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import resample
from shotprint.clips import ClipRule, place_clips
from shotprint.detection import (
    DetectedShot,
    Detector,
    Heard,
    Listening,
    Reading,
    Section,
    append_shots,
    find_bursts,
)
from shotprint.detection.shots import Timed
from shotprint.errors import RecordingError
from shotprint.recognition.model import LEVEL_RULES, Floats, Model, ModelMetadata
from shotprint.recognition.results import (
    BurstResult,
    Score,
    ShotResult,
    rank_scores,
    sum_scores,
)
from shotprint.recognition.running import Run

BATCH = 4
"""Clips that a model hears at once: more make no recording faster and need more memory."""

RESAMPLING_MARGIN_S = 0.02
T = TypeVar("T")
Shot = TypeVar("Shot", bound=Timed)


@dataclass(frozen=True, eq=False)
class AnsweredShot:
    """A shot as detected; log-probabilities (n_labels,) and embedding (d,) of its clip."""

    detected: DetectedShot
    log_probabilities: Floats
    embedding: Floats

    @property
    def onset_s(self) -> float:
        return self.detected.onset_s

    @property
    def probability(self) -> float:
        return self.detected.probability


def answer_section(section: Section, detector: Detector, model: Model) -> list[AnsweredShot]:
    """Find the shots of a section and let the model hear the clips of each.

    A shot's answer is the mean over its clips: of one or two lengths, of each channel.
    """
    shots = detector.find(section)
    if not shots:
        return []
    to_hz = model.metadata.sample_rate_hz
    outputs = []
    for view in model.metadata.clip_rule.views:
        clips = cut_shots(section, shots, to_hz, view)
        answers = run_clips(model, clips.reshape(-1, clips.shape[2]))
        outputs.append([values.reshape(*clips.shape[:2], -1) for values in answers])
    per_shot, embedding = (np.concatenate(part).mean(axis=0) for part in zip(*outputs, strict=True))
    return [AnsweredShot(*each) for each in zip(shots, per_shot, embedding, strict=True)]


def run_clips(model: Model, clips: Floats) -> tuple[Floats, Floats]:
    """Return log-probabilities (n, n_labels) and embeddings (n, d) of clips (n, n_samples)."""
    normalize = LEVEL_RULES[model.metadata.level]
    outputs = [
        model.run(np.ascontiguousarray(normalize(clips[start : start + BATCH])))
        for start in range(0, len(clips), BATCH)
    ]
    log_probabilities, embeddings = (np.concatenate(part) for part in zip(*outputs, strict=True))
    return log_probabilities, embeddings


def cut_shots(
    section: Section, shots: Sequence[DetectedShot], to_hz: int, rule: ClipRule
) -> Floats:
    """Cut the clip of each shot at the model's rate: (n_channels, n_shots, n_samples).

    As `clips.cut_clips` does from the whole recording: moved inside where it would reach over an
    end of the recording, in the middle of zeros where that is shorter.
    """
    from_hz = section.sample_rate_hz
    length = round(rule.length_s * to_hz)
    begin = 0 if section.is_first else -section.start_sample  # where the recording begins, ends
    end = section.waveform.shape[1] if section.is_last else 1 << 62
    scale = to_hz / from_hz
    margin = round(RESAMPLING_MARGIN_S * from_hz)
    clips = np.zeros((len(section.waveform), len(shots), length), np.float32)
    for place, shot in enumerate(shots):
        onset = round((shot.onset_s - section.start_s) * to_hz)
        n_samples = round((end - begin) * scale)
        (start,) = place_clips(
            np.array([onset - round(begin * scale)]), n_samples, to_hz, rule
        ) + round(begin * scale)
        first = max(0, round(start / scale) - margin)
        last = round((start + length) / scale) + margin
        part = resample(section.waveform[:, first:last], from_hz, to_hz)
        shift = int(start) - round(first * scale)
        source = part[:, max(0, shift) : shift + length]
        target = max(0, -shift)
        source = source[:, : length - target]
        clips[:, place, target : target + source.shape[1]] = source
    return clips


def hear_shots(
    path: str | os.PathLike[str],
    listening: Listening,
    work: Callable[[Section], Sequence[Shot]],
    run: Run,
) -> tuple[Heard, list[Shot]]:
    """Join the shots that `work` finds in the sections of a recording; several at a time."""
    reading = Reading(path, listening, run.check)
    shots: list[Shot] = []
    for found in map_sections(reading, work, run.workers, run.ahead):
        append_shots(shots, found)
    return reading.heard, shots


def map_sections(
    sections: Iterable[Section], work: Callable[[Section], T], pool: Executor | None, ahead: int
) -> Iterator[T]:
    """Yield the work of each section in order, up to `ahead` at the same time."""
    if pool is None:
        yield from map(work, sections)
        return
    pending: deque[Future[T]] = deque()
    try:
        for section in sections:
            if section.is_last and not pending:
                yield work(section)
                continue
            pending.append(pool.submit(work, section))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


@dataclass(frozen=True)
class Answer:
    """Scores of models, calibres and categories, each the most probable first."""

    candidates: tuple[Score, ...]
    calibre: tuple[Score, ...]
    category: tuple[Score, ...]

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a result that hold it."""
        best = self.candidates[0]
        return {"label": best.label, "probability": best.probability, **vars(self)}


def answer(log_probabilities: Floats, metadata: ModelMetadata) -> Answer:
    """Join the log-probabilities (n_clips, n_labels) of clips to one answer."""
    probabilities = average(log_probabilities, metadata.calibration)
    guns = metadata.labels
    return Answer(
        candidates=rank_scores(metadata.label_names, probabilities),
        calibre=sum_scores([gun.calibre for gun in guns], probabilities),
        category=sum_scores([gun.category for gun in guns], probabilities),
    )


def average(log_probabilities: Floats, calibration: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the probabilities (n_labels,) of a recording from those of its clips.

    The mean of the log-probabilities (n_clips, n_labels), calibrated and normalised again.
    """
    if not np.isfinite(log_probabilities).all():
        raise RecordingError("the model gave no finite probabilities for it")
    logits = log_probabilities.mean(axis=0, dtype=np.float64)
    logits = logits / calibration.get("temperature", 1.0)
    odds = np.exp(logits - logits.max())
    probabilities: NDArray[np.float64] = odds / odds.sum()
    return probabilities


def to_results(
    shots: Sequence[DetectedShot], answers: Sequence[Answer] = ()
) -> tuple[tuple[ShotResult, ...], tuple[BurstResult, ...]]:
    """Return shots and bursts as results show them; no answers: they were not recognised."""
    bursts = find_bursts([shot.onset_s for shot in shots])
    of_shot = {
        shot: place
        for place, burst in enumerate(bursts)
        for shot in range(burst.first, burst.last + 1)
    }
    results = []
    for place, shot in enumerate(shots):
        gap_s = round(shot.onset_s - shots[place - 1].onset_s, 5) if place else None
        facts = dataclasses.asdict(shot)
        facts["detection_probability"] = facts.pop("probability")
        own = answers[place].fields if answers else {}
        results.append(ShotResult(**facts, gap_s=gap_s, burst=of_shot.get(place), **own))
    shown = tuple(
        BurstResult(
            onset_s=shots[burst.first].onset_s,
            end_s=shots[burst.last].end_s,
            n_shots=burst.last - burst.first + 1,
            rate_of_fire_rpm=burst.rate_rpm,
        )
        for burst in bursts
    )
    return tuple(results), shown
