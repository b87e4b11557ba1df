"""``docs/bench.md``: the figures, the machine, and how they were measured."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.installation import read_installation
from benchmarks.rows import Row, format_row
from benchmarks.workshop import CORES, N_FEW, N_RECORDINGS

PACKAGES = ("shotprint", "numpy", "soundfile", "soxr", "onnxruntime", "torch", "h5py", "librosa")
BUSY_LOAD = 0.5
HEADER = """| what | measured | target | met | the baseline's way | ratio |
|---|---|---|---|---|---|
"""


def write_page(rows: Sequence[Row], load: float, seconds: float) -> str:
    """Return the page; `load` is the machine's before the run, which took `seconds`."""
    table = HEADER + "\n".join(map(format_row, rows))
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
{table}

## Machine
{describe_machine(load, seconds)}

## How it was measured
{describe_ways()}

## To repeat it
<!-- not run: minutes to hours; checked: the target of make and the options -->
```
make bench                      # everything, in about {minutes} minutes; rewrites this page
make bench OPTIONS=--install    # the size of the base install too (pip, network)
python -m benchmarks --only few --only steady    # some of it, to the terminal
python -m benchmarks --only hours                # ten hours of sound: 7 GB, about 10 minutes
python -m benchmarks --only audit                # an audit of ten thousand recordings
```
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


def describe_processor() -> str:
    """Return the processor's name where Linux knows it, otherwise its architecture."""
    facts = Path("/proc/cpuinfo")
    text = facts.read_text(encoding="utf-8") if facts.is_file() else ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def find_version(name: str) -> str:
    """Return the version of a package, or that it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def describe_ways() -> str:
    """Return the notes to the table."""
    has_librosa = find_version("librosa") != "not installed"
    decoder = "librosa" if has_librosa else "soundfile and soxr (librosa is not installed)"
    installation = read_installation()
    notes = [
        f"Recordings: {N_RECORDINGS} WAV files, 2 s, 48 kHz, stereo, 16 bits, four bursts of noise "
        "each, which give three one-second clips, as many as real recordings (guns9) give on "
        "average. They lie in the page cache.",
        "Model: the shipped one, `guns8_mn04.onnx`; Cnn14 has random weights.",
        "Every command runs in a process of its own; help, 1 file and 20 files after a run that "
        "is not counted, medians of several.",
        f"Steady state: the files after the first {N_FEW}, over the time that they add. The "
        f"baseline's: the same of its first 1 and {N_FEW}.",
        "Memory: largest resident set of the process.",
        "The baseline's way is written anew in `benchmarks/baseline.py`, with random weights: "
        f"what costs is the same. It decodes with {decoder}; its front-end is ours.",
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
