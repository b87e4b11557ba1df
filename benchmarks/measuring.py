"""Run a command; count its seconds, processor seconds and memory."""

import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024
SHOWN_ARGUMENTS = 5


@dataclass(frozen=True)
class Usage:
    """What a command took: `cpu_s` counts all threads, `peak_mb` is the resident memory."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    stdout: str


def run(
    command: Sequence[str | os.PathLike[str]], variables: Mapping[str, str] | None = None
) -> Usage:
    """Run a command in a process of its own; stop the benchmarks if it fails.

    Parameters
    ----------
    variables : its environment; None: that of this process
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stdout:
        begin_s = time.perf_counter()
        process = subprocess.Popen(command, stdout=stdout, cwd=ROOT, env=variables)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begin_s
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        text = stdout.read()
    cpu_s = usage.ru_utime + usage.ru_stime
    peak_mb = usage.ru_maxrss * BYTES_PER_MAXRSS / 1e6
    named = [Path(part).name for part in command if not str(part).startswith("{")]
    shown = " ".join(named[:SHOWN_ARGUMENTS])
    say(f"  {wall_s:7.2f} s, processor {cpu_s:6.2f} s, {peak_mb:5.0f} MB: {shown}")
    if process.returncode:
        raise SystemExit(f"benchmarks: exit code {process.returncode} from: {shown}")
    return Usage(wall_s, cpu_s, peak_mb, text)


def run_repeatedly(command: Sequence[str | os.PathLike[str]], n: int) -> float:
    """Return the median of the seconds that `n` runs take, after one that is not counted."""
    run(command)
    return statistics.median(run(command).wall_s for _ in range(n))


def describe_processor() -> str:
    """Return the processor's name where Linux knows it, otherwise its architecture."""
    facts = Path("/proc/cpuinfo")
    text = facts.read_text(encoding="utf-8") if facts.is_file() else ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def say(text: str) -> None:
    """Say how far the benchmarks are, on standard error."""
    print(text, file=sys.stderr, flush=True)
