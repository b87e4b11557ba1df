"""``shotprint export``: one self-contained model file from a training run or weights."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from shotprint.cli import options


def export(
    weights: Annotated[
        Path,
        typer.Argument(help="Folder of a training run, or weights (.safetensors, .pth, .pt)."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file (.onnx).")],
    backbone: Annotated[
        str | None, typer.Option(help="Network of the weights, where the file does not say.")
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(help="TOML with name, version, description, limits, licences, …"),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What shotprint calibrate wrote for this run.")
    ] = None,
    enrolment: Annotated[
        Path | None, typer.Option(help="What shotprint calibrate-enrolment wrote for this run.")
    ] = None,
    firearms: options.Firearms = None,
) -> None:
    """Write one model file (ONNX) that recognises without PyTorch.

    Refused if it does not give what PyTorch gives. The baseline's checkpoint and bare backbones
    (embeddings only) are taken too.
    """
    from shotprint.errors import MissingExtraError, ShotprintError
    from shotprint.firearms import read_firearms

    if output.suffix.lower() != ".onnx":
        raise ShotprintError(f"the model would be {output}; give it a name that ends with .onnx")
    try:
        from shotprint.backbones.torch_model import load_described
        from shotprint.export import export_network
    except ImportError:
        raise MissingExtraError("train", "export") from None
    entries = {"name": output.stem, **_read_card(card)}
    network, metadata = load_described(
        weights, backbone, firearms=read_firearms(firearms), card=entries
    )
    if calibration is not None:
        from shotprint.training.calibrating import read_calibration

        metadata = dataclasses.replace(
            metadata, **read_calibration(calibration, metadata.weights["sha256"])
        )
    if enrolment is not None:
        from shotprint.training.enrolment import read_enrolment

        metadata = dataclasses.replace(
            metadata, enrolment=read_enrolment(enrolment, metadata.weights["sha256"])
        )
    export = export_network(network, metadata, output)
    typer.echo(
        f"{export.path}: {len(metadata.labels)} guns, {export.size_bytes / 1e6:.1f} MB; "
        f"ONNX Runtime and PyTorch differ by at most {export.difference:.1e}"
    )


def _read_card(path: Path | None) -> dict[str, Any]:
    import tomllib

    from shotprint.errors import ShotprintError

    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ShotprintError(f"{path} cannot be read as a card in TOML ({error})") from None
