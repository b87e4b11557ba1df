"""Answers as partitioned Parquet: a row a recording, in the order of the listing.

Columns: what `COLUMNS` lists, then ``p_<label>`` of each label of the model, then ``recording``:
the recording's line of the ``shotprint/1`` document. The rest of that document stands in the
metadata ``shotprint`` of every file. The same answers give the same bytes.
"""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.files import write_beside
from shotprint.recognition.results import RecordingResult, Results, format_recording

ROWS_A_GROUP = 500  # held in memory
GROUPS_A_PART = 20
COLUMNS = {
    "path": "string",
    "sha256": "string",
    "error": "string",
    "duration_s": "double",
    "sample_rate_hz": "int32",
    "channels": "int32",
    "start_s": "double",
    "label": "string",
    "probability": "double",
    "calibre": "string",
    "category": "string",
    "gunshot_probability": "double",
    "decision_level": "string",
    "decision_label": "string",
    "decision_probability": "double",
    "n_shots": "int32",
    "n_warnings": "int32",
}


def check_folder(folder: Path, resume: bool = False) -> None:
    """Raise unless parts can be written into a folder: pyarrow is there, and nothing is in it.

    Parameters
    ----------
    resume : parts that a run was killed over are written again
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("cluster", "Parquet") from None
    if folder.exists() and not folder.is_dir():
        raise ShotprintError(f"{folder} is a file, expected a folder for Parquet; name another")
    others = {*folder.glob("*")} - (_find_parts(folder) if resume else set())
    if others:
        raise ShotprintError(f"{folder} is not empty ({min(others).name} is in it); name another")


def _find_parts(folder: Path) -> set[Path]:
    """Return the parts in a folder, whole or half-written."""
    return {*folder.glob("part-*.parquet"), *folder.glob(".part-*.parquet.*.partial")}


def write_parts(folder: Path, head: Results, results: Iterable[RecordingResult]) -> int:
    """Write ``part-00000.parquet``, …, each written beside and renamed; return how many.

    Parts that are there already are of a run that was stopped while it wrote, and are removed.

    Parameters
    ----------
    head : what is needed to repeat the answers; its recordings are not looked at
    results : may be longer than memory
    """
    import pyarrow
    import pyarrow.parquet

    labels = head.model.labels
    fields = [
        *(pyarrow.field(name, pyarrow.type_for_alias(kind)) for name, kind in COLUMNS.items()),
        *(pyarrow.field(f"p_{label}", pyarrow.float64()) for label in labels),
        pyarrow.field("recording", pyarrow.string()),
    ]
    described = json.dumps(head.head, ensure_ascii=False, allow_nan=False)
    schema = pyarrow.schema(fields, {"shotprint": described})
    folder.mkdir(parents=True, exist_ok=True)
    for path in _find_parts(folder):
        path.unlink()
    rows = (_to_row(result, labels) for result in results)
    groups = enumerate(iter(lambda: list(itertools.islice(rows, ROWS_A_GROUP)), []))
    number = -1
    for number, part in itertools.groupby(groups, lambda group: group[0] // GROUPS_A_PART):
        with (
            write_beside(folder / f"part-{number:05}.parquet") as beside,
            pyarrow.parquet.ParquetWriter(beside, schema, compression="zstd") as writer,
        ):
            for _, group in part:
                writer.write_table(pyarrow.Table.from_pylist(group, schema))
    return number + 1


def _to_row(result: RecordingResult, labels: Iterable[str]) -> dict[str, Any]:
    content = json.loads(line := format_recording(result))
    decision = content["decision"] or {}
    best = {name: (content[name] or [{}])[0].get("label") for name in ("calibre", "category")}
    scores = {each["label"]: each["probability"] for each in content["candidates"] or ()}
    own = {
        **best,
        **{f"decision_{name}": decision.get(name) for name in ("level", "label", "probability")},
        "n_shots": len(result.shots),
        "n_warnings": len(result.warnings),
        **{f"p_{label}": scores.get(label) for label in labels},
        "recording": line,
    }
    return {**{name: content.get(name) for name in COLUMNS}, **own}
