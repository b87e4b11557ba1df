"""From a file to blocks of samples: libsndfile, or FFmpeg through PyAV where that cannot."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

from shotprint.audio.ends import look_for_end
from shotprint.audio.ffmpeg import open_with_ffmpeg
from shotprint.audio.libsndfile import open_with_libsndfile
from shotprint.audio.sources import (
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    HeldFile,
    Place,
    Source,
    recording_error,
    require_track,
)


@contextlib.contextmanager
def open_source(place: Place, track: int | None = None) -> Iterator[Source]:
    """Open a recording; RecordingError where there is no sound to be had from it."""
    if isinstance(place, HeldFile):
        path = place.path
    else:
        path = place
        _check_file(path)
    with contextlib.ExitStack() as stack:
        source = open_with_libsndfile(place, stack)
        if source is None:
            source = stack.enter_context(open_with_ffmpeg(path, track))
        require_track(path, track, source.n_tracks)
        if not MIN_RATE_HZ <= source.sample_rate_hz <= MAX_RATE_HZ:
            raise recording_error(
                path,
                f"its header states a sample rate of {source.sample_rate_hz} Hz; "
                f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz can be read",
            )
        look_for_end(place, source)
        yield source


def _check_file(path: Path) -> None:
    """Raise RecordingError unless `path` is a file with bytes in it that may be read."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise recording_error(path, "this is a folder where a recording was expected")
        if not stat.S_ISREG(found.st_mode):
            raise recording_error(path, "this is no regular file; give a recording")
        if found.st_size == 0:
            raise recording_error(path, "the file is empty (0 bytes)")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise recording_error(path, "no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise recording_error(path, f"the file cannot be opened ({reason})") from None
