"""The command line: one file a command; parse, call one function, show.

Nothing but typer is imported until a command runs, so that ``shotprint --help`` is quick.
Exit codes: 0 all well · 1 some recordings failed · 2 wrong usage or nothing done · 130 Ctrl-C.
"""

import sys
from typing import Annotated

import typer

from shotprint import __version__
from shotprint.errors import ShotprintError

app = typer.Typer(
    name="shotprint",
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
    try:
        app()
    except ShotprintError as error:
        print(f"shotprint: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("shotprint: interrupted; nothing half-written is left", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        print(f"shotprint: {error}", file=sys.stderr)
        raise SystemExit(2) from None


# Each command registers here; its file imports typer and the standard library only.
from shotprint.cli.crossval import crossval  # noqa: E402
from shotprint.cli.detect import detect  # noqa: E402
from shotprint.cli.evaluate import evaluate  # noqa: E402
from shotprint.cli.export import export  # noqa: E402
from shotprint.cli.import_ import import_app  # noqa: E402
from shotprint.cli.listen import listen  # noqa: E402
from shotprint.cli.models import show_models  # noqa: E402
from shotprint.cli.pack import pack  # noqa: E402
from shotprint.cli.recognize import recognize  # noqa: E402
from shotprint.cli.simulate import simulate  # noqa: E402
from shotprint.cli.train import train  # noqa: E402

app.command("crossval")(crossval)
app.command("detect")(detect)
app.command("evaluate")(evaluate)
app.command("export")(export)
app.command("listen")(listen)
app.command("models")(show_models)
app.command("pack")(pack)
app.command("recognize")(recognize)
app.command("simulate")(simulate)
app.command("train")(train)
app.add_typer(import_app, name="import")
