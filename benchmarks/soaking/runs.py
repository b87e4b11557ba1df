"""Runs that are started, watched and ended."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import say
from benchmarks.soaking.faults import Meddler, fill_disk
from benchmarks.soaking.folder import Soak, list_folder
from benchmarks.soaking.judging import judge_output

HUNG_S = 60.0
UNPRIVILEGED = ["--bounding-set", "-dac_override,-dac_read_search"]
FULL = "full"


@dataclass(frozen=True)
class Round:
    """When a run ends and how: `at` a share of the files, by the clock, or while it writes."""

    moment: str  # "start", "work", "writing", "end"
    how: int | str | None  # a signal, `FULL`, or None: it ends by itself
    at: float = 0.0


@dataclass
class Outcome:
    """What became of a round."""

    round: Round
    exit_code: int
    n_done: int
    wall_s: float
    peak_mb: float
    n_rows: int | None = None


class Watch:
    """A child at work: how far it is, by what it appends to the journal."""

    def __init__(self, soak: Soak, pid: int) -> None:
        self.soak, self.pid = soak, pid
        self.offset = self.n_done = 0
        self.reached = 0
        self.is_open = False
        self.peak_mb = 0.0
        self._catch_up()

    def _catch_up(self) -> None:
        with contextlib.suppress(FileNotFoundError), self.soak.journal.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
            text = text[: text.rfind(b"\n") + 1]
            self.offset += len(text)
            found = re.findall(rb'^\{"recording": "([0-9a-f]{64})"', text, re.MULTILINE)
            self.n_done += len(found)
            for sha256 in found:
                self.reached = max(self.reached, self.soak.places.get(sha256.decode(), 0))

    def look(self) -> None:
        """Read what is new; note the processor time that new files took."""
        before = self.n_done
        self.peak_mb = max(self.peak_mb, self._read_peak_mb())
        self._catch_up()
        if not self.is_open:
            self.is_open = self._has_open()
        elif self.n_done > before:
            self.soak.progress.append((self.reached, _processor_s(self.pid)))

    def _has_open(self) -> bool:
        """Tell whether it has listed the folder: it has the journal open."""
        with contextlib.suppress(OSError):
            for fd in Path(f"/proc/{self.pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(fd) == os.fspath(self.soak.journal):  # noqa: PTH115
                        return True
        return False

    def _read_peak_mb(self) -> float:
        """Return its largest memory; what `wait4` says begins with that of its parent."""
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
            if found:
                return int(found[1]) * 1024 / 1e6
        return 0.0

    @property
    def is_writing(self) -> bool:
        """Whether results are being written beside."""
        output = self.soak.output
        return output.with_name(f".{output.name}.{self.pid}.partial").exists()


def _processor_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def plan_rounds(rng: random.Random, n_rounds: int, *, can_fill: bool) -> list[Round]:
    """Return how each run ends: early, at work, while it writes; the last one ends by itself."""
    hows: list[int | str] = [
        signal.SIGKILL,
        signal.SIGINT,
        signal.SIGTERM,
        *([FULL] if can_fill else []),
    ]
    rounds = [
        Round("work", hows[each % len(hows)], (each + rng.random()) / n_rounds)
        for each in range(n_rounds)
    ]
    for each in range(max(1, n_rounds // 3)):
        early = Round("start", hows[each % 3], rng.random())
        rounds.insert(rng.randrange(len(rounds)), early)
    writing = [Round("writing", how) for how in hows if how != signal.SIGTERM]
    return [*rounds, *writing, Round("end", None)]


def run_round(soak: Soak, planned: Round, meddler: Meddler, words: list[str]) -> Outcome:
    """Start a run, meddle while it is at work, end it as planned, and judge what it left."""
    listed = list_folder(soak)
    before = soak.output.stat().st_ino if soak.output.exists() else None
    command: list[str | Path] = [sys.executable, "-m", "shotprint", "recognize", "in"]
    command += ["-o", soak.output, "--resume", *words]
    path = os.pathsep.join([os.fspath(soak.folder / "jumping"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    if os.geteuid() == 0:
        command = ["setpriv", *UNPRIVILEGED, *command]
    n_sound = len(soak.places)
    begin_s = time.monotonic()
    wait_s = planned.at * (2 + len(soak.entries) / 10_000)
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(tempfile.TemporaryFile("w+", errors="surrogateescape"))
        child = subprocess.Popen(command, cwd=soak.folder, env=environment, stderr=stderr)
        watch = Watch(soak, child.pid)
        has_struck = False
        progressed_s, n_known = time.monotonic(), 0
        while True:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                break
            watch.look()
            if watch.is_open:
                meddler.meddle(watch.reached, is_last=planned.moment == "end")
            is_due = {
                "start": time.monotonic() - begin_s > wait_s,
                "work": watch.is_open and watch.n_done >= planned.at * n_sound,
                "writing": watch.is_writing,
                "end": False,
            }[planned.moment]
            if is_due and not has_struck:
                has_struck = True
                if planned.moment == "writing":
                    time.sleep(soak.rng.random() * len(soak.entries) / 20_000)
                soak.faults[f"{_name(planned.how)} at {planned.moment}"] += 1
                if planned.how == FULL:
                    stack.enter_context(fill_disk(soak.output.parent))
                else:
                    os.kill(child.pid, int(planned.how or 0))
            if watch.n_done > n_known or watch.is_writing:
                progressed_s, n_known = time.monotonic(), watch.n_done
            if time.monotonic() - progressed_s > HUNG_S + len(soak.entries) / 200:
                soak.blame(f"round {planned}: nothing happened for long; it was killed")
                child.kill()
                progressed_s = time.monotonic()
            time.sleep(0.005 if planned.moment == "writing" else 0.02)
        child.returncode = os.waitstatus_to_exitcode(status)
        meddler.settle()
        watch.look()
        stderr.seek(0)
        said = stderr.read()
    wall_s = time.monotonic() - begin_s
    outcome = Outcome(planned, child.returncode, watch.n_done, wall_s, watch.peak_mb)
    judge_exit(soak, outcome, said)
    if soak.output.exists() and soak.output.stat().st_ino != before:
        outcome.n_rows = judge_output(soak, listed, said, is_last=planned.moment == "end")
    say(format_outcome(outcome))
    return outcome


def judge_exit(soak: Soak, outcome: Outcome, said: str) -> None:
    """Hold the exit code, and what lies beside the results, against how the run was ended."""
    planned, code = outcome.round, outcome.exit_code
    by_itself = (0, 1)
    allowed = {
        signal.SIGKILL: (-signal.SIGKILL, *by_itself),
        signal.SIGTERM: (-signal.SIGTERM, *by_itself),
        signal.SIGINT: (130, -signal.SIGINT, 1, 0),
        FULL: (2, *by_itself),
        None: (1,),
    }[planned.how]
    last = said.strip().splitlines()[-1:] or [""]
    if code not in allowed:
        soak.blame(f"round {planned}: exit code {code}, expected one of {allowed}: {last[0]}")
    if planned.how == FULL and code == 2 and "make room" not in last[0]:
        soak.blame(f"round {planned}: a full disk is not said: {last[0]}")
    if planned.how == signal.SIGINT and "Traceback" in said and code == 130:
        soak.blame(f"round {planned}: Ctrl-C ends in a traceback: {last[0]}")
    names = {each.name for each in soak.output.parent.iterdir()}
    left = names - {soak.output.name, soak.journal.name}
    if left and code not in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        soak.blame(f"round {planned}: left behind: {', '.join(sorted(left))}")
    if planned.moment == "end" and names != {soak.output.name}:
        soak.blame(f"beside the results there are {sorted(names - {soak.output.name})}")


def _name(how: int | str | None) -> str:
    return how if isinstance(how, str) else "itself" if how is None else signal.Signals(how).name


def format_outcome(outcome: Outcome) -> str:
    """Return a line of the table of rounds."""
    planned = outcome.round
    rows = "" if outcome.n_rows is None else f"{outcome.n_rows} rows written"
    return (
        f"{planned.moment:8} {_name(planned.how):8} exit {outcome.exit_code:4} "
        f"{outcome.n_done:7} in the journal {outcome.wall_s:7.1f} s {outcome.peak_mb:6.0f} MB"
        f"  {rows}"
    )
