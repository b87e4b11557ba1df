"""``docs/bench.md``: the figures, the machine, and how they were measured."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from datetime import date

from benchmarks.comparison import read_comparison
from benchmarks.gpu import read_record
from benchmarks.installation import read_installation
from benchmarks.measuring import describe_processor
from benchmarks.rows import Row, format_table
from benchmarks.workshop import CORES, N_FEW, N_RECORDINGS

PACKAGES = ("shotprint", "numpy", "soundfile", "soxr", "onnxruntime", "torch", "h5py")
BUSY_LOAD = 0.5
WAYS_OF_OTHERS = (
    "The baseline's way: Cnn14 of panns-inference and a linear layer over 18 guns, built and its "
    "checkpoint read anew for every recording; librosa decodes.",
    "panns-inference as in its example, one recording at a time. Of ten minutes it hears the first "
    "two, 10 s at a time.",
    "OpenSoundscape: `CNN.predict` with ResNet-18, clips of 2 s, 16 at a time, two workers. Its "
    "torchvision and torchaudio are built for CUDA alone; what of them cannot be loaded is left "
    "out, it is not needed.",
    "Checkpoints have random weights of the right shapes, for nothing can be downloaded: what "
    "costs is the same.",
    "The others give one answer a clip. `recognize` finds the shots, names the gun of each, and "
    "tells gunshots from other sounds.",
    "Many files: all tools keep their network loaded but the baseline, some files before are not "
    "counted, median of three rounds. Sizes: all packages that pip installs, PyTorch for CPUs.",
)


def write_page(rows: Sequence[Row], load: float, seconds: float) -> str:
    """Return the page; `load` is the machine's before the run, which took `seconds`."""
    busy = (
        f"\n**The machine was busy (load {load:.1f} before the run): these figures are worse than "
        "those of an idle one.**\n"
        if load > BUSY_LOAD
        else ""
    )
    minutes = max(1, round(seconds / 60))
    return f"""# Speed, memory, size

Written by `make bench`; do not edit. Ratios say how many times as good as the baseline's way.
{busy}
{format_table(rows)}
{describe_comparison()}{describe_gpu()}
## Machine
{describe_machine(load, seconds)}

## How it was measured
{describe_ways()}

## To repeat it
```
make bench                      # everything, in about {minutes} minutes; rewrites this page
make bench OPTIONS=--install    # the size of the base install too (pip, network)
python -m benchmarks.peers --install DIR         # the other tools: 4 GB (pip, network)
make bench OPTIONS='--peers DIR'                 # everything, the other tools too
python -m benchmarks --only few --only steady    # some of it, to the terminal
python -m benchmarks --only audit                # an audit of ten thousand recordings
```
Where no other tools are given, their table stays as it was measured last.
"""


def describe_comparison() -> str:
    """Return the section on other tools, as measured last; empty: never."""
    found = read_comparison()
    if found is None:
        return ""
    problems = [f"- {name}: {problem}." for name, problem in found.problems.items()]
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return "\n".join(
        [
            "",
            "## Beside other tools",
            f"Measured {found.measured}, both in one run on the same files; {found.processor}, "
            f"{CORES} cores; {versions}.",
            "",
            format_table(found.rows, "the other tool"),
            "",
            *problems,
            *(f"- {note}" for note in WAYS_OF_OTHERS),
            "",
        ]
    )


def describe_gpu() -> str:
    """Return the section on a GPU, as measured last; empty: never."""
    found = read_record()
    if found is None:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return f"""
## On a GPU
Measured {found.measured} by `python -m benchmarks.gpu`; {found.gpu}, {found.n_cores} cores of
{found.processor}; {versions}. {found.n_recordings:,} simulated recordings, as large a set as CADRE.

{format_table(found.rows, "the CPU")}
"""


def describe_machine(load: float, seconds: float) -> str:
    """Return a list of what the figures depend on."""
    versions = ", ".join(f"{name} {find_version(name)}" for name in PACKAGES)
    n_used = min(CORES, os.cpu_count() or CORES)
    return "\n".join(
        [
            f"- {date.today().isoformat()}, {seconds:.0f} s in all, load {load:.1f} before",
            f"- {n_used} of {os.cpu_count()} cores used, {describe_processor()}",
            f"- {platform.system()} {platform.machine()}, Python {platform.python_version()}",
            f"- {versions}",
        ]
    )


def find_version(name: str) -> str:
    """Return the version of a package, or that it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def describe_ways() -> str:
    """Return the notes to the table."""
    installation = read_installation()
    notes = [
        f"Recordings: {N_RECORDINGS} WAV files, 2 s, 48 kHz, stereo, 16 bits, a simulated shot in "
        "each, as in the CADRE set; that set, not the clips of automatic fire of the shipped "
        "model's guns, which hold eleven shots on average and take three to four times as long. "
        "They lie in the page cache.",
        "Model: the shipped one, `guns8_mn04.onnx`; Cnn14 has random weights.",
        "Every command runs in a process of its own; help, 1 file and 20 files after a run that "
        "is not counted, medians of several; steady state and packing, medians of three.",
        f"Steady state: the files after the first {N_FEW}, over the time that they add. The "
        f"baseline's: the same of its first 1 and {N_FEW}.",
        "Memory: largest resident set of the process.",
        "The baseline's way is written anew in `benchmarks/baseline.py`, with random weights: "
        "what costs is the same. It decodes with soundfile and soxr, which are faster than its "
        "librosa; its front-end is ours.",
        "The floor: what a file takes at least on these cores. Its arithmetic is what the graphs "
        "of the shipped networks do, front-ends included (`benchmarks/floor.py` counts it from a "
        "run of each): the detector hears all of it, judge and recogniser each shot that is found. "
        "The peak is that of a product of two matrices of 2,048 × 2,048 in ONNX Runtime, float32, "
        "as many threads as cores, the best of 20. Decoding: reading, mixing and resampling to the "
        "rates of the detector and the recogniser, one recording a core at a time.",
        "Training: from step to step, median; simulated recordings, random weights, every "
        "parameter. Ours reads and augments clips and averages weights; the plain loop has its "
        "clips in memory, draws twice as many and mixes them in pairs.",
        "Embeddings: front-end included, median of single calls; the same weights in "
        "ONNX Runtime and in eager PyTorch.",
        "Front-end: its share in ONNX Runtime's profile of the model, times the time of a call.",
        "Listening: simulated shots, written into the standard input of `shotprint listen -` 20 ms "
        "at a time, at the moment at which a microphone would have them; every line of its output "
        "is timed. The streams of one core are processes of their own, pinned to it. Streams a "
        "core: an hour pushed as fast as possible, over its processor time, start included.",
    ]
    if installation is not None:
        parts = ", ".join(f"{name} {mb:.0f}" for name, mb in installation.largest_mb.items())
        notes.append(
            f"Base install: all files of `pip install .` in an empty environment ("
            f"{installation.platform}, Python {installation.python}); largest, in MB: {parts}."
        )
    return "\n".join(f"- {note}" for note in notes)
