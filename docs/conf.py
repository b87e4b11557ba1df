"""The documentation site: `make docs` builds it from docs/ and from the code."""

import inspect

import click
import typer
from docutils import nodes
from docutils.parsers.rst import Directive

import shotprint
from shotprint.cli import app

project = "shotprint"
version = release = shotprint.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"shotprint {version}"
html_last_updated_fmt = ""
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
        section += nodes.paragraph(text=" ".join(paragraph.split()))
    section += nodes.literal_block(text=f"{path} {words}", language="none")
    options = [record for each in command.params if (record := each.get_help_record(context))]
    entries = nodes.definition_list()
    for names, text in options:
        term = nodes.term("", "", nodes.literal(text=names))
        body = nodes.definition("", nodes.paragraph(text=text))
        entries += nodes.definition_list_item("", term, body)
    if options:
        section += entries
    return section


def setup(sphinx: object) -> None:
    """Called by Sphinx."""
    sphinx.add_directive("commands", Commands)  # type: ignore[attr-defined]
