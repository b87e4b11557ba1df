"""``shotprint split``: which protocols a set allows, and their folds as a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pandas import DataFrame

    from shotprint.splits import Survey
    from shotprint.splits.assigning import NFolds


def split(
    dataset: Annotated[
        Path,
        typer.Argument(metavar="SET", help="The manifest (CSV), or what shotprint pack wrote."),
    ],
    protocol: Annotated[
        str,
        typer.Option(
            help="all, random, manifest, group, shot, position, recorder, session, source, or "
            "another column to hold out."
        ),
    ] = "all",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; for all of them a folder."),
    ] = None,
    n_folds: Annotated[
        int | None,
        typer.Option(min=2, help="Folds to make; with 'all' of random, group and shot."),
    ] = None,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="A fold for every group, shot, recorder, …")
    ] = False,
    purge: Annotated[
        bool,
        typer.Option(
            help="Keep out of training what shares a group with the test part, where folds tear "
            "groups."
        ),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the random choices.")] = 0,
) -> None:
    """Show which protocols a set allows; write their folds, with a hash, for train and crossval."""
    from shotprint.errors import ShotprintError
    from shotprint.splits import EACH, Survey, assign_folds, survey_protocols, write_protocol

    if leave_one_out and n_folds is not None:
        raise ShotprintError("found --n-folds and --leave-one-out; give one of the two")
    wanted: NFolds = EACH if leave_one_out else n_folds
    manifest = _read(dataset)
    if protocol == "all":
        found = survey_protocols(manifest, wanted, seed, purge=purge)
        files = {name: output / f"{name}.csv" for name in found.protocols} if output else {}
    else:
        made = assign_folds(manifest, protocol, wanted, seed, purge=purge)
        found, files = Survey({protocol: made}, {}), {protocol: output} if output else {}
    print(_format(found))
    for remark in dict.fromkeys(r for made in found.protocols.values() for r in made.remarks):
        print(f"note: {remark}", file=sys.stderr)
    for name, path in files.items():
        write_protocol(found.protocols[name], path)
        print(f"wrote {path}", file=sys.stderr)


def _read(dataset: Path) -> "DataFrame":
    if dataset.suffix.lower() == ".csv":
        from shotprint.manifest import read_manifest

        return read_manifest(dataset)
    from shotprint.packing import open_pack

    return open_pack(dataset).manifest


def _format(found: "Survey") -> str:
    from shotprint.evaluation.output import align_columns
    from shotprint.splits import measure_excluded

    rows = [
        [
            name,
            str(made.n_folds),
            str(len(set(made.groups))),
            "LEAKS" if made.leaks else "no",
            f"{100 * measure_excluded(made):.0f} %",
            made.sha256[:12],
        ]
        for name, made in found.protocols.items()
    ]
    lines = align_columns(
        [["protocol", "folds", "kept whole", "leaks", "left out", "sha256"], *rows]
    )
    return "\n".join([*lines, *(f"not possible: {k}: {why}" for k, why in found.refused.items())])
