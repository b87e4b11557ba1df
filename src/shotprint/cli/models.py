"""``shotprint models``: the weights that are shipped, can be fetched, or are here already."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shotprint.weights import WeightsStatus


class Format(StrEnum):
    """How the list is written."""

    table = "table"
    json = "json"


def show_models(
    format: Annotated[Format, typer.Option(help="How the list is written.")] = Format.table,
    fetch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Fetch these weights and print where they are."),
    ] = None,
    weights_dir: Annotated[
        Path | None,
        typer.Option(help="Folder with weights already downloaded (or set SHOTPRINT_WEIGHTS)."),
    ] = None,
) -> None:
    """List the weights: shipped, published, cached, with hashes and licences."""
    from shotprint.weights import list_weights, locate_cache, locate_weights

    if fetch is not None:
        typer.echo(locate_weights(fetch, weights_dir))
        return
    statuses = list_weights(weights_dir)
    if format is Format.json:
        import json

        weights = [_to_json(status) for status in statuses]
        content = {"cache_dir": str(locate_cache()), "weights": weights}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    typer.echo("\n".join(_describe(status) for status in statuses))
    typer.echo(f"\nDownloads go to {locate_cache()}")


def _to_json(status: "WeightsStatus") -> dict[str, object]:
    from dataclasses import asdict

    return {
        **asdict(status.entry),
        "origin": status.origin,
        "path": None if status.path is None else str(status.path),
        "problem": status.problem,
        "checksum": status.checksum,
    }


def _describe(status: "WeightsStatus") -> str:
    """Return the lines of one file: what it is, its hash, where it is or comes from."""
    entry = status.entry
    size_bytes = entry.size_bytes
    if size_bytes is None and status.path is not None and status.path.is_file():
        size_bytes = status.path.stat().st_size
    size = "size unknown" if size_bytes is None else f"{size_bytes / 1e6:.1f} MB"
    here = "not fetched" if status.path is None else "here"
    lines = [
        f"{entry.name}  {status.origin}, {here} · {size} · {entry.licence} · {entry.description}",
        status.checksum or "hash unknown: recorded at first download",
        str(status.path or entry.url),
    ]
    if status.problem is not None:
        lines.append(f"PROBLEM: {status.problem}")
    return "\n    ".join(lines)
