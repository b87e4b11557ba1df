"""``shotprint plot``: pictures of recordings and their shots."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli import options
from shotprint.cli.running import count_done, finish, is_folder, run_all

if TYPE_CHECKING:
    from shotprint.audio import FoundRecording
    from shotprint.detection import Listening
    from shotprint.recognition import RecordingResult
    from shotprint.recognition.running import Run


class Format(StrEnum):
    """What pictures are."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


def plot(
    paths: options.Paths,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Picture (.png, .svg, .pdf), or folder for them."),
    ],
    shots: Annotated[
        bool, typer.Option("--shots", help="Find and recognise the shots; a picture of each too.")
    ] = False,
    max_shots: Annotated[
        int, typer.Option(min=0, help="A recording's shots that get a picture of their own.")
    ] = 100,
    format: Annotated[
        Format | None, typer.Option(help="Of pictures in a folder; png without it.")
    ] = None,
    model: options.ModelPath = None,
    backbone: options.Backbone = None,
    weights_dir: options.WeightsDir = None,
    threshold: options.Threshold = None,
    channel: options.Channel = "mix",
    track: options.Track = None,
    detector: options.DetectorPath = None,
    jobs: options.Jobs = 0,
) -> None:
    """Draw waveform and spectrogram of each recording, with --shots the shots and what fired.

    Exit code 1: some recordings failed; 2: all of them, or wrong usage.
    """
    from shotprint.audio import find_recordings
    from shotprint.detection import Listening
    from shotprint.recognition import RecognitionSettings, Recognizer

    if not shots and any(each is not None for each in (model, backbone, threshold, detector)):
        raise typer.BadParameter("without --shots nothing is looked for or recognised; add it")
    settings = RecognitionSettings(channel, jobs, track)
    found = find_recordings(paths)
    places = _place_pictures(found, output, format)
    listening = Listening(channel, track)
    answers: Generator[RecordingResult, None, None] | None = None
    if shots:
        finder = options.open_detector(detector, threshold)
        network = options.open_model(model, backbone, weights_dir, None)
        answers = Recognizer(network, settings, finder).recognize(found)
    drawing = _draw(found, listening, answers, places, max_shots)
    results, is_interrupted = run_all(drawing, found, "drawing", "drawn")
    finish(results, f"{output}: {count_done(results)} drawn", is_interrupted)


def _place_pictures(
    found: "Sequence[FoundRecording]", output: Path, format: Format | None
) -> list[Path]:
    from shotprint.errors import ShotprintError
    from shotprint.files import place_outputs

    if is_folder(output):
        return place_outputs([each.path for each in found], output, f".{format or Format.png}")
    ending = output.suffix.lower().removeprefix(".")
    if ending not in list(Format) or format not in (None, ending):
        raise ShotprintError(
            f"{output} is no name for a picture of {format or ', '.join(Format)}; end it with "
            f".{format or Format.png}, or give a folder"
        )
    if len(found) > 1:
        raise ShotprintError(
            f"{len(found)} recordings were found, and {output} is one picture; give a folder with "
            "--output, or one recording"
        )
    return [output]


def _draw(
    found: "Sequence[FoundRecording]",
    listening: "Listening",
    answers: "Generator[RecordingResult, None, None] | None",
    places: Sequence[Path],
    max_shots: int,
) -> "Generator[RecordingResult, None, None]":
    """Draw one recording after the other: matplotlib is no matter for threads."""
    from shotprint.plots.recordings import draw_pictures
    from shotprint.recognition import RecordingResult
    from shotprint.recognition.running import attempt, to_failure

    try:
        for recording, place in zip(found, places, strict=True):
            answer = None if answers is None else next(answers)

            def work(
                recording: "FoundRecording",
                sha256: str,
                run: "Run",
                result: RecordingResult | None = answer,
                place: Path = place,
            ) -> RecordingResult:
                result = result or RecordingResult(recording.name, sha256)
                draw_pictures(recording, listening, result, place, max_shots)
                n_shots = len(result.shots)
                if n_shots <= max_shots:
                    return result
                text = f"only the first {max_shots} of {n_shots} shots have a picture of their own"
                return replace(result, warnings=(*result.warnings, f"{text}; see --max-shots"))

            if answer is not None and answer.error is not None:
                yield answer
            else:
                yield attempt(recording, work, to_failure)
    finally:
        if answers is not None:
            answers.close()
