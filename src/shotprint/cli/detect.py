"""``shotprint detect``: when was a shot fired?"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli.detector_options import open_detector


class Format(StrEnum):
    """How shots are written."""

    table = "table"
    json = "json"


def detect(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Recordings, and folders of them.")
    ],
    format: Annotated[Format, typer.Option(help="How shots are written.")] = Format.table,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.001, max=0.999, help="Probability from which on it is a shot."),
    ] = None,
    channel: Annotated[str, typer.Option(help="mix, loudest, each, or a number from 0.")] = "mix",
    track: Annotated[
        int | None, typer.Option(min=0, help="Sound track of a video, from 0; default: the best.")
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(help="Detector of your own: .onnx of train-detector.")
    ] = None,
) -> None:
    """Find every shot in each recording: when it begins and ends, how loud, how sure."""
    from shotprint.audio import find_recordings
    from shotprint.detection import Listening
    from shotprint.recognition.finding import find_all

    finder = open_detector(detector, threshold)
    found = find_all(find_recordings(paths), finder, Listening(channel, track))
    typer.echo(found.to_json(), nl=False)
