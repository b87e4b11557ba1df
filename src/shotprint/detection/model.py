"""The network that finds shots, in ONNX Runtime."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shotprint.detection.facts import DETECTOR, STEP_SAMPLES
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.inference import open_session, parse_metadata, read_metadata_text

SCHEMA = "shotprint-detector/1"
INPUT, IS_CLIP, OUTPUT = "waveform", "is_clip", "answer"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DetectorMetadata:
    """What a detector is, and how it is used.

    Attributes
    ----------
    threshold : probability from which on something counts as a shot, unless the user says else
    candidate : probability, as the surer expert says, from which on something is judged
    judge : see `judging.Judge.to_mapping`; None: what the surer expert says counts
    recipe, data, weights : how it was trained, on what, from what: settings and SHA-256 hashes
    """

    name: str
    version: str
    threshold: float
    candidate: float | None = None
    judge: Mapping[str, Any] | None = None
    sample_rate_hz: int = DETECTOR.sample_rate_hz
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    limits: str = ""
    software: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1 or not 0 < (self.candidate or 0.5) < 1:
            raise ShotprintError(
                f"found the thresholds {self.threshold} and {self.candidate}; expected "
                "probabilities between 0 and 1"
            )
        if (self.judge is None) != (self.candidate is None):
            raise ShotprintError("found a judge or a threshold of candidates alone; expected both")

    def to_json(self) -> str:
        """Return one line of JSON; the same metadata give the same bytes."""
        content = {"schema": SCHEMA, **dataclasses.asdict(self)}
        return json.dumps(content, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "DetectorMetadata":
        """Read what `to_json` wrote; ShotprintError names what is wrong with it."""
        try:
            return cls(**parse_metadata(text, SCHEMA))
        except TypeError as error:
            raise ShotprintError(f"its metadata are incomplete or unknown ({error})") from None


class DetectorModel(Protocol):
    """A network that hears shots, with NumPy at the boundary."""

    @property
    def metadata(self) -> DetectorMetadata:
        """What it is and how it is used."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the file it was read from."""
        ...

    def run(self, waveforms: Floats) -> Floats:
        """Return the experts' logits, (n, 2, n_samples / 48), for (n, n_samples) at 12 kHz.

        n_samples is a multiple of 192; the experts are the one for far and the one for near shots.
        Without a judge (n, n_samples / 48) is enough.
        """
        ...

    def rate(self, clips: Floats) -> Floats:
        """Return the log-odds (n,) that clips of `judging.cut_candidates` are of shots."""
        ...


class OnnxDetector:
    """A detector's file (``.onnx``, written by ``shotprint train-detector``).

    Threads may call `run` at the same time.

    Parameters
    ----------
    threads : how many threads one call uses. Recordings are of many lengths, and a GPU plans for
        each about a second, so it is not used

    Raises
    ------
    ShotprintError : no such file, no ONNX file, half of one, or no detector of shotprint's
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        path = Path(path)
        # Recordings are of many lengths: to plan for each saves no time, and costs 8 MB.
        self._session, _ = open_session(path, threads, plan=False)
        try:
            self.metadata = DetectorMetadata.from_json(read_metadata_text(self._session, path))
        except ShotprintError as error:
            raise ShotprintError(f"{path}: {str(error).removeprefix(f'{path} ')}") from None
        self.sha256 = compute_sha256(path)

    def run(self, waveforms: Floats) -> Floats:
        """Return the experts' logits, (n, 2, n_samples / 48), for (n, n_samples) at 12 kHz."""
        assert waveforms.shape[1] % STEP_SAMPLES == 0
        logits: Floats = self._session.run(None, {INPUT: waveforms})[0]
        return logits

    def rate(self, clips: Floats) -> Floats:
        """Return the log-odds (n,) that clips of `judging.cut_candidates` are of shots."""
        if not len(clips):
            return np.zeros(0, np.float32)
        answer: Floats = self._session.run(None, {INPUT: clips, IS_CLIP: np.array(True)})[0]
        return answer.ravel()
