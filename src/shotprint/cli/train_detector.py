"""``shotprint train-detector``: train the network that finds shots."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli.train import require_training


def train_detector(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE.CSV…",
            help="Recordings with shot_onsets_s, with window_starts_s, or without shots.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is made.")],
    groups: Annotated[
        list[Path] | None, typer.Option(help="Tables with the group or fold of each recording.")
    ] = None,
    crossval: Annotated[
        bool, typer.Option("--crossval", help="Hold each fold out and find its shots instead.")
    ] = False,
    n_folds: Annotated[int, typer.Option(min=2, help="Folds where a table names none.")] = 6,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 2000,
    width: Annotated[int, typer.Option(min=1, help="Channels of the network.")] = 48,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    simulated: Annotated[bool, typer.Option(help="Hear simulated shots as well.")] = True,
    threshold: Annotated[
        float, typer.Option(min=0.001, max=0.999, help="Probability that makes it a shot.")
    ] = 0.5,
    jobs: Annotated[int | None, typer.Option(min=1, help="Folds at a time.")] = None,
) -> None:
    """Train a detector on recordings whose shots are known; or score it on held-out ones."""
    require_training()
    from shotprint.training.detector.crossval import DetectorSets, cross_validate
    from shotprint.training.detector.figures import write_figures
    from shotprint.training.detector.fit import DetectorRecipe

    sets = DetectorSets(tuple(tables), tuple(groups or ()), n_folds)
    recipe = DetectorRecipe(steps=steps, width=width, seed=seed, simulated=simulated)
    if crossval:
        held_out = cross_validate(sets, recipe, output, jobs)
        _show(write_figures(held_out), held_out)
        return
    from shotprint.export import export_detector
    from shotprint.training.detector.writing import describe, fit_sets

    network, recordings = fit_sets(sets, recipe)
    export = export_detector(
        network, describe(recordings, recipe, threshold), output / "shots.onnx"
    )
    print(
        f"{export.path}: {export.size_bytes / 1e6:.2f} MB; ONNX Runtime and PyTorch differ by at "
        f"most {export.difference:.1e}"
    )


def _show(figures: Path, held_out: Path) -> None:
    """Print the figures of held-out recordings."""
    import json

    content = json.loads(figures.read_text(encoding="utf-8"))
    nested = content["nested"]
    for name in ("precision", "recall", "f1", "marks_found", "false_alarms"):
        low, high = nested[name]["interval"]
        print(f"{name:14s} {nested[name]['value']:.4f}  {low:.4f} to {high:.4f}")
    if nested["bursts_found"] is not None:
        print(f"{'bursts_found':14s} {nested['bursts_found']:.4f}")
    print(f"median error   {1000 * content['default']['median_error_s']:.2f} ms")
    print(f"threshold      {content['default']['threshold']:.2f} (chosen on all folds)")
    print(f"{held_out}\n{figures}")
