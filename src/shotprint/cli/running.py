"""What commands on many recordings share: progress, failures, output, exit code."""

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import typer

if TYPE_CHECKING:
    from shotprint.audio import FoundRecording
    from shotprint.recognition import RecordingResult
    from shotprint.recognition.journal import KeptResults

MAX_REPEATED = 3  # recordings that have the same warning each on a line of its own
TRACKS = ("audacity", "raven", "textgrid")  # formats that are label tracks
EXTENSIONS = {".json": "json", ".csv": "csv", ".txt": "table", ".tsv": "table"}
EXTENSIONS[".textgrid"] = "textgrid"
M_ARENA_MAX = -8  # of glibc's malloc.h


class HasResult(Protocol):
    """A result with something more."""

    @property
    def result(self) -> "RecordingResult": ...


Item = TypeVar("Item", bound=HasResult)


def share_heap() -> None:
    """Let the threads of this process take memory from one heap, where its C library can (glibc).

    Of its own heap each thread keeps what it freed, and none takes what the start left free.
    """
    import ctypes

    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # of another C library
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def choose_format(format: StrEnum | None, output: Path | None) -> str:
    """Return the format asked for, or the one that the name of the output says, else a table."""
    from shotprint.errors import ShotprintError

    if format is not None or output is None:
        return format or "table"
    if output.suffix.lower() not in EXTENSIONS:
        raise ShotprintError(
            f"the format of {output} is not clear from its name; end it with "
            f"{', '.join(EXTENSIONS)}, or give --format"
        )
    return EXTENSIONS[output.suffix.lower()]


def run_all(
    answers: "Generator[RecordingResult, None, None]",
    found: "Sequence[FoundRecording]",
    doing: str,
    done: str,
) -> "tuple[list[RecordingResult], bool]":
    """Gather results in memory; see `gather`.

    Parameters
    ----------
    doing, done : such as ``recognising``, ``recognised``
    """
    results: list[RecordingResult] = []
    return results, gather(results, answers, found, (doing, done))


def gather(
    results: "list[RecordingResult] | KeptResults",
    answers: "Generator[RecordingResult, None, None]",
    found: "Sequence[FoundRecording]",
    words: tuple[str, str],
) -> bool:
    """Append results with progress, say what fails at once; Ctrl-C marks the rest as failed.

    Returns whether Ctrl-C came.

    Parameters
    ----------
    words : such as ``recognising``, ``recognised``
    """
    from shotprint.progress import show_progress
    from shotprint.recognition import RecordingResult

    doing, done = words
    warned: dict[str, list[str]] = {}
    is_interrupted = False
    try:
        for result in show_progress(answers, total=len(found), description=doing):
            results.append(result)
            for text in result.warnings:
                warned.setdefault(text, []).append(result.path)
            if result.error is not None:
                typer.echo(f"shotprint: {result.path}: {result.error}", err=True)
    except KeyboardInterrupt:
        is_interrupted = True
        error = f"interrupted before it was {done}"
        for each in found[len(results) :]:
            results.append(RecordingResult(each.name, None, error=error))
    finally:
        answers.close()
    _show_warnings(warned)
    return is_interrupted


def take_results(
    items: "Generator[Item, None, None]", take: Callable[[Item], object]
) -> "Generator[RecordingResult, None, None]":
    """Yield the `result` of each item after `take` had the item."""
    try:
        for item in items:
            take(item)
            yield item.result
    finally:
        items.close()


def _show_warnings(warned: dict[str, list[str]]) -> None:
    """Say what makes answers doubtful, text → paths; what many recordings share is said once."""
    for text, paths in warned.items():
        if len(paths) > MAX_REPEATED:
            paths = [f"{paths[0]} and {len(paths) - 1} more"]
        for path in paths:
            typer.echo(f"shotprint: {path}: warning: {text}", err=True)


def deliver(text: str | Iterable[str], output: Path | None) -> None:
    """Write to the file, or to standard output: UTF-8 whatever the machine's code page is."""
    from shotprint.files import write_text

    if output is not None:
        write_text(output, text)
        return
    for piece in [text] if isinstance(text, str) else text:
        typer.echo(piece if sys.stdout.isatty() else piece.encode(), nl=False)


def check_track(found: "Sequence[FoundRecording]", kind: str, output: Path | None) -> None:
    """Raise unless the label tracks of the recordings have a place: a file each."""
    from shotprint.errors import ShotprintError

    if len(found) > 1 and (output is None or not is_folder(output)):
        raise ShotprintError(
            f"{len(found)} recordings were found, and a file of {kind} holds the shots of one; "
            "give a folder with --output, or one recording"
        )


def is_folder(output: Path) -> bool:
    """Tell whether an output is a folder: there is one, or its name has no extension."""
    return output.is_dir() or (not output.suffix and not output.exists())


def deliver_tracks(
    results: "Sequence[RecordingResult]",
    found: "Sequence[FoundRecording]",
    kind: str,
    output: Path | None,
) -> None:
    """Write the label track of each recording: into a folder, or of one to a file or the screen."""
    from shotprint.files import place_outputs
    from shotprint.recognition.labels import LABEL_TRACKS

    track = LABEL_TRACKS[kind]
    places: Sequence[Path | None] = [output] * len(found)
    if output is not None and is_folder(output):
        places = place_outputs([each.path for each in found], output, track.ending)
    for result, place in zip(results, places, strict=True):
        if result.error is None:
            deliver(track.format(result), place)


def finish(results: "Sequence[RecordingResult]", summary: str | None, is_interrupted: bool) -> None:
    """Say where the answers are, and end with the exit code."""
    n_failed = _count_failed(results)
    if summary is not None:
        typer.echo(summary, err=True)
    if is_interrupted:
        raise typer.Exit(130)
    if n_failed:
        raise typer.Exit(1 if n_failed < len(results) else 2)


def _count_failed(results: "Sequence[RecordingResult]") -> int:
    from shotprint.recognition.journal import KeptResults

    if isinstance(results, KeptResults):
        return results.n_failed
    return sum(result.error is not None for result in results)


def count_done(results: "Sequence[RecordingResult]") -> str:
    """Return how many did not fail, such as ``3 of 4 recordings``."""
    return f"{len(results) - _count_failed(results)} of {len(results)} recordings"


def count_shots(results: "Sequence[RecordingResult]") -> str:
    """Return how many shots there are in those that did not fail."""
    n_shots = sum(len(result.shots) for result in results)
    return f"{n_shots} shot{'s' * (n_shots != 1)} in {count_done(results)}"


def find_common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all lie below; empty where there is none."""
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    except ValueError:  # some are absolute, others are not, or they lie on several drives
        return ""


def join_cells(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines of cells separated by tabs; what would break a line is a space."""
    breaks = dict.fromkeys(map(ord, "\t\n\r"), " ")
    for row in rows:
        yield "\t".join(cell.translate(breaks) for cell in row) + "\n"


def draw_table(rows: Sequence[Sequence[str]], title: str = "", caption: str = "") -> str:
    """Return a table for a terminal; the first row names the columns, the first is folded."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(title), caption=escape(caption), box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.title_justify = table.caption_justify = "left"
    header, *body = rows
    table.add_column(header[0], overflow="fold")
    for name in header[1:]:
        table.add_column(name)
    for row in body:
        table.add_row(*map(escape, row))
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get()
