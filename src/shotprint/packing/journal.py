"""What a run has packed so far, so that another can go on from there.

The samples are appended to one file, then a line of JSON to the journal: an entry in the journal
has its samples. A line or samples cut short by a kill are cut off and packed again.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_JOURNAL, _SAMPLES = "journal.jsonl", "waveform.int16"
_COPY_SAMPLES = 1 << 22

Entry = dict[str, Any]


@dataclass(frozen=True)
class Packed:
    """One recording after decoding: what goes into the journal, and its samples."""

    entry: Entry
    samples: NDArray[np.int16]


class Journal:
    """The parts of a pack that is being made, in a folder of their own.

    Parameters
    ----------
    identity : one line; what an earlier run of another identity left is thrown away

    Attributes
    ----------
    entries : row of the manifest → what is known of its recording
    """

    def __init__(self, folder: Path, identity: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.samples_path = folder / _SAMPLES
        journal_path = folder / _JOURNAL
        self.entries: dict[int, Entry] = {}
        n_journal = n_samples = 0
        if journal_path.is_file() and self.samples_path.is_file():
            n_journal, n_samples = self._read(journal_path, identity)
        self._journal = journal_path.open("ab")
        self._samples = self.samples_path.open("ab")
        self._journal.truncate(n_journal)
        self._samples.truncate(2 * n_samples)
        if not n_journal:
            self._journal.write(identity.encode() + b"\n")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._journal.close()
        self._samples.close()

    def _read(self, journal_path: Path, identity: str) -> tuple[int, int]:
        """Read the entries whose samples are there; return how much of both files they fill."""
        available = self.samples_path.stat().st_size // 2
        with journal_path.open("rb") as journal:
            if journal.readline() != identity.encode() + b"\n":
                return 0, 0
            n_journal, n_samples = journal.tell(), 0
            for line in journal:
                if not line.endswith(b"\n"):
                    break
                entry = json.loads(line)
                end = entry.get("offset", 0) + count_stored(entry)
                if end > available:
                    break
                self.entries[entry["row"]] = entry
                n_journal, n_samples = n_journal + len(line), max(n_samples, end)
        return n_journal, n_samples

    def add(self, packed: Packed) -> None:
        """Append the samples, then the entry."""
        entry = packed.entry
        if "error" not in entry:
            entry = {**entry, "offset": self._samples.seek(0, os.SEEK_END) // 2}
            self._samples.write(packed.samples.tobytes())
            self._samples.flush()
        self._journal.write(json.dumps(entry).encode() + b"\n")
        self._journal.flush()
        self.entries[entry["row"]] = entry

    def copy_samples(self, entries: Sequence[Entry]) -> Iterator[NDArray[np.int16]]:
        """Yield the samples of some entries, in that order, in blocks of bounded size."""
        with self.samples_path.open("rb") as file:
            for entry in entries:
                file.seek(2 * entry["offset"])
                n_left = count_stored(entry)
                while n_left:
                    block = np.frombuffer(file.read(2 * min(n_left, _COPY_SAMPLES)), "<i2")
                    n_left -= len(block)
                    yield block


def count_stored(entry: Mapping[str, Any]) -> int:
    """Return how many samples of a recording are kept."""
    return sum(end - start for start, end in entry.get("segments", ()))
