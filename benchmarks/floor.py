"""How fast recognition can be at best here: the arithmetic of its networks, and the decoder.

A multiply–add is one product and one sum, of a convolution, a matrix product or a linear layer;
what else a network does (activations, means, logarithms) is not counted.
"""

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import soundfile

from benchmarks.work import DURATION_S, make_clip
from shotprint.audio import resample
from shotprint.detection.facts import DETECTOR
from shotprint.detection.judging import CLIP_SAMPLES
from shotprint.detection.model import INPUT, IS_CLIP
from shotprint.inference import import_runtime
from shotprint.recognition import OnnxModel
from shotprint.weights import shipped_detector, shipped_model

onnxruntime = import_runtime()
COUNTED = frozenset({"Conv", "Gemm", "MatMul"})
NOT_COUNTED = frozenset(
    {"ConvTranspose", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"}
    | {"Einsum", "DFT", "STFT", "RNN", "GRU", "LSTM"}
)
SIDE = 2048
"""Rows and columns of the matrices that the peak is measured with."""

Feeds = Mapping[str, np.ndarray]


def count_macs(path: str | os.PathLike[str], feeds: Feeds) -> int:
    """Return the multiply–adds that a graph does with an input, as it is written.

    The graph is run unoptimised and the shapes are those that its nodes met, so that of an ``If``
    the branch that was taken counts, and a convolution in groups costs what its groups cost.

    Parameters
    ----------
    feeds : input → array

    Raises
    ------
    ValueError : the graph does arithmetic of a kind that is not counted
    """
    return sum(map(count_node, profile_nodes(path, feeds, is_optimized=False)))


def profile_nodes(
    path: str | os.PathLike[str], feeds: Feeds, n: int = 1, is_optimized: bool = True
) -> list[dict[str, Any]]:
    """Run a graph `n` times on one thread; return ONNX Runtime's record of each node that ran."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    if not is_optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Weights that are packed for the processor are missing from the shapes of the record.
        options.add_session_config_entry("session.disable_prepacking", "1")
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        for _ in range(n):
            session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return [each for each in events if each["name"].endswith("_kernel_time")]


def count_node(node: Mapping[str, Any]) -> int:
    """Return the multiply–adds of a node of ONNX Runtime's record."""
    kind = node["args"]["op_name"]
    if kind in NOT_COUNTED:
        raise ValueError(f"{node['name']} is a {kind}; expected {', '.join(sorted(COUNTED))}")
    if kind not in COUNTED:
        return 0
    inputs, (output, *_) = (
        [next(iter(shape.values())) for shape in node["args"][f"{side}_type_shape"]]
        for side in ("input", "output")
    )
    if kind == "Conv":  # weights: channels out, channels in of a group, kernel
        return math.prod(output) * math.prod(inputs[1][1:])
    if kind == "Gemm":  # the first input, (rows, inner), may be transposed
        return math.prod(inputs[0]) * output[1]
    return math.prod(output) * int(inputs[0][-1])


def count_arithmetic() -> dict[str, int]:
    """Return the multiply–adds of the shipped networks, front-ends included.

    ``detector``: for `DURATION_S` of sound; ``judge``: for a candidate; ``recogniser``: for a
    shot, which it hears in clips of one or two lengths.
    """
    model, detector = shipped_model(), shipped_detector()
    facts = OnnxModel(model).metadata
    sound = make_clip(DURATION_S, DETECTOR.sample_rate_hz)
    clip = sound[:, :CLIP_SAMPLES]
    views = (make_clip(view.length_s, facts.sample_rate_hz) for view in facts.clip_rule.views)
    return {
        "detector": count_macs(detector, {INPUT: sound, IS_CLIP: np.array(False)}),
        "judge": count_macs(detector, {INPUT: clip, IS_CLIP: np.array(True)}),
        "recogniser": sum(count_macs(model, {INPUT: view}) for view in views),
    }


def measure_peak(threads: int, n: int) -> float:
    """Return the multiply–adds a second of a large matrix product, the best of `n` calls."""
    shape = [SIDE, SIDE]
    a, b, c = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "abc"
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["a", "b"], ["c"])], "product", [a, b], [c]
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    matrix = np.random.default_rng(0).standard_normal(shape, np.float32)
    times_s = []
    for _ in range(n):
        begin_s = time.perf_counter()
        session.run(None, {"a": matrix, "b": matrix})
        times_s.append(time.perf_counter() - begin_s)
    return SIDE**3 / min(times_s)


def time_decoding(paths: list[str]) -> float:
    """Return the median of the seconds that recordings take to be read, mixed and resampled.

    On one core, to the rates that the detector and the recogniser hear.
    """
    to_hz = OnnxModel(shipped_model()).metadata.sample_rate_hz
    times_s = []
    for path in paths:
        begin_s = time.perf_counter()
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        mixed = samples.mean(axis=1)[None]
        for target_hz in (DETECTOR.sample_rate_hz, to_hz):
            resample(mixed, rate_hz, target_hz)
        times_s.append(time.perf_counter() - begin_s)
    return statistics.median(times_s)
