"""``shotprint compare``: one listed model in two recordings, or two; or an enrolled gun."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options, ratios
from shotprint.cli.running import finish


def compare(
    paths: options.Paths,
    model: options.ModelPath = None,
    weights_dir: options.WeightsDir = None,
    detector: options.DetectorPath = None,
    enrolled: options.Enrolled = None,
    verbal: options.Verbal = None,
    format: Annotated[ratios.Format, typer.Option(help="How it is written.")] = ratios.Format.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the ratios.")
    ] = None,
) -> None:
    """Compare every two recordings: one listed gun model in both, or two different ones.

    Two guns of one model cannot be told apart, and a gun that the model does not know is taken
    for those that it sounds like. With --enrolled each recording is compared with each enrolled
    gun instead.
    """
    from shotprint.errors import ShotprintError
    from shotprint.evidence import PAIR
    from shotprint.recognition.enrolment import EnrolledGuns
    from shotprint.recognition.likelihoods import (
        compare_recordings,
        find_calibration,
        list_enrolled,
    )
    from shotprint.verbal import read_scale

    recognizer = ratios.open_recognizer(model, weights_dir, detector)
    scale = read_scale(verbal)
    if enrolled is not None:
        recognizer.enrolled = EnrolledGuns(enrolled, recognizer.model, scale)
        found = recognizer.enrolled.yardstick.calibration
    else:
        found = find_calibration(recognizer.model.metadata, PAIR)
    results, is_interrupted = ratios.recognize_all(recognizer, paths)
    answered = [result for result in results if result.error is None]
    if enrolled is not None:
        compared = [ratio for result in answered for ratio in list_enrolled(result)]
    elif len(answered) < 2:
        raise ShotprintError(
            f"{len(answered)} of {len(results)} recordings can be read; give two or more to compare"
        )
    else:
        compared = list(compare_recordings(answered, found))
    ratios.show_ratios(compared, (found, scale, recognizer), format, output)
    finish(results, None, is_interrupted)
