"""``shotprint audit``: what is wrong with a set of recordings?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli import options

if TYPE_CHECKING:
    from shotprint.audit.auditing import Audit
    from shotprint.audit.findings import Finding


def audit(
    manifest: Annotated[Path, typer.Argument(metavar="SET.CSV", help="The manifest.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the page and the tables.")
    ] = Path("audit"),
    protocol: Annotated[
        Path | None, typer.Option(help="Folds to look at, instead of the column fold.")
    ] = None,
    shots: Annotated[
        bool, typer.Option("--shots/--no-shots", help="Count the shots of each recording.")
    ] = True,
    detector: options.DetectorPath = None,
    jobs: options.Jobs = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if there is a serious finding.")
    ] = False,
) -> None:
    """Find duplicates, leaks, confounds and faults before anything is trained on a set.

    Writes audit.html, audit.json, pairs.csv and groups.csv. Exit code 0 whatever is found; with
    --strict 1 where a finding is serious; 2: wrong usage, or no recording can be read.
    """
    from shotprint.audit.auditing import audit_manifest
    from shotprint.audit.findings import SERIOUS, list_findings
    from shotprint.audit.output import format_summary
    from shotprint.errors import ShotprintError
    from shotprint.files import compute_sha256
    from shotprint.manifest import read_manifest
    from shotprint.splits import read_protocol

    if output.exists() and not output.is_dir():
        raise ShotprintError(f"{output} is a file; give a folder to write to, such as -o audit")
    table = read_manifest(manifest)
    folds = None if protocol is None else read_protocol(protocol, table)
    finder = options.open_detector(detector, None) if shots else None
    found = audit_manifest(table, folds, finder, jobs)
    findings = list_findings(found)
    inputs = {path.as_posix(): compute_sha256(path) for path in (manifest, protocol) if path}
    typer.echo(format_summary(found, findings))
    _write(output, found, findings, inputs)
    serious = [each.title for each in findings if each.severity == SERIOUS]
    if strict and serious:
        typer.echo(f"shotprint: serious: {'; '.join(serious)}", err=True)
        raise typer.Exit(1)


def _write(
    folder: Path, audit: "Audit", findings: "Sequence[Finding]", inputs: dict[str, str]
) -> None:
    from shotprint.audit.output import write_tables
    from shotprint.audit.page import write_page
    from shotprint.plots.audit import draw_audit

    written = write_tables(folder, audit, findings, inputs)
    write_page(folder / "audit.html", audit, findings, draw_audit(audit))
    names = ["audit.html", *(path.name for path in written)]
    typer.echo(f"written to {folder}: {', '.join(names)}", err=True)
