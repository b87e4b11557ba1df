"""What the documents tell a reader to type exists, and their links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from shotprint.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
COMMAND = re.compile(r"(?:^|`)(?:\$ )?shotprint ([^`\n#]+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def read_lines(page: Path) -> list[str]:
    return COMMAND.findall(page.read_text(encoding="utf-8"))


def find_command(words: list[str]):
    command = typer.main.get_command(app)
    names = []
    while words and hasattr(command, "commands") and words[0] in command.commands:
        names.append(words[0])
        command = command.commands[words.pop(0)]
    return command, names


def test_pages_name_commands() -> None:
    assert sum(len(read_lines(page)) for page in PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    for line in read_lines(page):
        words = shlex.split(line.replace("…", "").replace("&", "and"))
        command, names = find_command(words)
        known = {name for option in command.params for name in option.opts}
        known |= {name for option in command.params for name in option.secondary_opts}
        assert names or line.startswith("--"), f"{page.name}: shotprint {line}"
        for word in words:
            if word.startswith("-") and len(word) > 1 and not word[1:2].isdigit():
                option = word.split("=")[0].split("|")[0].strip("[]")
                assert option in {*known, "--help", "--version"}, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_page_names_this_machine() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert "/work/" not in text
        assert "/root/" not in text
