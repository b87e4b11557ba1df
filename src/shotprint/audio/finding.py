"""Which recordings lie below the paths that a user gave."""

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shotprint.audio.sources import PathLike

# fmt: off
AUDIO_EXTENSIONS = frozenset((
    ".wav", ".wave", ".rf64", ".w64", ".bwf", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2",
    ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".m4a", ".m4b", ".aac", ".mp4", ".m4v",
    ".mov", ".3gp", ".3g2", ".mkv", ".mka", ".webm", ".amr", ".awb", ".wma", ".wmv", ".asf",
    ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".flv", ".ac3", ".wv", ".tta", ".ape",
    ".alac", ".gsm", ".spx", ".voc", ".ogv",
))
# fmt: on


@dataclass(frozen=True, slots=True)
class FoundRecording:
    """A recording to open at `place` and to call `name`; `error` tells why there is none.

    `place` is text: there may be 100,000, and a Path takes a kilobyte.
    """

    place: str
    name: str
    error: str | None = None

    @property
    def path(self) -> Path:
        """The place as a path."""
        return Path(self.place)


def find_recordings(paths: Sequence[PathLike]) -> list[FoundRecording]:
    """Return the files given and every recording below the folders given, each name once.

    A file is named as it was given; one in a folder by the folder as given and the path below
    it. A file that is given is taken whatever its extension; in folders, those of
    `AUDIO_EXTENSIONS` in any case, hidden files and ``__MACOSX`` left out, links followed.
    Folders are sorted naturally: shot2 stands before shot10. What does not exist, cannot be
    listed, is no file or holds no recording is returned with its `error`, which starts with its
    name.
    """
    found: dict[str, FoundRecording] = {}
    for given in paths:
        for recording in _find_at(os.fspath(given)):
            found.setdefault(recording.name, recording)
    return list(found.values())


def _find_at(name: str) -> list[FoundRecording]:
    path = Path(name)
    try:
        if path.is_dir():
            return _find_below(path, name)
        if path.exists():
            return [_found(name, name)]
    except OSError as error:
        return [_not_found(path, name, f"it cannot be opened ({error.strerror})")]
    return [_not_found(path, name, "no such file or folder; check the path")]


def _not_found(place: PathLike, name: str, text: str) -> FoundRecording:
    return FoundRecording(os.fspath(place), name, f"{name}: {text}")


def _found(place: str, name: str) -> FoundRecording:
    """Refuse what reading would wait for without end: a pipe, a device."""
    try:
        is_file = stat.S_ISREG(os.stat(place).st_mode)  # noqa: PTH116
    except OSError:
        is_file = True  # whoever reads it says why it cannot be read
    if is_file:
        return FoundRecording(place, name)
    return _not_found(place, name, "it is a pipe or a device, expected a file")


def _find_below(folder: Path, name: str) -> list[FoundRecording]:
    errors: list[FoundRecording] = []

    def note(error: OSError) -> None:
        below = Path(error.filename)
        shown = os.path.join(name, below.relative_to(folder)) if below != folder else name  # noqa: PTH118
        errors.append(_not_found(below, shown, f"the folder cannot be read ({error.strerror})"))

    tree: dict[str, tuple[list[str], set[str]]] = {}  # below the folder → recordings, folders
    entered: set[Path] = set()
    for where, subfolders, names in os.walk(folder, onerror=note, followlinks=True):
        below = os.path.relpath(where, folder)
        below = "" if below == os.curdir else below
        entered.add(Path(where).resolve())
        subfolders[:] = sorted(
            each
            for each in subfolders
            if not each.startswith(".")
            and each != "__MACOSX"
            and (Path(where) / each).resolve() not in entered
        )
        tree[below] = [each for each in names if is_recording_name(each)], set(subfolders)
    found = [
        _found(os.path.join(folder, file), os.path.join(name, file))  # noqa: PTH118
        for file in _sort_tree(tree, "")
    ]
    if not found and not errors:
        errors = [_not_found(folder, name, "the folder holds no recordings")]
    return [*found, *errors]


def _sort_tree(tree: Mapping[str, tuple[list[str], set[str]]], below: str) -> Iterator[str]:
    """Yield the files in order, folder after folder: keys of 100,000 at once fill the memory."""
    names, folders = tree.get(below, ([], set()))
    for each in sorted([*names, *folders], key=natural_key):
        file = os.path.join(below, each)  # noqa: PTH118
        if each in folders:
            yield from _sort_tree(tree, file)
        else:
            yield file


def is_recording_name(name: str) -> bool:
    """Tell whether a file of this name in a folder is taken for a recording."""
    ending = os.path.splitext(name)[1]  # noqa: PTH122
    return not name.startswith(".") and ending.lower() in AUDIO_EXTENSIONS


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers by value, letters whatever their case, then by the name."""
    parts = [part for part in re.split(r"([0-9]+)", name.casefold()) if part]
    key = [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts]
    return [*key, (-1, 0, name)]
