"""``shotprint enrol``: add a gun to a file of references from a few shots, with no training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli import options
from shotprint.cli.running import deliver, finish, join_cells, run_all, take_results

if TYPE_CHECKING:
    from shotprint.detection import Detector
    from shotprint.embeddings import EmbeddedRecording
    from shotprint.recognition import Model, RecordingResult
    from shotprint.recognition.enrolment import Reference, References


def enrol(
    output: Annotated[Path, typer.Option("--output", "-o", help="File of references (JSON).")],
    name: Annotated[str | None, typer.Argument(help="Name of the gun.")] = None,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Its recordings, and folders of them."),
    ] = None,
    calibre: Annotated[str, typer.Option(help="Its calibre, to be noted.")] = "",
    category: Annotated[str, typer.Option(help="Its category, to be noted.")] = "",
    show: Annotated[bool, typer.Option("--list", help="List what is enrolled.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the gun out again.")] = False,
    model: options.ModelPath = None,
    weights_dir: options.WeightsDir = None,
    detector: options.DetectorPath = None,
) -> None:
    """Add a gun from its test fires: the mean embedding of the shots of each recording.

    A gun of the same name is replaced. Take recordings of several places and recorders: what all
    references share beside the gun is taken for the gun. Use the file with
    shotprint recognize --enrolled and shotprint compare --enrolled.
    """
    from shotprint.errors import ShotprintError
    from shotprint.recognition.enrolment import (
        EnrolledGun,
        References,
        name_model,
        read_references,
        read_yardstick,
        write_references,
    )

    if show:
        deliver(_list_guns(read_references(output)), None)
        return
    if name is None or (remove == bool(paths)):
        raise typer.BadParameter("give NAME and its recordings; NAME and --remove; or --list")
    if remove:
        write_references(output, read_references(output).remove(name))
        typer.echo(f"{output}: {name} removed", err=True)
        return
    opened = options.open_model(model, None, weights_dir, None)
    read_yardstick(opened.metadata)
    references = read_references(output) if output.exists() else References(name_model(opened))
    references.require_model(opened, output)
    finder = options.open_detector(detector, None)
    results, is_interrupted, used = _hear(paths or [], opened, finder)
    if is_interrupted:
        raise typer.Exit(130)
    if not used:
        raise ShotprintError(f"no shot of {name} was found; give recordings of its shots")
    write_references(output, references.replace(EnrolledGun(name, calibre, category, used)))
    n_shots = sum(each.n_shots for each in used)
    finish(results, f"{output}: {name}, {n_shots} shots in {len(used)} recordings", False)


def _hear(
    paths: list[str], model: "Model", detector: "Detector"
) -> "tuple[list[RecordingResult], bool, tuple[Reference, ...]]":
    """Return results, whether it was interrupted, and a reference for each different recording."""
    from shotprint.audio import find_recordings
    from shotprint.detection import Listening
    from shotprint.embeddings import embed_all
    from shotprint.recognition.enrolment import to_reference

    found = find_recordings(paths)
    references: dict[str, Reference] = {}

    def take(item: "EmbeddedRecording") -> None:
        result = item.result
        if result.error is not None or result.sha256 is None:
            return
        if not item.rows:
            typer.echo(f"shotprint: {result.path}: no shot was found in it; left out", err=True)
        elif result.sha256 in references:
            typer.echo(f"shotprint: {result.path}: the same file again; left out", err=True)
        else:
            new = to_reference(result.path, result.sha256, item.rows, result.warnings)
            references[result.sha256] = new
            _warn(new)

    answers = take_results(embed_all(found, model, detector, Listening()), take)
    results, is_interrupted = run_all(answers, found, "enrolling", "heard")
    return results, is_interrupted, tuple(references.values())


def _warn(reference: "Reference") -> None:
    p = reference.gunshot_probability
    if p is not None and p < 0.5:
        typer.echo(
            f"shotprint: {reference.recording}: warning: a sound in it is likely no gunshot "
            f"(probability of one {p:.2f})",
            err=True,
        )


def _list_guns(references: "References") -> str:
    rows = [["gun", "calibre", "category", "recording", "shots", "gunshot_probability", "sha256"]]
    for gun in references.guns:
        for each in gun.references:
            p = "" if each.gunshot_probability is None else f"{each.gunshot_probability:.3f}"
            start = [gun.name, gun.calibre, gun.category]
            rows.append([*start, each.recording, str(each.n_shots), p, each.sha256])
    return "".join(join_cells(rows))
