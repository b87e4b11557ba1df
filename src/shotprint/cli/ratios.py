"""What ``shotprint lr`` and ``shotprint compare`` share: recognise, and show likelihood ratios."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shotprint.cli import options
from shotprint.cli.running import deliver, join_cells, run_all
from shotprint.decisions import NOT_A_GUNSHOT, UNKNOWN_GUN, describe_decision

if TYPE_CHECKING:
    from shotprint.evidence import LikelihoodCalibration
    from shotprint.recognition import Recognizer, RecordingResult
    from shotprint.recognition.likelihoods import Ratio
    from shotprint.verbal import VerbalScale

SCHEMA = "shotprint-ratios/1"
HEADER = ("recording", "H1", "log10_lr", "low", "high", "bounded", "words")


class Format(StrEnum):
    """How likelihood ratios are written."""

    table = "table"
    json = "json"


def open_recognizer(
    model: Path | None, weights_dir: Path | None, detector: Path | None
) -> "Recognizer":
    """Return a recogniser that finds the shots first, as ``shotprint recognize`` does."""
    from shotprint.recognition import Recognizer

    opened = options.open_model(model, None, weights_dir, None)
    return Recognizer(opened, detector=options.open_detector(detector, None))


def recognize_all(
    recognizer: "Recognizer", paths: list[str]
) -> "tuple[list[RecordingResult], bool]":
    """Return the answers for recordings, failed ones among them, and whether Ctrl-C came.

    Says of which a ratio means little: it supposes that a listed gun fired.
    """
    from shotprint.audio import find_recordings

    found = find_recordings(paths)
    answers = recognizer.recognize(found)
    results, is_interrupted = run_all(answers, found, "recognising", "recognised")
    for result in results:
        if result.decision and result.decision.level in (NOT_A_GUNSHOT, UNKNOWN_GUN):
            typer.echo(
                f"shotprint: {result.path}: warning: {describe_decision(result.decision)}; a "
                "likelihood ratio supposes that one of the listed guns fired",
                err=True,
            )
    return results, is_interrupted


def show_ratios(
    ratios: "Sequence[Ratio]",
    about: "tuple[LikelihoodCalibration, VerbalScale, Recognizer]",
    format: Format,
    output: Path | None,
) -> None:
    """Write ratios as a table or as JSON."""
    from shotprint.recognition.results import printable

    calibration, scale, _ = about
    if format == Format.json:
        deliver(_to_json(ratios, about), output)
        return
    rows = [
        [
            " ~ ".join(map(printable, ratio.recordings)),
            ratio.value or "one model",
            *(f"{value:+.2f}" for value in (ratio.llr, ratio.low, ratio.high)),
            "yes" if ratio.is_bounded else "",
            scale.describe(ratio.llr),
        ]
        for ratio in ratios
    ]
    text = join_cells([list(HEADER), *rows])
    deliver(text, output)
    percent = f"{100 * calibration.confidence:g} %"
    typer.echo(
        f"H1: {calibration.h1}. H2: {calibration.h2}. log10 LR with a {percent} interval, from "
        f"{calibration.n_recordings} recordings in {calibration.n_groups} groups; bounds "
        f"{calibration.lower:+.2f} and {calibration.upper:+.2f} (ELUB). Words: {scale.name}.",
        err=True,
    )


def _to_json(
    ratios: "Sequence[Ratio]",
    about: "tuple[LikelihoodCalibration, VerbalScale, Recognizer]",
) -> str:
    import shotprint
    from shotprint.recognition.results import printable

    calibration, scale, recognizer = about
    metadata = recognizer.model.metadata
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "shotprint": shotprint.__version__,
        "model": {
            "name": metadata.name,
            "version": metadata.version,
            "sha256": recognizer.model.sha256,
        },
        "h1": calibration.h1,
        "h2": calibration.h2,
        "lower": calibration.lower,
        "upper": calibration.upper,
        "confidence": calibration.confidence,
        "n_recordings": calibration.n_recordings,
        "n_groups": calibration.n_groups,
        "verbal_scale": scale.name,
        "ratios": [
            {
                "recordings": [printable(path) for path in ratio.recordings],
                "value": ratio.value or None,
                "log10_lr": round(ratio.llr, 6),
                "low": round(ratio.low, 6),
                "high": round(ratio.high, 6),
                "is_bounded": ratio.is_bounded,
                "words": scale.describe(ratio.llr),
            }
            for ratio in ratios
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
