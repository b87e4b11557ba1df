"""``shotprint lr``: how much more probable the sound is if this gun fired than if another did."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options, ratios
from shotprint.cli.running import finish


def lr(
    paths: options.Paths,
    hypothesis: options.HypothesisOption = options.Hypothesis.model,
    value: Annotated[
        list[str] | None,
        typer.Option("--for", help="Which one, such as 'MP5'; may be given again. Default: each."),
    ] = None,
    model: options.ModelPath = None,
    weights_dir: options.WeightsDir = None,
    detector: options.DetectorPath = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What shotprint validate fitted, instead of the model's.")
    ] = None,
    verbal: options.Verbal = None,
    format: Annotated[ratios.Format, typer.Option(help="How it is written.")] = ratios.Format.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the ratios.")
    ] = None,
) -> None:
    """Give the log10 likelihood ratio of stated hypotheses, with its interval, within bounds.

    Positive values support H1, negative ones H2. It says nothing of how probable H1 is.
    """
    from shotprint.recognition.likelihoods import find_calibration, rate_recording
    from shotprint.verbal import read_scale

    recognizer = ratios.open_recognizer(model, weights_dir, detector)
    found = find_calibration(recognizer.model.metadata, hypothesis.value, calibration)
    scale = read_scale(verbal)
    results, is_interrupted = ratios.recognize_all(recognizer, paths)
    answered = [result for result in results if result.error is None]
    rated = [ratio for each in answered for ratio in rate_recording(each, found, value or ())]
    ratios.show_ratios(rated, (found, scale, recognizer), format, output)
    finish(results, None, is_interrupted)
