"""``shotprint datasets``: the list as text, table, JSON and page; the page in docs is this one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from shotprint.cli import app, main
from shotprint.datasets import DATASETS
from shotprint.datasets.description import FACTS, format_page

ROOT = Path(__file__).parents[1]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``shotprint datasets`` with arguments; return the exit code."""
    monkeypatch.setattr("sys.argv", ["shotprint", "datasets", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


def test_page_in_docs_is_made_from_the_facts() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert page == format_page(DATASETS), "shotprint datasets --markdown > docs/datasets.md"
    for name in DATASETS:
        assert f"\n## {name}\n" in page
        assert f"](#{name})" in page


def test_every_dataset_has_a_command() -> None:
    commands = typer.main.get_command(app).commands["import"].commands  # type: ignore[attr-defined]
    assert set(commands) == set(DATASETS)


def test_list_in_a_pipe_is_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == 0
    blocks = capsys.readouterr().out.strip().split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == list(DATASETS)
    for name, block in zip(DATASETS, blocks, strict=True):
        for fact in set(FACTS) - {"LAYOUT", "CITATION"}:
            assert f"  {FACTS[fact]}: {getattr(DATASETS[name], fact)}\n" in block
        assert f"import: shotprint import {name} " in block
        assert "\x1b" not in block


def test_one_set_in_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "shotspotter") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("shotspotter\n")
    assert "  cite: R. B. Calhoun" in shown
    assert "  column recorder: serial number of the sensor\n" in shown


def test_json_holds_every_fact(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--json") == 0
    sets = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert list(sets) == list(DATASETS)
    assert sets["kabealo"]["licence"] == "CC BY 4.0"
    assert sets["esc50"]["columns"] == DATASETS["esc50"].COLUMNS
    assert {fact.lower() for fact in FACTS} <= set(sets["bgg"])


def test_unknown_set(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "audioset") == 2
    assert "no set 'audioset'; the sets are cadre, kaggle, " in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_terminal_gets_a_table() -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    command = [sys.executable, "-m", "shotprint", "datasets", "esc50"]
    subprocess.run(command, stdout=theirs, stdin=theirs, env=environment, check=True)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "─────" in shown
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.startswith(" esc50 ")]) == 1
