"""From the sections of a recording to recognised shots, and from these to one answer."""

import dataclasses
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import resample
from shotprint.calibration import apply_calibration
from shotprint.clips import ClipRule, place_clips
from shotprint.decisions import LEVEL, Decision, decide
from shotprint.detection import (
    DetectedShot,
    Detector,
    Listening,
    Reading,
    Section,
    append_shots,
    find_bursts,
)
from shotprint.detection.shots import Timed
from shotprint.errors import RecordingError
from shotprint.evidence import PAIR
from shotprint.guns import CORRELATION, MAX_GUNS, cluster_shots, count_guns
from shotprint.pairs import compute_pair_scores
from shotprint.recognition.judgement import (
    find_gunshot_probability,
    join_traits,
    measure_clips,
)
from shotprint.recognition.model import LEVEL_RULES, Floats, Model, ModelMetadata
from shotprint.recognition.results import (
    BurstResult,
    GunSet,
    GunsResult,
    Score,
    ShotResult,
    rank_scores,
    sum_scores,
)
from shotprint.recognition.running import Run

BATCH = 2
"""Clips that a model hears at once: more make no recording faster and need more memory."""

RESAMPLING_MARGIN_S = 0.02
N_SETS = 5  # of guns, that a result names
MAX_PAIRED = 200  # shots that are compared with each other
T = TypeVar("T")
Shot = TypeVar("Shot", bound=Timed)


@dataclass(frozen=True, eq=False)
class AnsweredShot:
    """A shot as detected; log-probabilities (n_labels,), embedding (d,), traits of its clip.

    The traits are those of `judgement.join_traits`.
    """

    detected: DetectedShot
    log_probabilities: Floats
    embedding: Floats
    traits: Floats

    @property
    def onset_s(self) -> float:
        return self.detected.onset_s

    @property
    def probability(self) -> float:
        return self.detected.probability


def answer_section(
    section: Section,
    detector: Detector,
    model: Model,
    heard: tuple[Floats, Floats] | None = None,
) -> list[AnsweredShot]:
    """Find the shots of a section and let the model hear the clips of each.

    A shot's answer is the mean over its clips: of one or two lengths, of each channel.

    Parameters
    ----------
    heard : see `Detector.find`
    """
    shots = detector.find(section, heard)
    if not shots:
        return []
    metadata = model.metadata
    outputs = []
    for clips in cut_shots(section, shots, metadata.sample_rate_hz, metadata.clip_rule.views):
        answers = run_clips(model, clips.reshape(-1, clips.shape[2]))
        outputs.append([values.reshape(*clips.shape[:2], -1) for values in answers])
    means = [np.concatenate(part).mean(axis=0) for part in zip(*outputs, strict=True)]
    traits = join_traits(metadata.judge, *means[1:])
    return [AnsweredShot(*each) for each in zip(shots, *means[:2], traits, strict=True)]


def merge_views(outputs: Sequence[Sequence[Floats]]) -> list[Floats]:
    """Return the means over clips of different lengths around the same onsets.

    Parameters
    ----------
    outputs : of each length what a model gives, arrays (n_clips, …) each; where an end of the
        recording let two clips of one length fall together, a single mean is left
    """
    if len({len(view[0]) for view in outputs}) > 1:
        outputs = [[values.mean(axis=0, keepdims=True) for values in view] for view in outputs]
    return [np.mean(part, axis=0, dtype=np.float32) for part in zip(*outputs, strict=True)]


def join_outputs(outputs: Sequence[Sequence[Floats]], metadata: ModelMetadata) -> list[Floats]:
    """Join what a model gives for the clips of `listening.listen`, each length in turn."""
    n_views = len(metadata.clip_rule.views)
    merged = [merge_views(outputs[i : i + n_views]) for i in range(0, len(outputs), n_views)]
    return [np.concatenate(part) for part in zip(*merged, strict=True)]


def run_clips(model: Model, clips: Floats) -> tuple[Floats, Floats, Floats]:
    """Return log-probabilities (n, n_labels), embeddings (n, d) and measures of clips.

    The measures are `judgement.CLIP_MEASURES` where the model has a judgement, else (n, 0).

    Parameters
    ----------
    clips : (n, n_samples), level as recorded
    """
    metadata = model.metadata
    normalize = LEVEL_RULES[metadata.level]
    outputs = []
    for start in range(0, len(clips), BATCH):
        batch = clips[start : start + BATCH]
        measures = np.zeros((len(batch), 0), np.float32)
        if metadata.judge:
            rule = metadata.clip_rule
            measures = measure_clips(batch, metadata.sample_rate_hz, rule.onset_at_s)
        outputs.append((*model.run(np.ascontiguousarray(normalize(batch))), measures))
    log_probabilities, embeddings, measures = map(np.concatenate, zip(*outputs, strict=True))
    return log_probabilities, embeddings, measures


def cut_shots(
    section: Section, shots: Sequence[DetectedShot], to_hz: int, rules: Sequence[ClipRule]
) -> list[Floats]:
    """Cut the clips of each shot at the model's rate: (n_channels, n_shots, n_samples), one a rule.

    As `clips.cut_clips` does from the whole recording: moved inside where it would reach over an
    end of the recording, in the middle of zeros where that is shorter. What clips share is
    resampled once.
    """
    from_hz, start = section.sample_rate_hz, section.start_sample
    scale = to_hz / from_hz
    step = from_hz // math.gcd(from_hz, to_hz)  # samples that are whole samples at both rates
    n_samples = round((start + section.waveform.shape[1]) * scale) if section.is_last else 1 << 62
    onsets = np.array([round((shot.onset_s - section.offset_s) * to_hz) for shot in shots])
    begins = [place_clips(onsets, n_samples, to_hz, rule) for rule in rules]
    lengths = [round(rule.length_s * to_hz) for rule in rules]
    ends = [begin + length for begin, length in zip(begins, lengths, strict=True)]
    first, last = np.minimum.reduce(begins), np.maximum.reduce(ends)
    margin = round(RESAMPLING_MARGIN_S * from_hz)
    clips = [
        np.zeros((len(section.waveform), len(shots), length), np.float32) for length in lengths
    ]
    for run in _join_spans(first, last):
        wanted = max(0, int(first[run].min() / scale) - margin)
        from_sample = max(wanted // step, -(-start // step)) * step
        to_sample = round(int(last[run].max()) / scale) + margin
        part = resample(
            section.waveform[:, from_sample - start : to_sample - start], from_hz, to_hz
        )
        shift = from_sample // step * (to_hz * step // from_hz)
        for cut, begin, length in zip(clips, begins, lengths, strict=True):
            for shot in run:
                place = int(begin[shot]) - shift
                source = part[:, max(0, place) : max(0, place + length)]
                target = max(0, -place)
                cut[:, shot, target : target + source.shape[1]] = source
    return clips


def _join_spans(first: NDArray[np.int64], last: NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield the places of spans that overlap, first to last, in rising order."""
    run: list[int] = []
    end = 0
    for place in np.argsort(first, kind="stable").tolist():
        if run and first[place] > end:
            yield run
            run = []
        end = max(end, int(last[place])) if run else int(last[place])
        run.append(place)
    if run:
        yield run


def hear_shots(
    path: str | os.PathLike[str],
    listening: Listening,
    work: Callable[[Section], Sequence[Shot]],
    run: Run,
) -> tuple[Reading, list[Shot]]:
    """Join the shots that `work` finds in the sections of a recording; several at a time."""
    reading = Reading(path, listening, run.check)
    shots: list[Shot] = []
    for found in map_sections(reading, work, run.workers, run.ahead):
        append_shots(shots, found)
    return reading, shots


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
    """Scores of models, calibres and categories, each the most probable first; what is stated."""

    candidates: tuple[Score, ...]
    calibre: tuple[Score, ...]
    category: tuple[Score, ...]
    gunshot_probability: float | None
    decision: Decision

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a result that hold it."""
        best = self.candidates[0]
        return {"label": best.label, "probability": best.probability, **vars(self)}


def answer(
    log_probabilities: Floats, traits: Floats, metadata: ModelMetadata, level: float = LEVEL
) -> Answer:
    """Join what a model gives for clips to one answer.

    Parameters
    ----------
    log_probabilities, traits : (n_clips, n_labels) and (n_clips, n_traits)
    level : the probability from which something is stated
    """
    probabilities = average(log_probabilities, metadata.calibration)
    return to_answer(probabilities, find_gunshot_probability(traits), metadata, level)


def to_answer(
    probabilities: NDArray[np.float64],
    gunshot_probability: float | None,
    metadata: ModelMetadata,
    level: float,
) -> Answer:
    """Rank probabilities (n_labels,), sum them to calibres and categories, and decide."""
    guns = metadata.labels
    rankings = (
        rank_scores(metadata.label_names, probabilities),
        sum_scores([gun.calibre for gun in guns], probabilities),
        sum_scores([gun.category for gun in guns], probabilities),
    )
    known_at = metadata.judge.known_at if metadata.judge else 0.0
    decision = decide(rankings, level, gunshot_probability, known_at)
    return Answer(*rankings, gunshot_probability, decision)


def average(log_probabilities: Floats, calibration: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the probabilities (n_labels,) of a recording from those of its clips.

    The mean of the log-probabilities (n_clips, n_labels), calibrated and normalised again: see
    `shotprint.calibration`.
    """
    if not np.isfinite(log_probabilities).all():
        raise RecordingError("the model gave no finite probabilities for it")
    means = log_probabilities.mean(axis=0, dtype=np.float64)
    return apply_calibration(means, len(log_probabilities), calibration)


def tell_guns(
    results: tuple[ShotResult, ...], shots: Sequence[AnsweredShot], metadata: ModelMetadata
) -> tuple[GunsResult | None, tuple[ShotResult, ...]]:
    """Return how many guns fired, and the shots with the gun of each; two shots are needed.

    What is most likely no gunshot is left out.
    """
    places = [
        place
        for place, result in enumerate(results)
        if result.gunshot_probability is None or result.gunshot_probability >= 0.5
    ]
    if len(places) < 2:
        return None, results
    calibration, labels = metadata.calibration, metadata.label_names
    rows = [average(shots[place].log_probabilities[None], calibration) for place in places]
    counted = count_guns(np.stack(rows), calibration.get("gun_correlation", CORRELATION))
    told = list(results)
    for place, row in zip(places, counted.shots, strict=True):
        told[place] = dataclasses.replace(results[place], gun=rank_scores(labels, row)[0])
    sets = [
        GunSet(tuple(labels[i] for i in members), float(p))
        for members, p in zip(counted.sets, counted.set_probabilities, strict=True)
    ]
    by_pairs = _count_by_pairs(np.stack(rows), metadata)
    guns = GunsResult(tuple(counted.n_probabilities.tolist()), tuple(sets[:N_SETS]), by_pairs)
    return guns, tuple(told)


def _count_by_pairs(
    probabilities: NDArray[np.float64], metadata: ModelMetadata
) -> tuple[int, int, int] | None:
    """Return `GunsResult.by_pairs` of shots (n, n_labels)."""
    calibration = metadata.likelihoods.get(PAIR)
    if calibration is None or len(probabilities) > MAX_PAIRED:
        return None
    first, second = np.triu_indices(len(probabilities), 1)
    found = calibration.apply(compute_pair_scores(probabilities[first], probabilities[second]))
    counts = []
    for llrs in (found.llr, found.low, found.high):
        square = np.zeros((len(probabilities), len(probabilities)))
        square[first, second] = square[second, first] = llrs
        counts.append(min(MAX_GUNS, int(cluster_shots(square).max()) + 1))
    return counts[0], min(counts), max(counts)


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
