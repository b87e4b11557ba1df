"""The documentation site: `make docs` builds it from docs/ and from the code."""

import inspect
import re

import click
import typer
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

import shotprint
from shotprint.cli import app

project = "shotprint"
version = release = shotprint.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"shotprint {version}"
html_show_copyright = False
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
napoleon_google_docstring = False
suppress_warnings = ["myst.header"]  # pages that begin with a table of contents of their own


class Commands(Directive):
    """``commands``: every command with its options, as its --help says them."""

    def run(self) -> list[nodes.Node]:
        root = typer.main.get_command(app)
        return [_describe(command, path) for path, command in list_commands(root, "shotprint")]


def list_commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    """Return each command that can be typed and its words, in alphabetical order."""
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]
    return [
        each
        for name in sorted(children)
        for each in list_commands(children[name], f"{path} {name}")
    ]


def _describe(command: click.Command, path: str) -> nodes.section:
    context = click.Context(command, info_name=path)
    words = " ".join(command.collect_usage_pieces(context))
    section = nodes.section(ids=[nodes.make_id(path)], names=[path])
    section += nodes.title(text=path)
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        section += _say(" ".join(paragraph.split()))
    section += nodes.literal_block(text=f"{path} {words}", language="none")
    options = [record for each in command.params if (record := each.get_help_record(context))]
    entries = nodes.definition_list()
    for names, text in options:
        term = nodes.term("", "", nodes.literal(text=names))
        body = nodes.definition("", _say(text))
        entries += nodes.definition_list_item("", term, body)
    if options:
        section += entries
    return section


def _say(text: str) -> nodes.paragraph:
    """Return a paragraph in which options keep their dashes."""
    paragraph = nodes.paragraph()
    for part in re.split(r"(--[a-z][a-z-]*)", text):
        paragraph += nodes.literal(text=part) if part.startswith("--") else nodes.Text(part)
    return paragraph


def part_names(*event: list[str]) -> None:
    """Part names from their text: ``name : text`` stands here where others put a type."""
    lines, parted = event[-1], []
    for line in lines:
        entry = re.fullmatch(r"(\S[^:]*) : (.+)", line)
        parted += [entry[1], f"    {entry[2]}"] if entry else [line]
    lines[:] = parted


def setup(sphinx: Sphinx) -> None:
    """Called by Sphinx; napoleon, at priority 500, reads what `part_names` leaves."""
    sphinx.add_directive("commands", Commands)
    sphinx.connect("autodoc-process-docstring", part_names, priority=400)
