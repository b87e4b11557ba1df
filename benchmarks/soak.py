"""``python -m benchmarks.soak``: many files, many faults; at the end every file counts once.

A folder of short recordings, among them unreadable, truncated, growing, changing and vanishing
ones, goes through ``shotprint recognize --resume``, which is killed, interrupted, run out of disk
and told a jumping clock at moments drawn from a seed. Each file of results that comes of it must
hold every listed file once: as the answer of an undisturbed run for the same bytes, or as an
error. Linux; full disks need the right to mount.
"""

import argparse
import bisect
import collections
import contextlib
import hashlib
import io
import itertools
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring import BYTES_PER_MAXRSS, say
from shotprint.files import write_text

SHARES = {
    **{"twin": 0.02, "truncated": 0.01, "empty": 0.002, "noise": 0.002},
    **{"rewritten": 0.005, "growing": 0.005, "vanishing": 0.02, "late": 0.002},
    **{"dangling": 0.002, "loop": 0.002, "pipe": 0.002, "device": 0.002, "broken": 0.002},
    **{"locked": 0.002, "folder": 0.002},
}
"""What is wrong with how many of the files; the others are sound."""
ERRORS = ("dangling", "loop", "pipe", "device", "broken", "locked")
GONE = ("vanishing", "late")
LINKS = {"dangling": "nowhere", "device": "/dev/zero", "broken": "/proc/self/mem"}
RATE_HZ, DURATION_S = 16_000, 0.3
FILES_A_FOLDER = 1000
WINDOW = 150
"""Files before and behind the one that is worked on: among these, files change."""
HUNG_S = 60.0
JUMPING = """
import time
real = time.time
def jump():
    return real() + (-4e7, 3e6, -90, 1e8, 0)[int(time.monotonic() / 0.7) % 5]
time.time = jump
time.time_ns = lambda: int(1e9 * jump())
"""
"""The ``sitecustomize`` of the runs: Python's clock jumps by years and minutes every 0.7 s."""
UNPRIVILEGED = ["--bounding-set", "-dac_override,-dac_read_search"]
FULL = "full"
INTERRUPTED = "interrupted before it was recognised"


@dataclass
class Entry:
    """A file of the folder: `versions` are the contents that it goes through; the last one stays.

    `keys` tells of what undisturbed recording the answer to each content is, by its hash.
    """

    name: str
    role: str
    versions: list[bytes] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    n_steps: int = 0


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


class Soak:
    """The folder, what is known of it, and what is found wrong."""

    def __init__(self, folder: Path, output: Path, rng: random.Random) -> None:
        self.folder, self.output, self.rng = folder, output, rng
        self.journal = output.with_name(f"{output.name}.journal")
        self.entries: dict[str, Entry] = {}
        self.places: dict[str, int] = {}  # hash → place in the order of the run
        self.truth: dict[str, dict[str, Any]] = {}
        self.violations: list[str] = []
        self.faults: collections.Counter[str] = collections.Counter()
        self.fates: dict[str, collections.Counter[str]] = {}
        self.progress: list[tuple[int, float]] = []  # files done, processor seconds for new ones

    def blame(self, text: str) -> None:
        """Note what must not be."""
        self.violations.append(text)
        say(f"VIOLATION: {text}")


def make_sources(n: int, seed: int) -> list[tuple[str, bytes]]:
    """Return ending and bytes of `n` simulated shots in four formats."""
    import soundfile

    from shotprint.audio import find_recordings, read
    from shotprint.simulation.cadre import Settings, simulate_set

    formats = [(".wav", "WAV"), (".flac", "FLAC"), (".aiff", "AIFF"), (".mp3", "MP3")]
    with tempfile.TemporaryDirectory() as folder:
        few = {"guns": ("M16", "Glock9"), "recorders": ("Zoom",)} if n <= 24 else {}
        simulate_set(Path(folder) / "set", Settings(seed=seed, shots=1, duration_s=0.6, **few))
        found = find_recordings([Path(folder) / "set"])
        sources = []
        for number in range(n):
            ending, form = formats[number % len(formats)]
            sound = read(found[number % len(found)].path, sample_rate_hz=RATE_HZ).waveform[0]
            start = max(0, int(abs(sound).argmax()) - RATE_HZ // 20)
            part = sound[start : start + round(DURATION_S * RATE_HZ)]
            file = io.BytesIO()
            soundfile.write(file, part, RATE_HZ, format=form)
            sources.append((ending, file.getvalue()))
    return sources


def stamp(ending: str, content: bytes, number: int) -> bytes:
    """Return the same sound in other bytes: a number where a format keeps remarks."""
    text = b"%08d" % number
    if ending == ".wav":
        body = content[8:] + b"note" + struct.pack("<I", len(text)) + text
        return b"RIFF" + struct.pack("<I", len(body)) + body
    if ending == ".aiff":
        body = content[8:] + b"ANNO" + struct.pack(">I", len(text)) + text
        return b"FORM" + struct.pack(">I", len(body)) + body
    if ending == ".flac":  # a block of an application, behind the first one
        return content[:42] + b"\2\0\0\x0csoak" + text + content[42:]
    frame = b"TXXX" + struct.pack(">IH", len(text) + 2, 0) + b"\0\0" + text
    return b"ID3\3\0\0" + struct.pack(">I", len(frame)) + frame + content


def write_tiny_model(path: Path) -> None:
    """Write a model that answers by the loudness of a clip alone, in no time."""
    import onnx
    from onnx import TensorProto, helper

    from shotprint.clips import ClipRule
    from shotprint.recognition.model import ModelMetadata, OnnxModel
    from shotprint.weights import shipped_model

    labels = OnnxModel(shipped_model()).metadata.labels
    weights = [(-1.0) ** label * 50 * (label + 1) for label in range(len(labels))]
    nodes = [
        helper.make_node("ReduceL1", ["waveform"], ["sum"], axes=[1], keepdims=1),
        helper.make_node("ReduceL2", ["waveform"], ["size"], axes=[1], keepdims=1),
        helper.make_node("Div", ["size", "sum"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "weights"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probabilities"], axis=1),
    ]
    kind = TensorProto.FLOAT
    shapes = {"log_probabilities": ["n", len(labels)], "embedding": ["n", 1]}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("waveform", kind, ["n", "n_samples"])],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        [helper.make_tensor("weights", kind, [1, len(labels)], weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    facts = ModelMetadata("tiny", "1", labels, RATE_HZ, 400, ClipRule(), "as_recorded", "none")
    helper.set_model_props(model, {"shotprint": facts.to_json()})
    onnx.save(model, path)


def compute_hash(content: bytes) -> str:
    """Return the SHA-256, as results have it."""
    return hashlib.sha256(content).hexdigest()


def make_folder(soak: Soak, n: int, seed: int) -> None:
    """Make the folder ``in`` of `n` files and ``reference`` of what an undisturbed run hears."""
    rng = soak.rng
    sources = make_sources(20 if n < 5000 else 320, seed)
    roles = [role for role, share in SHARES.items() for _ in range(max(2, round(share * n)))]
    roles += ["sound"] * (n - len(roles))
    rng.shuffle(roles)
    (soak.folder / "reference").mkdir(parents=True)
    write_text(soak.folder / "jumping" / "sitecustomize.py", JUMPING)
    for number, (ending, content) in enumerate(sources):
        reference = soak.folder / "reference" / f"s{number}{ending}"
        reference.write_bytes(stamp(ending, content, 2 * n + number))
    sound: list[tuple[int, bytes]] = []  # sources and contents that twins repeat
    for number, role in enumerate(roles):
        source = rng.randrange(len(sources))
        ending, plain = sources[source]
        content = stamp(ending, plain, number)
        if role == "twin" and sound:
            source, content = rng.choice(sound)
            ending = sources[source][0]
        where = soak.folder / "in" / f"{number // FILES_A_FOLDER:03d}"
        where.mkdir(parents=True, exist_ok=True)
        path = where / f"{role}{number:06d}{ending}"
        entry = Entry(os.fspath(path.relative_to(soak.folder)), role)
        soak.entries[entry.name] = entry
        make_file(soak, path, entry, content)
        if role in ("sound", "twin", "rewritten", "growing", *GONE):
            entry.keys[compute_hash(content)] = f"s{source}{ending}"
        if role == "sound" and len(sound) < 1000:
            sound.append((source, content))
        if role == "sound":
            soak.places[compute_hash(content)] = number
        if role == "rewritten":
            other = (source + 4) % len(sources)  # of the same format
            changed = stamp(ending, sources[other][1], n + number)
            entry.keys[compute_hash(changed)] = f"s{other}{ending}"
            entry.versions = [changed[: len(changed) // 2], changed, content[:-9], content]
        for version in entry.versions:
            key = entry.keys.setdefault(compute_hash(version), f"x{compute_hash(version)}{ending}")
            if key[0] == "x":
                (soak.folder / "reference" / key).write_bytes(version)
        if role not in ("rewritten", "growing"):
            entry.versions = []


def make_file(soak: Soak, path: Path, entry: Entry, content: bytes) -> None:
    """Write a file as its role asks for, and note the contents that no source has."""
    rng, role = soak.rng, entry.role
    if role == "folder":
        path.mkdir()
    elif role == "pipe":
        os.mkfifo(path)
    elif role == "loop":
        path.symlink_to(path.name)
    elif role in LINKS:
        path.symlink_to(LINKS[role])
    else:
        if role == "truncated":
            entry.versions = [content[: rng.randrange(1, len(content))]]
        elif role == "empty":
            entry.versions = [b""]
        elif role == "noise":
            entry.versions = [rng.randbytes(rng.randrange(1, 5000))]
        elif role == "growing":
            entry.versions = [content[: len(content) * part // 3] for part in (1, 2, 3)]
        path.write_bytes(entry.versions[0] if entry.versions else content)
        if role == "locked":
            path.chmod(0)


def list_folder(soak: Soak) -> set[str]:
    """Return the names that a run started now must account for."""
    names = set()
    for where, _, files in os.walk(soak.folder / "in"):
        names |= {os.path.relpath(os.path.join(where, each), soak.folder) for each in files}  # noqa: PTH118
    return names


def learn_truth(soak: Soak, words: list[str]) -> None:
    """Recognise the reference in one run without faults."""
    output = soak.folder / "truth.json"
    command = [sys.executable, "-m", "shotprint", "recognize", "reference", "-o", output, *words]
    subprocess.run(command, cwd=soak.folder, stderr=subprocess.DEVNULL, check=False)
    for row in read_rows(output):
        soak.truth[Path(row.pop("path")).name] = row
        del row["sha256"]
    assert len(soak.truth) == len(list((soak.folder / "reference").iterdir()))


def read_rows(output: Path) -> Iterator[dict[str, Any]]:
    """Yield the recordings of a file of results, which has one a line."""
    with output.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith('"recordings": ['):
                break
        for line in lines:
            if line.startswith("]}"):
                return
            yield json.loads(line.rstrip(",\n"))
    raise ValueError("the file ends early")


def judge_output(soak: Soak, listed: set[str], stderr: str, *, is_last: bool) -> int:
    """Hold a file of results against what must be in it; return how many rows it has."""
    seen: set[str] = set()
    said = {line.split(": ", 2)[1] for line in stderr.splitlines() if line.count(": ") > 1}
    fates: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    n_rows = 0
    for row in read_rows(soak.output):
        n_rows += 1
        name, sha256, error = row.pop("path"), row.pop("sha256"), row["error"]
        entry = soak.entries.get(name)
        if entry is None or name not in listed or name in seen:
            soak.blame(f"{name} is in the results, but is not listed or stands there twice")
            continue
        seen.add(name)
        is_open = not is_last and error == INTERRUPTED
        fates[entry.role]["error" if error else "answer"] += not is_open
        if error and not is_open and name not in said:
            soak.blame(f"{name} failed without a line that names it")
        if is_open or (error and entry.role in (*ERRORS, *GONE)):
            continue
        if error and entry.role in ("rewritten", "growing") and not is_last:
            continue
        key = entry.keys.get(sha256 or "")
        if key is None or (
            is_last and entry.versions and sha256 != compute_hash(entry.versions[-1])
        ):
            soak.blame(f"{name}: {error or 'an answer'} for bytes that it never had ({sha256})")
        elif row != soak.truth[key]:
            soak.blame(f"{name}: not what an undisturbed run says of the same bytes")
    for name in sorted(listed - seen):
        soak.blame(f"{name} is not in the results")
    if is_last:
        soak.fates = fates
    return n_rows


class Watch:
    """A child at work: how far it is, by what it appends to the journal."""

    def __init__(self, soak: Soak, pid: int) -> None:
        self.soak, self.pid = soak, pid
        self.offset = self.n_done = 0
        self.reached = 0
        self.is_open = False
        self._catch_up()
        self.n_before = self.n_done

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


class Meddler:
    """Changes files, and the clock, while a run is at work."""

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        places = [(int(re.findall(r"\d{6}", e.name)[0]), e) for e in soak.entries.values()]
        moving = [each for each in places if each[1].role in ("rewritten", "growing", "vanishing")]
        self.moving = sorted(moving, key=lambda each: each[0])
        self.late = [entry for _, entry in places if entry.role == "late"]
        self.active: dict[str, Entry] = {}

    def meddle(self, reached: int, *, is_last: bool) -> None:
        """Do a step to every file near the one that is worked on."""
        rng, soak = self.soak.rng, self.soak
        if is_last:
            while self.late and rng.random() < 0.3:
                self._unlink(self.late.pop(rng.randrange(len(self.late))))
            return
        first, last = (
            bisect.bisect_left(self.moving, place, key=lambda each: each[0])
            for place in (reached - WINDOW, reached + WINDOW)
        )
        near = {entry.name: entry for _, entry in self.moving[first:last]}
        for name in self.active.keys() - near.keys():
            self._settle(self.active[name])
        self.active = near
        for entry in near.values():
            if entry.role == "vanishing":
                if rng.random() < 0.02:
                    self._unlink(entry)
            elif entry.role == "rewritten":
                self._write(entry, entry.versions[entry.n_steps % len(entry.versions)])
            elif entry.n_steps + 1 < len(entry.versions) and rng.random() < 0.05:
                with (soak.folder / entry.name).open("ab") as file:
                    file.write(entry.versions[entry.n_steps + 1][file.tell() :])
                self._count(entry)

    def settle(self) -> None:
        """Leave every file that was being changed in its last version."""
        for entry in self.active.values():
            self._settle(entry)
        self.active = {}

    def settle_all(self) -> None:
        """Leave all files in their last version."""
        self.active = {entry.name: entry for _, entry in self.moving}
        self.settle()

    def _settle(self, entry: Entry) -> None:
        path = self.soak.folder / entry.name
        if entry.versions and path.read_bytes() != entry.versions[-1]:
            path.write_bytes(entry.versions[-1])
            entry.n_steps = len(entry.versions) - 1

    def _write(self, entry: Entry, content: bytes) -> None:
        (self.soak.folder / entry.name).write_bytes(content)
        self._count(entry)

    def _count(self, entry: Entry) -> None:
        entry.n_steps += 1
        self.soak.faults[f"steps of {entry.role} files"] += 1

    def _unlink(self, entry: Entry) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.soak.folder / entry.name).unlink()
            self.soak.faults["files that vanished"] += 1


@contextlib.contextmanager
def fill_disk(folder: Path) -> Iterator[None]:
    """Leave no byte on the file system of a folder."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            room = os.statvfs(folder)
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize))
            file.seek(0, os.SEEK_END)
            while True:
                file.write(bytes(4096))
        yield
    finally:
        ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def mount_small(folder: Path, n_bytes: int) -> Iterator[bool]:
    """Mount a file system of that size where it is allowed; yield whether it was."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", folder]
    try:
        has_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        has_mounted = False
    try:
        yield has_mounted
    finally:
        if has_mounted:
            subprocess.run(["umount", folder], check=True)


def plan_rounds(rng: random.Random, n_rounds: int, *, can_fill: bool) -> list[Round]:
    """Return how each run ends: early, at work, while it writes; the last one ends by itself."""
    hows = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, *([FULL] if can_fill else [])]
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
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
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
                if planned.moment != "start":
                    time.sleep(soak.rng.random() * 0.1)
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
    outcome = Outcome(planned, child.returncode, watch.n_done, time.monotonic() - begin_s, 0.0)
    outcome.peak_mb = usage.ru_maxrss * BYTES_PER_MAXRSS / 1e6
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
    begin_s = time.monotonic()
    folder = given.output.resolve()
    words = None if given.tiny else given.words
    soak, outcomes = soak_folder(folder, given.files, given.seed, given.rounds, words)
    print(format_page(soak, outcomes))
    print(f"{time.monotonic() - begin_s:.0f} s in all")
    return 1 if soak.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
