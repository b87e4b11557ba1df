"""What is known of each set, as text, as Markdown and for JSON: `docs/datasets.md` is made here."""

from collections.abc import Iterable, Mapping
from typing import Any

from shotprint.datasets.contract import Importer

FACTS = {
    "DESCRIPTION": "what it is",
    "SIZE": "size",
    "LABELS": "labels",
    "GROUPS": "groups",
    "LICENCE": "licence",
    "HOW_TO_GET": "get it",
    "GOOD_FOR": "use",
    "LAYOUT": "layout",
    "CITATION": "cite",
}
"""Facts of an importer in the order in which they are shown → what they are called."""

_COMMANDS = {
    "csv": "shotprint import csv notes.csv --audio-dir sounds --recording file --label gun",
    "folder": "shotprint import folder sounds --groups groups.csv -o set.csv",
}
_HEAD = """# Datasets

<!-- Made by: shotprint datasets --markdown > docs/datasets.md -->

`shotprint datasets` shows this list, `shotprint datasets NAME` one of them. Nothing is downloaded
and no set is shipped: get it from its makers, then import the folder as it was unpacked. Every
import ends in a [manifest](manifest.md). It says on standard error what it left out and why, what
stands in a table without a file and the other way round, and which labels share bytes; `--only
LABEL` and `--exclude LABEL` choose labels and may be repeated. A folder of another set is refused
with the importer that it looks like.
"""


def list_facts(importer: Importer) -> dict[str, Any]:
    """Return the facts of a set by lower-case name, for JSON."""
    facts = {name.lower(): getattr(importer, name) for name in FACTS}
    return {
        "name": importer.NAME,
        **facts,
        "columns": dict(importer.COLUMNS),
        "command": get_command(importer.NAME),
    }


def get_command(name: str) -> str:
    """Return what to type to import a set."""
    return _COMMANDS.get(name, f"shotprint import {name} {name.upper()} -o {name}.csv")


def format_facts(importer: Importer, is_full: bool = True) -> str:
    """Return the facts of a set, one a line; layout, citation and columns only if `is_full`."""
    skipped = () if is_full else ("LAYOUT", "CITATION")
    lines = [
        f"{called}: {getattr(importer, fact)}"
        for fact, called in FACTS.items()
        if fact not in skipped
    ]
    if is_full:
        lines += [f"column {column}: {what}" for column, what in importer.COLUMNS.items()]
    return "\n".join([*lines, f"import: {get_command(importer.NAME)}"])


def format_page(datasets: Mapping[str, Importer]) -> str:
    """Return the page on all sets in Markdown."""
    overview = _format_table(
        ("set", "what it is", "size", "licence"),
        [(f"[{n}](#{n})", d.DESCRIPTION, d.SIZE, d.LICENCE) for n, d in datasets.items()],
    )
    sections = [_format_section(importer) for importer in datasets.values()]
    return "\n".join([_HEAD, overview, *sections])


def _format_section(importer: Importer) -> str:
    facts = [
        f"- **{called}**: {_escape(getattr(importer, fact))}"
        for fact, called in FACTS.items()
        if fact != "LAYOUT"
    ]
    columns = _format_table(("column", "what"), list(importer.COLUMNS.items()))
    return "\n".join(
        [
            f"## {importer.NAME}",
            f"```shell\n{get_command(importer.NAME)}\n```\n",
            *facts,
            f"- **layout**: `{importer.LAYOUT}`\n",
            *([columns] if importer.COLUMNS else ()),
        ]
    )


def _format_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [header, *rows]
    cells = [" | ".join(map(_escape, line)) for line in lines]
    rule = " | ".join("---" for _ in header)
    return "".join(f"| {line} |\n" for line in [cells[0], rule, *cells[1:]])


def _escape(text: str) -> str:
    return text.replace("<", "\\<").replace("|", "\\|")
