"""Every shot of a recording recognised, and one answer a recording: the shots' average."""

import dataclasses
import functools
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import FoundRecording, HeldFile, resample
from shotprint.audio.channels import parse_channel
from shotprint.calibration import combine_recordings
from shotprint.decisions import LEVEL
from shotprint.detection import Detector, Heard, Listening, Reading, Section
from shotprint.errors import ShotprintError
from shotprint.recognition.enrolment import EnrolledGuns
from shotprint.recognition.journal import Journal
from shotprint.recognition.judgement import explain_unusual, join_traits
from shotprint.recognition.listening import listen, take_clips
from shotprint.recognition.model import Floats, Model, OnnxModel
from shotprint.recognition.processes import Processes, can_fork, run_apart
from shotprint.recognition.results import (
    CombinedResult,
    DetectorIdentity,
    ModelIdentity,
    RecordingResult,
    Results,
)
from shotprint.recognition.running import (
    Run,
    attempt,
    count_jobs,
    look_at,
    run_recordings,
    to_failure,
)
from shotprint.recognition.shots import (
    AnsweredShot,
    answer,
    answer_section,
    hear_shots,
    join_outputs,
    run_clips,
    tell_guns,
    to_answer,
    to_results,
)

NO_SHOT = "no shot was found in it: the answer is about its loudest sounds"
NO_EMBEDDING = np.zeros(0, np.float32)  # answers need none, and ten hours hold many shots
TRAINED_ON = "the model was trained on this very recording, so its answer proves nothing"


@dataclass(frozen=True)
class RecognitionSettings:
    """How recordings are recognised.

    Attributes
    ----------
    channel : ``mix``, ``loudest``, ``each`` (the clips of all channels are averaged) or a number
    track : which sound track of a video, from 0; None: the best
    jobs : recordings worked on at the same time; 0: as many as there are cores
    level : the probability from which something is stated, 0.5 to 1
    """

    channel: str = "mix"
    jobs: int = 0
    track: int | None = None
    level: float = LEVEL

    def __post_init__(self) -> None:
        parse_channel(self.channel)
        if not 0.5 <= self.level <= 1:
            raise ShotprintError(f"the level of a statement is {self.level:g}, expected 0.5 to 1")


class Recognizer:
    """A model and how it is used.

    Parameters
    ----------
    detector : finds the shots, which are then recognised one by one; None: one answer a
        recording, from its loudest sounds. A model that hears recordings whole needs none
    enrolled : guns to compare each recording with, beside the listed ones

    Attributes
    ----------
    journal : keeps what is done and knows what was done before; None: nothing is kept
    """

    def __init__(
        self,
        model: Model,
        settings: RecognitionSettings | None = None,
        detector: Detector | None = None,
        enrolled: EnrolledGuns | None = None,
    ) -> None:
        self.model = model
        self.enrolled = enrolled
        self.settings = settings or RecognitionSettings()
        self.detector = detector if model.metadata.clip_rule.length_s else None
        self.journal: Journal | None = None
        self._listening = Listening(self.settings.channel, self.settings.track)
        self._trained_on = frozenset(model.metadata.data.get("trained_on", ()))
        if not model.metadata.labels:
            raise ShotprintError(
                f"the model {model.metadata.name} gives embeddings only and knows no guns; "
                "expected one with labels: train one from it first"
            )

    def recognize_file(
        self, path: str | os.PathLike[str], name: str | None = None, sha256: str | None = None
    ) -> RecordingResult:
        """Recognise one recording; a failure becomes the result's `error`.

        Parameters
        ----------
        name : what the result calls it; by default the path
        sha256 : of its bytes, where that is known
        """
        found = FoundRecording(os.fspath(path), name or os.fspath(path))
        look = functools.partial(look_at, sha256=sha256)
        return attempt(found, self._recognize, to_failure, look=look)

    def recognize(
        self, recordings: Sequence[FoundRecording]
    ) -> Generator[RecordingResult, None, None]:
        """Yield the results of many recordings in their order, several worked on at a time.

        Whoever stops asking (or is interrupted) waits for no more than the block of a recording.
        Many short recordings are worked on in processes, see `recognition.processes`.
        """
        jobs = count_jobs(self.settings.jobs)
        is_onnx = isinstance(self.model, OnnxModel) and self.model.device == "cpu"
        if is_onnx and can_fork(recordings, jobs):
            return self._recognize_apart(recordings, jobs)
        return run_recordings(recordings, self._recognize, to_failure, jobs)

    def _recognize_apart(
        self, recordings: Sequence[FoundRecording], jobs: int
    ) -> Generator[RecordingResult, None, None]:
        """Recognise in processes; this one alone writes the journal."""
        journal = self.journal

        def begin() -> None:
            if journal:
                journal.close()
            self.journal = None

        def work(recording: FoundRecording, sha256: str, run: Run) -> RecordingResult:
            if journal and journal.holds(sha256):
                return RecordingResult(recording.name, sha256)
            return self._answer(recording, sha256, run)

        processes = Processes(work, to_failure, jobs, begin)
        answers = run_apart(processes, recordings, (self._recognize, to_failure, jobs))
        return (self._keep(result) for result in answers)

    def _keep(self, result: RecordingResult) -> RecordingResult:
        """Take the answer from the journal, or add it there."""
        if not self.journal or result.error is not None or result.sha256 is None:
            return result
        if not result.candidates:
            done = self.journal.find_recording(result.sha256)
            assert done is not None
            return dataclasses.replace(done, path=result.path)
        if not self.journal.holds(result.sha256):
            self.journal.add_recording(result)
        return result

    def collect(
        self, results: Sequence[RecordingResult], combined: CombinedResult | None = None
    ) -> Results:
        """Put results together with what is needed to repeat them."""
        return Results(**self._describe(), recordings=results, same_source=combined)

    def combine(self, results: Sequence[RecordingResult]) -> CombinedResult:
        """Answer for several recordings of one gun together; see `combine_recordings`.

        Recordings that failed, or are most likely no gunshots, are left out.
        """
        metadata = self.model.metadata
        rows: list[NDArray[np.float64]] = []
        asked: list[float] = []
        left_out: list[str] = []
        for each in results:
            if not each.candidates or _is_other_sound(each):
                left_out.append(each.path)
                continue
            found = {score.label: score.probability for score in each.candidates}
            rows.append(np.array([found[label] for label in metadata.label_names]))
            if each.gunshot_probability is not None:
                asked.append(each.gunshot_probability)
        if not rows:
            return CombinedResult(0, tuple(left_out))
        logits = np.log(np.maximum(rows, np.finfo(np.float64).tiny))
        probabilities = combine_recordings(logits, metadata.calibration)
        fields = to_answer(
            probabilities, max(asked, default=None), metadata, self.settings.level
        ).fields
        return CombinedResult(len(rows), tuple(left_out), **fields)

    def open_journal(self, path: Path, resume: bool) -> Journal:
        """Keep what is done in a file, and take over what it holds with `resume`."""
        self.journal = Journal(path, self.identity, resume)
        return self.journal

    @property
    def identity(self) -> dict[str, Any]:
        """Model, detector and settings: answers of one identity are the same."""
        return {
            name: value if isinstance(value, Mapping) or value is None else vars(value)
            for name, value in self._describe().items()
        }

    def _describe(self) -> dict[str, Any]:
        """Return what is needed to repeat answers: model, detector, settings."""
        metadata = self.model.metadata
        more = {} if self.enrolled is None else {"enrolled": self.enrolled.sha256}
        if (device := getattr(self.model, "device", "cpu")) != "cpu":
            more["device"] = device
        return {
            "model": ModelIdentity(
                metadata.name, metadata.version, self.model.sha256, metadata.label_names
            ),
            "detector": None if self.detector is None else identify(self.detector),
            "settings": {
                "channel": self.settings.channel,
                "track": self.settings.track,
                "clip_rule": asdict(metadata.clip_rule),
                "level": metadata.level,
                "average": "log-probabilities",
                "calibration": dict(metadata.calibration),
                "decision_level": self.settings.level,
                **more,
            },
        }

    def _recognize(self, recording: FoundRecording, sha256: str, run: Run) -> RecordingResult:
        """Answer for a recording, or take the answer from the journal."""
        if self.journal and (done := self.journal.find_recording(sha256)):
            return dataclasses.replace(done, path=recording.name)
        result = self._answer(recording, sha256, run)
        if self.journal:
            run.check()
            self.journal.add_recording(result)
        return result

    def _answer(self, recording: FoundRecording, sha256: str, run: Run) -> RecordingResult:
        shots: list[AnsweredShot] = []
        reading: Reading | None = None
        warnings = self._warn_of_training(sha256)
        if self.detector is not None:
            work = functools.partial(self._answer_section, self.detector, sha256, run)
            reading, shots = hear_shots(run.place(recording), self._listening, work, run)
            heard = reading.heard
            log_probabilities = np.array([shot.log_probabilities for shot in shots])
            traits = np.array([shot.traits for shot in shots])
            embeddings = np.array([shot.embedding for shot in shots])
            warnings += () if shots else (NO_SHOT,)
        if not shots:
            heard, log_probabilities, embeddings, traits = self._hear_whole(
                run.place(recording), run.check, reading
            )
        metadata, level = self.model.metadata, self.settings.level
        answers = [
            answer(shot.log_probabilities[None], shot.traits[None], metadata, level)
            for shot in shots
        ]
        whole = answers[0] if len(shots) == 1 else None
        whole = whole or answer(log_probabilities, traits, metadata, level)
        resemblance = metadata.judge.compare(traits) if metadata.judge else None
        warnings += explain_unusual(resemblance or {})
        found, bursts = to_results([shot.detected for shot in shots], answers)
        guns, found = tell_guns(found, shots, metadata)
        return RecordingResult(
            path=recording.name,
            sha256=sha256,
            **{**vars(heard), "warnings": (*heard.warnings, *warnings)},
            **whole.fields,
            resemblance=resemblance,
            guns=guns,
            enrolled=self.enrolled.rate(embeddings) if self.enrolled else None,
            shots=found,
            bursts=bursts,
        )

    def _answer_section(
        self, detector: Detector, sha256: str, run: Run, section: Section
    ) -> list[AnsweredShot]:
        """Answer a section, or take the answer from the journal."""
        # It keeps no embeddings.
        journal = None if section.is_whole or self.enrolled else self.journal
        if journal and (done := journal.find_section(sha256, section.index)) is not None:
            return done
        shots = answer_section(section, detector, self.model)
        if not self.enrolled:
            shots = [dataclasses.replace(shot, embedding=NO_EMBEDDING) for shot in shots]
        if journal:
            run.check()
            journal.add_section(sha256, section.index, shots)
        return shots

    def _hear_whole(
        self, path: Path | HeldFile, check: Callable[[], None], reading: Reading | None
    ) -> tuple[Heard, Floats, Floats, Floats]:
        """Return what was heard; log-probabilities, embeddings, traits of the loudest clips.

        A recording that was read already, and was one section, is not read again.
        """
        outputs: list[tuple[Floats, Floats, Floats]] = []

        def take(clips: Floats) -> None:
            outputs.append(run_clips(self.model, clips))

        metadata = self.model.metadata
        if reading is None or reading.whole is None:
            heard = listen(path, metadata, self._listening, take, check)
        else:
            heard, whole = reading.heard, reading.whole
            rates_hz = whole.sample_rate_hz, metadata.sample_rate_hz
            take_clips(resample(whole.waveform, *rates_hz), metadata, take)
        log_probabilities, embeddings, measures = join_outputs(outputs, metadata)
        traits = join_traits(metadata.judge, embeddings, measures)
        return heard, log_probabilities, embeddings, traits

    def _warn_of_training(self, sha256: str) -> tuple[str, ...]:
        n_digits = len(next(iter(self._trained_on), ""))
        return (TRAINED_ON,) if n_digits and sha256[:n_digits] in self._trained_on else ()


def _is_other_sound(result: RecordingResult) -> bool:
    return result.gunshot_probability is not None and result.gunshot_probability < 0.5


def identify(detector: Detector) -> DetectorIdentity:
    """Return which detector it is, as answers state it."""
    facts = detector.model.metadata
    return DetectorIdentity(facts.name, facts.version, detector.model.sha256, detector.threshold)
