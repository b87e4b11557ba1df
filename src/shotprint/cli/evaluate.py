"""``shotprint evaluate``: figures and pictures from predictions or a confusion matrix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shotprint.evaluation import Evaluation, Predictions, Resampling
    from shotprint.firearms import Firearm


def evaluate(
    predictions: Annotated[
        Path | None, typer.Argument(help="CSV of predictions, as recognize and crossval write it.")
    ] = None,
    matrix: Annotated[
        Path | None, typer.Option(help="A confusion matrix (CSV) instead of predictions.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Second CSV of predictions: which of the two is better?")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest with labels, groups, recorder, position, …")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for tables and pictures.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Columns to show figures by, such as recorder,position; 'none' for none."
        ),
    ] = None,
    firearms: Annotated[
        Path | None, typer.Option(help="TOML or CSV table: label, calibre, category.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="A line for every picture.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Say how often the answer is right, how sure that is, and what is confused with what."""
    from shotprint.evaluation import (
        Resampling,
        evaluate_matrix,
        evaluate_predictions,
        read_matrix,
        read_predictions,
    )
    from shotprint.firearms import read_firearms

    options = {"--against": against, "--manifest": manifest, "--by": by}
    _refuse_contradictions(predictions, matrix, options)
    table, resampling = read_firearms(firearms), Resampling(resamples, seed)
    if matrix is not None:
        evaluation = evaluate_matrix(read_matrix(matrix), table, resampling)
    elif predictions is not None:
        ours = read_predictions(predictions, manifest)
        evaluation = evaluate_predictions(ours, table, _split_names(by), resampling)
        if against is not None:
            theirs = read_predictions(against, manifest)
            names = {"a": predictions.as_posix(), "b": against.as_posix()}
            evaluation = _compare(evaluation, (ours, theirs), names, resampling)
    _show(evaluation)
    if output is not None:
        files = [predictions, matrix, against, manifest, firearms]
        _write(output, evaluation.extend(inputs=_hash_files(files)), table, note)


def _compare(
    evaluation: "Evaluation",
    pair: "tuple[Predictions, Predictions]",
    names: dict[str, str],
    resampling: "Resampling",
) -> "Evaluation":
    from shotprint.evaluation import compare_predictions

    for warning in pair[1].warnings:
        typer.echo(f"warning: {names['b']}: {warning}", err=True)
    return evaluation.extend(comparison=names | compare_predictions(*pair, resampling))


def _show(evaluation: "Evaluation") -> None:
    from shotprint.evaluation import format_comparison, format_summary

    for warning in evaluation.metrics["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(format_summary(evaluation))
    if "comparison" in evaluation.metrics:
        typer.echo(format_comparison(evaluation.metrics["comparison"]))


def _refuse_contradictions(
    predictions: Path | None, matrix: Path | None, options: Mapping[str, object]
) -> None:
    from shotprint.errors import ShotprintError

    if (predictions is None) == (matrix is None):
        raise ShotprintError("give either a CSV of predictions or --matrix with a matrix")
    useless = [name for name, value in options.items() if value is not None]
    if matrix is not None and useless:
        raise ShotprintError(f"{useless[0]} needs predictions; a matrix names no recordings")


def _split_names(by: str | None) -> list[str] | None:
    if by is None:
        return None
    return [name.strip() for name in by.split(",") if name.strip() not in ("", "none")]


def _hash_files(paths: Sequence[Path | None]) -> dict[str, str]:
    from shotprint.files import compute_sha256

    return {path.as_posix(): compute_sha256(path) for path in paths if path is not None}


def _write(
    folder: Path, evaluation: "Evaluation", firearms: "Mapping[str, Firearm]", note: str | None
) -> None:
    from shotprint.evaluation import write_evaluation
    from shotprint.plots import draw_evaluation

    written = write_evaluation(folder, evaluation)
    written += draw_evaluation(folder, evaluation, firearms, note)
    typer.echo(f"written to {folder}: " + ", ".join(path.name for path in written))
