"""``shotprint recognize``: which gun is it?"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli.detector_options import open_detector

if TYPE_CHECKING:
    from shotprint.audio import FoundRecording
    from shotprint.recognition import Model, Recognizer, RecordingResult
    from shotprint.recognition.predictions import KnownRecording


class Format(StrEnum):
    """How answers are written."""

    table = "table"
    json = "json"
    csv = "csv"


EXTENSIONS = {".json": Format.json, ".csv": Format.csv, ".txt": Format.table, ".tsv": Format.table}
MAX_REPEATED = 3  # recordings that have the same warning each on a line of its own
INTERRUPTED = "interrupted before it was recognised"


def recognize(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Recordings, and folders of them.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(help="Model: .onnx, weights, or the folder of a training run."),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Network of the weights, such as panns_cnn14.")
    ] = None,
    weights_dir: Annotated[
        Path | None,
        typer.Option(help="Folder where the model is looked for too (or set SHOTPRINT_WEIGHTS)."),
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="Default: by the name of the output, else a table.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many guns the table shows.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the answers.")
    ] = None,
    channel: Annotated[str, typer.Option(help="mix, loudest, each, or a number from 0.")] = "mix",
    track: Annotated[
        int | None, typer.Option(min=0, help="Sound track of a video, from 0; default: the best.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="One answer a recording; look for no shots.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.001, max=0.999, help="Probability from which on it is a shot."),
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(help="Detector of your own: .onnx of train-detector.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest whose labels and columns the CSV repeats.")
    ] = None,
    firearms: Annotated[
        Path | None, typer.Option(help="Your own table of calibres and categories, TOML or CSV.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run with this output was stopped.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=0, help="Recordings at a time; 0: one a core.")] = 0,
) -> None:
    """Find the shots in each recording and name the gun that fired them.

    Exit code 1: some recordings failed (each has its line on standard error); 2: all of them,
    or wrong usage. After Ctrl-C what is done is written, and the rest is marked as failed.
    """
    from shotprint.audio import find_recordings
    from shotprint.recognition import RecognitionSettings, Recognizer
    from shotprint.recognition.predictions import read_known

    if whole and (threshold is not None or detector is not None):
        raise typer.BadParameter("with --whole no shots are looked for; leave one of them out")
    if resume and output is None:
        raise typer.BadParameter("--resume needs --output: the journal stands beside that file")
    kind = _choose_format(format, output)
    settings = RecognitionSettings(channel, jobs, track)
    known = read_known(manifest) if manifest is not None else {}
    finder = None if whole else open_detector(detector, threshold)
    recognizer = Recognizer(_open_model(model, backbone, weights_dir, firearms), settings, finder)
    found = find_recordings(paths)
    if output is not None:
        journal = recognizer.open_journal(output.with_name(f"{output.name}.journal"), resume)
    results, is_interrupted = _run(recognizer, found)
    if kind is Format.json:
        text = recognizer.collect(results).to_json()
    elif kind is Format.csv:
        text = _to_csv(recognizer, found, results, known)
    else:
        text = _to_table(recognizer, results, top, is_file=output is not None)
    _deliver(text, output)
    if output is not None:
        journal.close() if is_interrupted else journal.remove()
    _finish(results, output, is_interrupted)


def _choose_format(format: Format | None, output: Path | None) -> Format:
    from shotprint.errors import ShotprintError

    if format is not None:
        return format
    if output is None:
        return Format.table
    if output.suffix.lower() not in EXTENSIONS:
        raise ShotprintError(
            f"the format of {output} is not clear from its name; end it with "
            f"{', '.join(EXTENSIONS)}, or give --format"
        )
    return EXTENSIONS[output.suffix.lower()]


def _open_model(
    path: Path | None, backbone: str | None, weights_dir: Path | None, firearms: Path | None
) -> "Model":
    """Open the model in ONNX Runtime, or in torch if it is no ONNX file."""
    from shotprint.errors import MissingExtraError, ShotprintError
    from shotprint.firearms import read_firearms
    from shotprint.recognition import OnnxModel
    from shotprint.weights import shipped_model

    path = shipped_model() if path is None else _find_model(path, weights_dir)
    if path.suffix.lower() == ".onnx":
        if backbone is not None:
            raise ShotprintError(f"{path} says itself what it is; leave out --backbone")
        model = OnnxModel(path)
        if firearms is not None:
            model.metadata = model.metadata.with_firearms(read_firearms(firearms))
        return model
    try:
        from shotprint.backbones.torch_model import TorchModel
    except ImportError:
        raise MissingExtraError("train", f"{path.name}, which is no .onnx file,") from None
    return TorchModel(path, backbone, firearms=read_firearms(firearms))


def _find_model(path: Path, weights_dir: Path | None) -> Path:
    """Return the model where it was named, or of that name in the folder of weights."""
    import os

    from shotprint.errors import ShotprintError
    from shotprint.weights import WEIGHTS_VARIABLE

    folder = weights_dir or os.environ.get(WEIGHTS_VARIABLE)
    places = [path, Path(folder) / path] if folder else [path]
    for place in places:
        if place.exists():
            return place
    where = f", nor in {folder}" if folder else ""
    raise ShotprintError(f"there is no model {path}{where}; check the path given to --model")


def _run(
    recognizer: "Recognizer", found: "Sequence[FoundRecording]"
) -> "tuple[list[RecordingResult], bool]":
    """Recognise with progress, say what fails at once; Ctrl-C marks the rest as failed."""
    from shotprint.progress import show_progress
    from shotprint.recognition import RecordingResult

    results: list[RecordingResult] = []
    answers = recognizer.recognize(found)
    is_interrupted = False
    try:
        for result in show_progress(answers, total=len(found), description="recognising"):
            results.append(result)
            if result.error is not None:
                typer.echo(f"shotprint: {result.path}: {result.error}", err=True)
    except KeyboardInterrupt:
        is_interrupted = True
        rest = found[len(results) :]
        results += [RecordingResult(each.name, None, error=INTERRUPTED) for each in rest]
    finally:
        answers.close()
    _show_warnings(results)
    return results, is_interrupted


def _show_warnings(results: "Sequence[RecordingResult]") -> None:
    """Say what makes answers doubtful; what many recordings share is said once."""
    warned: dict[str, list[str]] = {}
    for result in results:
        for text in result.warnings:
            warned.setdefault(text, []).append(result.path)
    for text, paths in warned.items():
        if len(paths) > MAX_REPEATED:
            paths = [f"{paths[0]} and {len(paths) - 1} more"]
        for path in paths:
            typer.echo(f"shotprint: {path}: warning: {text}", err=True)


def _to_csv(
    recognizer: "Recognizer",
    found: "Sequence[FoundRecording]",
    results: "Sequence[RecordingResult]",
    known: "dict[str, KnownRecording]",
) -> str:
    from shotprint.recognition.predictions import find_known, format_predictions, to_prediction

    facts = [find_known(known, each.name, each.path) for each in found]
    if known and None in facts:
        n_missing = facts.count(None)
        message = f"shotprint: warning: {n_missing} of {len(facts)} are not in the manifest"
        typer.echo(message, err=True)
    rows = [to_prediction(*each) for each in zip(results, facts, strict=True)]
    return format_predictions(rows, recognizer.model.metadata.label_names)


def _to_table(
    recognizer: "Recognizer", results: "Sequence[RecordingResult]", top: int, *, is_file: bool
) -> str:
    """Return the answers as a drawn table for a terminal, else separated by tabs."""
    import sys

    n_shown = min(top, len(recognizer.model.metadata.labels))
    answered = [result for result in results if result.error is None]
    if is_file or not sys.stdout.isatty():
        lines = [_tab_header(n_shown), *(_tab_row(result, n_shown) for result in answered)]
        return "".join("\t".join(cells) + "\n" for cells in lines)
    return _draw_table(recognizer, answered, n_shown) if answered else ""


def _tab_header(n_shown: int) -> list[str]:
    ranks = ["", *(f"_{rank}" for rank in range(2, n_shown + 1))]
    scores = [f"{name}{rank}" for rank in ranks for name in ("label", "probability")]
    return ["recording", *scores, "calibre", "p_calibre", "category", "p_category"]


def _tab_row(result: "RecordingResult", n_shown: int) -> list[str]:
    from shotprint.recognition.results import printable

    best = [(each or ())[0] for each in (result.calibre, result.category)]
    scores = [*(result.candidates or ())[:n_shown], *best]
    cells = [cell for s in scores for cell in (s.label, f"{s.probability:.4f}")]
    name = printable(result.path).translate(dict.fromkeys(map(ord, "\t\n\r"), " "))
    return [name, *cells]


def _draw_table(
    recognizer: "Recognizer", answered: "Sequence[RecordingResult]", n_shown: int
) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    below = _find_common_folder([result.path for result in answered])
    metadata = recognizer.model.metadata
    caption = f"model {metadata.name} {metadata.version}: {metadata.limits}"
    table = Table(
        title=escape(below), caption=escape(caption), box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.title_justify = table.caption_justify = "left"
    table.add_column("recording", overflow="fold")
    for name in ("gun", *(f"{rank}." for rank in range(2, n_shown + 1)), "calibre", "category"):
        table.add_column(name)
    for result in answered:
        name, *cells = _tab_row(result, n_shown)
        shown = name[len(below) :].lstrip("/\\") if below else name
        pairs = zip(cells[::2], cells[1::2], strict=True)
        table.add_row(escape(shown), *(f"{escape(label)} {float(p):.2f}" for label, p in pairs))
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _find_common_folder(paths: list[str]) -> str:
    """Return the folder that all lie below; empty where there is none."""
    import os

    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    except ValueError:  # some are absolute, others are not, or they lie on several drives
        return ""


def _deliver(text: str, output: Path | None) -> None:
    """Write to the file, or to standard output: UTF-8 whatever the machine's code page is."""
    import sys

    from shotprint.files import write_text

    if output is not None:
        write_text(output, text)
    else:
        typer.echo(text if sys.stdout.isatty() else text.encode(), nl=False)


def _finish(results: "Sequence[RecordingResult]", output: Path | None, interrupted: bool) -> None:
    """Say where the answers are, and end with the exit code."""
    n_failed = sum(result.error is not None for result in results)
    if output is not None:
        n_answered = len(results) - n_failed
        typer.echo(f"{output}: {n_answered} of {len(results)} recordings recognised", err=True)
    if interrupted:
        raise typer.Exit(130)
    if n_failed:
        raise typer.Exit(1 if n_failed < len(results) else 2)
