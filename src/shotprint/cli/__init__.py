"""The command line: one file a command; parse, call one function, show.

Nothing but typer is imported until a command runs, so that ``shotprint --help`` is quick.
Exit codes: 0 all well · 1 some recordings failed · 2 wrong usage or nothing done · 130 Ctrl-C.
"""

import errno
import io
import os
import sys
from typing import Annotated, Any

import typer
import typer.core

from shotprint import __version__
from shotprint.errors import ShotprintError


class _Commands(typer.core.TyperGroup):
    """The commands; typer itself would end silently on Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("shotprint: interrupted; nothing half-written is left", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="shotprint",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: half the time
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"shotprint {__version__}")
        raise typer.Exit


@app.callback()
def _take_common_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Recognise which gun fired from a recording of the shot."""


def main() -> None:
    """Run the command line; turn an expected error into one line and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a code page may lack the letters of a label
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except ShotprintError as error:
        print(f"shotprint: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"shotprint: {describe_failure(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def describe_failure(error: OSError) -> str:
    """Return in one line what could not be read or written, why, and how to mend it."""
    if error.errno is None:
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    is_full = error.errno == errno.ENOSPC
    hint = "make room and give the command again" if is_full else "check the path and your rights"
    return f"{place}{os.strerror(error.errno)}; {hint}"


# Each command registers here; its file imports typer and the standard library only.
from shotprint.cli.audit import audit  # noqa: E402
from shotprint.cli.calibrate import calibrate  # noqa: E402
from shotprint.cli.calibrate_enrolment import calibrate_enrolment  # noqa: E402
from shotprint.cli.compare import compare  # noqa: E402
from shotprint.cli.crossval import crossval  # noqa: E402
from shotprint.cli.cut import cut  # noqa: E402
from shotprint.cli.datasets import show_datasets  # noqa: E402
from shotprint.cli.detect import detect  # noqa: E402
from shotprint.cli.embed import embed  # noqa: E402
from shotprint.cli.enrol import enrol  # noqa: E402
from shotprint.cli.evaluate import evaluate  # noqa: E402
from shotprint.cli.export import export  # noqa: E402
from shotprint.cli.import_ import import_app  # noqa: E402
from shotprint.cli.listen import listen  # noqa: E402
from shotprint.cli.lr import lr  # noqa: E402
from shotprint.cli.models import show_models  # noqa: E402
from shotprint.cli.pack import pack  # noqa: E402
from shotprint.cli.plot import plot  # noqa: E402
from shotprint.cli.quantize import quantize  # noqa: E402
from shotprint.cli.recognize import recognize  # noqa: E402
from shotprint.cli.report import make_key, report  # noqa: E402
from shotprint.cli.serve import serve  # noqa: E402
from shotprint.cli.simulate import simulate  # noqa: E402
from shotprint.cli.split import split  # noqa: E402
from shotprint.cli.train import train  # noqa: E402
from shotprint.cli.train_detector import train_detector  # noqa: E402
from shotprint.cli.validate import validate  # noqa: E402
from shotprint.cli.verify import verify  # noqa: E402

app.command("calibrate")(calibrate)
app.command("calibrate-enrolment")(calibrate_enrolment)
app.command("compare")(compare)
app.command("audit")(audit)
app.command("crossval")(crossval)
app.command("cut")(cut)
app.command("datasets")(show_datasets)
app.command("detect")(detect)
app.command("embed")(embed)
app.command("enrol")(enrol)
app.command("evaluate")(evaluate)
app.command("export")(export)
app.command("listen")(listen)
app.command("lr")(lr)
app.command("make-key")(make_key)
app.command("models")(show_models)
app.command("pack")(pack)
app.command("plot")(plot)
app.command("quantize")(quantize)
app.command("recognize")(recognize)
app.command("serve")(serve)
app.command("report")(report)
app.command("simulate")(simulate)
app.command("split")(split)
app.command("train")(train)
app.command("train-detector")(train_detector)
app.command("validate")(validate)
app.command("verify")(verify)
app.add_typer(import_app, name="import")
