"""A folder of short recordings, sound and spoilt, and what is known of them."""

import collections
import hashlib
import io
import os
import random
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring import say
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
JUMPING = """
import time
real = time.time
def jump():
    return real() + (-4e7, 3e6, -90, 1e8, 0)[int(time.monotonic() / 0.7) % 5]
time.time = jump
time.time_ns = lambda: int(1e9 * jump())
"""
"""The ``sitecustomize`` of the runs: Python's clock jumps by years and minutes every 0.7 s."""


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
