"""The tables that come with a set: read row by row, and matched with the files that are there."""

import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shotprint.datasets.contract import Remark, Row, remark_if
from shotprint.errors import ShotprintError


@dataclass(frozen=True)
class Table:
    """A table by the value of one column.

    Attributes
    ----------
    name : path below the folder of the set, for remarks
    rows : the value of the key column → the row; names and values without spaces around them
    remarks : rows that cannot be read, that have no key, or the same key as another
    """

    name: str
    rows: Mapping[str, Row]
    remarks: tuple[Remark, ...]


def read_table(
    path: Path,
    name: str,
    key: str,
    required: Sequence[str] = (),
    tidy: Callable[[str], str] = str,
) -> Table:
    """Read a CSV file whose rows stand alone: one that cannot be read spoils no other.

    Parameters
    ----------
    key, required : columns that must be there; a row without a value in `key` is left out
    tidy : makes one of values in `key` that mean the same

    Raises
    ------
    ShotprintError
        No such file, not UTF-8, or a column that is missing.
    """
    header, numbered, unreadable = _read_lines(path, name)
    if missing := [column for column in (key, *required) if column not in header]:
        raise ShotprintError(
            f"{path} has no column {', '.join(missing)}; its columns are {', '.join(header)}"
        )
    rows: dict[str, Row] = {}
    keyless, repeated = [], []
    for line, values in numbered:
        row = dict(zip(header, values, strict=True))
        value = tidy(row[key])
        if not value:
            keyless.append(f"line {line}")
        elif value in rows:
            repeated.append(f"line {line} ({value})")
        else:
            rows[value] = row
    remarks = (
        *remark_if(f"rows of {name} that cannot be read, left out", unreadable, is_loss=True),
        *remark_if(f"rows of {name} without {key}, left out", keyless, is_loss=True),
        *remark_if(f"rows of {name} for what has one already; the first counts", repeated),
    )
    return Table(name, rows, remarks)


def match_table(
    recordings: Iterable[str], table: Table, make_key: Callable[[str], str]
) -> tuple[dict[str, Row], tuple[Remark, ...]]:
    """Return recording → its row of `table`, and remarks on what has no counterpart."""
    keys = {name: make_key(name) for name in recordings}
    matched = {name: table.rows[key] for name, key in keys.items() if key in table.rows}
    return matched, (
        *remark_if(
            f"recordings without a row in {table.name}", [n for n in keys if n not in matched]
        ),
        *remark_if(
            f"rows of {table.name} without a recording", sorted({*table.rows} - {*keys.values()})
        ),
    )


def find_named(names: Iterable[str], *wanted: str) -> list[str]:
    """Return the paths whose last part is one of `wanted`, whatever the case."""
    lowered = {name.lower() for name in wanted}
    return [name for name in names if PurePosixPath(name).name.lower() in lowered]


def match_names(recordings: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """Return recording → the one of `given` that names it, exactly or by its stem; else empty."""
    exact = set(given)
    by_stem = defaultdict(list)
    for name in exact:
        by_stem[_stem(name)].append(name)
    matches = {}
    for recording in recordings:
        key = tidy_name(recording)
        alike = by_stem.get(_stem(key), [])
        matches[recording] = key if key in exact else alike[0] if len(alike) == 1 else ""
    return matches


def tidy_name(name: str) -> str:
    """Return a path with ``/`` and composed letters, as recordings are named."""
    # macOS may store names decomposed, Windows tools write backslashes.
    name = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    return name.removeprefix("./")


def _stem(name: str) -> str:
    return str(PurePosixPath(name).parent / PurePosixPath(name).stem)


def _read_lines(path: Path, name: str) -> tuple[list[str], list[tuple[int, list[str]]], list[str]]:
    """Return the header, the rows with the line each ends on, and lines that are no row of it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ShotprintError(
            f"{path} cannot be read ({error}); it must be a CSV file in UTF-8"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: list[tuple[int, list[str]]] = []
    unreadable: list[str] = []
    header = [column.strip() for column in next(reader, [])]
    if twice := sorted({column for column in header if header.count(column) > 1}):
        raise ShotprintError(f"{path} has two columns named {twice[0]!r}; rename one")
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            unreadable.append(f"line {reader.line_num} ({error})")
            continue
        if row is None:
            return header, rows, unreadable
        if len(row) == len(header):
            rows.append((reader.line_num, [value.strip() for value in row]))
        elif row:
            unreadable.append(f"line {reader.line_num} ({len(row)} values, {len(header)} columns)")
