"""What runs in another tool's interpreter: ``python peer_work.py TOOL JOB ARGUMENTS-AS-JSON``.

It stands alone: it imports the standard library and the tool. The answer is JSON on the last line
of standard output, ``{"failed": …}`` where the tool cannot do it. What a tool reads below the home
folder lies there with random weights of the right shapes (`prepare`): what costs is the same.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

RATE_HZ = 32000
N_GUNS, N_CLASSES = 18, 527
CLIP_S, WINDOW_S = 2.0, 10.0
"""Length of a recording; of the pieces of a long one that PANNs hears: as it was trained."""
BATCH = 16
LIMIT_S = 600
PANNS = {
    "sample_rate": RATE_HZ,
    "window_size": 1024,
    "hop_size": 320,
    "mel_bins": 64,
    "fmin": 50,
    "fmax": 14000,
    "classes_num": N_CLASSES,
}


class PannsInference:
    """panns-inference as in its example: librosa decodes, one recording at a time."""

    folder = Path.home() / "panns_data"

    @classmethod
    def prepare(cls) -> None:
        """Write labels and checkpoint where it looks for what it would download."""
        cls.folder.mkdir(parents=True)
        rows = "".join(f"{i},/m/{i},class {i}\n" for i in range(N_CLASSES))
        labels = cls.folder / "class_labels_indices.csv"
        labels.write_text("index,mid,display_name\n" + rows, encoding="utf-8")
        import torch
        from panns_inference.models import Cnn14

        checkpoint = {"model": Cnn14(**PANNS).state_dict()}
        torch.save(checkpoint, cls.folder / "Cnn14_mAP=0.431.pth")

    def __init__(self) -> None:
        from panns_inference import AudioTagging

        self.tagging = AudioTagging(device="cpu")

    def recognize(self, paths: list[str]) -> None:
        """Answer recordings."""
        for path in paths:
            self.tagging.inference(load(path)[None])

    def hear(self, path: str, duration_s: float) -> None:
        """Answer a long recording in pieces."""
        for begin_s in range(0, int(duration_s), int(WINDOW_S)):
            self.tagging.inference(load(path, offset=begin_s, duration=WINDOW_S)[None])


class Baseline:
    """Cnn14 and a linear layer over 18 guns; the checkpoint is read anew for every recording."""

    checkpoint = Path.home() / "baseline.pth"

    @classmethod
    def prepare(cls) -> None:
        """Write its checkpoint; panns-inference, whose Cnn14 it is, wants its own files."""
        PannsInference.prepare()
        import torch

        torch.save({"iteration": 0, "model": cls.build().state_dict()}, cls.checkpoint)

    @staticmethod
    def build() -> Any:
        """Return the network with random weights."""
        from panns_inference.models import Cnn14
        from torch import nn

        return nn.ModuleDict({"base": Cnn14(**PANNS), "fc_transfer": nn.Linear(2048, N_GUNS)})

    def recognize(self, paths: list[str]) -> None:
        """Answer recordings."""
        import torch

        for path in paths:
            network = self.build()
            content = torch.load(self.checkpoint, map_location="cpu")
            network.load_state_dict(content["model"])
            network.eval()
            with torch.no_grad():
                embedding = network["base"](torch.from_numpy(load(path))[None])["embedding"]
                torch.log_softmax(network["fc_transfer"](embedding), dim=1).argmax()


class OpenSoundscape:
    """OpenSoundscape's CNN with a ResNet-18, its usual network, over 18 classes."""

    def __init__(self) -> None:
        import torch

        # Its torchvision is built for CUDA: operators that no classifier needs are missing.
        self.missing = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                arguments = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                self.missing.define(name + arguments)
        from opensoundscape.ml.cnn import CNN

        guns = [f"gun {i}" for i in range(N_GUNS)]
        self.cnn = CNN("resnet18", guns, CLIP_S, sample_rate=RATE_HZ, arch_weights=None)

    def recognize(self, paths: list[str]) -> None:
        """Answer recordings, a clip each."""
        n_workers = len(os.sched_getaffinity(0))
        scores = self.cnn.predict(
            paths, batch_size=BATCH, num_workers=n_workers, progress_bar=False
        )
        if scores.isna().any(axis=None):
            raise ValueError("clips could not be answered")

    def hear(self, path: str, duration_s: float) -> None:
        """Answer a long recording, in clips: all of it."""
        self.recognize([path])


class Birdnet:
    """birdnet; its network is downloaded when it is first used."""

    def __init__(self) -> None:
        import birdnet

        self.model = birdnet.load("acoustic", "2.4", "tf", library="litert")

    def recognize(self, paths: list[str]) -> None:
        """Answer recordings."""
        self.model.predict(paths)

    def hear(self, path: str, duration_s: float) -> None:
        """Answer a long recording: all of it."""
        self.recognize([path])


TOOLS = {
    "baseline": Baseline,
    "panns-inference": PannsInference,
    "opensoundscape": OpenSoundscape,
    "birdnet": Birdnet,
}


def load(path: str, **span: float) -> Any:
    """Return a recording as mono at 32 kHz, (n_samples,)."""
    import librosa

    return librosa.load(path, sr=RATE_HZ, mono=True, **span)[0]


def recognize(tool: Any, paths: list[str], n_warm: int, n_rounds: int) -> list[float]:
    """Return the seconds of each round over all recordings, after some that are not counted."""
    tool.recognize(paths[:n_warm])
    return [time_call(tool.recognize, paths) for _ in range(n_rounds)]


def hear(tool: Any, path: str, duration_s: float) -> float:
    """Return the seconds that a long recording takes."""
    return time_call(tool.hear, path, duration_s)


def time_call(call: Any, *arguments: Any) -> float:
    """Return the seconds of a call."""
    begin_s = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begin_s


def main(name: str, job: str, arguments: dict[str, Any]) -> Any:
    """Prepare a tool, or open it and do a job."""
    tool = TOOLS[name]
    if job == "prepare":
        return getattr(tool, "prepare", lambda: None)()
    return {"recognize": recognize, "hear": hear}[job](tool(), **arguments)


if __name__ == "__main__":
    signal.alarm(LIMIT_S)
    try:
        answer = {"answer": main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))}
    except Exception as error:  # noqa: BLE001  # whatever stops a tool is what is to be told
        print(error, file=sys.stderr)
        answer = {"failed": type(error).__name__}
    print(json.dumps(answer))
