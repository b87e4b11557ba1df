"""``shotprint calibrate-enrolment``: what a shot's nearness to an enrolled gun is worth."""

from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli.calibrate import PackOption


def calibrate_enrolment(
    run: Annotated[Path, typer.Argument(help="Folder of the training run to calibrate.")],
    without: Annotated[
        Path,
        typer.Option(help="Folder with GUN/cv for each gun: a cross-validation without that gun."),
    ],
    pack: Annotated[Path, PackOption],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The calibration to write (JSON).")
    ] = Path("enrolment.json"),
) -> None:
    """Fit what makes likelihood ratios of guns that are enrolled from a few recordings.

    Give the result to shotprint export --enrolment.
    """
    from shotprint.cli.train import require_training

    require_training()
    from shotprint.training.enrolment import calibrate_enrolment as fit

    figures = fit(run, without, pack, output)["figures"]
    rows = [("all", figures["all"])]
    rows += [(f"{row['n_references']} references", row) for row in figures["by_n_references"]]
    for name, row in rows:
        shown = [
            f"{key} {row[key]['value']:.3f} "
            f"({row[key]['interval'][0]:.3f}–{row[key]['interval'][1]:.3f})"
            for key in ("cllr", "cllr_min", "eer", "misleading_h1", "misleading_h2")
        ]
        if "named_first" in row:
            shown.append(
                f"named first {row['named_first']:.3f}, others {row['others_named_so']:.3f}"
            )
        typer.echo(f"{name}: {', '.join(shown)}")
    medians = figures["median_scores"]
    known = [f"{key} {value:.2f}" for key, value in medians.items() if value is not None]
    typer.echo(f"median scores: {', '.join(known)}")
    typer.echo(f"wrote {output}", err=True)
