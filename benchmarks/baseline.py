"""The baseline's way of recognising, packing and training, written anew, with random weights.

What costs is the same: Cnn14 in PyTorch, its checkpoint read again for every recording, packing
that pads every clip to 30 s, a plain loop of training steps. Where ours replaces its parts, ours is
the faster: the log-mel front-end, and decoding with soundfile and soxr instead of librosa, which
`peer_work.Baseline` uses.
"""

import statistics
import time
from pathlib import Path

import h5py
import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shotprint.backbones import build_backbone, find_backbone
from shotprint.backbones.checkpoints import BASELINE_LABELS
from shotprint.backbones.logmel import LogMel
from shotprint.frontends import PANNS

RATE_HZ = PANNS.sample_rate_hz
PADDED_S = 30


class Transfer(nn.Module):
    """A backbone and a linear layer over 18 guns; parameters are named as in its checkpoint."""

    def __init__(self, backbone: str = "panns_cnn14") -> None:
        super().__init__()
        spec = find_backbone(backbone)
        self.logmel = LogMel(spec.frontend)
        self.base = build_backbone(backbone)
        self.fc_transfer = nn.Linear(spec.embedding_dim, len(BASELINE_LABELS))

    def forward(self, waveform: Tensor) -> Tensor:
        return self.classify(self.logmel(waveform))

    def classify(self, logmel: Tensor) -> Tensor:
        """Go on from the log-mel spectrogram."""
        return torch.log_softmax(self.fc_transfer(self.base(logmel)), dim=1)


def decode(path: str) -> NDArray[np.float32]:
    """Return a recording as mono at 32 kHz, (n_samples,)."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ))


def write_checkpoint(path: str) -> None:
    """Write random weights in the layout of the baseline's checkpoint."""
    torch.manual_seed(0)
    torch.save({"iteration": 0, "model": Transfer().state_dict()}, path)


def recognize(checkpoint: str, paths: list[str], threads: int) -> list[str]:
    """Answer recordings one by one; build the network and read its weights for each anew."""
    torch.set_num_threads(threads)
    answers = []
    for path in paths:
        network = Transfer()
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        network.load_state_dict(content["model"])
        with torch.no_grad():
            scores = network.eval()(torch.from_numpy(decode(path))[None])[0]
        answers.append(BASELINE_LABELS[int(scores.argmax())])
    return answers


def pack(output: str, paths: list[str]) -> float:
    """Pack recordings into HDF5, each padded to 30 s and written by itself; return the seconds.

    The imports before it are not counted.
    """
    begin_s = time.perf_counter()
    shape = (len(paths), PADDED_S * RATE_HZ)
    with h5py.File(output, "w") as file:
        file.create_dataset("waveform", shape, np.int16)
        file.create_dataset("audio_name", (len(paths),), "S80")
        file.create_dataset("target", (len(paths), len(BASELINE_LABELS)), np.float32)
        for row, path in enumerate(paths):
            clip = np.zeros(shape[1], np.float32)
            waveform = decode(path)[: shape[1]]
            clip[: len(waveform)] = waveform
            file["waveform"][row] = (clip.clip(-1, 1) * 32767).astype(np.int16)
            file["audio_name"][row] = Path(path).name.encode()
            file["target"][row] = np.eye(len(BASELINE_LABELS), dtype=np.float32)[0]
    return time.perf_counter() - begin_s


def time_training(backbone: str, paths: list[str], batch_size: int, n: int, threads: int) -> float:
    """Return the median of the seconds of `n` training steps, after two that are not counted.

    As the baseline trains: twice as many clips are drawn and mixed in pairs, Adam with amsgrad,
    every parameter. The clips are the first second of each recording and lie in memory.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = torch.from_numpy(np.stack([np.resize(decode(path), RATE_HZ) for path in paths]))
    targets = torch.eye(len(BASELINE_LABELS))[torch.arange(len(paths)) % len(BASELINE_LABELS)]
    network = Transfer(backbone).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, amsgrad=True)
    times_s = []
    for _ in range(n + 2):
        begin_s = time.perf_counter()
        rows = torch.from_numpy(rng.integers(len(paths), size=2 * batch_size))
        share = torch.from_numpy(rng.beta(1, 1, batch_size).astype(np.float32))[:, None]
        logmel, target = network.logmel(clips[rows]), targets[rows]
        mixed = share[..., None] * logmel[::2] + (1 - share[..., None]) * logmel[1::2]
        target = share * target[::2] + (1 - share) * target[1::2]
        loss = -(network.classify(mixed) * target).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times_s.append(time.perf_counter() - begin_s)
    return statistics.median(times_s[2:])
