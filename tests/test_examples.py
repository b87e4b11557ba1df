"""The examples of the documentation run, in the order of their page.

A block of `shell` or `python`, or one without a language that calls shotprint, is run or stands
below a line ``<!-- not run: why; checked: what -->``; a page is run if it is listed in
`PAGES_RUN`. `console` shows what a command answers; see `test_answers_are_as_shown`.
"""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from shotprint import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])

IMPORT = """
shotprint import folder guns9 --groups guns9/groups.csv --exclude M4 -o set.csv
shotprint pack set.csv -o set.h5
"""
PACKS = """
shotprint import folder others -o others.csv
shotprint pack others.csv -o others.h5
shotprint import csv shotspotter-cut/shots.csv --recording recording --label firearm -o far.csv
shotprint pack far.csv -o far.h5
"""
VALIDATE = f"""{IMPORT}{PACKS}
shotprint crossval set.h5 -o tested
shotprint train set.h5 -o run
shotprint calibrate run --crossval tested --pack set.h5 --others others.h5 -o calibration.json
"""
PREDICT = f"""{IMPORT}
shotprint crossval set.h5 -o tested
cp tested/predictions.csv predictions.csv
shotprint crossval set.h5 -o again --seed 1
cp again/predictions.csv other.csv
shotprint evaluate predictions.csv -o evaluated
cp evaluated/confusion.csv matrix.csv
"""


class Page(NamedTuple):
    """What a page needs to be run.

    Attributes
    ----------
    module : its examples are left out where it is not installed
    before : commands that make what the page supposes, in the world of `example_world.py`;
        None: it begins in an empty folder, as its reader does
    """

    module: str = "torch"
    before: str | None = ""


PAGES_RUN = {
    "README.md": Page("numpy"),
    "docs/datasets.md": Page("pandas"),
    "docs/evaluation.md": Page(before=PREDICT),
    "docs/guide.md": Page(),
    "docs/likelihood-ratios.md": Page(before=VALIDATE),
    "docs/manifest.md": Page(before=IMPORT),
    "docs/own-sounds.md": Page(before=None),
    "docs/report.md": Page("cryptography", None),
    "docs/simulation.md": Page("numpy", None),
    "docs/statements.md": Page(
        before=f"{IMPORT}{PACKS}mkdir detector\n"
        "shotprint detect guns9 --format json -o detector/shots.json"
    ),
    "docs/training.md": Page(),
    "docs/tutorials/examiner.md": Page("matplotlib", None),
    "docs/tutorials/integrator.md": Page("matplotlib", None),
    "docs/tutorials/researcher.md": Page(before=None),
}
QUICK = (  # what is given beside the example, where the example leaves it open
    (r"shotprint (train|crossval) ", "--epochs 0 --weights shipped"),
    (r"shotprint crossval ", "--jobs 1"),
    (r"shotprint crossval .*(--protocol all|cadre.toml)", "--n-folds 2"),
    (r"shotprint simulate ", "--guns M16 --recorders iPhone"),
    (r"python -m benchmarks.unknown_gun ", "--config quick.toml --jobs 1"),
    (r"python -m benchmarks.composed ", "-n 3"),
)
FENCE = re.compile(
    r"^(?P<mark><!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.M | re.S,
)
EXAMPLE = re.compile(r"^(?:\$ |.*\| )?(?:shotprint|make|pip|python) ", re.M)


class Block(NamedTuple):
    kind: str
    code: str
    why: str | None


def read_blocks(text: str) -> list[Block]:
    """Return the blocks of a page that a reader may run."""
    found = [Block(m["kind"], m["code"], m["why"]) for m in FENCE.finditer(text)]
    kinds = ("shell", "python", "console")
    return [
        each
        for each in found
        if each.kind in kinds or (not each.kind and EXAMPLE.search(each.code))
    ]


def read_page(name: str) -> list[Block]:
    return read_blocks((ROOT / name).read_text(encoding="utf-8"))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_blocks_are_found() -> None:
    text = "```shell\na\n```\n<!-- not run: why -->\n```python\nb\n```\n"
    text += "```json\n{}\n```\n```\nshotprint x\n```\n<!-- not run: y -->\n```\nmake\n```\n"
    assert read_blocks(text) == [
        Block("shell", "a\n", None),
        Block("python", "b\n", "why"),
        Block("", "shotprint x\n", None),
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_example_is_run_or_marked(page: Path) -> None:
    blocks = read_page(name_of(page))
    left = [each.code for each in blocks if each.why is None and each.kind != "console"]
    if name_of(page) in PAGES_RUN:
        assert any(each.kind for each in blocks if each.why is None), "nothing is run"
        left = [each.code for each in blocks if each.why is None and not each.kind]
    assert not left, f"{name_of(page)}: run it, or write <!-- not run: why --> above: {left[0]}"
    for each in blocks:
        assert each.why is None or "; checked" in each.why, f"what is checked instead? {each.code}"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages that do not begin in an empty folder find there."""
    from example_world import make_world

    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    (folder / "quick.toml").write_text('weights = "shipped"\nepochs = 0\n', encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", PAGES_RUN)
def test_examples_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    page = PAGES_RUN[name]
    pytest.importorskip(page.module)
    monkeypatch.setattr(sys, "argv", [])
    folder = tmp_path / "here"
    if page.before is None:
        folder.mkdir()
    else:
        pytest.importorskip("pandas")
        shutil.copytree(request.getfixturevalue("world"), folder)
    monkeypatch.chdir(folder)
    run_shell(page.before or "")
    names: dict[str, object] = {}
    for block in read_page(name):
        if block.why is None and block.kind == "python":
            exec(compile(block.code, name, "exec"), names)
        elif block.why is None and block.kind == "shell":
            run_shell(block.code)


def run_shell(code: str) -> None:
    """Run the commands of a block; the first that fails ends it.

    What is only a command of shotprint, or a benchmark, runs in this process: a new one takes
    seconds to load PyTorch. All else goes to bash.
    """
    for line in read_commands(code):
        command = hasten(line)
        words = [] if re.search(r"[|<>&;$]", command) else shlex.split(command, comments=True)
        if words[:1] == ["shotprint"]:
            call(cli.main, words)
        elif words[:2] == ["python", "-m"] and words[2].startswith("benchmarks"):
            call(importlib.import_module(words[2]).main, words[2:])
        else:
            run_bash(command)


def read_commands(code: str) -> Iterator[str]:
    """Yield the commands of a block, each a line."""
    for line in code.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def hasten(line: str) -> str:
    """Return a command with the options of `QUICK` that it leaves open."""
    command = line.split("  #")[0].rstrip()
    for pattern, options in QUICK:
        if re.match(pattern, command):
            words = options.split()
            for name, value in zip(words[::2], words[1::2], strict=True):
                if name not in command.split():
                    command += f" {name} {value}"
    return command


def call(main: object, words: list[str]) -> None:
    """Call what a command calls, with its words."""
    sys.argv[:] = words
    try:
        main()  # type: ignore[operator]
    except SystemExit as end:
        assert not end.code, f"{shlex.join(words)}: {end.code}"


def run_bash(command: str) -> None:
    """Run a command with this interpreter's shotprint."""
    if shutil.which("bash") is None:
        pytest.skip("the shell examples need bash")
    script = f'shotprint() {{ "$PYTHON" -m shotprint "$@"; }}\n{command}'
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{command}\n{run.stderr[-2000:]}"
