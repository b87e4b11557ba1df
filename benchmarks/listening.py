"""How soon, and how many at a time: ``shotprint listen`` on pipes, in processes of their own."""

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import BYTES_PER_MAXRSS

RATE_HZ = 48000
BLOCK_S = 0.02
START_S = 2.0
"""Silence before the first shot: by then all processes have started."""


def make_sound(folder: str, gaps_s: tuple[float, float], n_shots: int) -> NDArray[np.int16]:
    """Join simulated recordings, their shots `gaps_s` (least, most) apart, in faint noise."""
    from shotprint.audio import find_recordings, read

    rng = np.random.default_rng(0)
    found = find_recordings([folder])
    gaps = rng.uniform(*gaps_s, n_shots)
    sound = 1e-3 * rng.standard_normal(round((START_S + gaps.sum() + 3) * RATE_HZ))
    begin = round(START_S * RATE_HZ)
    for shot, gap_s in enumerate(gaps):
        recording = read(found[shot * len(found) // n_shots].path, sample_rate_hz=RATE_HZ)
        waveform = recording.waveform[0, : round(gap_s * RATE_HZ)]
        sound[begin : begin + len(waveform)] += waveform
        begin += round(gap_s * RATE_HZ)
    return (np.clip(sound, -1, 1) * 32767).astype(np.int16)


def start(core: int | None, **streams: Any) -> subprocess.Popen[bytes]:
    """Start it, on one core where that is given and the system can."""
    # Simulated shots are not what the detector was made for: take all candidates.
    words = ["listen", "-", "--threshold", "0.001", "--format", "json"]
    command = [sys.executable, "-m", "shotprint", *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, **streams)
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process.pid, {core})
    return process


def measure_latency(
    folder: str, n_streams: int, n_shots: int, gaps_s: tuple[float, float]
) -> dict[str, float]:
    """Play a sound into pipes in real time; return ms from the end of a clip to its line.

    All processes are on one core where there are several streams. Returns median, 95th
    percentile and maximum over the shots of all streams, and their number.
    """
    from shotprint.recognition import OnnxModel
    from shotprint.weights import shipped_model

    sound = make_sound(folder, gaps_s, n_shots)
    rule = OnnxModel(shipped_model()).metadata.clip_rule
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    processes = [
        start(core if n_streams > 1 else None, stdout=subprocess.PIPE) for _ in range(n_streams)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # its head: it listens
    late_ms: list[float] = []

    def play(process: subprocess.Popen[bytes], begin_s: float) -> None:
        assert process.stdin is not None
        n = round(BLOCK_S * RATE_HZ)
        for first in range(0, len(sound), n):
            wait_s = begin_s + (first + n) / RATE_HZ - time.monotonic()
            time.sleep(max(0.0, wait_s))
            process.stdin.write(sound[first : first + n].tobytes())
            process.stdin.flush()
        process.stdin.close()

    def read(process: subprocess.Popen[bytes], begin_s: float) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            now_s = time.monotonic()
            event = json.loads(line)
            if event["kind"] == "shot" and event["onset_s"] + 1.5 < len(sound) / RATE_HZ:
                end_s = begin_s + event["onset_s"] + rule.length_s - rule.onset_at_s
                late_ms.append(1e3 * (now_s - end_s))

    begin_s = time.monotonic() + 0.2
    threads = []
    for stream, process in enumerate(processes):
        own_s = begin_s + stream * gaps_s[1] / n_streams  # not all shots at the same moment
        threads += [threading.Thread(target=job, args=(process, own_s)) for job in (play, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.wait()
    if not late_ms:
        raise SystemExit("benchmarks: listen found no shot in the simulated sound")
    median, most, worst = np.quantile(late_ms, [0.5, 0.95, 1.0]).tolist()
    return {"median": median, "most": most, "worst": worst, "n_shots": len(late_ms)}


def measure_capacity(folder: str, duration_s: float) -> dict[str, float]:
    """Push a sound with a shot every 10 s through one core, as fast as it goes.

    Returns seconds of sound a second of processor time, the start included, and peak memory.
    """
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    process = start(core, stdout=subprocess.DEVNULL)  # now: it counts the memory of its parent
    sound = make_sound(folder, (9.0, 11.0), 30).tobytes()
    assert process.stdin is not None
    n_bytes = round(duration_s * RATE_HZ) * 2
    for first in range(0, n_bytes, len(sound)):
        process.stdin.write(sound[: n_bytes - first])
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"benchmarks: exit code {process.returncode} from listen")
    peak_mb = usage.ru_maxrss * BYTES_PER_MAXRSS / 1e6
    return {"streams": duration_s / (usage.ru_utime + usage.ru_stime), "peak_mb": peak_mb}
