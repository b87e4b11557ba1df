"""Contents that come in, by upload or by path: copied, hashed and kept under their hash."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from shotprint.web.settings import ServiceSettings
from shotprint.web.store import Shelf

BLOCK = 1 << 20
MAX_NAME = 400


class Refused(Exception):
    """What is asked for is not given; `status` is of HTTP, the text is one line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


def clean_name(name: str | None) -> str:
    """Return a name that can be shown: one line, no controls, no way up; it is never a path."""
    text = unicodedata.normalize("NFC", name or "").replace("\\", "/")
    text = "".join(each if each.isprintable() else "_" for each in text)
    parts = [part for part in text.split("/") if part.strip() not in ("", ".", "..")]
    return "/".join(parts)[-MAX_NAME:] or "recording"


def find_allowed(path: str, settings: ServiceSettings) -> Path:
    """Return the file that a path names, below one of the folders that are allowed.

    Raises
    ------
    Refused : there is no such file there; what lies elsewhere is not told from what is missing
    """
    line = "there is no such file below a folder that the service may read; see --allow"
    if "\0" in path:
        raise Refused(403, line)
    try:
        found = Path(path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise Refused(403, line) from None
    if not any(found.is_relative_to(folder.resolve()) for folder in settings.allowed):
        raise Refused(403, line)
    if not found.is_file():
        raise Refused(403, line)
    return found


@contextmanager
def receive(
    source: BinaryIO | Any, shelf: Shelf, settings: ServiceSettings
) -> Iterator[tuple[Path, str]]:
    """Copy a file beside the shelf; yield the copy, which is deleted if it still lies there after.

    Yields
    ------
    path, SHA-256 : of the copy, to be renamed to its place

    Raises
    ------
    Refused : it is empty, too large, or the disk is full
    """
    beside = shelf.folder / "recordings" / f".{secrets.token_hex(8)}.partial"
    digest, n_bytes = hashlib.sha256(), 0
    try:
        with beside.open("wb") as file:
            while block := source.read(BLOCK):
                n_bytes += len(block)
                if n_bytes > settings.max_upload_mb * (1 << 20):
                    raise Refused(
                        413,
                        f"the recording is larger than {settings.max_upload_mb} MB; send less, or "
                        "raise --max-upload-mb",
                    )
                digest.update(block)
                file.write(block)
        if not n_bytes:
            raise Refused(
                400, "the recording is empty; expected the bytes of a sound or video file"
            )
        yield beside, digest.hexdigest()
    except OSError as error:
        raise Refused(507, f"the recording cannot be kept ({error.strerror}); make room") from None
    finally:
        beside.unlink(missing_ok=True)
