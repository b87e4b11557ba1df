"""What several commands are given in the same words, and how they open it."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shotprint.detection import Detector
    from shotprint.recognition import Model

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH", help="Recordings, and folders of them.")
]
Channel = Annotated[str, typer.Option(help="mix, loudest, each, or a number from 0.")]
Track = Annotated[
    int | None, typer.Option(min=0, help="Sound track of a video, from 0; default: the best.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Recordings at a time; 0: one a core.")]
DetectorPath = Annotated[
    Path | None, typer.Option(help="Detector of your own: .onnx of train-detector.")
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


def open_detector(path: Path | None, threshold: float | None) -> "Detector":
    """Open a detector's file, or the shipped one."""
    from shotprint.detection import Detector, OnnxDetector
    from shotprint.weights import shipped_detector

    return Detector(OnnxDetector(shipped_detector() if path is None else path), threshold)


def open_model(
    path: Path | None, backbone: str | None, weights_dir: Path | None, firearms: Path | None
) -> "Model":
    """Open a model in ONNX Runtime, or in torch if it is no ONNX file."""
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
    from shotprint.errors import ShotprintError
    from shotprint.weights import WEIGHTS_VARIABLE

    folder = weights_dir or os.environ.get(WEIGHTS_VARIABLE)
    places = [path, Path(folder) / path] if folder else [path]
    for place in places:
        if place.exists():
            return place
    where = f", nor in {folder}" if folder else ""
    raise ShotprintError(f"there is no model {path}{where}; check the path given to --model")
