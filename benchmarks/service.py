"""``python -m benchmarks.service``: what the service holds, and what it loses (nothing).

``--only forty RECORDING…`` instead: forty minutes composed of these recordings, in the page (needs
chromium).
"""

import argparse
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

from shotprint.audio import find_recordings, read
from shotprint.simulation.cadre import Settings, simulate_set

SEED = 5
LONG_S = 30  # of a recording that is worked on while processes are killed
OVER = ("done", "failed", "cancelled")
FORTY_S, EVERY_S, RATE_HZ = 2400, 40, 48_000
NOISE = 1e-3


class Served:
    """`shotprint serve` in a process group of its own, on a folder that outlives it."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [sys.executable, "-m", "shotprint", "serve", "--port", str(self.port)]
        self._command += ["--data", str(folder), "--no-browser", *options]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(
            self._command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=sys.stderr
        )
        while True:
            try:
                self.client.get("/api/health").raise_for_status()
                return
            except httpx.HTTPError:
                if self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def kill(self) -> None:
        """Kill service and worker with -9."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def signal_workers(self, sent: int) -> int:
        """Send a signal to the processes that the service started; return how many."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        pids = [int(line.split()[0]) for line in listed.stdout.splitlines() if "spawn_main" in line]
        for pid in pids:
            os.kill(pid, sent)
        return len(pids)

    def submit(self, content: bytes) -> httpx.Response:
        """Upload a recording."""
        return self.client.post("/api/jobs", files={"file": ("shot.wav", content)})

    def insist(self, content: bytes) -> str:
        """Upload a recording, again while the queue is full; return its job."""
        while (answer := self.submit(content)).status_code == 429:
            time.sleep(float(answer.headers["retry-after"]))
        return str(answer.raise_for_status().json()["job"]["id"])

    def wait(self, ids: list[str], limit_s: float = 300.0) -> list[dict[str, Any]]:
        """Return the jobs as they are when all are over, or time is."""
        end = time.monotonic() + limit_s
        while True:
            jobs = [self.client.get(f"/api/jobs/{each}").json() for each in ids]
            if all(job.get("state") in OVER for job in jobs) or time.monotonic() > end:
                return jobs
            time.sleep(0.2)


def measure_latency(served: Served, n_clients: int, n_each: int) -> str:
    """Ask for lists and facts from many clients at once."""
    paths = ("/api/health", "/api/jobs", "/api/cases", "/metrics")

    def ask(_: int) -> list[float]:
        took_s = []
        with httpx.Client(base_url=served.client.base_url, timeout=60) as client:
            for number in range(n_each):
                begin = time.perf_counter()
                client.get(paths[number % len(paths)]).raise_for_status()
                took_s.append(time.perf_counter() - begin)
        return took_s

    begin = time.perf_counter()
    with ThreadPoolExecutor(n_clients) as pool:
        took_ms = 1000 * np.concatenate(list(pool.map(ask, range(n_clients))))
    rate = len(took_ms) / (time.perf_counter() - begin)
    p50, p99 = np.percentile(took_ms, [50, 99])
    return (
        f"| requests held | {len(took_ms)} by {n_clients} clients at once, none refused: "
        f"{rate:.0f} a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms |"
    )


def try_hostile(served: Served, content: bytes, n_inputs: int) -> str:
    """Submit recordings with bytes overwritten, cut off or repeated."""
    rng = np.random.default_rng(SEED)
    ids = []
    for number in range(n_inputs):
        changed = bytearray(content)
        for place in rng.integers(0, 64 if number % 2 else len(content), 8):
            changed[place] = rng.integers(256)
        del changed[int(rng.integers(1, len(changed))) if number % 3 == 0 else len(changed) :]
        ids.append(served.insist(bytes(changed)))
    states = [job["state"] for job in served.wait(ids)]
    health = served.client.get("/api/health").status_code
    return (
        f"| hostile inputs | {n_inputs}: {states.count('failed')} refused with a line, "
        f"{states.count('done')} still readable, {n_inputs - sum(map(states.count, OVER))} without "
        f"an end; health afterwards {health} |"
    )


def kill_often(served: Served, content: bytes, n_jobs: int) -> str:
    """Kill workers and the service while jobs wait; count what is lost."""
    served.signal_workers(signal.SIGSTOP)  # or the jobs would be done before the first blow
    ids = []
    for number in range(n_jobs):
        ids.append(served.insist(content + number.to_bytes(4, "little")))
    served.signal_workers(signal.SIGCONT)
    n_workers, waiting = 0, []
    for _ in range(3):
        n_workers += served.signal_workers(signal.SIGKILL)
        time.sleep(0.3)
        jobs = [served.client.get(f"/api/jobs/{each}").json() for each in ids]
        waiting.append(str(sum(job["state"] not in OVER for job in jobs)))
        served.kill()
        served.start()
    states = [job.get("state") for job in served.wait(ids)]
    return (
        f"| jobs lost under kill -9 | {n_jobs - states.count('done')} of {n_jobs}: {n_workers} "
        f"workers and 3 services killed while {', '.join(waiting)} jobs were not yet done |"
    )


def press(served: Served, content: bytes, n_jobs: int) -> str:
    """Submit more than the queue holds while the worker stands still."""
    served.signal_workers(signal.SIGSTOP)
    answers = [served.submit(content + b"q" + bytes([number])) for number in range(n_jobs)]
    served.signal_workers(signal.SIGCONT)
    codes = [answer.status_code for answer in answers]
    told = sum("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
    return (
        f"| more than the queue of 40 | of {n_jobs}, {codes.count(202)} taken, {codes.count(429)} "
        f"told to come back (429), {told} with Retry-After |"
    )


def compose(paths: list[Path], path: Path) -> int:
    """Write 40 minutes of 48 kHz stereo: faint noise, a recording every 40 s; return how many."""
    rng = np.random.default_rng(SEED)
    n_placed = FORTY_S // EVERY_S
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as file:
        for source in itertools.islice(itertools.cycle(paths), n_placed):
            part = NOISE * rng.standard_normal((EVERY_S * RATE_HZ, 2))
            heard = read(source, sample_rate_hz=RATE_HZ).waveform[0, : len(part) // 2]
            part[RATE_HZ : RATE_HZ + len(heard)] += heard[:, None]
            file.write(np.clip(part, -1, 1))
    return n_placed


def open_forty(served: Served, path: Path, n_placed: int) -> str:
    """Upload a recording through the page and open it there, in a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as run:
        chromium = shutil.which("chromium")
        browser = run.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(str(served.client.base_url))
        page.get_by_label("Name of a new case").fill("Forty minutes")
        page.get_by_role("button", name="Create the case").click()
        begin = time.perf_counter()
        page.locator("input[type=file]").first.set_input_files(path)
        page.get_by_text("✓ done").wait_for()
        answered_s = time.perf_counter() - begin
        begin = time.perf_counter()
        page.get_by_role("link", name=path.name).click()
        page.locator("tr[data-shot]").first.wait_for()
        shown_s = time.perf_counter() - begin
        while not page.evaluate("document.querySelector('.spectrogram')?.naturalWidth > 0"):
            time.sleep(0.01)
        drawn_s = time.perf_counter() - begin
        n_shots = page.locator("tr[data-shot]").count()
        browser.close()
    return (
        f"| forty minutes in the page | {path.stat().st_size / 1e6:.0f} MB, {n_placed} recordings "
        f"placed: answered {answered_s:.0f} s after the upload began, {n_shots} shots; opened, "
        f"shots after {shown_s:.2f} s, spectrogram after {drawn_s:.2f} s |"
    )


def measure_forty(recordings: list[str]) -> None:
    """Print the row of `open_forty`."""
    paths = [each.path for each in find_recordings(recordings)]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "forty.wav"
        n_placed = compose(paths, path)
        served = Served(Path(name) / "data")
        try:
            print(open_forty(served, path, n_placed), flush=True)
        finally:
            served.kill()


def main() -> None:
    """Print a row of a table for each measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--n", type=int, default=30, help="jobs killed under, hostile inputs")
    parser.add_argument("--only", choices=["forty"], help="measure forty minutes in the page")
    parser.add_argument("recordings", nargs="*", help="files and folders to compose it of")
    options = parser.parse_args()
    if bool(options.only) != bool(options.recordings):
        parser.error("recordings are given with --only forty, and with it alone")
    if options.only:
        measure_forty(options.recordings)
    else:
        measure_all(options.n)


def measure_all(n: int) -> None:
    """Print the rows of what the service holds and loses."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_set(folder / "set", Settings(shots=1, guns=("Glock9",)))
        path = min((folder / "set").rglob("*.wav"))
        content = path.read_bytes()
        waveform, rate_hz = soundfile.read(path)
        repeats = round(LONG_S * rate_hz / len(waveform))
        soundfile.write(folder / "long.wav", np.concatenate([waveform] * repeats), rate_hz)
        long = (folder / "long.wav").read_bytes()
        served = Served(folder / "data", "--queue", "40")
        try:
            served.submit(content).raise_for_status()
            print(measure_latency(served, 8, 50), flush=True)
            print(kill_often(served, long, min(n, 40)), flush=True)
            print(try_hostile(served, content, n), flush=True)
            print(press(served, content, 60), flush=True)
        finally:
            if served.process.poll() is None:
                served.kill()
            else:
                print(f"the service had ended with {served.process.returncode}", file=sys.stderr)


if __name__ == "__main__":
    main()
