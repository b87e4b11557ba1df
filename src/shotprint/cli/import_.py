"""``shotprint import``: list the recordings of a folder or a known set in a manifest."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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


# Sets whose importers take nothing but the folder and labels.
SETS = {
    "cadre": "The CADRE (NIJ) set: 18 guns; recorder, position, distance and shot by file names.",
    "kabealo": "Kabealo et al.: four guns heard by many devices; sessions, devices and onsets.",
    "shotspotter": "ShotSpotter in Pittsburgh: three handguns in a city; distances and onsets.",
    "bgg": "BGG: 37 guns of the game PUBG; distance, direction and the shipped splits.",
    "urbansound8k": "UrbanSound8K: ten sounds of a city, one of them gun_shot; ten folds.",
    "esc50": "ESC-50: fifty everyday sounds, no gunshots; five folds.",
}


def _add_set(name: str, summary: str) -> None:
    def import_one(
        directory: Directory,
        output: Output = Path("set.csv"),
        only: Only = [],  # noqa: B006
        exclude: Exclude = [],  # noqa: B006
    ) -> None:
        _import(name, directory, output, only=only, exclude=exclude)

    import_app.command(name, help=summary)(import_one)


for _name, _summary in SETS.items():
    _add_set(_name, _summary)


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
    _import("folder", directory, output, groups=groups, only=only, exclude=exclude)


@import_app.command("kaggle")
def import_kaggle(
    directory: Directory,
    output: Output = Path("set.csv"),
    keep_copies: Annotated[
        bool, typer.Option("--keep-copies", help="Keep M4, which is M16 again byte for byte.")
    ] = False,
    only: Only = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
) -> None:
    """The gunshot set on Kaggle: nine guns of online videos; groups are a guess."""
    _import("kaggle", directory, output, keep_copies=keep_copies, only=only, exclude=exclude)


@import_app.command("fsd50k")
def import_fsd50k(
    directory: Directory,
    output: Output = Path("set.csv"),
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="List clips without gunshots, too.")
    ] = False,
    only: Only = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
) -> None:
    """FSD50K: its gunshots, or all of its 200 classes; the uploader is the group."""
    _import("fsd50k", directory, output, all_classes=all_classes, only=only, exclude=exclude)


@import_app.command("csv")
def import_csv(
    table: Annotated[Path, typer.Argument(metavar="TABLE.CSV", help="A row a recording.")],
    recording: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of paths below the folder, or of names.")
    ],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Column of labels.")],
    audio_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The recordings; default: beside the table.")
    ] = None,
    output: Output = Path("set.csv"),
    group: Annotated[str, typer.Option(metavar="COLUMN", help="Column of groups.")] = "",
    fold: Annotated[str, typer.Option(metavar="COLUMN", help="Column of folds.")] = "",
    only: Only = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
) -> None:
    """Any recordings that a CSV file lists: name its columns; further columns join."""
    from shotprint.datasets.table import Columns

    columns = Columns(recording, label, group, fold)
    directory = table.parent if audio_dir is None else audio_dir
    _import("csv", directory, output, table=table, columns=columns, only=only, exclude=exclude)


def _import(name: str, directory: Path, output: Path, **options: Any) -> None:
    from shotprint.datasets import import_set

    _check_output(output)
    _write(import_set(name, directory, **options), output)


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
