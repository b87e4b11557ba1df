"""``shotprint import``: list the recordings of a folder or a known set in a manifest."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shotprint.datasets import Imported

import_app = typer.Typer(
    help="List the recordings of a folder or a known set, with their labels and groups.",
    no_args_is_help=True,
)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of recordings.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The manifest to write (CSV).")]
Only = Annotated[list[str], typer.Option(help="Keep this label; may be given again.")]
Exclude = Annotated[list[str], typer.Option(help="Leave this label out; may be given again.")]


@import_app.command("folder")
def import_folder(
    directory: Directory,
    output: Output = Path("set.csv"),
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV file whose columns, such as group and fold, are joined by its column "
            "recording: the path below DIR."
        ),
    ] = None,
    only: Only = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
) -> None:
    """Any sounds with one folder a class: the folders directly below DIR are the labels."""
    from shotprint.datasets import folder

    _check_output(output)
    _write(folder.import_dir(directory, groups=groups, only=only, exclude=exclude), output)


@import_app.command("cadre")
def import_cadre(
    directory: Directory,
    output: Output = Path("set.csv"),
    only: Only = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
) -> None:
    """The CADRE (NIJ) set: 18 guns; recorder, position, distance and shot by file names."""
    from shotprint.datasets import cadre

    _check_output(output)
    _write(cadre.import_dir(directory, only=only, exclude=exclude), output)


def _check_output(output: Path) -> None:
    from shotprint.errors import ShotprintError

    if output.is_dir():
        raise ShotprintError(f"{output} is a folder; give a file to write, such as -o set.csv")


def _write(imported: "Imported", output: Path) -> None:
    from shotprint.manifest import write_manifest

    write_manifest(imported.manifest, output)
    for remark in imported.remarks:
        print(f"note: {remark}", file=sys.stderr)
    for recording, reason in imported.failed.items():
        print(f"left out: {recording}: {reason}", file=sys.stderr)
    print(_count_labels(imported))
    print(f"wrote {output}", file=sys.stderr)
    if not imported.is_complete:
        raise typer.Exit(1)


def _count_labels(imported: "Imported") -> str:
    """Return a table of recordings and groups by label."""
    manifest = imported.manifest
    counts = manifest.groupby("label")[["recording", "group"]].nunique()
    rows = [(label, str(n), str(m)) for label, n, m in counts.itertuples(name=None)]
    rows.append(("total", str(len(manifest)), str(manifest["group"].nunique())))
    width = max(len(label) for label, _, _ in rows)
    lines = [f"{label:{width}}  {n:>10}  {m:>6}" for label, n, m in rows]
    return "\n".join([f"{'label':{width}}  recordings  groups", *lines])
