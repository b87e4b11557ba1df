"""``shotprint train-detector``: train the network that finds shots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from shotprint.cli.train import WeightsDir, require_training


def train_detector(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE.CSV",
            help="Recordings with shot_onsets_s, with window_starts_s, or without shots.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder; what is done there is kept.")
    ] = Path("detector"),
    groups: Annotated[
        list[Path] | None, typer.Option(help="Tables with the group or fold of each recording.")
    ] = None,
    n_folds: Annotated[int, typer.Option(min=2, help="Folds where a table names none.")] = 6,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of training an expert; default: as shipped.")
    ] = None,
    simulated: Annotated[bool, typer.Option(help="Hear simulated shots as well.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    weights_dir: WeightsDir = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Folds at a time.")] = None,
) -> None:
    """Score a detector on held-out folds, train it on everything, write shots.onnx."""
    require_training()
    from shotprint.export import export_detector
    from shotprint.plots.detection import draw_detection
    from shotprint.training.detector.crossval import DetectorSets
    from shotprint.training.detector.making import make_detector

    sets = DetectorSets(tuple(tables), tuple(groups or ()), n_folds)
    changes = {"simulated": simulated, "seed": seed} | ({} if steps is None else {"steps": steps})
    made = make_detector(sets, output, jobs, weights_dir, **changes)
    draw_detection(output / "precision-recall", made.figures)
    export = export_detector(made.experts, made.likeness, made.metadata, output / "shots.onnx")
    _show(made.figures)
    print(
        f"{export.path}: {export.size_bytes / 1e6:.2f} MB; ONNX Runtime and PyTorch differ by at "
        f"most {export.difference:.1e}"
    )


def _show(figures: Mapping[str, Any]) -> None:
    """Print the figures of held-out recordings, thresholds chosen on the other folds."""
    for name, figure in figures["held_out"].items():
        low, high = figure["interval"]
        print(f"{name:14s} {figure['value']:.4f}  {low:.4f} to {high:.4f}")
    print(f"{'bursts_found':14s} {figures['bursts_found']:.4f}")
    telephoned = figures["telephoned"]
    print(f"telephoned     F1 {telephoned['f1']:.4f}, marks {telephoned['marks_found']:.4f}")
    print(f"median error   {1000 * figures['median_error_s']:.2f} ms")
