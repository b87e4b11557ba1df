"""``python -m benchmarks``: measure, and write ``docs/bench.md``."""

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks.cases import CASES, ON_REQUEST
from benchmarks.installation import measure_installation
from benchmarks.measuring import ROOT, say
from benchmarks.page import write_page
from benchmarks.rows import Row, format_table
from benchmarks.workshop import CORES, Workshop
from shotprint.files import write_text

PAGE = ROOT / "docs" / "bench.md"
PEERS_VARIABLE = "SHOTPRINT_PEERS"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    cases = {**CASES, **ON_REQUEST}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=cases, help="this case; page untouched")
    parser.add_argument("--install", action="store_true", help="measure the base install too")
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="DIR",
        default=os.environ.get(PEERS_VARIABLE),
        help="measure other tools too, from where python -m benchmarks.peers installed them "
        f"(or set {PEERS_VARIABLE})",
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Run the cases that were asked for; rewrite the page if these are all."""
    cases = {**CASES, **ON_REQUEST}
    options = parse()
    peers = options.peers and Path(options.peers).resolve()
    names = options.only or [*CASES, *(["comparison"] if peers else [])]
    load = os.getloadavg()[0]
    use_two_cores()
    if options.install:
        measure_installation()
    begin_s = time.perf_counter()
    measured: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), peers)
        for name in names:
            say(f"measuring {name}")
            measured[name] = cases[name](workshop)
    print(format_table([row for rows in measured.values() for row in rows]))
    if not options.only:
        seconds = time.perf_counter() - begin_s
        rows = [row for name in CASES for row in measured[name]]
        write_text(PAGE, write_page(rows, load, seconds))
        say(f"written: {PAGE.relative_to(ROOT)}")


def use_two_cores() -> None:
    """Keep this process and its children on two cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


if __name__ == "__main__":
    main()
