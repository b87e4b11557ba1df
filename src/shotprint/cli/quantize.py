"""``shotprint quantize``: a smaller model file, and how often it says the same."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options
from shotprint.inference import Precision


def quantize(
    model: Annotated[Path, typer.Argument(help="A model or detector of shotprint (.onnx).")],
    paths: options.Paths,
    output: Annotated[Path, typer.Option("--output", "-o", help="The smaller file (.onnx).")],
    precision: Annotated[
        Precision,
        typer.Option(help="float16: weights in half precision; int8: layers in bytes."),
    ] = Precision.FLOAT16,
) -> None:
    """Write a model or detector with smaller numbers.

    PATH…: some real recordings of the kind that will be heard, a hundred are plenty. On them the
    two files are compared, and for int8 the range of each activation is read from them.
    """
    from shotprint.audio import find_recordings
    from shotprint.errors import MissingExtraError, ShotprintError

    if output.suffix.lower() != ".onnx":
        raise ShotprintError(f"the model would be {output}; give it a name that ends with .onnx")
    try:
        from shotprint.quantization import quantize as write_quantized
    except ImportError:
        raise MissingExtraError("train", "quantize") from None
    done = write_quantized(model, output, find_recordings(paths), precision)
    for problem in done.failed:
        typer.echo(f"not heard: {problem}", err=True)
    typer.echo(
        f"{done.path}: {done.size_bytes / 1e6:.2f} MB (before: {model.stat().st_size / 1e6:.2f}); "
        f"the same answer for {100 * done.agreement:.1f} % of {done.n_clips} clips"
    )
    raise typer.Exit(1 if done.failed else 0)
