"""``python -m benchmarks.soak``: many files, many faults; at the end every file counts once.

A folder of short recordings, among them unreadable, truncated, growing, changing and vanishing
ones, goes through ``shotprint recognize --resume``, which is killed, interrupted, run out of disk
and told a jumping clock at moments drawn from a seed. Each file of results that comes of it must
hold every listed file once: as the answer of an undisturbed run for the same bytes, or as an
error. Linux; full disks need the right to mount.
"""

import argparse
import collections
import itertools
import os
import random
import signal
import time
from pathlib import Path

from benchmarks.measuring import say
from benchmarks.soaking.faults import Meddler, mount_small
from benchmarks.soaking.folder import Soak, make_folder, write_tiny_model
from benchmarks.soaking.judging import learn_truth
from benchmarks.soaking.runs import Outcome, format_outcome, plan_rounds, run_round


def compare_tenths(progress: list[tuple[int, float]], n: int) -> list[float]:
    """Return the milliseconds of processor time a file, in the first and in the last tenth."""
    spent = [0.0, 0.0]
    files = [0, 0]
    for (at, cpu_s), (then, later_s) in itertools.pairwise(progress):
        tenth = 0 if then <= n // 10 else 1 if at >= n - n // 10 else None
        if tenth is not None and then > at and later_s >= cpu_s:
            spent[tenth] += later_s - cpu_s
            files[tenth] += then - at
    return [1e3 * s / max(1, n) for s, n in zip(spent, files, strict=True)]


def soak_folder(
    folder: Path, n_files: int, seed: int, n_rounds: int, words: list[str] | None
) -> tuple[Soak, list[Outcome]]:
    """Make the folder, run the rounds, and return what was found.

    Parameters
    ----------
    n_rounds : how many runs are ended at work
    words : options of ``recognize``; None: one answer a recording, by a tiny model
    """
    rng = random.Random(seed)
    out = folder / "out"
    with mount_small(out, 32_000_000 + 9_000 * n_files) as can_fill:
        if not can_fill:
            say("no full disks: no right to mount")
        soak = Soak(folder, out / "results.json", rng)
        say(f"making {n_files} files")
        make_folder(soak, n_files, seed)
        if words is None:
            write_tiny_model(folder / "tiny.onnx")
            words = ["--whole", "--model", os.fspath(folder / "tiny.onnx")]
        say("recognising what they hold, undisturbed")
        learn_truth(soak, words)
        meddler = Meddler(soak)
        outcomes = []
        for planned in plan_rounds(rng, n_rounds, can_fill=can_fill):
            if planned.moment == "end":
                meddler.settle_all()
            outcomes.append(run_round(soak, planned, meddler, words))
    return soak, outcomes


def format_page(soak: Soak, outcomes: list[Outcome]) -> str:
    """Return the tables: rounds, faults, what became of the files, figures."""
    lines = ["runs:", *map(format_outcome, outcomes), "", "faults while they ran:"]
    lines += [f"{n:8} {what}" for what, n in sorted(soak.faults.items())]
    roles = collections.Counter(entry.role for entry in soak.entries.values())
    lines += ["", f"{'files':12}{'made':>8}{'answer':>8}{'error':>8}  in the last results"]
    for role, n in sorted(roles.items()):
        fate = soak.fates.get(role, collections.Counter())
        lines.append(f"{role:12}{n:8}{fate['answer']:8}{fate['error']:8}")
    first, last = compare_tenths(soak.progress, len(soak.entries))
    peak = max(outcome.peak_mb for outcome in outcomes)
    lines += [
        "",
        f"processor time a file: {first:.1f} ms in the first tenth, {last:.1f} in the last",
    ]
    lines += [f"largest memory of a run: {peak:.0f} MB", f"violations: {len(soak.violations)}"]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Soak, print the tables, and return 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="a new folder")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=16, help="runs that are ended at work")
    parser.add_argument("--tiny", action="store_true", help="a model that answers in no time")
    parser.add_argument("words", nargs="*", help="options of recognize, after --")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the runs inherit what is ignored
    begin_s = time.monotonic()
    folder = given.output.resolve()
    words = None if given.tiny else given.words
    soak, outcomes = soak_folder(folder, given.files, given.seed, given.rounds, words)
    print(format_page(soak, outcomes))
    print(f"{time.monotonic() - begin_s:.0f} s in all")
    return 1 if soak.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
