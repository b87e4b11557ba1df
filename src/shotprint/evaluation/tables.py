"""CSV files as columns of text."""

import csv
import io
import os
from collections.abc import Iterable, Sequence

from shotprint.errors import ShotprintError
from shotprint.files import write_text
from shotprint.manifest import read_rows

Table = dict[str, list[str]]


def read_table(path: str | os.PathLike[str], required: Sequence[str] = ()) -> Table:
    """Return the columns of a UTF-8 CSV file by name, all as text without surrounding spaces.

    Raises
    ------
    ShotprintError : what `shotprint.manifest.read_rows` raises, or there is no row
    """
    frame, _ = read_rows(path, required)
    if frame.empty:
        raise ShotprintError(f"{path} holds no row; a CSV table with a header and rows expected")
    return {name: [cell.strip() for cell in frame[name]] for name in frame.columns}


def write_rows(path: str | os.PathLike[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV (UTF-8, ``\\n``), beside and renamed; None and NaN become empty cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(["" if _is_missing(cell) else cell for cell in row] for row in rows)
    write_text(path, text.getvalue())


def _is_missing(cell: object) -> bool:
    return cell is None or cell != cell
