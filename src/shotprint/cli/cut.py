"""``shotprint cut``: each shot as a file, and a manifest of these."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options
from shotprint.cli.running import count_shots, finish, run_all, take_results


def cut(
    paths: options.Paths,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="New folder for shots and manifest."),
    ],
    lead_in: Annotated[
        float, typer.Option(min=0, metavar="S", help="Seconds before the onset.")
    ] = 0.1,
    tail: Annotated[
        float, typer.Option(min=0.01, metavar="S", help="Seconds from the onset on.")
    ] = 0.9,
    label: Annotated[str, typer.Option(help="Label of all shots, for the manifest.")] = "",
    label_by_folder: Annotated[
        bool, typer.Option("--label-by-folder", help="Label: the folder of the recording.")
    ] = False,
    threshold: options.Threshold = None,
    channel: Annotated[
        str, typer.Option(help="Where shots are looked for: mix, loudest, each, or from 0.")
    ] = "mix",
    track: options.Track = None,
    detector: options.DetectorPath = None,
    jobs: options.Jobs = 0,
) -> None:
    """Write each shot as a WAV file at its own rate, with all channels, and list them.

    DIR/manifest.csv is what pack reads; fill in labels where they are empty. Exit code 1: some
    recordings failed; 2: all of them, or wrong usage. After Ctrl-C what is done is listed.
    """
    from shotprint.audio import find_recordings
    from shotprint.audio.channels import parse_channel
    from shotprint.detection import Listening
    from shotprint.recognition.cutting import (
        MANIFEST,
        CutRecording,
        CutRule,
        cut_all,
        write_cut_manifest,
    )

    if label and label_by_folder:
        raise typer.BadParameter("--label and --label-by-folder: leave one of them out")
    parse_channel(channel)
    finder = options.open_detector(detector, threshold), Listening(channel, track)
    found = find_recordings(paths)
    cuts: list[CutRecording] = []
    cutting = cut_all(found, output, finder, CutRule(lead_in, tail), jobs)
    answers = take_results(cutting, cuts.append)
    results, is_interrupted = run_all(answers, found, "cutting", "searched")
    labels = {
        each.name: each.path.absolute().parent.name if label_by_folder else label for each in found
    }
    if any(each.result.error is None for each in cuts):
        write_cut_manifest(output / MANIFEST, cuts, labels)
        n_files = sum(len(each.rows) for each in cuts)
        typer.echo(f"{output / MANIFEST}: {n_files} files", err=True)
    finish(results, f"{output}: {count_shots(results)}", is_interrupted)
