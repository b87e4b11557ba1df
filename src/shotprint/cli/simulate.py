"""``shotprint simulate``: gunshots from physics, in the CADRE set's layout."""

from pathlib import Path
from typing import Annotated, Any

import typer


def simulate(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="New folder for the recordings.")
    ],
    shots: Annotated[
        int, typer.Option(metavar="N", help="Shots of every gun at every position.")
    ] = 2,
    seed: Annotated[
        int, typer.Option(metavar="N", help="The same seed and settings give the same bytes.")
    ] = 0,
    guns: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Labels, such as M16,Glock9; all 18.")
    ] = None,
    recorders: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Of Zoom, Samsung, iPhone; all three.")
    ] = None,
    positions: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Such as 1A,41,181B: first number of the block, geometry; or 'all' 19. "
            "Without it six: 1A,41B,61A,101A,141A,201B.",
        ),
    ] = None,
    duration: Annotated[
        float, typer.Option(metavar="S", help="Length of a recording in seconds.")
    ] = 1.2,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads; without it one a core.")
    ] = None,
) -> None:
    """Simulate gunshots: recordings computed from physics, never mistaken for real ones."""
    import dataclasses
    import time

    from shotprint.simulation.cadre import Settings, parse_positions, simulate_set

    chosen: dict[str, Any] = {}
    if guns is not None:
        chosen["guns"] = _split(guns)
    if recorders is not None:
        chosen["recorders"] = _split(recorders)
    if positions is not None:
        chosen["positions"] = parse_positions(positions)
    settings = dataclasses.replace(Settings(seed=seed, shots=shots, duration_s=duration), **chosen)
    start_s = time.perf_counter()
    n_recordings = simulate_set(output, settings, workers)
    rate = n_recordings / (time.perf_counter() - start_s)
    typer.echo(
        f"{n_recordings} simulated recordings of {len(settings.guns)} guns, "
        f"{len(settings.positions)} positions, {len(settings.recorders)} recorders "
        f"({rate:.0f} a second)",
        err=True,
    )
    typer.echo(output)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
