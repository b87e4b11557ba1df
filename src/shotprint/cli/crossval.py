"""``shotprint crossval``: train and test every fold of a protocol, or of all of them."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from shotprint.cli.recipe_options import Recipe, with_recipe_options
from shotprint.cli.train import PackPath, WeightsDir, require_training, telling_how_to_go_on


@with_recipe_options
def crossval(
    pack: PackPath,
    recipe: Recipe,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the folds and their predictions.")
    ] = Path("cv"),
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Folds trained at the same time; by default one a core."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the folds that are done, go on with the rest.")
    ] = False,
    weights_dir: WeightsDir = None,
) -> None:
    """Train and test every fold; the out-of-fold predictions are left in one file.

    With --protocol all every protocol that the set allows, side by side in one table.
    """
    require_training()
    options: dict[str, Any] = {"jobs": jobs, "resume": resume, "weights_dir": weights_dir}
    with telling_how_to_go_on("the same command and --resume"):
        run = _compare if recipe.protocol == "all" else _validate
        run(pack, recipe, output, options)


def _validate(pack: Path, recipe: Recipe, output: Path, options: dict[str, Any]) -> None:
    from shotprint.training.crossval import crossval as run

    result = run(pack, recipe, output, **options)
    for remark in result.remarks:
        print(f"note: {remark}", file=sys.stderr)
    for fold, (n_correct, n) in result.folds.items():
        print(f"fold {fold}: accuracy {n_correct / n:.3f} ({n_correct} of {n})")
    low, high = result.wilson95
    print(
        f"all folds of {result.protocol}: accuracy {result.n_correct / result.n:.3f} "
        f"({result.n_correct} of {result.n}, 95 % Wilson {low:.3f} to {high:.3f})"
    )
    predictions = output / "predictions.csv"
    print(f"wrote {predictions}; evaluate it with: shotprint evaluate", file=sys.stderr)


def _compare(pack: Path, recipe: Recipe, output: Path, options: dict[str, Any]) -> None:
    from shotprint.evaluation.protocols import format_protocols
    from shotprint.plots import draw_protocols, save_figure
    from shotprint.training.protocols import crossval_all

    comparison = crossval_all(pack, recipe, output, **options)
    save_figure(draw_protocols(comparison), output / "protocols.png")
    for warning in comparison["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    print(format_protocols(comparison))
    names = ", ".join(f"protocols.{kind}" for kind in ("txt", "csv", "json", "png", "svg"))
    print(f"wrote {output}: {names}, and a folder for each protocol", file=sys.stderr)
