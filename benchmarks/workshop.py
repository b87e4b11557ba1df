"""What the cases share: recordings, models and the runs of the baseline, each made once."""

import functools
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import Usage, run, say
from shotprint.errors import ShotprintError
from shotprint.weights import shipped_model

SHOTPRINT = Path(sys.executable).with_name("shotprint")
CORES = 2
N_RECORDINGS = 400
N_FEW = 20
LABELS = ["AK-12", "AK-47", "IMI Desert Eagle", "M16", "M249", "MG-42", "MP5", "Zastava M92"]


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
    def networks(self) -> dict[str, tuple[Path, Path]]:
        """Weights and model file of ``mn04`` and of ``cnn14``, random."""
        say("making networks")
        work("write_networks", folder=str(self.folder), labels=LABELS)
        weights = {name: self.folder / name for name in ("mn04.safetensors", "cnn14.pth")}
        models = {path.stem: (path, path.with_suffix(".onnx")) for path in weights.values()}
        for source, model in models.values():
            run([SHOTPRINT, "export", source, "-o", model])
        return models

    @functools.cached_property
    def model(self) -> Path:
        """The shipped model; random weights of the same size where none is shipped."""
        try:
            return shipped_model()
        except ShotprintError as error:
            say(f"random weights instead of the shipped model: {error}")
            return self.networks["mn04"][1]

    @functools.cache  # noqa: B019  # one workshop a run
    def recognize_as_baseline(self, n: int) -> Usage:
        """Recognise the first recordings as the baseline does."""
        checkpoint, paths = self.networks["cnn14"][0], self.few(n)
        return work("recognize_as_baseline", checkpoint=str(checkpoint), paths=paths, threads=CORES)


def work(job: str, **arguments: Any) -> Usage:
    """Run a job of `benchmarks.work` in a process of its own."""
    return run([sys.executable, "-m", "benchmarks.work", job, json.dumps(arguments)])


def work_for(job: str, **arguments: Any) -> Any:
    """Run a job and return its answer."""
    return json.loads(work(job, **arguments).stdout)
