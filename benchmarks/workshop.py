"""What the cases share: recordings, models and the runs of the baseline, each made once."""

import functools
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.measuring import Usage, run, run_repeatedly, say
from shotprint.audio import read

SHOTPRINT = Path(sys.executable).with_name("shotprint")
CORES = 2
N_RECORDINGS = 400
N_FEW = 20
N_ROUNDS = 3
LONG_S, RATE_HZ = 600.0, 48000


@dataclass(frozen=True)
class Steady:
    """Recordings a second after the start; largest resident memory."""

    rate: float
    peak_mb: float


class Workshop:
    """A folder in which everything is made, or measured, when it is first asked for.

    Attributes
    ----------
    peers : folder of other tools (`peers.install`); None: they are not measured
    """

    def __init__(self, folder: Path, peers: Path | None = None) -> None:
        self.folder = folder
        self.peers = peers

    @functools.cached_property
    def recordings(self) -> Path:
        """Folder of `N_RECORDINGS` recordings."""
        say(f"making {N_RECORDINGS} recordings")
        folder = self.folder / "recordings" / "gun"
        arguments = {"folder": str(folder), "n": N_RECORDINGS, "shots": str(self.simulated)}
        work("work.write_recordings", **arguments)
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
    def pack(self) -> Path:
        """Pack of the simulated recordings."""
        manifest, path = self.folder / "simulated.csv", self.folder / "simulated.h5"
        run([SHOTPRINT, "import", "cadre", self.simulated, "-o", manifest])
        run([SHOTPRINT, "pack", manifest, "-o", path])
        return path

    @functools.cached_property
    def long(self) -> Path:
        """Recording of `LONG_S`."""
        return self.write_long("long.rf64", LONG_S)

    def write_long(self, name: str, duration_s: float, gap_s: float = 10.0) -> Path:
        """Write a shot every `gap_s` over faint noise, 48 kHz stereo.

        Block by block, for a child process that is measured counts the memory that this one held.
        """
        path = self.folder / name
        rng = np.random.default_rng(0)
        shot = min(self.simulated.rglob("Glock9*Samsung/*.wav"))
        (waveform,) = read(shot, sample_rate_hz=RATE_HZ).waveform
        with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as file:
            for _ in range(round(duration_s / gap_s)):
                block = 1e-3 * rng.standard_normal((round(gap_s * RATE_HZ), 2), np.float32)
                block[RATE_HZ : RATE_HZ + len(waveform)] += 0.5 * waveform[:, None]
                file.write(block)
        return path

    def recognize(self, n: int, form: str = "csv") -> list[str]:
        """Return the command that recognises the first `n` recordings."""
        options = ["--jobs", str(CORES), "--format", form]
        return [str(SHOTPRINT), "recognize", *options, *self.few(n)]

    @functools.cached_property
    def cold_start_s(self) -> float:
        """Seconds that one recording takes from a cold start."""
        return run_repeatedly(self.recognize(1), 7)

    @functools.cached_property
    def few_s(self) -> float:
        """Seconds that `N_FEW` recordings take."""
        return run_repeatedly(self.recognize(N_FEW), 5)

    @functools.cached_property
    def steady(self) -> Steady:
        """Speed without the start, and memory, of many recordings."""
        runs = [run(self.recognize(N_RECORDINGS)) for _ in range(N_ROUNDS)]
        seconds = statistics.median(each.wall_s for each in runs) - self.few_s
        return Steady((N_RECORDINGS - N_FEW) / seconds, max(each.peak_mb for each in runs))

    @functools.cached_property
    def long_recognition(self) -> Usage:
        """What recognising the long recording takes."""
        return recognize_long(self.long)

    @functools.cached_property
    def checkpoint(self) -> Path:
        """Random weights of Cnn14 in the layout of the baseline's checkpoint."""
        say("making the baseline's checkpoint")
        path = self.folder / "cnn14.pth"
        work("baseline.write_checkpoint", path=str(path))
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
        return work("baseline.recognize", **arguments)


def recognize_long(path: Path) -> Usage:
    """Recognise a long recording."""
    return run([SHOTPRINT, "recognize", path, "--jobs", str(CORES), "--format", "csv"])


def work(job: str, **arguments: Any) -> Usage:
    """Run a job of `benchmarks.work` in a process of its own."""
    return run([sys.executable, "-m", "benchmarks.work", job, json.dumps(arguments)])


def work_for(job: str, **arguments: Any) -> Any:
    """Run a job and return its answer."""
    return json.loads(work(job, **arguments).stdout)
