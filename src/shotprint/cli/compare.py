"""``shotprint compare``: did one listed model fire in two recordings, or did two?"""

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
    verbal: options.Verbal = None,
    format: Annotated[ratios.Format, typer.Option(help="How it is written.")] = ratios.Format.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the ratios.")
    ] = None,
) -> None:
    """Compare every two recordings: one listed gun model in both, or two different ones.

    Two guns of one model cannot be told apart, and a gun that the model does not know is taken
    for those that it sounds like.
    """
    from shotprint.errors import ShotprintError
    from shotprint.evidence import PAIR
    from shotprint.recognition.likelihoods import compare_recordings, find_calibration
    from shotprint.verbal import read_scale

    recognizer = ratios.open_recognizer(model, weights_dir, detector)
    found = find_calibration(recognizer.model.metadata, PAIR)
    scale = read_scale(verbal)
    results, is_interrupted = ratios.recognize_all(recognizer, paths)
    answered = [result for result in results if result.error is None]
    if len(answered) < 2:
        raise ShotprintError(
            f"{len(answered)} of {len(results)} recordings can be read; give two or more to compare"
        )
    compared = list(compare_recordings(answered, found))
    ratios.show_ratios(compared, (found, scale, recognizer), format, output)
    finish(results, None, is_interrupted)
