"""What a run has done so far, so that a run that was killed goes on from there.

A file of JSON lines beside the output. The first line says which models and settings answer; a
line follows for each section of a long recording, and one for each recording that is done. The
key is the hash of the recording's bytes, so that names may change. A last line that was cut off
counts as not written.
"""

import dataclasses
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shotprint.decisions import Decision
from shotprint.detection import DetectedShot
from shotprint.errors import ShotprintError
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


class Journal:
    """Answers of a run that is under way.

    Threads may use it at the same time. Close it at the end; `remove` it when the answers are
    written.

    Parameters
    ----------
    identity : models and settings; answers of others are not taken over
    resume : go on with what the file holds; False: begin anew

    Raises
    ------
    ShotprintError : the file holds answers of another model or other settings, or is none
    """

    def __init__(
        self, path: str | os.PathLike[str], identity: Mapping[str, Any], resume: bool
    ) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._recordings: dict[str, RecordingResult] = {}
        self._sections: dict[tuple[str, int], list[AnsweredShot]] = {}
        head = {"schema": SCHEMA, **identity}
        lines = self._read() if resume and self.path.exists() else []
        if lines and json.loads(lines[0]) != json.loads(json.dumps(head)):
            raise ShotprintError(
                f"{self.path} holds answers of another model or of other settings; repeat the "
                "command as it was, or leave out --resume to begin anew"
            )
        try:
            for line in lines[1:]:
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise ShotprintError(
                f"{self.path} is damaged ({error}); leave out --resume to begin anew"
            ) from None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("w", encoding="utf-8", newline="\n")
        self._append(head)
        for line in lines[1:]:
            self._file.write(line + "\n")
        self._file.flush()

    @property
    def n_done(self) -> int:
        """Recordings that it held at the start or was given since."""
        return len(self._recordings)

    def _read(self) -> list[str]:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        lines = text[: text.rfind("\n") + 1].splitlines()
        try:
            is_journal = not lines or json.loads(lines[0]).get("schema") == SCHEMA
        except (ValueError, AttributeError):
            is_journal = False
        if not is_journal:
            raise ShotprintError(f"{self.path} is no journal of shotprint; move it away")
        return lines

    def find_recording(self, sha256: str) -> RecordingResult | None:
        """Return the answer for a recording of these bytes, if there is one."""
        return self._recordings.get(sha256)

    def find_section(self, sha256: str, index: int) -> list[AnsweredShot] | None:
        """Return the shots of a section, without embeddings, if it is done."""
        return self._sections.get((sha256, index))

    def add_recording(self, result: RecordingResult) -> None:
        """Keep the answer for a recording."""
        assert result.sha256 is not None
        self._recordings[result.sha256] = result
        self._append({"recording": result.sha256, "result": result})

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

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=True, allow_nan=False, default=_list_fields)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "section" in entry:
            shots = [_to_shot(dict(row)) for row in entry["shots"]]
            self._sections[entry["recording"], entry["section"]] = shots
        else:
            self._recordings[entry["recording"]] = to_recording(entry["result"])


def _list_fields(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; unlike `asdict`, only those that are written next."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


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
