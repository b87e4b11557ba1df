"""What a run has done so far, so that a run that was killed goes on from there.

A file of JSON lines beside the output. The first line says which models and settings answer; a
line follows for each section of a long recording, and one for each recording that is done. The
key is the hash of the recording's bytes, so that names may change. A last line that was cut off
counts as not written.
"""

import contextlib
import dataclasses
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from shotprint.decisions import Decision
from shotprint.detection import DetectedShot
from shotprint.errors import OutputError, ShotprintError
from shotprint.recognition.judgement import Measure
from shotprint.recognition.results import (
    BurstResult,
    EnrolledRatio,
    GunSet,
    GunsResult,
    RecordingResult,
    Score,
    ShotResult,
)
from shotprint.recognition.shots import AnsweredShot

SCHEMA = "shotprint-journal/1"

Place = tuple[int, int]
"""Of a line in the file: its first byte, and how many there are."""


class Journal:
    """Answers of a run that is under way. They stay in the file: in memory is where each stands.

    Threads may use it at the same time. Close it at the end; `remove` it when the answers are
    written. Until then no other run can open it (on POSIX).

    Parameters
    ----------
    identity : models and settings; answers of others are not taken over
    resume : go on with what the file holds; False: begin anew

    Raises
    ------
    ShotprintError : the file holds answers of another model or other settings, or is none, or
        another run has it open
    OutputError : it cannot be written
    """

    def __init__(
        self, path: str | os.PathLike[str], identity: Mapping[str, Any], resume: bool
    ) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._recordings: dict[bytes, Place] = {}
        self._sections: dict[tuple[bytes, int], Place] = {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b", buffering=0)
        try:
            self._hold()
            head = json.loads(json.dumps({"schema": SCHEMA, **identity}))
            end = self._take_over(head) if resume else 0
            self._file.truncate(end)
            if not end:
                self._append(head)
        except BaseException:
            self._file.close()
            raise

    @property
    def n_done(self) -> int:
        """Recordings that it held at the start or was given since."""
        return len(self._recordings)

    def _hold(self) -> None:
        """Refuse a file that another run has open; where the system cannot tell, take it."""
        if sys.platform == "win32":
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ShotprintError(
                f"{self.path} is in use by another run; wait until that ends, or give another "
                "--output"
            ) from None
        except OSError:
            return

    def _take_over(self, head: Mapping[str, Any]) -> int:
        """Note where everything stands in the file; return where its last whole line ends."""
        end = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                if end:
                    self._note(line, (end, len(line)))
                else:
                    self._compare(line, head)
                end += len(line)
        return end

    def _compare(self, line: bytes, head: Mapping[str, Any]) -> None:
        try:
            found = json.loads(line)
            is_journal = found.get("schema") == SCHEMA
        except (ValueError, AttributeError):
            is_journal = False
        if not is_journal:
            raise ShotprintError(f"{self.path} is no journal of shotprint; move it away")
        if found != head:
            raise ShotprintError(
                f"{self.path} holds answers of another model or of other settings; repeat the "
                "command as it was, or leave out --resume to begin anew"
            )

    def _note(self, line: bytes, place: Place) -> None:
        try:
            entry = json.loads(line)
            key = bytes.fromhex(entry["recording"])
            if "section" in entry:
                _to_shots(entry)
                self._sections[key, entry["section"]] = place
            else:
                to_recording(entry["result"])
                self._recordings[key] = place
        except (ValueError, KeyError, TypeError) as error:
            raise ShotprintError(
                f"{self.path} is damaged ({error}); leave out --resume to begin anew"
            ) from None

    def holds(self, sha256: str) -> bool:
        """Tell whether there is an answer for a recording of these bytes; works when closed."""
        return bytes.fromhex(sha256) in self._recordings

    def find_recording(self, sha256: str) -> RecordingResult | None:
        """Return the answer for a recording of these bytes, if there is one."""
        place = self._recordings.get(bytes.fromhex(sha256))
        return None if place is None else to_recording(self._load(place)["result"])

    def find_section(self, sha256: str, index: int) -> list[AnsweredShot] | None:
        """Return the shots of a section, without embeddings, if it is done."""
        place = self._sections.get((bytes.fromhex(sha256), index))
        return None if place is None else _to_shots(self._load(place))

    def add_recording(self, result: RecordingResult) -> None:
        """Keep the answer for a recording."""
        assert result.sha256 is not None
        place = self._append({"recording": result.sha256, "result": result})
        self._recordings[bytes.fromhex(result.sha256)] = place

    def add_section(self, sha256: str, index: int, shots: Sequence[AnsweredShot]) -> None:
        """Keep the shots of a section."""
        rows = [
            {
                **vars(shot.detected),
                "log_probabilities": shot.log_probabilities.tolist(),
                "traits": shot.traits.tolist(),
            }
            for shot in shots
        ]
        self._append({"recording": sha256, "section": index, "shots": rows})

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and take it away."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _append(self, entry: Mapping[str, Any]) -> Place:
        """Add a whole line or nothing; return where it stands."""
        text = json.dumps(entry, ensure_ascii=True, allow_nan=False, default=_list_fields)
        line = memoryview(text.encode() + b"\n")
        with self._lock:
            end = self._file.seek(0, os.SEEK_END)
            try:
                n_written = 0
                while n_written < len(line):
                    n_written += self._file.write(line[n_written:])
            except OSError as error:
                with contextlib.suppress(OSError):
                    self._file.truncate(end)
                raise OutputError(
                    f"{self.path} cannot be written ({error.strerror}); what is done is kept: "
                    "make room and give the command again with --resume"
                ) from None
        return end, len(line)

    def _load(self, place: Place) -> dict[str, Any]:
        start, n_bytes = place
        with self._lock:
            self._file.seek(start)
            content: dict[str, Any] = json.loads(self._file.read(n_bytes))
        return content


class KeptResults(Sequence[RecordingResult]):
    """Results in their order: answers are read from the journal each time they are asked for."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._entries: list[RecordingResult | tuple[str, str]] = []

    def append(self, result: RecordingResult) -> None:
        """Keep a result; a failure whole, of an answer its name and hash."""
        if result.error is not None or result.sha256 is None:
            self._entries.append(result)
        else:
            self._entries.append((result.path, result.sha256))

    @property
    def n_failed(self) -> int:
        """How many are failures."""
        return sum(isinstance(each, RecordingResult) for each in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, place: int) -> RecordingResult: ...

    @overload
    def __getitem__(self, place: slice) -> list[RecordingResult]: ...

    def __getitem__(self, place: int | slice) -> RecordingResult | list[RecordingResult]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        entry = self._entries[place]
        if isinstance(entry, RecordingResult):
            return entry
        path, sha256 = entry
        done = self._journal.find_recording(sha256)
        assert done is not None
        return dataclasses.replace(done, path=path)


def _list_fields(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; unlike `asdict`, only those that are written next."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _to_shots(entry: Mapping[str, Any]) -> list[AnsweredShot]:
    return [_to_shot(dict(row)) for row in entry["shots"]]


def _to_shot(row: dict[str, Any]) -> AnsweredShot:
    outputs = [np.array(row.pop(name), np.float32) for name in ("log_probabilities", "traits")]
    return AnsweredShot(DetectedShot(**row), outputs[0], np.zeros(0, np.float32), outputs[1])


def list_recording(result: RecordingResult) -> dict[str, Any]:
    """Return a result as JSON keeps it without loss; `to_recording` reads it."""
    content: dict[str, Any] = json.loads(json.dumps(result, allow_nan=False, default=_list_fields))
    return content


def to_recording(content: Mapping[str, Any]) -> RecordingResult:
    """Return the result that JSON holds."""
    row = dict(content)
    shots = [dict(shot) for shot in row["shots"]]
    for shot in shots:
        shot["gun"] = None if shot["gun"] is None else Score(**shot["gun"])
    row["shots"] = tuple(ShotResult(**_with_scores(shot)) for shot in shots)
    row["bursts"] = tuple(BurstResult(**burst) for burst in row["bursts"])
    row["warnings"] = tuple(row["warnings"])
    if row["guns"] is not None:
        sets = [GunSet(tuple(each["labels"]), each["probability"]) for each in row["guns"]["sets"]]
        by_pairs = row["guns"].get("by_pairs")
        row["guns"] = GunsResult(
            tuple(row["guns"]["n_probabilities"]), tuple(sets), by_pairs and tuple(by_pairs)
        )
    if row.get("enrolled") is not None:
        row["enrolled"] = tuple(EnrolledRatio(**ratio) for ratio in row["enrolled"])
    if row["resemblance"] is not None:
        row["resemblance"] = {name: Measure(**m) for name, m in row["resemblance"].items()}
    return RecordingResult(**_with_scores(row))


def _with_scores(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("candidates", "calibre", "category"):
        if row[name] is not None:
            row[name] = tuple(Score(**score) for score in row[name])
    if row["decision"] is not None:
        row["decision"] = Decision(**row["decision"])
    return row
