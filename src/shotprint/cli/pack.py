"""``shotprint pack``: decode the recordings of a manifest into one HDF5 file."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli.options import open_detector
from shotprint.cli.train import telling_how_to_go_on

if TYPE_CHECKING:
    from shotprint.packing import PackReport
    from shotprint.packing.onsets import OnsetFinder

_MAX_SHOWN = 20


class Clip(StrEnum):
    """What is kept of a recording."""

    onset = "onset"
    full = "full"


class OnConflict(StrEnum):
    """What is done with the same bytes under two labels."""

    stop = "stop"
    drop = "drop"
    first = "first"


def pack(
    manifest: Annotated[Path, typer.Argument(metavar="SET.CSV", help="The manifest.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HDF5 file to write.")] = Path(
        "set.h5"
    ),
    backbone: Annotated[
        str, typer.Option(help="The network to be trained; it decides the sample rate.")
    ] = "efficientat_mn04",
    channel: Annotated[str, typer.Option(help="mix, loudest or a number from 0.")] = "mix",
    clip: Annotated[
        Clip, typer.Option(help="Keep the surroundings of the loudest onsets, or everything.")
    ] = Clip.onset,
    clip_length: Annotated[
        float, typer.Option(min=0, metavar="S", help="Length of a clip; 0: recordings whole.")
    ] = 1.0,
    onset_at: Annotated[
        float, typer.Option(min=0, metavar="S", help="Where in a clip its onset stands.")
    ] = 0.1,
    max_clips: Annotated[int, typer.Option(min=1, help="Onsets a recording.")] = 4,
    onsets: Annotated[
        str,
        typer.Option(help="Clips at the loudest sounds, at the shots found, or as a JSON lists."),
    ] = "loudest",
    min_gap: Annotated[
        float, typer.Option(metavar="S", help="Loudest sounds nearer to a louder one: left out.")
    ] = 0.2,
    margin: Annotated[
        float, typer.Option(min=0, metavar="S", help="Kept around clips, for time shift.")
    ] = 0.25,
    on_conflict: Annotated[
        OnConflict,
        typer.Option(help="The same bytes under two labels: stop, drop them, or keep the first."),
    ] = OnConflict.stop,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Recordings at a time; 0: one a core.")
    ] = 0,
) -> None:
    """Decode, mix, resample and crop the recordings of a manifest into one file."""
    from shotprint.backbones import find_backbone
    from shotprint.clips import ClipRule
    from shotprint.errors import ShotprintError
    from shotprint.manifest import read_manifest
    from shotprint.packing import PackSettings
    from shotprint.packing import pack as pack_manifest

    if output.is_dir():
        raise ShotprintError(f"{output} is a folder; give a file to write, such as -o set.h5")
    settings = PackSettings(
        sample_rate_hz=find_backbone(backbone).frontend.sample_rate_hz,
        channel=channel,
        crop=clip is Clip.onset,
        clip_rule=ClipRule(clip_length, onset_at if clip_length else 0.0, max_clips, min_gap),
        margin_s=margin,
        on_conflict=on_conflict.value,
    )
    with telling_how_to_go_on("the same command"):
        report = pack_manifest(
            read_manifest(manifest), output, settings, jobs, _choose_finder(onsets)
        )
    _show(report)
    hours = report.n_samples / settings.sample_rate_hz / 3600
    print(f"packed {report.n_packed} recordings ({hours:.2f} h kept) into {output}")
    if report.failed:
        raise typer.Exit(1)


def _choose_finder(onsets: str) -> "OnsetFinder":
    from shotprint.packing.onsets import LOUDEST, find_by_detector, find_in_list

    if onsets == "loudest":
        return LOUDEST
    if onsets == "shots":
        return find_by_detector(open_detector(None, None))
    return find_in_list(onsets)


def _show(report: "PackReport") -> None:
    """Say on standard error what was left out and what is doubtful."""
    for recording, reason in report.failed.items():
        print(f"failed: {recording}: {reason}", file=sys.stderr)
    warned = [(name, text) for name, texts in report.warnings.items() for text in texts]
    for recording, text in warned[:_MAX_SHOWN]:
        print(f"warning: {recording}: {text}", file=sys.stderr)
    if len(warned) > _MAX_SHOWN:
        print(f"warning: and {len(warned) - _MAX_SHOWN} more", file=sys.stderr)
    if report.duplicates:
        n = len(report.duplicates)
        print(f"note: {n} recordings hold the same bytes as another; packed once", file=sys.stderr)
    if report.dropped:
        n = len(report.dropped)
        print(f"note: {n} recordings left out: their bytes have two labels", file=sys.stderr)
    if report.lost_labels:
        print(f"note: no recording is left of {', '.join(report.lost_labels)}", file=sys.stderr)
