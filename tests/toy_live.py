"""A detector that needs no training, and sound for it, for the tests of live listening."""

import numpy as np

from shotprint.detection import Detector, DetectorMetadata, OnnxDetector

N_BACK, N_AHEAD = 500, 240  # 4 ms each: it hears as far as the shipped one
QUIET = 1e-3


def write_detector(path):
    """Write an ONNX detector: how much louder is this frame than the 80 ms before?

    The 2 s before and 1 s after count a little, so that who hears less of them is found out.
    """
    import onnx
    from onnx import TensorProto, helper

    weights = np.zeros(N_BACK + 1 + N_AHEAD, np.float32)
    weights[:N_BACK] = -0.1 / N_BACK
    weights[N_BACK + 1 :] = 0.1 / N_AHEAD
    weights[N_BACK - 20 : N_BACK] -= 1.5 / 20
    weights[N_BACK] = 1.5
    kind = TensorProto.FLOAT
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "one"], ["x"]),
        helper.make_node("Mul", ["x", "x"], ["square"]),
        helper.make_node("AveragePool", ["square"], ["mean"], kernel_shape=[48], strides=[48]),
        helper.make_node("Add", ["mean", "floor"], ["power"]),
        helper.make_node("Log", ["power"], ["level"]),
        helper.make_node("Conv", ["level", "weights", "bias"], ["rise"], pads=[N_BACK, N_AHEAD]),
        helper.make_node("Squeeze", ["rise", "one"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("floor", kind, [1], [1e-7]),
        helper.make_tensor("weights", kind, [1, 1, len(weights)], weights),
        helper.make_tensor("bias", kind, [1], [-5.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "rise",
        [helper.make_tensor_value_info("waveform", kind, ["n", "n_samples"])],
        [helper.make_tensor_value_info("logits", kind, ["n", "n_frames"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    text = DetectorMetadata(name="rise", version="1", threshold=0.5).to_json()
    helper.set_model_props(model, {"shotprint": text})
    onnx.save(model, path)
    return path


def open_toy(path, threshold=None):
    return Detector(OnnxDetector(path), threshold)


def make_sound(at_s, duration_s, rate_hz=48000, n_channels=1):
    """Return noise with a blast at each moment, (n_channels, n_samples)."""
    rng = np.random.default_rng(0)
    n = round(duration_s * rate_hz)
    waveform = QUIET * rng.standard_normal((n_channels, n)).astype(np.float32)
    t_s = np.arange(round(0.3 * rate_hz)) / rate_hz
    for seed, moment_s in enumerate(at_s):
        blast = np.exp(-t_s / 0.008) * np.random.default_rng(seed).standard_normal(len(t_s))
        begin = round(moment_s * rate_hz)
        waveform[:, begin : begin + len(t_s)] += 0.2 * blast[: n - begin].astype(np.float32)
    return waveform
