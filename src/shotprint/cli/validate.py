"""``shotprint validate``: likelihood ratios, how good they are, and a calibration to use."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options


def validate(
    predictions: Annotated[
        Path,
        typer.Argument(metavar="PREDICTIONS.CSV", help="Out of fold, as crossval writes them."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables and pictures.")
    ] = Path("validation"),
    hypothesis: options.HypothesisOption = options.Hypothesis.model,
    condition: Annotated[
        list[str],
        typer.Option(
            help="Column to show figures by, such as recorder; may be given again; 'none' for "
            "none. Without it: every column that is worth it."
        ),
    ] = [],  # noqa: B006
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest with labels, groups, recorder, position, …")
    ] = None,
    firearms: options.Firearms = None,
    verbal: options.Verbal = None,
    note: Annotated[str | None, typer.Option(help="A line for every picture.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of parts.")] = 0,
) -> None:
    """Turn out-of-fold predictions into likelihood ratios, and say how good these are."""
    from shotprint.evaluation import Resampling, read_predictions
    from shotprint.files import compute_sha256
    from shotprint.firearms import read_firearms
    from shotprint.likelihood import (
        Settings,
        format_table,
        read_scale,
        write_validation,
    )
    from shotprint.likelihood import validate as run
    from shotprint.plots.likelihood import draw_validation

    scale = read_scale(verbal)
    files = [path for path in (predictions, manifest, firearms, verbal) if path is not None]
    read = read_predictions(predictions, manifest)
    inputs = {path.as_posix(): compute_sha256(path) for path in files}
    settings = Settings(
        hypothesis=hypothesis.value,
        conditions=[name for name in condition if name != "none"] if condition else None,
        resampling=Resampling(resamples, seed),
        predictions_sha256=inputs[predictions.as_posix()],
    )
    validation = run(read, read_firearms(firearms), settings)
    for warning in validation.report["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(format_table(validation, scale))
    written = write_validation(output, validation, scale, inputs)
    written += draw_validation(output, validation, note)
    typer.echo(f"written to {output}: " + ", ".join(path.name for path in written), err=True)
