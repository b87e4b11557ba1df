"""Options made from the entries of a recipe, for the commands that train."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from shotprint.training.recipe import Recipe, iterate_entries, load_recipe

NAMES = {"accelerator": ("--device", "--accelerator")}  # of options not named as their entry


def with_recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--config`` and an option for every entry of a recipe.

    The command is called with its own arguments and `recipe`. Options that are not given leave
    an entry as the file says, or as it is by default.
    """

    def run(config: Path | None = None, **arguments: Any) -> None:
        entries = {name: arguments.pop(name, None) for name, *_ in iterate_entries()}
        given = {name: value for name, value in entries.items() if value is not None}
        command(**arguments, recipe=load_recipe(config, given))

    own = [p for p in inspect.signature(command).parameters.values() if p.name != "recipe"]
    config = _make_parameter(
        "config", Path, typer.Option(metavar="TOML", help="Recipe; options below win over it.")
    )
    entries = [_make_entry(*entry) for entry in iterate_entries()]
    signature = inspect.Signature([*own, config, *entries])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    run.__doc__ = command.__doc__
    return run


def _make_entry(name: str, kind: Any, default: Any, description: str) -> inspect.Parameter:
    shown = "" if default is None else f" [default: {str(default).lower()}]"
    if get_origin(kind) is Literal:
        description = f"{' | '.join(get_args(kind))}; {description}"
        kind = str
    names = NAMES.get(name, ())
    option = typer.Option(
        *names, help=description + shown, rich_help_panel="Recipe", show_default=False
    )
    return _make_parameter(name, kind, option)


def _make_parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


__all__ = ["Recipe", "with_recipe_options"]
