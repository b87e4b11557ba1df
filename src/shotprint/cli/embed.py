"""``shotprint embed``: embeddings of shots or recordings, for an analysis of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli.detector_options import open_detector
from shotprint.cli.model_options import open_model
from shotprint.cli.running import count_done, count_shots, finish, run_all, take_results


def embed(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Recordings, and folders of them.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File for the embeddings: .parquet or .npz.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(help="Model: .onnx, weights, or the folder of a training run."),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Network of the weights, such as panns_cnn14.")
    ] = None,
    weights_dir: Annotated[
        Path | None,
        typer.Option(help="Folder where the model is looked for too (or set SHOTPRINT_WEIGHTS)."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="One embedding a recording; look for no shots.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.001, max=0.999, help="Probability from which on it is a shot."),
    ] = None,
    channel: Annotated[str, typer.Option(help="mix, loudest, each, or a number from 0.")] = "mix",
    track: Annotated[
        int | None, typer.Option(min=0, help="Sound track of a video, from 0; default: the best.")
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(help="Detector of your own: .onnx of train-detector.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Recordings at a time; 0: one a core.")] = 0,
) -> None:
    """Write the embedding of each shot (or recording) and what the model says it is.

    Exit code 1: some recordings failed; 2: all of them (nothing is written), or wrong usage.
    After Ctrl-C what is done is written.
    """
    from shotprint.audio import find_recordings
    from shotprint.audio.channels import parse_channel
    from shotprint.detection import Listening
    from shotprint.embeddings import (
        describe_embeddings,
        embed_all,
        list_columns,
        write_embeddings,
    )

    if whole and (threshold is not None or detector is not None):
        raise typer.BadParameter("with --whole no shots are looked for; leave one of them out")
    parse_channel(channel)
    listening = Listening(channel, track)
    finder = None if whole else open_detector(detector, threshold)
    network = open_model(model, backbone, weights_dir, None)
    found = find_recordings(paths)
    embedding = embed_all(found, network, finder, listening, jobs)
    columns = list_columns(network, finder)
    description = describe_embeddings(network, finder, listening)
    with write_embeddings(output, columns, description) as add:
        answers = take_results(embedding, lambda item: add(item.rows))
        results, is_interrupted = run_all(answers, found, "embedding", "heard")
        if all(result.error is not None for result in results):
            raise typer.Exit(130 if is_interrupted else 2)
    counted = count_done(results) if whole else count_shots(results)
    finish(results, f"{output}: embeddings of {counted}", is_interrupted)
