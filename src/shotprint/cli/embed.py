"""``shotprint embed``: embeddings of shots or recordings, for an analysis of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options
from shotprint.cli.running import count_done, count_shots, finish, run_all, take_results


def embed(
    paths: options.Paths,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File for the embeddings: .parquet or .npz.")
    ],
    model: options.ModelPath = None,
    backbone: options.Backbone = None,
    weights_dir: options.WeightsDir = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="One embedding a recording; look for no shots.")
    ] = False,
    threshold: options.Threshold = None,
    channel: options.Channel = "mix",
    track: options.Track = None,
    detector: options.DetectorPath = None,
    jobs: options.Jobs = 0,
    device: options.Device = "cpu",
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
    finder = None if whole else options.open_detector(detector, threshold)
    network = options.open_model(model, backbone, weights_dir, None, device)
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
