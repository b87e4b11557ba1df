"""A small recogniser with random weights, and recordings, for the tests of recognition."""

import numpy as np

from shotprint.audio import write_wav

TOY_LABELS = ("AK-47", "M16", "MP5", "Škorpion")  # the last one is in no table of firearms


def build_toy_network(backbone="efficientat_mn04", labels=TOY_LABELS):
    """Build a network with random weights, the same in every run, whose answers differ.

    Its batch norms have heard a few shots, or every recording would give the same embedding.
    """
    import torch

    from shotprint.backbones import build_backbone
    from shotprint.backbones.network import Network

    shots = torch.from_numpy(np.stack([make_shot(i, 1.0, 32000) for i in range(8)]))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network = Network(build_backbone(backbone), labels).train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # a mean over all that is heard
        network(shots)
        _, embedding = network.eval()(shots)
        network.head.weight /= embedding.std(dim=0).mean()
        network.head.bias -= network.head(embedding).mean(dim=0)
    return network


def export_toy(folder, **metadata):
    """Write the toy network as safetensors and ONNX; return the path of the model file."""
    from shotprint.backbones.checkpoints import write_network
    from shotprint.backbones.torch_model import load_described
    from shotprint.export import export_network
    from shotprint.firearms import read_firearms

    write_network(
        build_toy_network(), "efficientat_mn04", folder / "run" / "model.safetensors", metadata
    )
    network, described = load_described(
        folder / "run", firearms=read_firearms(), card={"name": "toy"}
    )
    return export_network(network, described, folder / "toy.onnx").path


def make_shot(seed, duration_s=2.0, rate_hz=48000, at_s=0.5):
    """Return a blast that dies away in faint noise, (n_samples,) float32."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(duration_s * rate_hz)) / rate_hz - at_s
    envelope = np.where(t >= 0, np.exp(-np.maximum(t, 0) / (0.02 + 0.02 * (seed % 5))), 0)
    smooth = np.convolve(rng.standard_normal(len(t)), np.ones(1 + seed % 7) / 3, mode="same")
    return (0.2 * envelope * smooth + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


def write_shots(folder, n, rate_hz=48000):
    """Write n stereo recordings shot1.wav, … of two seconds; return their paths."""
    paths = [folder / f"shot{i}.wav" for i in range(1, n + 1)]
    for seed, path in enumerate(paths):
        shot = make_shot(seed, rate_hz=rate_hz)
        write_wav(path, np.stack([shot, 0.5 * shot]), rate_hz)
    return paths


def write_toy_detector(path, threshold=0.5):
    """Write a detector (ONNX) that hears a sudden rise of the peak level; return its path."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from shotprint.detection import DetectorMetadata

    def constant(name, value, dtype=np.int64):
        return numpy_helper.from_array(np.array(value, dtype), name)

    nodes = [
        helper.make_node("Abs", ["waveform"], ["size"]),
        helper.make_node("Unsqueeze", ["size", "one"], ["one_channel"]),
        helper.make_node("MaxPool", ["one_channel"], ["peak"], kernel_shape=[48], strides=[48]),
        helper.make_node("Add", ["peak", "faint"], ["audible"]),
        helper.make_node("Log", ["audible"], ["level"]),
        helper.make_node("Pad", ["level", "pads"], ["padded"], mode="edge"),
        helper.make_node("MaxPool", ["padded"], ["pooled"], kernel_shape=[5]),
        helper.make_node("Slice", ["pooled", "zero", "last", "two"], ["before"]),
        helper.make_node("Sub", ["level", "before"], ["rise"]),
        helper.make_node("Sub", ["rise", "enough"], ["excess"]),
        helper.make_node("Mul", ["excess", "slope"], ["shaped"]),
        helper.make_node("Squeeze", ["shaped", "one"], ["logits"]),
    ]
    constants = [
        constant("one", [1]),
        constant("zero", [0]),
        constant("last", [-1]),
        constant("two", [2]),
        constant("pads", [0, 0, 5, 0, 0, 0]),
        constant("faint", 1e-4, np.float32),
        constant("enough", 1.2, np.float32),
        constant("slope", 4.0, np.float32),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["n", "n_samples"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "n_frames"])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    metadata = DetectorMetadata(name="rise", version="1", threshold=threshold)
    helper.set_model_props(model, {"shotprint": metadata.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def make_shots(onsets_s, duration_s, rate_hz=48000, peak=0.4):
    """Return blasts that die away within 60 ms, in faint noise, (n_samples,) float32."""
    rng = np.random.default_rng(5)
    waveform = 1e-3 * rng.standard_normal(round(duration_s * rate_hz))
    t = np.arange(round(0.06 * rate_hz)) / rate_hz
    for onset_s in onsets_s:
        start = round(onset_s * rate_hz)
        part = waveform[start : start + len(t)]
        part += (peak * np.exp(-t / 0.008) * rng.uniform(-1, 1, len(t)))[: len(part)]
        part[0] = peak
    return waveform.astype(np.float32)


def write_bursts(path, onsets_s, duration_s=3.0, rate_hz=48000, subtype="PCM_16"):
    """Write a stereo recording of shots, the right channel fainter; return its path."""
    waveform = make_shots(onsets_s, duration_s, rate_hz)
    write_wav(path, np.stack([waveform, 0.5 * waveform]), rate_hz, subtype)
    return path
