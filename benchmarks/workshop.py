"""What the cases share: recordings, models and the runs of the baseline, each made once."""

import functools
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import Usage, run, say

SHOTPRINT = Path(sys.executable).with_name("shotprint")
CORES = 2
N_RECORDINGS = 400
N_FEW = 20


class Workshop:
    """A folder in which everything is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @functools.cached_property
    def recordings(self) -> Path:
        """Folder of `N_RECORDINGS` recordings."""
        say(f"making {N_RECORDINGS} recordings")
        folder = self.folder / "recordings" / "gun"
        work("write_recordings", folder=str(folder), n=N_RECORDINGS)
        return folder

    def few(self, n: int) -> list[str]:
        """Return the paths of the first recordings."""
        return sorted(map(str, self.recordings.iterdir()))[:n]

    @functools.cached_property
    def simulated(self) -> Path:
        """Folder of simulated recordings of one shot each."""
        folder = self.folder / "simulated"
        run([SHOTPRINT, "simulate", "-o", folder, "--shots", "1", "--workers", str(CORES)])
        return folder

    @functools.cached_property
    def checkpoint(self) -> Path:
        """Random weights of Cnn14 in the layout of the baseline's checkpoint."""
        say("making the baseline's checkpoint")
        path = self.folder / "cnn14.pth"
        work("write_checkpoint", path=str(path))
        return path

    @functools.cached_property
    def cnn14_model(self) -> Path:
        """The same as a model file."""
        path = self.checkpoint.with_suffix(".onnx")
        run([SHOTPRINT, "export", self.checkpoint, "-o", path])
        return path

    @functools.cache  # noqa: B019  # one workshop a run
    def recognize_as_baseline(self, n: int) -> Usage:
        """Recognise the first recordings as the baseline does."""
        arguments = {"checkpoint": str(self.checkpoint), "paths": self.few(n), "threads": CORES}
        return work("recognize_as_baseline", **arguments)


def work(job: str, **arguments: Any) -> Usage:
    """Run a job of `benchmarks.work` in a process of its own."""
    return run([sys.executable, "-m", "benchmarks.work", job, json.dumps(arguments)])


def work_for(job: str, **arguments: Any) -> Any:
    """Run a job and return its answer."""
    return json.loads(work(job, **arguments).stdout)
