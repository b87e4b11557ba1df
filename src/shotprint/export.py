"""torch → ONNX: one self-contained file, refused unless it gives what torch gives."""

import copy
import dataclasses
import itertools
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import shotprint
from shotprint.detection import model as detection
from shotprint.detection.facts import STEP_SAMPLES
from shotprint.detection.model import DetectorMetadata
from shotprint.errors import ShotprintError
from shotprint.files import write_beside
from shotprint.inference import METADATA_KEY
from shotprint.recognition.model import (
    EMBEDDING,
    INPUT,
    LOG_PROBABILITIES,
    Floats,
    ModelMetadata,
    OnnxModel,
)

OPSET = 17
TOLERANCE = 1e-4
WHOLE_LENGTH_S = 1.0  # of the probes for a model that hears recordings whole


@dataclass(frozen=True)
class Export:
    """A written model; `difference` is the largest one between ONNX Runtime and torch."""

    path: Path
    size_bytes: int
    difference: float


def export_network(
    network: nn.Module, metadata: ModelMetadata, path: str | os.PathLike[str]
) -> Export:
    """Write a network as ONNX: waveform in, log-probabilities and embedding out.

    Batch and length are free, from the model's shortest waveform upwards. The same network and
    metadata give the same bytes.

    Parameters
    ----------
    network : waveform (n, n_samples) → (log-probabilities, embedding), or the embedding alone
        where the metadata have no labels; in evaluation mode, on the CPU

    Raises
    ------
    ShotprintError : ONNX Runtime and torch differ by more than `TOLERANCE`; nothing is written
    """
    if network.training:
        raise ShotprintError("the network is in training mode; call eval() before exporting it")
    metadata = dataclasses.replace(metadata, software=_name_software(metadata.software))
    outputs = (LOG_PROBABILITIES, EMBEDDING) if metadata.labels else (EMBEDDING,)
    with write_beside(path) as beside:
        probe = make_probes(metadata)[1]
        _write_graph(network, probe, Graph(INPUT, outputs), metadata.to_json(), beside)
        difference = _require_equal(compare(network, OnnxModel(beside)), path)
        size_bytes = beside.stat().st_size
    return Export(Path(path), size_bytes, difference)


def export_detector(
    experts: nn.Module,
    likeness: nn.Module,
    metadata: DetectorMetadata,
    path: str | os.PathLike[str],
) -> Export:
    """Write the networks that find shots as one ONNX file: waveform in, one answer out.

    The answer is what the experts say every 4 ms, or, where the input ``is_clip`` is true, the
    likeness of each waveform. Weights are rounded to half precision, which takes half the room,
    but for those that bytes hold.

    Raises
    ------
    ShotprintError : ONNX Runtime and torch differ by more than `TOLERANCE` in probability;
        nothing is written
    """
    networks = [_fuse_norms(copy.deepcopy(each).eval()) for each in (experts, likeness)]
    with torch.no_grad():
        for values in itertools.chain(*(each.parameters() for each in networks)):
            if _to_bytes(values.numpy()) is None:
                values.copy_(values.half().float())
    metadata = dataclasses.replace(metadata, software=_name_software(metadata.software))
    rate_hz = metadata.sample_rate_hz
    noise = np.random.default_rng(0).standard_normal((2, 4 * rate_hz)) * [[0.5], [1e-3]]
    noise[:, 2 * rate_hz :] *= np.exp(-np.arange(2 * rate_hz) / (0.05 * rate_hz))
    probe = noise.astype(np.float32)
    with write_beside(path) as beside:
        models = []
        for network, long in zip(networks, ((detection.OUTPUT,), ()), strict=True):
            graph = Graph(detection.INPUT, (detection.OUTPUT,), long)
            _write_graph(network, probe, graph, metadata.to_json(), beside)
            models.append(store_small(onnx.load(beside, load_external_data=False)))
        beside.write_bytes(join_branches(*models).SerializeToString(deterministic=True))
        model = detection.OnnxDetector(beside)
        differences = []
        for waveforms in (probe, probe[:1, : rate_hz // STEP_SAMPLES * STEP_SAMPLES]):
            for network, run in zip(networks, (model.run, model.rate), strict=True):
                with torch.inference_mode():
                    expected = torch.sigmoid(network(torch.from_numpy(waveforms))).numpy()
                given = 1 / (1 + np.exp(-run(waveforms).reshape(expected.shape)))
                differences.append(float(np.abs(given - expected).max()))
        difference = _require_equal(max(differences), path)
        size_bytes = beside.stat().st_size
    return Export(Path(path), size_bytes, difference)


def join_branches(experts: onnx.ModelProto, likeness: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that runs one of two graphs of the same input, as `is_clip` says."""
    branches = {}
    for name, model in (("then_branch", likeness), ("else_branch", experts)):
        branch = onnx.GraphProto(name=name)
        branch.CopyFrom(model.graph)
        del branch.input[:]
        branches[name] = branch
    axes = ["n", "n_experts", "n_frames"]
    answer = onnx.helper.make_tensor_value_info(detection.OUTPUT, onnx.TensorProto.FLOAT, axes)
    no = onnx.helper.make_tensor(detection.IS_CLIP, onnx.TensorProto.BOOL, [], [False])
    is_clip = onnx.helper.make_tensor_value_info(detection.IS_CLIP, onnx.TensorProto.BOOL, [])
    choose = onnx.helper.make_node("If", [detection.IS_CLIP], [detection.OUTPUT], **branches)
    joined = onnx.ModelProto()
    joined.CopyFrom(experts)
    graph = onnx.helper.make_graph(
        [choose], "detector", [*experts.graph.input, is_clip], [answer], [no]
    )
    joined.graph.CopyFrom(graph)
    onnx.checker.check_model(joined)
    return joined


def _require_equal(difference: float, path: str | os.PathLike[str]) -> float:
    if not difference <= TOLERANCE:
        raise ShotprintError(
            f"ONNX Runtime and torch differ by {difference:.2g}, at most {TOLERANCE:g} is "
            f"allowed: {path} is not written; check the network for NaN, or report this"
        )
    return difference


def _name_software(others: Mapping[str, str]) -> dict[str, str]:
    software = {"shotprint": shotprint.__version__, "torch": torch.__version__}
    return {**others, **software, "onnx": onnx.__version__}


@dataclass(frozen=True)
class Graph:
    """Names of a graph's input and outputs, and of those whose last axis has a free length."""

    input: str
    outputs: tuple[str, ...]
    long_outputs: tuple[str, ...] = ()


def _write_graph(
    network: nn.Module, probe: Floats, graph: Graph, metadata: str, path: Path
) -> None:
    """Trace the network on waveforms (n, n_samples) and add the metadata."""
    axes = {name: {0: "n"} for name in graph.outputs}
    axes |= {name: {0: "n", 2: "n_frames"} for name in graph.long_outputs}
    with warnings.catch_warnings():
        # The older exporter needs no package beside torch and onnx; that it is old, and what it
        # leaves to ONNX Runtime to fold, is no news to a user.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="Constant folding")
        torch.onnx.export(
            network,
            (torch.from_numpy(probe),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[graph.input],
            output_names=list(graph.outputs),
            dynamic_axes={graph.input: {0: "n", 1: "n_samples"}, **axes},
        )
    model = onnx.load(path, load_external_data=False)
    model.producer_name, model.producer_version = "shotprint", shotprint.__version__
    onnx.helper.set_model_props(model, {METADATA_KEY: metadata})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _fuse_norms(network: nn.Module) -> nn.Module:
    """Let convolutions do the work of the batch norms behind them (`conv`, `norm`)."""
    for module in network.modules():
        norm: Any = getattr(module, "norm", None)
        if isinstance(norm, nn.BatchNorm2d):
            conv: Any = module.conv
            module.conv = fuse_conv_bn_eval(conv, norm)
            module.norm = nn.Identity()
    return network


def store_small(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store weights that bytes or half precision hold exactly as such; the graph casts them."""
    _name_constants(model)
    nodes, scales = [], []
    for weights in model.graph.initializer:
        values, name = onnx.numpy_helper.to_array(weights), weights.name
        if values.dtype != np.float32:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if packed := _to_bytes(values):
            steps, scale = packed
            weights.CopyFrom(onnx.numpy_helper.from_array(steps, f"{name}_steps"))
            scales.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))
            cast = onnx.helper.make_node(
                "Cast", [f"{name}_steps"], [f"{name}_whole"], to=onnx.TensorProto.FLOAT
            )
            whole = [f"{name}_whole", f"{name}_scale"]
            nodes += [cast, onnx.helper.make_node("Mul", whole, [name])]
        elif (half.astype(np.float32) == values).all():
            weights.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_half"))
            nodes.append(
                onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
            )
    model.graph.initializer.extend(scales)
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _shorten_names(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _name_constants(model: onnx.ModelProto) -> None:
    """Let large constants of the graph be initializers."""
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        values = onnx.numpy_helper.to_array(node.attribute[0].t)
        if values.size > 1000:
            graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
            graph.node.remove(node)


def _shorten_names(model: onnx.ModelProto) -> None:
    """Number the values inside the graph, whose paths take as much room as a layer."""
    graph = model.graph
    kept = {each.name for each in (*graph.input, *graph.output)} | {""}
    short: dict[str, str] = {}

    def rename(name: str) -> str:
        return name if name in kept else short.setdefault(name, str(len(short)))

    for weights in graph.initializer:
        weights.name = rename(weights.name)
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
    del graph.value_info[:]


def _to_bytes(values: Floats) -> tuple[NDArray[np.int8], Floats] | None:
    """Return whole steps of −127…127 and the size of a step a row, where they hold the values."""
    if values.ndim < 2 or values[0].size < 8:
        return None
    rows = tuple(range(1, values.ndim))
    scale = np.maximum(np.abs(values).max(axis=rows, keepdims=True), np.float32(1e-12)) / 127
    steps = np.rint(values / scale)
    holds = np.allclose(steps * scale, values, rtol=1e-6, atol=0)
    return (steps.astype(np.int8), scale.astype(np.float32)) if holds else None


def make_probes(metadata: ModelMetadata) -> list[Floats]:
    """Return waveforms (n, n_samples) of several lengths and batches.

    Each batch holds blasts (a sudden rise that dies away in noise), noise, near silence and
    digital silence; one holds a blast alone.
    """
    rng = np.random.default_rng(0)
    length = round((metadata.clip_rule.length_s or WHOLE_LENGTH_S) * metadata.sample_rate_hz)
    length = max(length, metadata.min_samples)
    shortest = length if metadata.clip_rule.length_s else metadata.min_samples
    probes = []
    for n_samples in (length, shortest, length + 1, length + length // 2 + 321):
        noise = rng.standard_normal(n_samples)
        blast = 1e-3 * noise
        rest = n_samples - n_samples // 8
        decay = np.exp(-np.arange(rest) / (0.03 * metadata.sample_rate_hz))
        blast[-rest:] += noise[-rest:] * decay
        blast *= 0.5 / np.abs(blast).max()
        batch = np.stack([blast, 0.1 * noise, 1e-5 * noise, 0 * noise]).astype(np.float32)
        probes.append(batch)
    return [probes[0][:1], *probes]


def compare(network: nn.Module, model: OnnxModel) -> float:
    """Return the largest difference between the outputs of torch and of ONNX Runtime.

    Of probabilities as it is, of embeddings over the largest magnitude of each; NaN where
    either gives NaN.
    """
    differences = []
    for waveforms in make_probes(model.metadata):
        with torch.inference_mode():
            outputs = network(torch.from_numpy(waveforms))
        log_probabilities, embedding = model.run(waveforms)
        if isinstance(outputs, Tensor):
            expected = outputs.numpy()
        else:
            expected = outputs[1].numpy()
            given = np.exp(outputs[0].numpy())
            differences.append(np.abs(np.exp(log_probabilities) - given).max())
        magnitude = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1e-12)
        differences.append((np.abs(embedding - expected) / magnitude).max())
    return float(np.max(differences))
