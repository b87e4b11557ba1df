"""Where the clips of a recording are: at its shots, at its loudest sounds, or where a list says."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import Audio
from shotprint.clips import ClipRule, find_onsets
from shotprint.detection import DetectedShot, Detector, append_shots, cut_sections
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class OnsetFinder:
    """A way to find onsets.

    Attributes
    ----------
    identity : what must be the same for the same onsets, such as the hash of a detector
    find : audio (one channel) and the hash of its file → onset samples (n,), the best first;
        none: the loudest are taken
    """

    identity: str
    find: Callable[[Audio, str], Ints]


LOUDEST = OnsetFinder("loudest", lambda audio, sha256: np.zeros(0, np.int64))


def find_by_detector(detector: Detector) -> OnsetFinder:
    """Take the shots that a detector finds, the most probable first."""

    def find(audio: Audio, sha256: str) -> Ints:
        shots: list[DetectedShot] = []
        for section in cut_sections([audio]):
            append_shots(shots, detector.find(section))
        ranked = sorted(shots, key=lambda shot: -shot.probability)
        times_s = np.array([shot.onset_s - audio.start_s for shot in ranked])
        return np.round(times_s * audio.sample_rate_hz).astype(np.int64)

    return OnsetFinder(f"shots {detector.model.sha256} from {detector.threshold:g}", find)


def find_in_list(path: str | os.PathLike[str]) -> OnsetFinder:
    """Take the shots that a file lists: JSON of ``shotprint detect`` or ``recognize``.

    Raises
    ------
    ShotprintError : it cannot be read, or is no such JSON
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        listed: Mapping[str, list[tuple[float, float]]] = {
            recording["sha256"]: [
                (shot["onset_s"], shot.get("detection_probability", 1.0))
                for shot in recording["shots"]
            ]
            for recording in document["recordings"]
            if recording["sha256"] and recording.get("error") is None
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShotprintError(
            f"{path} is no list of shots ({type(error).__name__}: {error}); expected the JSON of "
            "shotprint detect"
        ) from None

    def find(audio: Audio, sha256: str) -> Ints:
        ranked = sorted(listed.get(sha256, []), key=lambda shot: -shot[1])
        times_s = np.array([onset_s - audio.start_s for onset_s, _ in ranked])
        samples: Ints = np.round(times_s * audio.sample_rate_hz).astype(np.int64)
        inside: Ints = samples[(samples >= 0) & (samples < audio.waveform.shape[1])]
        return inside

    return OnsetFinder(f"list {compute_sha256(path)}", find)


def choose_onsets(finder: OnsetFinder, audio: Audio, sha256: str, rule: ClipRule) -> Ints:
    """Return the onsets of a recording, (1 … rule.max_clips,), the best first."""
    onsets = finder.find(audio, sha256)[: rule.max_clips]
    if len(onsets) == 0:
        onsets = find_onsets(audio.waveform[0], audio.sample_rate_hz, rule)
    return onsets
