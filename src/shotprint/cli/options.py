"""What several commands are given in the same words, and how they open it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from shotprint.opening import open_detector, open_model

__all__ = ["open_detector", "open_model"]  # for the commands, beside the options below

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH", help="Recordings, and folders of them.")
]
Channel = Annotated[str, typer.Option(help="mix, loudest, each, or a number from 0.")]
Track = Annotated[
    int | None, typer.Option(min=0, help="Sound track of a video, from 0; default: the best.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Recordings at a time; 0: one a core.")]
Device = Annotated[str, typer.Option(help="What computes: cpu, cuda, cuda:N, or auto.")]
DetectorPath = Annotated[
    Path | None, typer.Option(help="Detector of your own: .onnx of train-detector.")
]
Level = Annotated[
    float,
    typer.Option(
        "--level",
        min=0.5,
        max=1,
        help="Probability from which a gun, calibre or category is stated.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(min=0.001, max=0.999, help="Probability from which on it is a shot."),
]
ModelPath = Annotated[
    Path | None, typer.Option(help="Model: .onnx, weights, or the folder of a training run.")
]
Backbone = Annotated[str | None, typer.Option(help="Network of the weights, such as panns_cnn14.")]
WeightsDir = Annotated[
    Path | None,
    typer.Option(help="Folder where the model is looked for too (or set SHOTPRINT_WEIGHTS)."),
]


class Hypothesis(StrEnum):
    """What the hypotheses of a likelihood ratio are about."""

    model = "model"
    calibre = "calibre"
    category = "category"


HypothesisOption = Annotated[
    Hypothesis, typer.Option(help="H1: this one fired; H2: another of the listed ones did.")
]
Verbal = Annotated[Path | None, typer.Option(help="Your own words for likelihood ratios, TOML.")]
Enrolled = Annotated[
    Path | None, typer.Option(help="Guns to compare with: a file of shotprint enrol.")
]
Firearms = Annotated[
    Path | None, typer.Option(help="Your own table of calibres and categories, TOML or CSV.")
]
