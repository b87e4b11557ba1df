"""The manifest: one CSV row a recording, every value text, empty where it is not known.

The columns `COLUMNS` stand first: the id (path below the imported folder, with ``/``), how to
open it, the hash of its bytes, its label, its group (recordings that must never stand on both
sides of a split) and its fold, if folds come with the set. Any other columns follow.
See ``docs/manifest.md``.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.files import compute_sha256, write_text
from shotprint.progress import show_progress

try:
    import pandas as pd
except ModuleNotFoundError:
    raise MissingExtraError("evaluate", "a manifest") from None

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("recording", "path", "sha256", "label", "group", "fold")
HASHED_COLUMNS = ("recording", "sha256", "label", "group", "fold")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_EXAMPLES = 3


def read_manifest(path: str | os.PathLike[str]) -> "DataFrame":
    """Read and check a manifest; `path` values become absolute, everything stays text.

    Raises
    ------
    ShotprintError
        What `read_rows` raises; no row; a row without recording, path or label; a recording
        listed twice; a sha256 that is none. Whether the recordings exist is not looked at.
    """
    table, lines = read_rows(path, COLUMNS)
    _check_rows(table, lines, str(path))
    folder = Path(path).resolve().parent
    table["path"] = [str(Path(os.path.normpath(folder / value))) for value in table["path"]]
    return table


def write_manifest(manifest: "DataFrame", path: str | os.PathLike[str]) -> None:
    """Check a manifest and write it as CSV: UTF-8, sorted by recording, beside and renamed.

    Paths are written relative to the folder of the manifest, or absolute where that cannot be
    (another drive). The same manifest at the same place gives the same bytes.
    """
    missing = [column for column in COLUMNS if column not in manifest.columns]
    if missing:
        raise ShotprintError(f"the manifest for {path} has no column {', '.join(missing)}")
    table = _as_text(manifest).sort_values("recording", kind="stable", ignore_index=True)
    table = table[[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)]]
    _check_rows(table, range(2, len(table) + 2), f"the manifest for {path}")
    table["path"] = _make_relative(table["path"], Path(path).resolve().parent)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.itertuples(index=False, name=None))
    write_text(path, text.getvalue())


def build_manifest(rows: Sequence[Mapping[str, str]]) -> tuple["DataFrame", dict[str, str]]:
    """Hash the recordings of `rows` (threads, with progress) and make a manifest of them.

    Parameters
    ----------
    rows : one mapping a recording with at least recording, path and label; missing columns and
        values become empty text. A row without group takes the group of a recording with the
        same bytes, else its own recording as its group: identical files never lie in two
        groups by default.

    Returns
    -------
    The manifest, sorted by recording, and recording → reason for those that could not be read
    and are left out.
    """
    rows = sorted(rows, key=lambda row: row["recording"])
    hashes = _hash_all([row["path"] for row in rows])
    columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)])
    readable = [
        {**dict.fromkeys(columns, ""), **row, "sha256": sha256}
        for row, sha256 in zip(rows, hashes, strict=True)
        if isinstance(sha256, str)
    ]
    _fill_groups(readable)
    failed = {
        row["recording"]: result.strerror or str(result)
        for row, result in zip(rows, hashes, strict=True)
        if isinstance(result, OSError)
    }
    return pd.DataFrame(readable, columns=list(columns), dtype="str"), failed


def hash_manifest(manifest: "DataFrame") -> str:
    """Return the SHA-256 of what decides a split: `HASHED_COLUMNS`, whatever the order of rows.

    Where the files lie and any further column make no difference.
    """
    table = _as_text(manifest[list(HASHED_COLUMNS)]).sort_values("recording", kind="stable")
    digest = hashlib.sha256()
    for row in table.itertuples(index=False, name=None):
        digest.update("\0".join(row).encode() + b"\n")
    return digest.hexdigest()


def read_rows(
    path: str | os.PathLike[str], required: Sequence[str]
) -> tuple["DataFrame", list[int]]:
    """Read a CSV file of text values; return them and the line on which each row ends.

    Raises
    ------
    ShotprintError
        No such file, not UTF-8 (with the line), a required column missing, a column named
        twice, or a row with too few or too many values.
    """
    text = _read_utf8(Path(path))
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    missing = [column for column in required if column not in header]
    if missing:
        raise ShotprintError(
            f"{path} has no column {', '.join(missing)}; its first line must name "
            f"{', '.join(required)}, separated by commas"
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ShotprintError(f"{path} has two columns named {twice[0]!r}; rename one")
    try:
        numbered = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ShotprintError(f"{path}, line {reader.line_num}: no CSV ({error})") from None
    for line, row in numbered:
        if len(row) != len(header):
            raise ShotprintError(
                f"{path}, line {line}: {len(row)} values, but {len(header)} columns; "
                "put values that hold a comma in double quotes"
            )
    table = pd.DataFrame([row for _, row in numbered], columns=header, dtype="str")
    return table, [line for line, _ in numbered]


def list_examples(names: Sequence[object]) -> str:
    """Return the first few names as text, with ``…`` if there are more."""
    shown = ", ".join(str(name) for name in names[:_MAX_EXAMPLES])
    return f"{shown}, …" if len(names) > _MAX_EXAMPLES else shown


def _read_utf8(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ShotprintError(f"{path} cannot be read ({error.strerror})") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ShotprintError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from None


def _check_rows(table: "DataFrame", lines: Iterable[int], name: str) -> None:
    if table.empty:
        raise ShotprintError(f"{name} lists no recording")
    numbers = pd.Series(list(lines), index=table.index)
    for column in ("recording", "path", "label"):
        empty = table[column].str.strip() == ""
        if empty.any():
            raise ShotprintError(f"{name}, line {_lines(numbers[empty])}: no {column}")
    twice = table["recording"].duplicated(keep=False)
    if twice.any():
        first = table["recording"][twice].iloc[0]
        same = numbers[table["recording"] == first]
        raise ShotprintError(f"{name}, line {_lines(same)}: {first!r} is listed more than once")
    wrong = ~table["sha256"].map(lambda value: value == "" or bool(_SHA256.fullmatch(value)))
    if wrong.any():
        raise ShotprintError(
            f"{name}, line {_lines(numbers[wrong])}: sha256 is not 64 hexadecimal digits "
            "in lower case; leave it empty if it is not known"
        )


def _lines(numbers: "pd.Series") -> str:
    return list_examples(numbers.tolist())


def _as_text(table: "DataFrame") -> "DataFrame":
    # Missing values first: text of NaN would be "nan".
    return table.astype("object").where(table.notna(), "").astype("str")


def _make_relative(values: Iterable[str], folder: Path) -> list[str]:
    # Folders are resolved, files are not: a linked recording keeps its own name.
    paths = [Path(value) for value in values]
    parents = {parent: parent.resolve() for parent in {path.parent for path in paths}}
    return [_relative_to(parents[path.parent] / path.name, folder) for path in paths]


def _relative_to(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def _hash_all(paths: Sequence[str]) -> list[str | OSError]:
    def hash_one(path: str) -> str | OSError:
        try:
            return compute_sha256(path)
        except OSError as error:
            return error

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        hashing = pool.map(hash_one, paths)
        return list(show_progress(hashing, total=len(paths), description="hashing"))


def _fill_groups(rows: Sequence[dict[str, str]]) -> None:
    groups: dict[str, str] = {}
    for row in rows:
        if row["group"]:
            groups.setdefault(row["sha256"], row["group"])
    for row in rows:
        row["group"] = row["group"] or groups.setdefault(row["sha256"], row["recording"])
