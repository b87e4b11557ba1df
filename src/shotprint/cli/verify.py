"""``shotprint verify``: what of a report was changed since it was written?"""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli.running import join_cells


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that shotprint report wrote.")],
    exhibits: Annotated[
        Path | None, typer.Option(help="Folder where the exhibits lie now, by their names.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="The laboratory's .pub, which must have signed.")
    ] = None,
) -> None:
    """Name each exhibit, result or file of a report that changed, is missing or was added.

    Exit code 0: all is as it was; 1: something is not; 2: it cannot be told.
    """
    from shotprint.cli.running import deliver
    from shotprint.recognition.results import printable
    from shotprint.report.sealing import KNOWN, SIGNED, UNSIGNED, verify

    checked = verify(folder, exhibits, public_key)
    rows = [[each.kind, each.what, printable(each.name)] for each in checked.findings]
    deliver(join_cells(rows), None)
    meaning = {
        UNSIGNED: "not signed: whoever changes a report on purpose can change its hashes, too",
        SIGNED: f"signed by the key {checked.signer}; whose that is, --public-key tells",
        KNOWN: "signed by the laboratory's key",
    }.get(checked.signature, "THE SIGNATURE IS WRONG: it does not belong to these hashes or key")
    n = len(rows)
    found = f"{n} of them differ{'s' * (n == 1)}" if n else "all as listed"
    typer.echo(f"{folder}: {checked.n_checked} hashes checked, {found}; {meaning}", err=True)
    if rows:
        raise typer.Exit(1)
