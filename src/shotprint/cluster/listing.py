"""What lies below the paths and URLs that a user gave, in an order that stays.

A URL (``s3://bucket/folder``, ``https://host/folder/``, ``sftp://host/folder``, …) is read by
fsspec, S3 by pyarrow's own client, everything else as a path of this machine.
"""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from shotprint.audio import AUDIO_EXTENSIONS, find_recordings
from shotprint.audio.finding import is_recording_name, natural_key
from shotprint.errors import MissingExtraError, ShotprintError

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A recording to fetch from `place` and to call `name`.

    Attributes
    ----------
    size_bytes : None: the listing does not say
    version : changes with the bytes, such as the time of the last change; None: not known
    error : why there is none
    """

    place: str
    name: str
    size_bytes: int | None = None
    version: str | None = None
    error: str | None = None


def is_url(path: str) -> bool:
    """Tell whether it is read by fsspec; a letter of a drive is no scheme."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and len(scheme) > 1


def list_work(paths: Sequence[str]) -> list[WorkItem]:
    """Return every recording at or below the paths, each name once, as `find_recordings` does.

    What cannot be listed is returned with its `error`.

    Raises
    ------
    ShotprintError : a scheme that is unknown or whose driver is not installed
    """
    found: dict[str, WorkItem] = {}
    for path in paths:
        for item in _list_url(path) if is_url(path) else _list_path(path):
            found.setdefault(item.name, item)
    return list(found.values())


def _list_path(path: str) -> Iterator[WorkItem]:
    for each in find_recordings([path]):
        try:
            facts = each.path.stat() if each.error is None else None
        except OSError:  # it is told where it is opened
            facts = None
        size, version = (facts.st_size, str(facts.st_mtime_ns)) if facts else (None, None)
        # A worker works in another folder.
        yield WorkItem(os.fspath(each.path.absolute()), each.name, size, version, each.error)


def _list_url(url: str) -> list[WorkItem]:
    files, root = open_files(url)
    if PurePosixPath(root).suffix.lower() in AUDIO_EXTENSIONS:
        return [WorkItem(url, url)]
    try:
        found: Mapping[str, Mapping[str, Any]] = files.find(root, detail=True)
    except Exception as error:  # noqa: BLE001  # every driver has errors of its own
        return [WorkItem(url, url, error=f"{url}: the folder cannot be listed ({error})")]
    root = root.rstrip("/") + "/"
    below = [
        (path.removeprefix(root).split("/"), facts)
        for path, facts in found.items()
        if path.startswith(root)
    ]
    below = [(parts, facts) for parts, facts in below if _is_wanted(parts)]
    below.sort(key=lambda each: [natural_key(part) for part in each[0]])
    items = [_to_item(url, parts, facts) for parts, facts in below]
    return items or [WorkItem(url, url, error=f"{url}: the folder holds no recordings")]


def _is_wanted(parts: Sequence[str]) -> bool:
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts[:-1])
    return not is_hidden and is_recording_name(parts[-1])


def _to_item(url: str, parts: Sequence[str], facts: Mapping[str, Any]) -> WorkItem:
    place = f"{url.rstrip('/')}/{'/'.join(parts)}"
    stated = (facts.get(name) for name in ("ETag", "mtime", "LastModified"))
    version = next((str(each) for each in stated if each), None)
    return WorkItem(place, place, facts.get("size"), version)


def open_files(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it.

    Raises
    ------
    ShotprintError : the scheme is unknown or its driver is not installed
    """
    try:
        if url.startswith("s3://"):
            return _open_s3(), url.removeprefix("s3://")
        from fsspec.core import url_to_fs

        files, path = url_to_fs(url)
    except ModuleNotFoundError as error:
        if error.name in ("fsspec", "pyarrow"):
            raise MissingExtraError("cluster", f"{url},") from None
        raise ShotprintError(f"{url} needs a driver of fsspec that is missing: {error}") from None
    except (ImportError, ValueError) as error:
        raise ShotprintError(f"{url} cannot be opened by fsspec: {error}") from None
    return files, path


@functools.cache
def _open_s3() -> Any:
    """Return pyarrow's S3; account, region and endpoint are those of the environment."""
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import S3FileSystem

    endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
    return ArrowFSWrapper(S3FileSystem(endpoint_override=endpoint))
