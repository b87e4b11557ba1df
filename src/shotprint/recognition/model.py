"""What a recogniser must offer, and the one that runs in ONNX Runtime.

A model file is self-contained: beside the graph it holds, as JSON under the metadata key
``shotprint``, everything that makes a result repeatable (`ModelMetadata`).
"""

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shotprint.calibration import NO_CALIBRATION, check_calibration
from shotprint.clips import ClipRule, normalize_level
from shotprint.errors import ShotprintError
from shotprint.evidence import LikelihoodCalibration
from shotprint.files import compute_sha256
from shotprint.firearms import Firearm
from shotprint.inference import open_session, parse_metadata, read_metadata_text
from shotprint.recognition.batching import Batching
from shotprint.recognition.judgement import Judgement

SCHEMA = "shotprint-model/1"
INPUT, LOG_PROBABILITIES, EMBEDDING = "waveform", "log_probabilities", "embedding"

Floats = NDArray[np.float32]

LEVEL_RULES = {
    "as_recorded": lambda waveforms: waveforms,
    "peak_half": normalize_level,
}
"""What is done to the level of clips (n, n_samples) before a model hears them."""


@dataclass(frozen=True)
class ModelMetadata:
    """What a model is, and how it must be used.

    Attributes
    ----------
    labels : in the order of the outputs; empty: the model gives embeddings only. Calibre and
        category are empty where they are not known
    sample_rate_hz : of the waveform it takes
    min_samples : the shortest waveform that it takes
    clip_rule : how clips are cut; ``length_s`` 0: it hears recordings whole
    level : one of `LEVEL_RULES`
    calibration : ``{"method": "none"}``, or ``"temperature"`` with a temperature and
        correlations: see `shotprint.calibration`
    judgement : what tells gunshots from other sounds, and what the validation was like
        (`Judgement.to_mapping`); empty: neither is asked
    evidence : hypothesis → what turns probabilities into likelihood ratios, as
        `LikelihoodCalibration.to_json` writes it; empty: none was calibrated
    enrolment : in which space shots are compared with references of guns that it does not list, and
        what makes likelihood ratios of it (`recognition.enrolment.Yardstick`); empty: it cannot
    recipe, data, weights : how it was trained, on what, from what; settings and SHA-256 hashes.
        ``data["trained_on"]``: the first digits of the hash of each recording it was trained on
    licences : of what it is made from, by name
    description, limits : for whom it is, and what it cannot do
    software : versions of shotprint, torch and onnx that made it
    """

    name: str
    version: str
    labels: tuple[Firearm, ...]
    sample_rate_hz: int
    min_samples: int
    clip_rule: ClipRule
    level: str
    backbone: str
    calibration: Mapping[str, Any] = field(default_factory=lambda: dict(NO_CALIBRATION))
    judgement: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    enrolment: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    limits: str = ""
    software: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.label_names
        if len(set(names)) < len(names):
            raise ShotprintError(f"the model {self.name} has a label twice: {', '.join(names)}")
        if self.level not in LEVEL_RULES:
            raise ShotprintError(
                f"the model {self.name} has the level rule {self.level!r}; "
                f"expected one of {', '.join(LEVEL_RULES)}"
            )
        check_calibration(self.name, self.calibration)
        if self.judgement:
            _ = self.judge

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels alone."""
        return tuple(firearm.label for firearm in self.labels)

    @functools.cached_property
    def judge(self) -> Judgement | None:
        """The judgement, or None where the model has none."""
        if not self.judgement:
            return None
        try:
            return Judgement.from_mapping(self.judgement)
        except (KeyError, TypeError, ValueError) as error:
            raise ShotprintError(
                f"the model {self.name} has a judgement that is none ({error}); calibrate again"
            ) from None

    @functools.cached_property
    def likelihoods(self) -> Mapping[str, LikelihoodCalibration]:
        """What `evidence` holds, read; ShotprintError where it is damaged."""
        return {
            hypothesis: LikelihoodCalibration.from_json(json.dumps(content))
            for hypothesis, content in self.evidence.items()
        }

    def with_firearms(self, firearms: Mapping[str, Firearm]) -> "ModelMetadata":
        """Return it with calibres and categories of another table, where that has the label."""
        labels = tuple(firearms.get(gun.label, gun) for gun in self.labels)
        return dataclasses.replace(self, labels=labels)

    def to_json(self) -> str:
        """Return one line of JSON; the same metadata give the same bytes."""
        content = {"schema": SCHEMA, **dataclasses.asdict(self)}
        return json.dumps(content, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "ModelMetadata":
        """Read what `to_json` wrote; ShotprintError names what is wrong with it."""
        content = parse_metadata(text, SCHEMA)
        try:
            content["labels"] = tuple(Firearm(**label) for label in content["labels"])
            content["clip_rule"] = ClipRule(**content["clip_rule"])
            return cls(**content)
        except (KeyError, TypeError) as error:
            raise ShotprintError(f"its metadata are incomplete or unknown ({error})") from None


class Model(Protocol):
    """A recogniser with NumPy at the boundary."""

    @property
    def metadata(self) -> ModelMetadata:
        """What it is and how it must be used."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the file it was read from."""
        ...

    def run(self, waveforms: Floats) -> tuple[Floats, Floats]:
        """Return log-probabilities (n, n_labels) and embedding (n, d) of clips (n, n_samples)."""
        ...


class OnnxModel:
    """A model file (``.onnx``, written by ``shotprint export``) in ONNX Runtime.

    Threads may call `run` at the same time; on a GPU their clips go into one call.

    Parameters
    ----------
    threads : how many threads one call of `run` uses, on the CPU
    device : see `inference.open_session`

    Attributes
    ----------
    device : what it runs on: ``cpu`` or ``cuda:N``

    Raises
    ------
    ShotprintError
        No such file, no ONNX file, half of one, or not one that shotprint wrote; no such device.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1, device: str = "cpu") -> None:
        path = Path(path)
        self._session, self.device = open_session(path, threads, device)
        self.metadata = _read_metadata(self._session, path)
        self.sha256 = compute_sha256(path)
        self._outputs = [output.name for output in self._session.get_outputs()]
        _check_graph(self._session, self.metadata, path)
        self._batching = None
        if self.device != "cpu":
            self._batching = Batching(
                self._call, lambda: open_session(path, threads, self.device)[0]
            )

    def _call(self, session: Any, waveforms: Floats) -> list[Floats]:
        outputs: list[Floats] = session.run(self._outputs, {INPUT: waveforms})
        return outputs

    def run(self, waveforms: Floats) -> tuple[Floats, Floats]:
        """Return log-probabilities (n, n_labels) and embedding (n, d) of clips (n, n_samples)."""
        if self._batching is None:
            found = self._call(self._session, waveforms)
        else:
            found = self._batching.run(waveforms)
        outputs = dict(zip(self._outputs, found, strict=True))
        nothing = np.zeros((len(waveforms), 0), np.float32)
        return outputs.get(LOG_PROBABILITIES, nothing), outputs[EMBEDDING]


def _read_metadata(session: Any, path: Path) -> ModelMetadata:
    text = read_metadata_text(session, path)
    try:
        return ModelMetadata.from_json(text)
    except ShotprintError as error:
        raise ShotprintError(f"{path}: {error}") from None


def _check_graph(session: Any, metadata: ModelMetadata, path: Path) -> None:
    """Raise unless inputs and outputs are those that the metadata promise."""
    inputs = {each.name: len(each.shape) for each in session.get_inputs()}
    outputs = {each.name: each.shape[-1] for each in session.get_outputs()}
    expected = {EMBEDDING, LOG_PROBABILITIES} if metadata.labels else {EMBEDDING}
    n_labels = outputs.get(LOG_PROBABILITIES, 0)
    if inputs != {INPUT: 2} or set(outputs) != expected or n_labels != len(metadata.labels):
        raise ShotprintError(
            f"{path} takes {sorted(inputs)} and gives {sorted(outputs)} for {n_labels} labels; its "
            f"metadata promise {INPUT!r} to {sorted(expected)} for {len(metadata.labels)} labels"
        )
