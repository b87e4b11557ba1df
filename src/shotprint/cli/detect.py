"""``shotprint detect``: when was a shot fired?"""

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli import options
from shotprint.cli.running import (
    TRACKS,
    check_track,
    choose_format,
    count_shots,
    deliver,
    deliver_tracks,
    draw_table,
    find_common_folder,
    finish,
    join_cells,
    run_all,
    share_heap,
)

if TYPE_CHECKING:
    from shotprint.recognition import RecordingResult


class Format(StrEnum):
    """How shots are written."""

    table = "table"
    json = "json"
    csv = "csv"
    audacity = "audacity"
    raven = "raven"
    textgrid = "textgrid"


def detect(
    paths: options.Paths,
    format: Annotated[
        Format | None,
        typer.Option(
            help="Default: by the name of the output, else a table. The last three: label tracks."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File for the shots; folder for label tracks."),
    ] = None,
    threshold: options.Threshold = None,
    channel: options.Channel = "mix",
    track: options.Track = None,
    detector: options.DetectorPath = None,
    jobs: options.Jobs = 0,
) -> None:
    """Find every shot in each recording: when it begins and ends, how loud, how sure.

    Exit code 1: some recordings failed (each has its line on standard error); 2: all of them,
    or wrong usage. After Ctrl-C what is done is written. No shot is no failure.
    """
    from shotprint.audio import find_recordings
    from shotprint.audio.channels import parse_channel
    from shotprint.detection import Listening
    from shotprint.recognition.finding import collect, find_all
    from shotprint.recognition.shot_table import format_shots

    kind = choose_format(format, output)
    parse_channel(channel)
    listening = Listening(channel, track)
    share_heap()
    finder = options.open_detector(detector, threshold)
    found = find_recordings(paths)
    if kind in TRACKS:
        check_track(found, kind, output)
    answers = find_all(found, finder, listening, jobs)
    results, is_interrupted = run_all(answers, found, "looking for shots", "searched")
    if kind in TRACKS:
        deliver_tracks(results, found, kind, output)
    elif kind == Format.json:
        deliver(collect(results, finder, listening).to_json(), output)
    elif kind == Format.csv:
        deliver(format_shots(results), output)
    else:
        deliver(_to_table(results, is_file=output is not None), output)
    summary = None if output is None else f"{output}: {count_shots(results)}"
    finish(results, summary, is_interrupted)


def _to_table(results: "Sequence[RecordingResult]", *, is_file: bool) -> "str | Iterator[str]":
    """Return the shots as a drawn table for a terminal, else separated by tabs."""
    from shotprint.recognition.shot_table import SHOT_COLUMNS, list_shots

    searched = [result for result in results if result.error is None]
    if is_file or not sys.stdout.isatty():
        rows = [row for result in searched for row in list_shots(result)]
        return join_cells([SHOT_COLUMNS, *rows])
    return _draw_table(searched) if searched else ""


def _draw_table(searched: "Sequence[RecordingResult]") -> str:
    """Return one line a shot; the recording stands beside its first shot only."""
    from shotprint.recognition.results import printable
    from shotprint.recognition.shot_table import list_shots

    below = find_common_folder([result.path for result in searched])
    times = ("onset (s)", "end (s)")
    loudness = ("probability", "peak (dBFS)", "clipped")
    rows = [["recording", "shot", *times, *loudness, "gap (s)", "rounds/min"]]
    for result in searched:
        name = printable(result.path)
        name = name[len(below) :].lstrip("/\\") if below else name
        for _, number, onset, end, probability, peak, clipped, gap, rate in list_shots(result):
            clipped = clipped.replace("no", "")
            values = [onset[:-2], end[:-2], f"{float(probability):.2f}", peak[:-1]]
            rows.append([name, number, *values, clipped, gap[:-2], rate])
            name = ""
        if not result.shots:
            rows.append([name, "none", *[""] * 7])
    return draw_table(rows, below)
