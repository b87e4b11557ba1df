"""The backup: one archive of the database and of the contents that it names, as a stream.

Unpacked into a folder it is the data of a service: ``shotprint.sqlite``, ``recordings/``,
``made/``, and ``backup.json``, which says how the service ran.
"""

import dataclasses
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shotprint
from shotprint.web.intake import BLOCK, Refused
from shotprint.web.jobs import place_database
from shotprint.web.service import Service
from shotprint.web.store import tell_time


def stream_backup(service: Service) -> Iterator[bytes]:
    """Yield a tar archive of everything that is kept, as it is when the first block is asked for.

    Nothing is swept until the last block is read, or the iterator is closed.

    Raises
    ------
    Refused : another backup is read
    """
    if not service.backing_up.acquire(blocking=False):
        raise Refused(429, "another backup is being read; try again later")
    try:
        with tempfile.TemporaryDirectory(dir=service.shelf.working) as name:
            database, about = place_database(Path(name)), Path(name) / "backup.json"
            contents = service.store.back_up(database)
            about.write_text(describe_backup(service, contents), encoding="utf-8")
            yield from _stream_file(database, database.name)
            yield from _stream_file(about, about.name)
            for sha256 in contents:
                for path in service.shelf.list_paths(sha256):
                    yield from _stream_file(path, path.relative_to(service.shelf.folder).as_posix())
        yield bytes(2 * tarfile.BLOCKSIZE)
    finally:
        service.backing_up.release()


def describe_backup(service: Service, contents: dict[str, bool]) -> str:
    """Return how the service runs, its token aside, and which contents of cases are not there.

    Parameters
    ----------
    contents : SHA-256, and whether a case holds it
    """
    settings: dict[str, Any] = dataclasses.asdict(service.settings)
    del settings["token"]
    missing = [
        sha256
        for sha256, is_held in contents.items()
        if is_held and not service.shelf.place(sha256).exists()
    ]
    facts = {
        "shotprint": shotprint.__version__,
        "when": tell_time(),
        "model": service.model.sha256,
        "settings": settings,
        "missing": missing,
    }
    return json.dumps(facts, indent=1, default=str) + "\n"


def _stream_file(path: Path, name: str) -> Iterator[bytes]:
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        head = tarfile.TarInfo(name)
        head.size, head.mtime, head.mode = facts.st_size, int(facts.st_mtime), 0o600
        yield head.tobuf(tarfile.GNU_FORMAT)
        n_bytes = 0
        while block := file.read(BLOCK):
            n_bytes += len(block)
            yield block
    if n_bytes != head.size:
        raise OSError(f"{name} changed while it was backed up; ask again")
    yield bytes(-n_bytes % tarfile.BLOCKSIZE)
