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
