"""What an archive on Ray costs: ``python -m benchmarks.cluster``; the table of ``docs/cluster.md``.

Other work on the machine slows the clock. So the efficiency is also shown without the time in which
a worker could run but had no core: Linux counts it for each thread (``schedstat``). What a thousand
machines would do is not measured but computed from this table, in ``docs/cluster.md``.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray lets all other programs go first: 15

from benchmarks.measuring import ROOT, say
from benchmarks.work import make_clip, write_recordings
from benchmarks.workshop import Workshop
from shotprint.audio import write_wav
from shotprint.cluster import (
    ArchiveJournal,
    Cluster,
    Driver,
    Outcome,
    WorkItem,
    connect,
    describe_answers,
    list_work,
    write_parts,
)
from shotprint.cluster.engine import ACTOR
from shotprint.cluster.worker import Reply, Worker
from shotprint.files import write_text
from shotprint.opening import Setup, open_recognizer
from shotprint.recognition import RecognitionSettings

PAGE = ROOT / "docs" / "cluster.md"
BEGIN, END = "<!-- figures: python -m benchmarks.cluster -->\n", "<!-- end of figures -->\n"
SETUP = Setup(RecognitionSettings(jobs=1))
REPEATS = 3
LONG_S = 600.0


@dataclass(frozen=True)
class Taken:
    """Seconds that a run took.

    Attributes
    ----------
    wall_s : by the clock
    needed_s : without what the worker that waited least waited for a core
    driver_s, workers_s : of processors
    """

    wall_s: float
    needed_s: float
    driver_s: float
    workers_s: float


class TimedWorker(Worker):
    """A worker that counts how long what it hears with waited for a core."""

    waited_s = 0.0

    def recognize(self, places: Sequence[int], known: Sequence[int]) -> list[Reply]:
        """See `Worker.recognize`; one thread hears at a time."""
        begin_s = self._read_waited_s()
        replies = super().recognize(places, known)
        self.waited_s += self._read_waited_s() - begin_s
        return replies

    def _read_waited_s(self) -> float:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9

    def read_seconds(self) -> tuple[float, float]:
        """Return its processor time so far, and what it waited."""
        return time.process_time(), self.waited_s


class Timed(Driver):
    """A driver whose workers begin together, and whose processor seconds are read."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._actor = self._ray.remote(**ACTOR)(TimedWorker)

    def _take(self, hand: Any, method: str, future: Any) -> Iterator[Outcome]:
        if method != "describe":
            yield from super()._take(hand, method, future)
            return
        hand.begin_s, _ = self._ray.get(hand.actor.read_seconds.remote())
        yield from super()._take(hand, method, future)
        if all(each.is_ready for each in self._hands):
            self.begin_s, self.begin_cpu_s = time.perf_counter(), time.process_time()
            for each in self._hands:
                super()._feed(each)

    def _feed(self, hand: Any) -> None:
        if all(each.is_ready for each in self._hands):
            super()._feed(hand)

    def _close(self) -> None:
        wall_s = time.perf_counter() - self.begin_s
        driver_s = time.process_time() - self.begin_cpu_s
        spent = [self._ray.get(hand.actor.read_seconds.remote()) for hand in self._hands]
        self.taken = Taken(
            wall_s=wall_s,
            needed_s=wall_s - min(waited_s for _, waited_s in spent),
            driver_s=driver_s,
            workers_s=sum(
                each[0] - hand.begin_s for each, hand in zip(spent, self._hands, strict=True)
            ),
        )
        super()._close()


def run(ray: Any, items: list[WorkItem], n_workers: int, folder: Path) -> Taken:
    """Answer all items anew and write them."""
    recognizer = open_recognizer(SETUP)
    described = describe_answers(recognizer)
    journal = ArchiveJournal(folder / "run.journal", described, resume=False)
    driver = Timed(ray, items, SETUP, described, journal)
    for _ in driver.run(n_workers):
        pass
    journal.remove()
    say(f"  {len(items)} recordings, {n_workers} workers: {driver.taken}")
    return driver.taken


def measure_workers(ray: Any, folder: Path, n: int) -> list[str]:
    """Compare one worker with two, in turns."""
    write_short(folder / "short", n)
    items = list_work([str(folder / "short")])
    taken: dict[int, list[Taken]] = {1: [], 2: []}
    for _ in range(REPEATS):
        for n_workers, runs in taken.items():
            runs.append(run(ray, items, n_workers, folder))
    one, two = taken.values()
    walls = [min(each.wall_s for each in runs) for runs in (one, two)]
    needed = [min(each.needed_s for each in runs) for runs in (one, two)]
    ms = [1e3 * min(each.workers_s for each in runs) / n for runs in (one, two)]
    driver_ms = 1e3 * min(each.driver_s for each in one + two) / n
    return [
        row("one worker, recordings of 2 s", n / needed[0], "recordings/s"),
        row("two workers", n / needed[1], "recordings/s"),
        row("efficiency from one worker to two", needed[0] / needed[1] / 2, ""),
        row("the same by the clock, with what else ran", walls[0] / walls[1] / 2, ""),
        row("a recording, one worker: its processor time", ms[0], "ms"),
        row("a recording, two workers: their processor time", ms[1], "ms"),
        row("a recording: the driver's processor time", driver_ms, "ms"),
    ]


def measure_long(ray: Any, folder: Path) -> list[str]:
    """Hear a long recording."""
    (folder / "long").mkdir()
    write_wav(folder / "long" / "a.wav", 0.01 * make_clip(LONG_S, 48000), 48000)
    taken = run(ray, list_work([str(folder / "long")]), 1, folder)
    return [row("sound heard in a second of processor time", LONG_S / taken.workers_s, "s")]


def measure_driver(ray: Any, folder: Path, n: int) -> list[str]:
    """Hand out recordings that are all the same: they are fetched, hashed, and not heard."""
    write_short(folder / "same", 1)
    (source,) = (folder / "same").iterdir()
    for number in range(n):
        (folder / "same" / f"{number}.wav").hardlink_to(source)
    taken = run(ray, list_work([str(folder / "same")]), 2, folder)
    return [row("copies: the driver's ceiling", n / taken.driver_s, "recordings/s")]


def measure_keeping(folder: Path, n: int) -> list[str]:
    """List empty files; keep an answer for each, find them again, write them."""
    (folder / "empty").mkdir()
    for number in range(n):
        (folder / "empty" / f"{number}.wav").touch()
    cpu_s = time.process_time()
    items = list_work([str(folder / "empty")])
    listed_s = time.process_time() - cpu_s
    tracemalloc.start()
    items = list_work([str(folder / "empty")])
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    from shotprint.cluster.journal import dump_result

    recognizer = open_recognizer(SETUP)
    write_short(folder / "one", 1)
    (path,) = (folder / "one").iterdir()
    text = dump_result(recognizer.recognize_file(path))
    journal = ArchiveJournal(folder / "j", describe_answers(recognizer), resume=False)
    cpu_s = time.process_time()
    for first in range(0, n, 16):
        places = range(first, min(n, first + 16))
        journal.add([(f"{place:064}", text, False) for place in places])
        journal.name([(items[place], f"{place:064}", None) for place in places])
    kept_s = time.process_time() - cpu_s
    cpu_s = time.process_time()
    assert len(journal.find_done(items)) == n
    found_s = time.process_time() - cpu_s
    size = journal.path.stat().st_size
    cpu_s = time.process_time()
    write_parts(folder / "parquet", recognizer.collect(()), journal.read(items))
    written_s = time.process_time() - cpu_s
    return [
        row("listing a folder", n / listed_s, "files/s"),
        row("memory of the list; while it is made", held / n, f"bytes a file; {most / n:,.0f}"),
        row("answers into the journal", n / kept_s, "recordings/s"),
        row("found again with --resume", n / found_s, "recordings/s"),
        row("size of the journal", size / n, "bytes a recording"),
        row("rows into Parquet", n / written_s, "recordings/s"),
    ]


def write_short(folder: Path, n: int) -> None:
    """Write short recordings into a new folder, as they are for the other benchmarks."""
    folder.mkdir()
    write_recordings(str(folder), n, make_shots(folder.parent))


@functools.cache
def make_shots(folder: Path) -> str:
    """Return a folder of simulated shots, below a folder."""
    return str(Workshop(folder).simulated)


def row(what: str, value: float, unit: str) -> str:
    """Return a line of the table."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"| {what} | {value:,.{digits}f} {unit}".rstrip() + " |\n"


def main() -> None:
    """Measure; write the table into its page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--n", type=int, default=400, help="short recordings")
    n = parser.parse_args().n
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, connect(Cluster(n_workers=2)) as ray:
        folder = Path(name)
        rows = measure_workers(ray, folder, n)
        rows += measure_long(ray, folder)
        rows += measure_driver(ray, folder, 20 * n)
        rows += measure_keeping(folder, 50 * n)
    machine = (
        f"\nMeasured with {n} short recordings, the best of {REPEATS} turns, on "
        f"{os.cpu_count()} cores with a load of {load:.1f} before; Python "
        f"{sys.version_info.major}.{sys.version_info.minor}, Ray {ray.__version__}.\n"
    )
    table = "| what | measured |\n|---|---|\n" + "".join(rows) + machine
    print(table)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    write_text(PAGE, before + BEGIN + table + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
