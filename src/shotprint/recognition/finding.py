"""Shots of many recordings, without a word on what fired them."""

from collections.abc import Generator, Sequence

from shotprint.audio import FoundRecording
from shotprint.detection import Detector, Listening, OnnxDetector
from shotprint.recognition.processes import run_many
from shotprint.recognition.recognizer import identify
from shotprint.recognition.results import Detections, RecordingResult
from shotprint.recognition.running import Run, run_recordings, to_failure
from shotprint.recognition.shots import hear_shots, to_results


def find_all(
    recordings: Sequence[FoundRecording], detector: Detector, listening: Listening, jobs: int = 0
) -> Generator[RecordingResult, None, None]:
    """Yield the shots of many recordings in their order, several worked on at a time.

    A failure becomes the `error` of its result. No shot is no failure.

    Parameters
    ----------
    jobs : recordings worked on at the same time; 0: as many as there are cores
    """

    def work(recording: FoundRecording, sha256: str, run: Run) -> RecordingResult:
        return search(recording, sha256, run, detector, listening)

    is_onnx = isinstance(detector.model, OnnxDetector)
    return (run_many if is_onnx else run_recordings)(recordings, work, to_failure, jobs)


def search(
    recording: FoundRecording, sha256: str, run: Run, detector: Detector, listening: Listening
) -> RecordingResult:
    """Return the shots of one recording.

    Raises
    ------
    RecordingError : it cannot be read, or is silent
    """
    reading, shots = hear_shots(run.place(recording), listening, detector.find, run)
    found, bursts = to_results(shots)
    return RecordingResult(
        recording.name, sha256, **vars(reading.heard), shots=found, bursts=bursts
    )


def collect(
    results: Sequence[RecordingResult], detector: Detector, listening: Listening
) -> Detections:
    """Put results together with what is needed to repeat them."""
    settings = {"channel": listening.channel, "track": listening.track}
    return Detections(identify(detector), settings, tuple(results))
