"""Recognition beside other tools, on the same files in one run; kept in ``comparison.json``."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from benchmarks.installation import read_installation
from benchmarks.measuring import describe_processor, say
from benchmarks.peers import HOSTS, Failed, Peer, prepare, read_peers, work
from benchmarks.rows import Row
from benchmarks.workshop import LONG_S, Workshop

RECORD = Path(__file__).with_name("comparison.json")
N_ROUNDS = 3
BASELINE = "baseline"


@dataclass(frozen=True)
class Rival:
    """How a tool is called on the page, how many recordings it gets, and what is to be reached.

    Attributes
    ----------
    n_files : in a round
    n_warm : recordings before that are not counted
    target_ratio : how many times as many recordings a second shotprint is to recognise
    heard_s : how much of a long recording it gets; 0: none
    """

    way: str
    n_files: int
    n_warm: int
    target_ratio: float
    heard_s: float = LONG_S


RIVALS = {
    BASELINE: Rival("the baseline's way with librosa", 4, 1, 200, 0),
    "panns-inference": Rival("panns-inference, Cnn14 kept loaded", 30, 4, 20, 120),
    "opensoundscape": Rival("OpenSoundscape, ResNet-18 kept loaded", 200, 16, 3),
    "birdnet": Rival("birdnet, kept loaded", 64, 16, 3),
}


@dataclass(frozen=True)
class Comparison:
    """What was measured beside other tools, when and where; `problems`: what did not run."""

    measured: str
    processor: str
    versions: dict[str, str]
    problems: dict[str, str]
    rows: tuple[Row, ...]


def measure_comparison(workshop: Workshop) -> list[Row]:
    """Measure beside every tool that runs; keep what was found."""
    if workshop.peers is None:
        raise SystemExit(
            "benchmarks: found no folder of tools to compare with; expected --peers DIR, written "
            "by python -m benchmarks.peers --install DIR"
        )
    peers = read_peers(workshop.peers)
    problems = {name: peer.problem for name, peer in peers.items() if peer.problem}
    rows: list[Row] = []
    for name, rival in RIVALS.items():
        if HOSTS.get(name, name) in problems:
            continue
        say(f"measuring beside {name}")
        try:
            rows += compare(workshop, name, rival)
        except Failed as error:
            problems[name] = str(error)
    rows += compare_sizes(peers)
    versions = {name: peer.version for name, peer in peers.items() if peer.version}
    comparison = Comparison(
        date.today().isoformat(), describe_processor(), versions, problems, tuple(rows)
    )
    RECORD.write_text(json.dumps(asdict(comparison), indent=1) + "\n", encoding="utf-8")
    return rows


def compare(workshop: Workshop, name: str, rival: Rival) -> list[Row]:
    """Return speed on many files, time of one, memory, speed on a long recording."""
    folder = workshop.peers
    assert folder is not None
    prepare(folder, name)
    arguments = {"paths": workshop.few(rival.n_files), "n_warm": rival.n_warm}
    rounds_s, usage = work(folder, name, "recognize", **arguments, n_rounds=N_ROUNDS)
    steady = workshop.steady
    rows = [
        Row(
            "`recognize`, steady state",
            steady.rate,
            "files/s",
            more_is_better=True,
            target_ratio=rival.target_ratio,
            baseline=rival.n_files / statistics.median(rounds_s),
            way=rival.way,
        ),
        Row(
            "`recognize`, many files: peak memory",
            steady.peak_mb,
            "MB",
            baseline=usage.peak_mb,
            way=rival.way,
        ),
    ]
    one = {"paths": workshop.few(1), "n_warm": 1, "n_rounds": 0}
    starts_s = [work(folder, name, "recognize", **one)[1].wall_s for _ in range(N_ROUNDS)]
    what = "`recognize`, 1 file, cold start"
    start_s = statistics.median(starts_s)
    rows.append(Row(what, workshop.cold_start_s, "s", baseline=start_s, way=rival.way))
    return rows + (compare_long(workshop, name, rival) if rival.heard_s else [])


def compare_long(workshop: Workshop, name: str, rival: Rival) -> list[Row]:
    """Return speed on, and memory of, a recording of ten minutes."""
    assert workshop.peers is not None
    path, heard_s, way = str(workshop.long), rival.heard_s, rival.way
    seconds, usage = work(workshop.peers, name, "hear", path=path, duration_s=heard_s)
    ours = workshop.long_recognition
    what = "`recognize`, ten minutes"
    speed = Row(
        what,
        LONG_S / ours.wall_s,
        "× real time",
        more_is_better=True,
        baseline=heard_s / seconds,
        way=way,
    )
    peak = Row(f"{what}: peak memory", ours.peak_mb, "MB", baseline=usage.peak_mb, way=way)
    return [speed, peak]


def compare_sizes(peers: Mapping[str, Peer]) -> list[Row]:
    """Return the size of what is installed."""
    installation = read_installation()
    if installation is None:
        return []
    return [
        Row(
            "base install",
            installation.size_mb,
            "MB",
            baseline=peer.size_mb,
            way=f"{name} {peer.version} and all that it needs",
        )
        for name, peer in peers.items()
        if peer.size_mb
    ]


def read_comparison() -> Comparison | None:
    """Return what was measured last; None: never."""
    if not RECORD.is_file():
        return None
    content = json.loads(RECORD.read_text(encoding="utf-8"))
    rows = tuple(Row(**fields) for fields in content.pop("rows"))
    return Comparison(**content, rows=rows)
