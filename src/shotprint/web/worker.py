"""The process in which recordings are decoded and recognised, so that none takes the service down.

It owns the model. What it is sent is a `Task`; what it sends back are `("progress", 0…1)`, then
`("done", setup, head, answer)` or `("failed", line)`. Its memory is limited where the system can
(not on Windows); its time is limited by whoever waits for it.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from shotprint.audio import FoundRecording
from shotprint.errors import RecordingError, ShotprintError
from shotprint.opening import open_detector, open_model
from shotprint.recognition import RecognitionSettings, Recognizer, RecordingResult
from shotprint.recognition.journal import list_recording
from shotprint.recognition.likelihoods import find_calibration, rate_recording
from shotprint.recognition.running import to_failure
from shotprint.verbal import VerbalScale, read_scale
from shotprint.web.sounds import write_playback

HYPOTHESES = ("model", "calibre", "category")
PLAYBACK_SHARE = 0.5
MEGABYTE = 1 << 20


class Task(NamedTuple):
    """A recording to answer: where it is, what it is called, and where its playback copy goes."""

    path: Path
    name: str
    playback: Path


class WorkerSettings(NamedTuple):
    """What the worker answers with, and how much memory it may take."""

    model: Path | None
    level: float
    memory_mb: int


def serve(connection: Connection, settings: WorkerSettings) -> None:
    """Answer tasks until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends its worker itself
    limit_memory(settings.memory_mb)
    try:
        answerer = Answerer(settings)
        connection.send(("ready", answerer.setup, answerer.head))
    except ShotprintError as error:
        connection.send(("failed", str(error)))
        return
    with contextlib.suppress(EOFError, OSError):
        while True:
            task: Task = connection.recv()
            try:
                answer = answerer.answer(task, lambda done: connection.send(("progress", done)))
                connection.send(("done", answerer.setup, answerer.head, answer))
            except ShotprintError as error:
                found = FoundRecording(str(task.path), task.name)
                connection.send(("failed", to_failure(found, str(error), None).error))
            except MemoryError:
                connection.send(("failed", _tell_memory(settings.memory_mb)))


def _tell_memory(memory_mb: int) -> str:
    return f"it takes more than the {memory_mb} MB that the service allows; raise --memory-mb"


def limit_memory(memory_mb: int) -> None:
    """Keep this process from taking more memory, where the system can; no effect on Windows."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * MEGABYTE, memory_mb * MEGABYTE))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(5)  # the page answers first


class Answerer:
    """A model, a detector, and the likelihood ratios that the model holds.

    Attributes
    ----------
    head : what answers, as JSON: model, detector, settings
    setup : its hash; the same content has the same answer under the same setup
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.recognizer = Recognizer(
            open_model(settings.model),
            RecognitionSettings(level=settings.level),
            open_detector(None, None),
        )
        document = json.loads(self.recognizer.collect([]).to_json())
        self.head = json.dumps({name: document[name] for name in ("model", "detector", "settings")})
        self.setup = hashlib.sha256(self.head.encode()).hexdigest()
        evidence = self.recognizer.model.metadata.evidence
        self._calibrations = [
            find_calibration(self.recognizer.model.metadata, kind)
            for kind in HYPOTHESES
            if kind in evidence
        ]
        self._scale = read_scale()

    def answer(self, task: Task, report: Callable[[float], Any]) -> dict[str, Any]:
        """Return the answer: `recording`, and the likelihood ratios of each shot in `llrs`.

        Raises
        ------
        RecordingError, ShotprintError : the recording cannot be read
        """
        write_playback(task.path, task.playback, lambda done: report(PLAYBACK_SHARE * done))
        report(PLAYBACK_SHARE)
        (result,) = self.recognizer.recognize([FoundRecording(str(task.path), task.name)])
        if result.error is not None:
            raise RecordingError(result.error)
        llrs = [
            self._rate(dataclasses.replace(result, candidates=shot.candidates))
            for shot in result.shots
        ]
        return {"recording": list_recording(result), "llrs": llrs}

    def _rate(self, shot: RecordingResult) -> list[dict[str, Any]]:
        rated = [rate_recording(shot, calibration)[0] for calibration in self._calibrations]
        return [show_ratio(ratio, self._scale) for ratio in rated]


def show_ratio(ratio: Any, scale: VerbalScale) -> dict[str, Any]:
    """Return a ratio as the service states it."""
    names = ("value", "llr", "low", "high", "is_bounded")
    return {**{n: getattr(ratio, n) for n in names}, "words": scale.describe(ratio.llr)}
