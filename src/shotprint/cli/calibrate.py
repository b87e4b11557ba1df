"""``shotprint calibrate``: how far the answers of a trained network can be trusted."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options

PackOption = typer.Option(metavar="SET.H5", help="The pack of the run and the cross-validation.")


def calibrate(
    run: Annotated[Path, typer.Argument(help="Folder of the training run to calibrate.")],
    crossval: Annotated[
        Path, typer.Option(help="Folder of a grouped cross-validation by the same recipe.")
    ],
    pack: Annotated[Path, PackOption],
    shots: Annotated[
        list[Path] | None,
        typer.Option(metavar="SET.H5", help="Pack of other gunshots; may be given again."),
    ] = None,
    others: Annotated[
        list[Path] | None,
        typer.Option(metavar="SET.H5", help="Pack of sounds that are none; may be given again."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The calibration to write (JSON).")
    ] = Path("calibration.json"),
    firearms: options.Firearms = None,
) -> None:
    """Fit what makes probabilities true, on recordings that no network heard in training.

    Give the result to shotprint export --calibration. With --others it also holds what tells
    gunshots from other sounds, and what the recordings of the validation are like.
    """
    from shotprint.cli.train import require_training
    from shotprint.errors import ShotprintError
    from shotprint.firearms import read_firearms

    require_training()
    from shotprint.training.calibrating import Sources, describe
    from shotprint.training.calibrating import calibrate as fit

    if shots and not others:
        raise ShotprintError("--shots tells gunshots from other sounds; give --others, too")
    sources = Sources(run, crossval, pack, tuple(shots or ()), tuple(others or ()))
    content = fit(sources, output, read_firearms(firearms))
    for line in describe(content):
        typer.echo(line)
    predictions = output.with_suffix(".predictions.csv")
    typer.echo(f"wrote {output} and {predictions}; see them: shotprint evaluate", err=True)
