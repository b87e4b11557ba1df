"""The baseline's way of recognising and packing, written anew, with random weights.

What costs is the same: Cnn14 in PyTorch, its checkpoint read again for every recording, and
packing that pads every clip to 30 s. Where ours replaces its parts, ours is the faster: the
log-mel front-end, and decoding with soundfile and soxr where librosa is not installed.
"""

import importlib.util
import time
from pathlib import Path

import h5py
import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shotprint.backbones import build_backbone
from shotprint.backbones.checkpoints import BASELINE_LABELS
from shotprint.backbones.logmel import LogMel
from shotprint.frontends import PANNS

RATE_HZ = PANNS.sample_rate_hz
PADDED_S = 30
HAS_LIBROSA = importlib.util.find_spec("librosa") is not None


class Cnn14Transfer(nn.Module):
    """Cnn14 and a linear layer over 18 guns; parameters are named as in its checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.logmel = LogMel(PANNS)
        self.base = build_backbone("panns_cnn14")
        self.fc_transfer = nn.Linear(2048, len(BASELINE_LABELS))

    def forward(self, waveform: Tensor) -> Tensor:
        return torch.log_softmax(self.fc_transfer(self.base(self.logmel(waveform))), dim=1)


def decode(path: str) -> NDArray[np.float32]:
    """Return a recording as mono at 32 kHz, (n_samples,)."""
    if HAS_LIBROSA:
        import librosa  # type: ignore[import-not-found]

        waveform: NDArray[np.float32] = librosa.load(path, sr=RATE_HZ, mono=True)[0]
        return waveform
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ))


def write_checkpoint(path: str) -> None:
    """Write random weights in the layout of the baseline's checkpoint."""
    torch.manual_seed(0)
    torch.save({"iteration": 0, "model": Cnn14Transfer().state_dict()}, path)


def recognize(checkpoint: str, paths: list[str], threads: int) -> list[str]:
    """Answer recordings one by one; build the network and read its weights for each anew."""
    torch.set_num_threads(threads)
    answers = []
    for path in paths:
        network = Cnn14Transfer()
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
