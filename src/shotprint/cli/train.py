"""``shotprint train``: fine-tune a network on a pack."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli.recipe_options import Recipe, with_recipe_options

PackPath = Annotated[Path, typer.Argument(metavar="SET.H5", help="What shotprint pack wrote.")]
WeightsDir = Annotated[
    Path | None,
    typer.Option(help="Folder with published weights (or set SHOTPRINT_WEIGHTS)."),
]


@with_recipe_options
def train(
    pack: PackPath,
    recipe: Recipe,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the run; made if need be.")
    ] = Path("run"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder.")
    ] = False,
    weights_dir: WeightsDir = None,
) -> None:
    """Fine-tune a network; everything about the run is left in one folder."""
    require_training()
    from shotprint.training.fit import fit

    with telling_how_to_go_on("the same command and --resume"):
        result = fit(pack, recipe, output, resume=resume, weights_dir=weights_dir)
    if result is None:
        return
    for remark in result.remarks:
        print(f"note: {remark}", file=sys.stderr)
    counts, metrics = result.counts, result.metrics
    print(
        f"trained on {counts['train']} recordings, {metrics['epochs']} epochs, "
        f"{metrics['wall_s']:.0f} s"
    )
    if "validation_accuracy" in metrics:
        print(
            f"validation: accuracy {metrics['validation_accuracy']:.3f} "
            f"({counts['validation']} recordings)"
        )
    if "test_accuracy" in metrics:
        low, high = metrics["test_wilson95"]
        print(
            f"test fold {recipe.test_fold}: accuracy {metrics['test_accuracy']:.3f} "
            f"({metrics['test_correct']} of {counts['test']}, 95 % Wilson {low:.3f} to {high:.3f})"
        )
    print(f"wrote {output}{os.sep}", file=sys.stderr)


@contextlib.contextmanager
def telling_how_to_go_on(how: str) -> Iterator[None]:
    """End the command with one line and exit code 130 on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"shotprint: interrupted; go on with {how}", file=sys.stderr)
        raise typer.Exit(130) from None


def require_training() -> None:
    """Raise MissingExtraError where the packages for training are not installed."""
    import importlib.util

    from shotprint.errors import MissingExtraError

    for name in ("torch", "lightning", "h5py", "pandas", "safetensors", "tensorboard"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError("train", "training")
