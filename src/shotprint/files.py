"""Files that are never half-written, and their hashes."""

import contextlib
import csv
import errno
import glob
import hashlib
import io
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def write_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `path` to write to; rename it to `path` if the block succeeds.

    If the block raises (an error, Ctrl-C, a full disk), the half-written file is removed and
    what stood at `path` before is untouched. Missing parent folders are made. An OSError about
    the file beside, or of a full disk, names `path` instead.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC or error.filename == str(beside):
            raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str | Iterable[str]) -> None:
    """Write `text`, or pieces of it, as UTF-8 with ``\\n`` line ends, beside and renamed."""
    pieces = [text] if isinstance(text, str) else text
    with write_beside(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(pieces)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what killed processes left half-written beside `path`; no other may be writing it."""
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        left.unlink(missing_ok=True)


def format_row(cells: Sequence[object]) -> str:
    """Return a line of CSV."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def compute_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def place_outputs(
    sources: Sequence[str | os.PathLike[str]], folder: str | os.PathLike[str], ending: str
) -> list[Path]:
    """Return one path in `folder` for each source, all different on every file system.

    They lie in `folder` as the sources lie below the folder that all share. A name is that of
    the source with `ending` in place of its extension, or where that is taken behind it.
    """
    places = [Path(os.path.normpath(Path(source).absolute())) for source in sources]
    roots = {place.anchor for place in places}
    shared = os.path.commonpath([place.parent for place in places]) if len(roots) == 1 else None
    taken: set[str] = set()
    outputs = []
    for place in places:
        if shared is not None:
            below = place.relative_to(shared)
        else:  # on several drives of Windows
            below = Path(re.sub(r"\W", "", place.anchor), place.relative_to(place.anchor))
        numbered = (f"{place.name}-{number}" for number in itertools.count(2))
        for stem in itertools.chain([place.stem, place.name], numbered):
            output = Path(folder) / below.parent / f"{stem}{ending}"
            if str(output).casefold() not in taken:
                break
        taken.add(str(output).casefold())
        outputs.append(output)
    return outputs
