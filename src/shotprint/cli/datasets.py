"""``shotprint datasets``: the sets that can be imported, what they are and how to get them."""

import sys
from typing import Annotated

import typer


def show_datasets(
    name: Annotated[str | None, typer.Argument(help="One set, in full; without it all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Write Markdown.")] = False,
) -> None:
    """List the sets that can be imported: labels, groups, licence, how to get them, what for."""
    from shotprint.datasets import DATASETS
    from shotprint.datasets.description import format_facts, format_page, list_facts
    from shotprint.errors import ShotprintError

    if name is not None and name not in DATASETS:
        raise ShotprintError(f"there is no set {name!r}; the sets are {', '.join(DATASETS)}")
    chosen = DATASETS if name is None else {name: DATASETS[name]}
    if as_json:
        import json

        facts = [list_facts(each) for each in chosen.values()]
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    elif as_markdown:
        typer.echo(format_page(chosen), nl=False)
    else:
        _show({each: format_facts(chosen[each], is_full=name is not None) for each in chosen})


def _show(texts: dict[str, str]) -> None:
    from shotprint.cli.running import draw_table

    if sys.stdout.isatty():
        rows = [(name, f"{text}\n") for name, text in texts.items()]
        typer.echo(draw_table([("set", ""), *rows]), nl=False)
    else:
        typer.echo("\n\n".join(f"{name}\n{_indent(text)}" for name, text in texts.items()))


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
