"""Embeddings of recordings or of their shots, for an analysis of one's own: Parquet or NPZ.

One row a shot (or a recording): ``recording``, ``sha256``, then ``shot``, ``onset_s``, ``end_s``
and ``detection_probability`` of a shot, then ``label`` and ``probability`` where the model knows
guns, then ``embedding``, float32. Which model and detector made them stands in the file, as JSON:
metadata ``shotprint`` of Parquet, array ``metadata`` of NPZ. NPZ holds an array a column.
"""

import contextlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import shotprint
from shotprint.audio import FoundRecording
from shotprint.detection import Detector, Listening
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.files import write_beside
from shotprint.recognition.judgement import join_traits
from shotprint.recognition.listening import listen
from shotprint.recognition.model import Floats, Model
from shotprint.recognition.recognizer import identify
from shotprint.recognition.results import RecordingResult, printable
from shotprint.recognition.running import Run, run_recordings, to_failure
from shotprint.recognition.shots import (
    Answer,
    answer,
    answer_section,
    hear_shots,
    join_outputs,
    run_clips,
    to_results,
)

SCHEMA = "shotprint-embeddings/1"
ROWS_A_GROUP = 1024  # written at a time: memory stays bounded

KNOWN = ("label", "probability", "gunshot_probability")

Row = dict[str, Any]
Add = Callable[[Sequence[Row]], None]


@dataclass(frozen=True, eq=False)
class EmbeddedRecording:
    """A recording that was heard, and its rows: name of the column → value."""

    result: RecordingResult
    rows: tuple[Row, ...] = ()


def embed_all(
    recordings: Sequence[FoundRecording],
    model: Model,
    detector: Detector | None,
    listening: Listening,
    jobs: int = 0,
) -> Generator[EmbeddedRecording, None, None]:
    """Yield the embeddings of many recordings in their order, several worked on at a time.

    Parameters
    ----------
    detector : one row a shot; None: one row a recording, the mean over its loudest sounds, or
        over its parts of 60 s where the model hears recordings whole
    jobs : recordings worked on at the same time; 0: as many as there are cores

    Raises
    ------
    ShotprintError : shots are asked for of a model that hears recordings whole
    """
    if detector is not None and not model.metadata.clip_rule.length_s:
        raise ShotprintError(
            f"the model {model.metadata.name} hears recordings whole and no single shots; "
            "ask for --whole"
        )

    def work(recording: FoundRecording, sha256: str, run: Run) -> EmbeddedRecording:
        if detector is None:
            return _embed_whole(recording, sha256, run, model, listening)
        return _embed_shots(recording, sha256, run, (model, detector), listening)

    def fail(recording: FoundRecording, error: str, sha256: str | None) -> EmbeddedRecording:
        return EmbeddedRecording(to_failure(recording, error, sha256))

    return run_recordings(recordings, work, fail, jobs)


def _embed_shots(
    recording: FoundRecording,
    sha256: str,
    run: Run,
    networks: tuple[Model, Detector],
    listening: Listening,
) -> EmbeddedRecording:
    model, detector = networks

    def work(section: Any) -> Any:
        return answer_section(section, detector, model)

    reading, shots = hear_shots(run.place(recording), listening, work, run)
    found, bursts = to_results([shot.detected for shot in shots])
    result = RecordingResult(
        recording.name, sha256, **vars(reading.heard), shots=found, bursts=bursts
    )
    rows = []
    for number, shot in enumerate(shots, start=1):
        facts = {
            "shot": number,
            "onset_s": shot.onset_s,
            "end_s": shot.detected.end_s,
            "detection_probability": shot.probability,
        }
        answers = _answer(shot.log_probabilities[None], shot.traits[None], model)
        rows.append(_make_row(result, facts, answers, shot.embedding))
    return EmbeddedRecording(result, tuple(rows))


def _embed_whole(
    recording: FoundRecording, sha256: str, run: Run, model: Model, listening: Listening
) -> EmbeddedRecording:
    outputs: list[tuple[Floats, Floats, Floats]] = []
    heard = listen(
        run.place(recording),
        model.metadata,
        listening,
        lambda clips: outputs.append(run_clips(model, clips)),
        run.check,
    )
    log_probabilities, embeddings, measures = join_outputs(outputs, model.metadata)
    traits = join_traits(model.metadata.judge, embeddings, measures)
    result = RecordingResult(recording.name, sha256, **vars(heard))
    answers = _answer(log_probabilities, traits, model)
    row = _make_row(result, {}, answers, embeddings.mean(axis=0))
    return EmbeddedRecording(result, (row,))


def _answer(log_probabilities: Floats, traits: Floats, model: Model) -> Answer | None:
    return answer(log_probabilities, traits, model.metadata) if model.metadata.labels else None


def _make_row(
    result: RecordingResult, facts: Mapping[str, Any], answers: Answer | None, embedding: Floats
) -> Row:
    best: dict[str, Any] = {} if answers is None else answers.fields
    known: Row = {name: best[name] for name in KNOWN if name in best}
    start: Row = {"recording": printable(result.path), "sha256": result.sha256}
    return {**start, **facts, **known, "embedding": embedding}


def describe_embeddings(
    model: Model, detector: Detector | None, listening: Listening
) -> dict[str, Any]:
    """Return what is needed to make the same embeddings again."""
    metadata = model.metadata
    return {
        "schema": SCHEMA,
        "shotprint": shotprint.__version__,
        "model": {
            "name": metadata.name,
            "version": metadata.version,
            "sha256": model.sha256,
            "backbone": metadata.backbone,
        },
        "detector": None if detector is None else vars(identify(detector)),
        "settings": {
            "channel": listening.channel,
            "track": listening.track,
            "clip_rule": asdict(metadata.clip_rule),
            "level": metadata.level,
        },
    }


def list_columns(model: Model, detector: Detector | None) -> dict[str, type]:
    """Return the columns before the embedding and the type of their values."""
    columns: dict[str, type] = {"recording": str, "sha256": str}
    if detector is not None:
        columns |= {"shot": int, "onset_s": float, "end_s": float, "detection_probability": float}
    if model.metadata.labels:
        columns |= {"label": str, "probability": float}
    return columns


@contextlib.contextmanager
def write_embeddings(
    path: Path, columns: Mapping[str, type], description: Mapping[str, Any]
) -> Iterator[Add]:
    """Open a file of embeddings; yield the function that takes rows.

    The file is written beside and renamed when the block ends without an error.

    Parameters
    ----------
    path : ends with ``.parquet`` (written as rows come) or ``.npz`` (held until the end)
    columns : from `list_columns`
    description : from `describe_embeddings`

    Raises
    ------
    ShotprintError : another ending
    MissingExtraError : Parquet, and pyarrow is not installed
    """
    writers = {".npz": _write_npz, ".parquet": _write_parquet}
    if path.suffix.lower() not in writers:
        raise ShotprintError(
            f"the format of {path} is not clear from its name; end it with {' or '.join(writers)}"
        )
    text = json.dumps(description, ensure_ascii=False)
    with write_beside(path) as beside, writers[path.suffix.lower()](beside, columns, text) as add:
        yield add


@contextlib.contextmanager
def _write_npz(path: Path, columns: Mapping[str, type], description: str) -> Iterator[Add]:
    held: list[Row] = []
    yield held.extend
    arrays: dict[str, Any] = {
        name: np.array([row[name] for row in held], kind) for name, kind in columns.items()
    }
    size = len(held[0]["embedding"]) if held else 0
    arrays["embedding"] = np.array([row["embedding"] for row in held], np.float32)
    arrays["embedding"] = arrays["embedding"].reshape(len(held), size)
    with path.open("wb") as file:
        np.savez(file, **arrays, metadata=np.array(description))


@contextlib.contextmanager
def _write_parquet(path: Path, columns: Mapping[str, type], description: str) -> Iterator[Add]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise MissingExtraError("embed", "a Parquet file") from None

    types = {str: pyarrow.string(), int: pyarrow.int32(), float: pyarrow.float64()}
    held: list[Row] = []
    writer: Any = None

    def write() -> None:
        nonlocal writer
        size = len(held[0]["embedding"]) if held else 0
        fields = {name: types[kind] for name, kind in columns.items()}
        fields["embedding"] = pyarrow.list_(pyarrow.float32(), size)
        schema = pyarrow.schema(fields, {"shotprint": description})
        writer = writer or pyarrow.parquet.ParquetWriter(path, schema)
        writer.write_table(pyarrow.Table.from_pylist(held, schema))
        held.clear()

    def add(rows: Sequence[Row]) -> None:
        held.extend(rows)
        if len(held) >= ROWS_A_GROUP:
            write()

    try:
        yield add
        if held or writer is None:
            write()
    finally:
        if writer is not None:
            writer.close()
