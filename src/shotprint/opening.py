"""Model and detector from what a user names: a file, a run, a name, or nothing for the shipped."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shotprint.detection import Detector
    from shotprint.recognition import Model, RecognitionSettings, Recognizer


@dataclass(frozen=True)
class Setup:
    """What a user names to recognise with; every process of a cluster opens the same.

    Attributes
    ----------
    model, backbone, weights_dir, firearms : see `open_model`
    detector, threshold : see `open_detector`
    whole : look for no shots
    enrolled : file of references; None: none are compared with
    device : on which the model runs, see `shotprint.inference.open_session`; the detector always
        runs on the CPU
    """

    settings: "RecognitionSettings"
    model: Path | None = None
    backbone: str | None = None
    weights_dir: Path | None = None
    firearms: Path | None = None
    detector: Path | None = None
    threshold: float | None = None
    whole: bool = False
    enrolled: Path | None = None
    device: str = "cpu"

    def to_absolute(self) -> "Setup":
        """Return the same for a process that works in another folder; names stay names."""
        paths: dict[str, Any] = {
            name: value.absolute()
            for name, value in vars(self).items()
            if isinstance(value, Path) and value.exists()
        }
        return replace(self, **paths)


def open_recognizer(setup: Setup) -> "Recognizer":
    """Open model, detector and references."""
    from shotprint.recognition import Recognizer
    from shotprint.recognition.enrolment import EnrolledGuns

    finder = None if setup.whole else open_detector(setup.detector, setup.threshold)
    model = open_model(setup.model, setup.backbone, setup.weights_dir, setup.firearms, setup.device)
    guns = None if setup.enrolled is None else EnrolledGuns(setup.enrolled, model)
    return Recognizer(model, setup.settings, finder, guns)


def open_detector(path: Path | None = None, threshold: float | None = None) -> "Detector":
    """Open a detector's file, or the shipped one."""
    from shotprint.detection import Detector, OnnxDetector
    from shotprint.weights import shipped_detector

    path = shipped_detector() if path is None else path
    return Detector(OnnxDetector(path), threshold)


def open_model(
    path: Path | None = None,
    backbone: str | None = None,
    weights_dir: Path | None = None,
    firearms: Path | None = None,
    device: str = "cpu",
) -> "Model":
    """Open a model, or the shipped one, in ONNX Runtime; in torch if it is no ONNX file."""
    from shotprint.errors import MissingExtraError, ShotprintError
    from shotprint.firearms import read_firearms
    from shotprint.recognition import OnnxModel
    from shotprint.weights import shipped_model

    path = shipped_model() if path is None else _find_model(path, weights_dir)
    if path.suffix.lower() == ".onnx":
        if backbone is not None:
            raise ShotprintError(f"{path} says itself what it is; leave out the backbone")
        model = OnnxModel(path, device=device)
        if firearms is not None:
            model.metadata = model.metadata.with_firearms(read_firearms(firearms))
        return model
    try:
        from shotprint.backbones.torch_model import TorchModel
    except ImportError:
        raise MissingExtraError("train", f"{path.name}, which is no .onnx file,") from None
    return TorchModel(path, backbone, device=device, firearms=read_firearms(firearms))


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
    raise ShotprintError(f"there is no model {path}{where}; check its path")
