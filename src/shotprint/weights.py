"""Where weights are: shipped, in a folder of the user's, in the cache, or fetched.

`weights.toml` lists the published backbones (URL, hash, size, licence); `shipped/shipped.toml`
the files that come with shotprint, in the same form without a URL:

- ``[model]``: the default recogniser, an ONNX file
- ``[detector]``: the network that finds shots, an ONNX file
- ``[backbone]``: the safetensors file that training starts from

A download grows in ``<file>.part``, is verified, and only then gets its name. If the
connection breaks, the part stays and the next call goes on from there; if the hash is wrong or
the disk is full, it is removed.
"""

import contextlib
import functools
import hashlib
import math
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shotprint import __version__
from shotprint.errors import ShotprintError
from shotprint.files import write_text
from shotprint.progress import show_progress

if TYPE_CHECKING:  # who downloads nothing needs not load it: 2 MB
    import http.client

REGISTRY_PATH = Path(__file__).with_name("weights.toml")
SHIPPED_DIR = Path(__file__).with_name("shipped")
WEIGHTS_VARIABLE = "SHOTPRINT_WEIGHTS"
TIMEOUT_S = 30.0
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class WeightsEntry:
    """One file of weights.

    Attributes
    ----------
    url : None: it is shipped, not fetched
    sha256, md5, size_bytes : None: not published; see `download_weights`
    """

    name: str
    filename: str
    licence: str
    description: str
    url: str | None = None
    sha256: str | None = None
    md5: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class WeightsStatus:
    """Where a file of weights is.

    Attributes
    ----------
    origin : ``shipped`` or ``published``
    path : None: not on this machine
    problem : what is wrong with the file, such as a wrong hash; None: nothing
    checksum : as ``sha256:<hex>`` or ``md5:<hex>``, published or recorded; None: unknown
    """

    entry: WeightsEntry
    origin: str
    path: Path | None
    problem: str | None
    checksum: str | None


def read_entries(path: str | os.PathLike[str]) -> dict[str, WeightsEntry]:
    """Read entries from a TOML file, one table a name; unknown keys are errors."""
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return {name: WeightsEntry(name=name, **table) for name, table in tables.items()}
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ShotprintError(f"{path} is no list of weights: {error}") from error


@functools.cache
def read_registry() -> Mapping[str, WeightsEntry]:
    """Return the published weights by name; a backbone and its weights have the same name."""
    return read_entries(REGISTRY_PATH)


def locate_cache() -> Path:
    """Return the folder that downloads go to, whether it exists or not."""
    import platformdirs

    return platformdirs.user_cache_path("shotprint", appauthor=False) / "weights"


def locate_weights(
    name: str,
    weights_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    *,
    registry: Mapping[str, WeightsEntry] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Return a verified file of published weights; fetch it if it is not there.

    Looked for in `weights_dir` or else in the folder that the environment variable
    ``SHOTPRINT_WEIGHTS`` names, then in the cache.

    Raises
    ------
    ShotprintError : unknown name, no such folder, wrong hash, or as `download_weights`
    """
    entry = _find_entry(name, registry)
    cache_dir = Path(cache_dir) if cache_dir is not None else locate_cache()
    path = _find_file(entry, weights_dir, cache_dir)
    if path is not None:
        verify_weights(path, entry)
        return path
    if not download:
        raise ShotprintError(
            f"{entry.filename} is not on this machine; fetch it with 'shotprint models --fetch "
            f"{name}', or name the folder that holds it with --weights-dir or {WEIGHTS_VARIABLE}"
        )
    return download_weights(entry, cache_dir)


def shipped_model(folder: str | os.PathLike[str] = SHIPPED_DIR) -> Path:
    """Return the default recogniser (ONNX) that comes with shotprint, verified."""
    return _locate_shipped("model", Path(folder))


def shipped_detector(folder: str | os.PathLike[str] = SHIPPED_DIR) -> Path:
    """Return the network that finds shots (ONNX) that comes with shotprint, verified."""
    return _locate_shipped("detector", Path(folder))


def shipped_backbone(folder: str | os.PathLike[str] = SHIPPED_DIR) -> Path:
    """Return the network (safetensors) that training starts from without a download, verified."""
    return _locate_shipped("backbone", Path(folder))


def list_weights(
    weights_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    shipped_dir: str | os.PathLike[str] = SHIPPED_DIR,
) -> list[WeightsStatus]:
    """Return every file of weights, shipped ones first; those on this machine are verified."""
    shipped_dir = Path(shipped_dir)
    cache_dir = Path(cache_dir) if cache_dir is not None else locate_cache()
    shipped = _read_shipped(shipped_dir)
    statuses = [_check(e, "shipped", shipped_dir / e.filename) for e in shipped.values()]
    for entry in read_registry().values():
        path = _find_file(entry, weights_dir, cache_dir)
        statuses.append(_check(entry, "published", path))
    return statuses


def verify_weights(path: str | os.PathLike[str], entry: WeightsEntry) -> None:
    """Compare size and hash of a file with its entry; raise ShotprintError if they differ.

    Where no hash was published, the one recorded beside the file at its download counts; a
    file without either, one that the user put there, is taken as it is.
    """
    path = Path(path)
    difference = _compare(path, entry, _find_checksum(path, entry))
    if difference is not None:
        raise ShotprintError(
            f"{path} has {difference}: it is another file or a damaged one; delete it and fetch "
            "it again"
        )


def download_weights(entry: WeightsEntry, folder: str | os.PathLike[str]) -> Path:
    """Download into `folder`, with progress; resume, verify, rename.

    Without a published hash the first download is trusted: its SHA-256 is recorded in
    ``<file>.sha256`` for `verify_weights`, and it is never resumed, since nothing would show
    that two halves are of two files.

    Raises
    ------
    ShotprintError : no network, an HTTP error, half a file, wrong hash or size, a full disk
    """
    path = Path(folder) / entry.filename
    part = path.with_name(f"{path.name}.part")
    can_resume = _find_checksum(path, entry) is not None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not can_resume:
            _remove(part)
        if not part.exists() or part.stat().st_size != entry.size_bytes:
            _fetch(entry, part)
        _accept(part, entry, path)
    except ShotprintError as error:
        if not can_resume or not part.exists():
            raise
        raise ShotprintError(
            f"{error}; {part.stat().st_size} bytes are kept in {part}, and the next run goes on "
            "from there"
        ) from error
    except OSError as error:  # from writing: those from reading are ShotprintErrors by now
        _remove(part)
        raise ShotprintError(
            f"cannot write {path} ({error.strerror or error}); free some space, or put "
            f"{entry.filename} elsewhere by hand and name its folder with --weights-dir"
        ) from error
    finally:
        if not can_resume:
            _remove(part)
    return path


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):  # such as: its folder could not be made
        part.unlink()


def _accept(part: Path, entry: WeightsEntry, path: Path) -> None:
    """Give a complete download its name, or delete it if it is not what was published."""
    checksum = _find_checksum(path, entry)
    difference = _compare(part, entry, checksum)
    if difference is not None:
        part.unlink()
        raise ShotprintError(
            f"what came from {entry.url} has {difference}, and was deleted; run it again; if "
            "this happens twice, the published file has changed: do not use it"
        )
    if checksum is None:
        write_text(_record_of(path), f"{_compute_hash(part, 'sha256')}  {path.name}\n")
    part.replace(path)


def _fetch(entry: WeightsEntry, part: Path) -> None:
    """Download to `part`, going on from what it holds; a lost connection leaves it there."""
    from http import HTTPStatus

    offset = part.stat().st_size if part.exists() else 0
    with _open(entry, offset) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            offset = 0  # the server sends the whole file whatever was asked for
        length = response.headers.get("Content-Length")
        n_bytes = offset + int(length) if length else entry.size_bytes
        print(f"fetching {entry.url}", file=sys.stderr)
        blocks = show_progress(
            _read_blocks(response, entry),
            total=math.ceil((n_bytes - offset) / _BLOCK_BYTES) if n_bytes else None,
            description=f"{entry.filename} (MiB)",
        )
        with part.open("ab" if offset else "wb") as file:
            for block in blocks:
                file.write(block)
    if n_bytes is not None and part.stat().st_size < n_bytes:
        raise ShotprintError(
            f"the connection to {entry.url} ended after {part.stat().st_size} of {n_bytes} bytes; "
            "run it again"
        )


def _open(entry: WeightsEntry, offset: int) -> "http.client.HTTPResponse":
    """Ask for the file from byte `offset` on; a server may send all of it instead."""
    import urllib.error
    import urllib.request
    from http import HTTPStatus
    from http.client import HTTPException

    if entry.url is None:
        raise ShotprintError(f"{entry.name} comes with shotprint and cannot be fetched")
    headers = {"User-Agent": f"shotprint/{__version__}"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(entry.url, headers=headers)
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if offset and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(entry, 0)  # it has no such byte: what we hold is of another file
        raise ShotprintError(
            f"{entry.url} answers {error.code} {error.reason}; try later, or download "
            f"{entry.filename} by hand and name its folder with --weights-dir"
        ) from None
    except (OSError, HTTPException) as error:
        raise _describe_loss(error, entry) from error
    return response


def _read_blocks(response: "http.client.HTTPResponse", entry: WeightsEntry) -> Iterator[bytes]:
    from http.client import HTTPException

    try:
        while block := response.read(_BLOCK_BYTES):
            yield block
    except (OSError, HTTPException) as error:
        raise _describe_loss(error, entry) from error


def _describe_loss(error: Exception, entry: WeightsEntry) -> ShotprintError:
    reason = getattr(error, "reason", None) or error
    return ShotprintError(
        f"lost or never reached {entry.url} ({reason}); run it again, or download "
        f"{entry.filename} by hand and name its folder with --weights-dir or {WEIGHTS_VARIABLE}"
    )


def _find_entry(name: str, registry: Mapping[str, WeightsEntry] | None) -> WeightsEntry:
    registry = read_registry() if registry is None else registry
    if name not in registry:
        raise ShotprintError(f"no weights {name!r}; expected one of {', '.join(sorted(registry))}")
    return registry[name]


def _find_file(
    entry: WeightsEntry, weights_dir: str | os.PathLike[str] | None, cache_dir: Path
) -> Path | None:
    """Return the file in the user's folder or else in the cache."""
    folder = weights_dir if weights_dir is not None else os.environ.get(WEIGHTS_VARIABLE)
    if folder and not Path(folder).is_dir():
        raise ShotprintError(
            f"{folder} is no folder; --weights-dir and {WEIGHTS_VARIABLE} name one that holds "
            "downloaded weights"
        )
    folders = [Path(folder), cache_dir] if folder else [cache_dir]
    paths = [place / entry.filename for place in folders]
    return next((path for path in paths if path.is_file()), None)


def _read_shipped(folder: Path) -> dict[str, WeightsEntry]:
    index = folder / "shipped.toml"
    return read_entries(index) if index.is_file() else {}


def _locate_shipped(name: str, folder: Path) -> Path:
    entry = _read_shipped(folder).get(name)
    if entry is None or not (folder / entry.filename).is_file():
        raise ShotprintError(
            f"this installation has no shipped {name} in {folder}; install shotprint again or "
            "name a file of your own"
        )
    verify_weights(folder / entry.filename, entry)
    return folder / entry.filename


def _check(entry: WeightsEntry, origin: str, path: Path | None) -> WeightsStatus:
    """Verify the file, if there is one, and say what was found."""
    problem = None
    if path is not None:
        try:
            verify_weights(path, entry)
        except (ShotprintError, OSError) as error:
            problem = str(error)
    checksum = _find_checksum(path, entry)
    return WeightsStatus(entry, origin, path, problem, checksum)


def _compare(path: Path, entry: WeightsEntry, checksum: str | None) -> str | None:
    """Say how a file differs from what is expected; None: it does not."""
    size_bytes = path.stat().st_size
    if entry.size_bytes is not None and size_bytes != entry.size_bytes:
        return f"{size_bytes} bytes, expected {entry.size_bytes}"
    if checksum is None:
        return None
    algorithm, expected = checksum.split(":")
    found = _compute_hash(path, algorithm)
    return None if found == expected else f"{algorithm} {found}, expected {expected}"


def _find_checksum(path: Path | None, entry: WeightsEntry) -> str | None:
    """Return ``algorithm:hex`` as published, or else as recorded at the download."""
    if entry.sha256:
        return f"sha256:{entry.sha256}"
    if entry.md5:
        return f"md5:{entry.md5}"
    if path is not None and (record := _record_of(path)).is_file():
        return f"sha256:{record.read_text(encoding='utf-8').split()[0]}"
    return None


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _compute_hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
        return digest.hexdigest()
