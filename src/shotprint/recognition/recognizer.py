"""One answer a recording: the log-probabilities of its clips, averaged."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import FoundRecording
from shotprint.audio.channels import parse_channel
from shotprint.errors import RecordingError, ShotprintError
from shotprint.files import compute_sha256
from shotprint.recognition.listening import listen
from shotprint.recognition.model import LEVEL_RULES, Floats, Model
from shotprint.recognition.results import (
    ModelIdentity,
    RecordingResult,
    Results,
    rank_scores,
    sum_scores,
)

BATCH = 4
"""Clips that a model hears at once: more make no recording faster and need more memory."""

MAX_JOBS = 16

TRAINED_ON = "the model was trained on this very recording, so its answer proves nothing"


@dataclass(frozen=True)
class RecognitionSettings:
    """How recordings are recognised.

    Attributes
    ----------
    channel : ``mix``, ``loudest``, ``each`` (the clips of all channels are averaged) or a number
    jobs : recordings worked on at the same time; 0: as many as there are cores
    """

    channel: str = "mix"
    jobs: int = 0

    def __post_init__(self) -> None:
        parse_channel(self.channel)


class Interrupted(Exception):
    """The caller has stopped asking for results."""


class Recognizer:
    """A model and how it is used."""

    def __init__(self, model: Model, settings: RecognitionSettings | None = None) -> None:
        self.model = model
        self.settings = settings or RecognitionSettings()
        self._trained_on = frozenset(model.metadata.data.get("trained_on", ()))
        if not model.metadata.labels:
            raise ShotprintError(
                f"the model {model.metadata.name} gives embeddings only and knows no guns; "
                "expected one with labels: train one from it first"
            )

    def recognize_file(
        self, path: str | os.PathLike[str], name: str | None = None
    ) -> RecordingResult:
        """Recognise one recording; a failure becomes the result's `error`.

        Parameters
        ----------
        name : what the result calls it; by default the path
        """
        found = FoundRecording(Path(path), name or os.fspath(path))
        return self._recognize(found, lambda: None)

    def recognize(
        self, recordings: Sequence[FoundRecording]
    ) -> Generator[RecordingResult, None, None]:
        """Yield the results of many recordings in their order, several worked on at a time.

        Whoever stops asking (or is interrupted) waits for no more than the block of a recording.
        """
        jobs = self.settings.jobs or min(os.cpu_count() or 1, MAX_JOBS)
        stopped = threading.Event()

        def check() -> None:
            if stopped.is_set():
                raise Interrupted

        pending: deque[Future[RecordingResult]] = deque()
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for recording in recordings:
                    pending.append(pool.submit(self._recognize, recording, check))
                    if len(pending) >= 4 * jobs:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                stopped.set()
                for future in pending:
                    future.cancel()

    def collect(self, results: Sequence[RecordingResult]) -> Results:
        """Put results together with what is needed to repeat them."""
        metadata = self.model.metadata
        return Results(
            model=ModelIdentity(
                metadata.name, metadata.version, self.model.sha256, metadata.label_names
            ),
            settings={
                "channel": self.settings.channel,
                "clip_rule": asdict(metadata.clip_rule),
                "level": metadata.level,
                "average": "log-probabilities",
                "calibration": dict(metadata.calibration),
            },
            recordings=tuple(results),
        )

    def _recognize(self, recording: FoundRecording, check: Callable[[], None]) -> RecordingResult:
        if recording.error is not None:
            return _failed(recording, recording.error, None)
        sha256 = None
        try:
            check()
            sha256 = compute_sha256(recording.path)
            return self._answer(recording, sha256, check)
        except Interrupted:
            raise
        except RecordingError as error:
            return _failed(recording, str(error), sha256)
        except OSError as error:
            return _failed(recording, f"it cannot be read ({error.strerror or error})", sha256)
        except Exception as error:  # noqa: BLE001  # one recording never stops the others
            return _failed(recording, f"unexpected {type(error).__name__}: {error}", sha256)

    def _answer(
        self, recording: FoundRecording, sha256: str, check: Callable[[], None]
    ) -> RecordingResult:
        metadata = self.model.metadata
        normalize = LEVEL_RULES[metadata.level]
        outputs: list[Floats] = []

        def take(clips: Floats) -> None:
            for start in range(0, len(clips), BATCH):
                batch = np.ascontiguousarray(normalize(clips[start : start + BATCH]))
                outputs.append(self.model.run(batch)[0])

        heard = listen(recording.path, metadata, self.settings.channel, take, check)
        probabilities = average(np.concatenate(outputs), metadata.calibration)
        candidates = rank_scores(metadata.label_names, probabilities)
        guns = metadata.labels
        return RecordingResult(
            path=recording.name,
            sha256=sha256,
            duration_s=heard.duration_s,
            sample_rate_hz=heard.sample_rate_hz,
            channels=heard.channels,
            error=None,
            label=candidates[0].label,
            probability=candidates[0].probability,
            candidates=candidates,
            calibre=sum_scores([gun.calibre for gun in guns], probabilities),
            category=sum_scores([gun.category for gun in guns], probabilities),
            warnings=(*heard.warnings, *self._warn_of_training(sha256)),
        )

    def _warn_of_training(self, sha256: str) -> tuple[str, ...]:
        n_digits = len(next(iter(self._trained_on), ""))
        return (TRAINED_ON,) if n_digits and sha256[:n_digits] in self._trained_on else ()


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


def _failed(recording: FoundRecording, error: str, sha256: str | None) -> RecordingResult:
    """Return the result of a failure; its text does not repeat the name of the recording."""
    for prefix in (recording.name, os.fspath(recording.path)):
        error = error.removeprefix(" ".join(f"{prefix}:".split()) + " ")
    return RecordingResult(path=recording.name, sha256=sha256, error=" ".join(error.split()))
