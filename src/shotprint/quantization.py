"""A model file made smaller: weights in half precision, or weights and activations in bytes.

Only convolutions and linear layers are touched. The front-end stays as it is: its powers span more
than half precision holds. Bytes need recordings, from which the range of every activation is read
(static quantisation, one scale a weight channel); see B. Jacob et al., "Quantization and training
of neural networks for efficient integer-arithmetic-only inference", CVPR 2018, which ONNX Runtime
implements. What it costs is measured by ``python -m benchmarks.precision``.
"""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from shotprint.audio import FoundRecording, read
from shotprint.clips import cut_clips
from shotprint.detection import Detector, OnnxDetector
from shotprint.detection import model as detection
from shotprint.detection.facts import DETECTOR, STEP_SAMPLES
from shotprint.detection.judging import cut_candidates
from shotprint.detection.picking import pick_onsets
from shotprint.errors import RecordingError, ShotprintError
from shotprint.export import join_branches, store_small
from shotprint.files import compute_sha256, write_beside
from shotprint.inference import (
    METADATA_KEY,
    Precision,
    open_session,
    parse_metadata,
    read_metadata_text,
)
from shotprint.progress import show_progress
from shotprint.recognition import OnnxModel
from shotprint.recognition import model as recognition

Floats = NDArray[np.float32]

LAYERS = ("Conv", "Gemm")
LONGEST_S = 8.0
"""Of a recording, what the detector's ranges are read from."""
MIN_CLIPS = 20


@dataclass(frozen=True)
class Quantized:
    """A written model, and what was given for clips of the recordings.

    Attributes
    ----------
    agreement : share of the clips with the same most probable gun; of a detector, share of the
        onsets within 8 ms of one of the other's, found at its candidates' threshold
    n_clips : clips, or onsets
    failed : recordings that cannot be read, and why
    """

    path: Path
    size_bytes: int
    agreement: float
    n_clips: int
    failed: tuple[str, ...]


def quantize(
    path: Path,
    out: str | os.PathLike[str],
    recordings: Sequence[FoundRecording],
    precision: Precision,
) -> Quantized:
    """Write a model or a detector with smaller numbers.

    Parameters
    ----------
    recordings : real ones of the kind that will be heard; for ``int8`` at least `MIN_CLIPS` clips

    Raises
    ------
    ShotprintError : no file of shotprint's, one that is quantised already, too few clips
    """
    text = read_metadata_text(open_session(path, threads=1)[0], path)
    is_detector = f'"{detection.SCHEMA}"' in text[:100]
    schema = detection.SCHEMA if is_detector else recognition.SCHEMA
    weights = parse_metadata(text, schema).get("weights", {})
    if "precision" in weights:
        raise ShotprintError(
            f"{path} is of {weights['precision']} already; start from the file that it was made of"
        )
    if is_detector and precision is Precision.FLOAT16:
        raise ShotprintError(f"{path} holds its weights in half precision already; ask for int8")
    subject: Any = _DetectorSubject(path) if is_detector else _ModelSubject(path)
    failed = subject.hear(recordings)
    if subject.n_clips < MIN_CLIPS:
        raise ShotprintError(
            f"the recordings hold {subject.n_clips} clips; expected {MIN_CLIPS} or more, of the "
            "kind that will be heard"
        )
    noted = {**weights, "precision": precision.value, "made_from_sha256": compute_sha256(path)}
    metadata = dataclasses.replace(subject.metadata, weights=noted)
    model = onnx.load(path, load_external_data=False)
    with write_beside(out) as beside:
        parts = [
            store_small(_round(part)) if precision is Precision.FLOAT16 else _to_int8(part, feeds)
            for part, feeds in zip(subject.split(model), subject.feeds, strict=True)
        ]
        joined = parts[0] if len(parts) == 1 else join_branches(*parts)
        del joined.metadata_props[:]
        onnx.helper.set_model_props(joined, {METADATA_KEY: metadata.to_json()})
        beside.write_bytes(joined.SerializeToString(deterministic=True))
        agreement = subject.compare(beside)
        size_bytes = beside.stat().st_size
    return Quantized(Path(out), size_bytes, agreement, subject.n_clips, failed)


class _ModelSubject:
    """A recogniser, and the clips that it hears."""

    def __init__(self, path: Path) -> None:
        self.model = OnnxModel(path)
        self.metadata = self.model.metadata
        if not self.metadata.labels or not self.metadata.clip_rule.length_s:
            raise ShotprintError(
                f"{path} recognises no guns from clips; expected a model that does"
            )
        self.clips: list[Floats] = []

    @property
    def feeds(self) -> list[list[Floats]]:
        return [self.clips]

    @property
    def n_clips(self) -> int:
        return sum(map(len, self.clips))

    def hear(self, recordings: Sequence[FoundRecording]) -> tuple[str, ...]:
        rate_hz, rule = self.metadata.sample_rate_hz, self.metadata.clip_rule
        normalize = recognition.LEVEL_RULES[self.metadata.level]

        def take(waveform: Floats) -> None:
            for view in rule.views:
                self.clips.append(normalize(cut_clips(waveform, rate_hz, view).waveforms))

        return _hear_all(recordings, rate_hz, take)

    def split(self, model: onnx.ModelProto) -> list[onnx.ModelProto]:
        return [model]

    def compare(self, path: Path) -> float:
        other = OnnxModel(path)
        same = [
            self.model.run(clips)[0].argmax(axis=1) == other.run(clips)[0].argmax(axis=1)
            for clips in self.clips
        ]
        return float(np.concatenate(same).mean())


class _DetectorSubject:
    """A detector, the sounds that its experts hear and the candidates that it looks at closely."""

    def __init__(self, path: Path) -> None:
        self.detector = Detector(OnnxDetector(path))
        self.metadata = self.detector.model.metadata
        self.sounds: list[Floats] = []
        self.candidates: list[Floats] = []

    @property
    def feeds(self) -> list[list[Floats]]:
        return [self.sounds, self.candidates]

    @property
    def n_clips(self) -> int:
        return sum(map(len, self.candidates))

    def hear(self, recordings: Sequence[FoundRecording]) -> tuple[str, ...]:
        def take(waveform: Floats) -> None:
            n_samples = min(len(waveform), round(LONGEST_S * DETECTOR.sample_rate_hz))
            sound = np.ascontiguousarray(waveform[None, : n_samples // STEP_SAMPLES * STEP_SAMPLES])
            if sound.shape[1] < 2 * STEP_SAMPLES:
                return
            moments = self._pick(self.detector.model, sound)
            self.sounds.append(sound)
            if len(moments):
                self.candidates.append(cut_candidates(sound[0], moments))

        return _hear_all(recordings, DETECTOR.sample_rate_hz, take)

    def _pick(self, model: Any, sound: Floats) -> NDArray[np.float64]:
        return pick_onsets(model.run(sound)[0].max(axis=0), self.detector.candidate).moment

    def split(self, model: onnx.ModelProto) -> list[onnx.ModelProto]:
        """Return the experts and the likeness as models of their own, weights in full."""
        (choose,) = model.graph.node
        branches = {each.name: each.g for each in choose.attribute}
        parts = []
        for name in ("else_branch", "then_branch"):
            part = onnx.ModelProto()
            part.CopyFrom(model)
            part.graph.CopyFrom(branches[name])
            part.graph.input.append(model.graph.input[0])
            parts.append(_unfold(part))
        return parts

    def compare(self, path: Path) -> float:
        other = OnnxDetector(path)
        near, n = 0, 0
        for sound in self.sounds:
            ours, theirs = self._pick(self.detector.model, sound), self._pick(other, sound)
            apart = np.abs(ours[:, None] - theirs[None])
            found = (apart <= 2).any(axis=1).sum() if len(theirs) else 0
            near += int(found)
            n += max(len(ours), len(theirs))
        return near / n


def _hear_all(
    recordings: Sequence[FoundRecording], rate_hz: int, take: Callable[[Floats], None]
) -> tuple[str, ...]:
    """Hand over each recording at a rate, (n_samples,); return what is wrong with the others."""
    failed = []
    for recording in show_progress(recordings, total=len(recordings), description="hearing"):
        try:
            if recording.error is not None:
                raise RecordingError(f"{recording.name}: {recording.error}")
            take(read(recording.path, sample_rate_hz=rate_hz).waveform[0])
        except RecordingError as error:
            failed.append(str(error))
    return tuple(failed)


def _layer_weights(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield the weights and biases of the layers, each once."""
    names = {name for node in model.graph.node if node.op_type in LAYERS for name in node.input[1:]}
    yield from (each for each in model.graph.initializer if each.name in names)


def _round(model: onnx.ModelProto) -> onnx.ModelProto:
    """Round the weights of layers to half precision."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    for weights in _layer_weights(rounded):
        values = onnx.numpy_helper.to_array(weights).astype(np.float16).astype(np.float32)
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    return rounded


def _unfold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo `export.store_small`: every weight an initializer in single precision."""
    graph = model.graph
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    full: dict[str, NDArray[Any]] = {}
    nodes = []
    for node in graph.node:
        known = [full.get(name, values.get(name)) for name in node.input]
        is_stored = known and all(each is not None for each in known)
        if is_stored and node.op_type == "Cast":
            full[node.output[0]] = np.asarray(known[0]).astype(np.float32)
        elif is_stored and node.op_type == "Mul":
            full[node.output[0]] = np.asarray(known[0]) * np.asarray(known[1])
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    kept += [onnx.numpy_helper.from_array(full[name], name) for name in full if name in used]
    for field, content in ((graph.node, nodes), (graph.initializer, kept)):
        del field[:]
        field.extend(content)
    for place, node in enumerate(graph.node):
        node.name = node.name or f"node_{place}"
    return model


def _to_int8(model: onnx.ModelProto, feeds: Sequence[Floats]) -> onnx.ModelProto:
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Sounds(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(feeds)

        def get_next(self) -> dict[str, Floats] | None:
            sound = next(self.rest, None)
            return None if sound is None else {recognition.INPUT: sound}

    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("full.onnx", "ready.onnx", "int8.onnx")]
        onnx.save(model, places[0])
        quant_pre_process(places[0], places[1], skip_symbolic_shape=True)
        quantization.quantize_static(
            places[1],
            places[2],
            Sounds(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(LAYERS),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(places[2])
