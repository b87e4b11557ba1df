"""A recording from anywhere, as a file that can be heard, and the hash of its bytes.

A file of this machine stays where it is. Others are copied into a folder of this process; a folder
whose process was killed is cleared away by the next one.
"""

import errno
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path, PurePosixPath

from shotprint.audio import FoundRecording
from shotprint.cluster.listing import WorkItem, is_url, open_files
from shotprint.errors import OutputError, RecordingError
from shotprint.files import compute_sha256
from shotprint.recognition.results import RecordingResult
from shotprint.recognition.running import Run, attempt, to_failure

PREFIX = "shotprint-spool-"
PAUSES_S = (0.2, 1.0, 5.0)
"""Before a fetch that failed is tried again; what is not there or not allowed is not."""
FINAL = (FileNotFoundError, IsADirectoryError, PermissionError)


class Spool:
    """A folder of this process for recordings that are fetched."""

    def __init__(self) -> None:
        _clear_abandoned(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._n = 0

    def fetch(self, item: WorkItem) -> tuple[Path, str] | RecordingResult:
        """Return where a recording can be heard, and its SHA-256; or the result of a failure.

        Raises
        ------
        OutputError : the folder is full
        """
        if not is_url(item.place):
            found = FoundRecording(item.place, item.name, item.error)
            return attempt(found, _take, _fail)
        self._n += 1
        path = self.folder / f"{self._n}{PurePosixPath(item.place).suffix.lower()}"
        found = FoundRecording(str(path), item.name, item.error)
        try:
            if item.error is not None:
                raise RecordingError(item.error)
            return path, _copy(item.place, path)
        except RecordingError as error:
            path.unlink(missing_ok=True)
            return to_failure(found, str(error), None)

    def release(self, path: Path) -> None:
        """Remove a recording that was fetched; one that was there before stays."""
        if path.parent == self.folder:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _take(found: FoundRecording, sha256: str, _: Run) -> tuple[Path, str] | RecordingResult:
    return found.path, sha256


def _fail(
    found: FoundRecording, error: str, sha256: str | None
) -> tuple[Path, str] | RecordingResult:
    return to_failure(found, error, sha256)


def _copy(url: str, path: Path) -> str:
    """Copy what a URL names; return the SHA-256. RecordingError: it cannot be fetched."""
    for pause_s in (*PAUSES_S, None):
        try:
            files, source = open_files(url)
            files.get_file(source, str(path))
            return compute_sha256(path)
        except Exception as error:  # noqa: BLE001  # every driver has errors of its own
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise OutputError(
                    f"{path.parent} on {socket.gethostname()} is full; make room, or set TMPDIR "
                    "to a larger folder there, and give the command again with --resume"
                ) from None
            if pause_s is None or isinstance(error, FINAL):
                reason = getattr(error, "strerror", None) or error or type(error).__name__
                raise RecordingError(f"it cannot be fetched ({reason})") from None
            time.sleep(pause_s)
    raise AssertionError


def _clear_abandoned(folder: Path) -> None:
    """Remove the spools of processes of this machine that are no more."""
    if os.name != "posix":
        return
    for spool in folder.glob(f"{PREFIX}*-*"):
        try:
            os.kill(int(spool.name.removeprefix(PREFIX).split("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(spool, ignore_errors=True)
        except (ValueError, PermissionError):  # not of shotprint, or of another user
            continue
