"""Shots of many recordings, without a word on what fired them."""

from collections.abc import Sequence

from shotprint.audio import FoundRecording
from shotprint.detection import Detector, Listening, find_shots
from shotprint.errors import RecordingError
from shotprint.files import compute_sha256
from shotprint.recognition.recognizer import identify
from shotprint.recognition.results import Detections, RecordingResult
from shotprint.recognition.shots import to_results


def find_all(
    recordings: Sequence[FoundRecording], detector: Detector, listening: Listening
) -> Detections:
    """Find the shots of many recordings; a failure becomes the `error` of its result."""
    results = []
    for recording in recordings:
        try:
            shots, heard = find_shots(recording.path, detector, listening)
        except RecordingError as error:
            results.append(RecordingResult(recording.name, None, error=str(error)))
            continue
        found, bursts = to_results(shots)
        results.append(
            RecordingResult(
                path=recording.name,
                sha256=compute_sha256(recording.path),
                duration_s=heard.duration_s,
                sample_rate_hz=heard.sample_rate_hz,
                channels=heard.channels,
                shots=found,
                bursts=bursts,
                warnings=heard.warnings,
            )
        )
    settings = {"channel": listening.channel, "track": listening.track}
    return Detections(identify(detector), settings, tuple(results))
