"""The model that commands share."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shotprint.recognition import Model


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
    import os

    from shotprint.errors import ShotprintError
    from shotprint.weights import WEIGHTS_VARIABLE

    folder = weights_dir or os.environ.get(WEIGHTS_VARIABLE)
    places = [path, Path(folder) / path] if folder else [path]
    for place in places:
        if place.exists():
            return place
    where = f", nor in {folder}" if folder else ""
    raise ShotprintError(f"there is no model {path}{where}; check the path given to --model")
