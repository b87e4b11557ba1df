"""What must be in results, and what is."""

import collections
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.soaking.folder import ERRORS, GONE, Soak, compute_hash

INTERRUPTED = "interrupted before it was recognised"


def learn_truth(soak: Soak, words: list[str]) -> None:
    """Recognise the reference in one run without faults."""
    output = soak.folder / "truth.json"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "shotprint",
        "recognize",
        "reference",
        "-o",
        output,
        *words,
    ]
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
