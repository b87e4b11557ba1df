"""The examples of the documentation run, in the order of their page.

A block of `shell` or `python`, or one without a language that calls shotprint, is run or stands
below a line ``<!-- not run: why; checked: what -->``; a page is run if it is listed in
`PAGES_RUN`. `console` shows what a command answers; see `test_answers_are_as_shown`.
"""

import functools
import importlib
import itertools
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
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
    after : the page in whose folder, as its examples leave it, this one begins
    """

    module: str = "torch"
    before: str | None = ""
    after: str = ""


PAGES_RUN = {
    "README.md": Page("numpy"),
    "docs/cluster.md": Page("pyarrow", "shotprint recognize guns9 --format parquet -o answers"),
    "docs/datasets.md": Page("pandas"),
    "docs/evaluation.md": Page(before=PREDICT),
    "docs/guide.md": Page(),
    "docs/likelihood-ratios.md": Page(before="rm -r cv", after="docs/statements.md"),
    "docs/manifest.md": Page(before=IMPORT),
    "docs/own-sounds.md": Page(before=None),
    "docs/report.md": Page("cryptography", None),
    "docs/simulation.md": Page("numpy", None),
    "docs/statements.md": Page(
        before=f"{IMPORT}{PACKS}mkdir detector\n"
        "shotprint detect guns9 --format json -o detector/shots.json"
    ),
    "docs/training.md": Page(),
    "docs/tutorials/examiner.md": Page("cryptography", None),
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
PROBABILITY = re.compile(r"\b0\.\d{4}\b")
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
    """The folder that pages begin in."""
    pytest.importorskip("pandas")
    from example_world import make_world

    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    (folder / "quick.toml").write_text('weights = "shipped"\nepochs = 0\n', encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def run_page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return what runs the examples of a page, once, and returns the folder as they leave it."""

    @functools.cache
    def run(name: str) -> Path:
        page = PAGES_RUN[name]
        pytest.importorskip(page.module)
        folder = tmp_path_factory.mktemp("page") / "here"
        if page.before is None:
            folder.mkdir()
        else:
            begin = run(page.after) if page.after else request.getfixturevalue("world")
            shutil.copytree(begin, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(sys, "argv", [])
            run_shell(page.before or "")
            run_blocks(name)
        return folder

    return run


def run_blocks(name: str) -> None:
    names: dict[str, object] = {}
    for block in read_page(name):
        if block.why is None and block.kind == "python":
            exec(compile(block.code, name, "exec"), names)
        elif block.why is None and block.kind == "shell":
            run_shell(block.code)


@pytest.mark.parametrize("name", PAGES_RUN)
def test_examples_run(name: str, run_page: Callable[[str], Path]) -> None:
    assert any(run_page(name).iterdir())


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
    """Yield the commands of a block, each a line, or up to the END of what it is given."""
    lines = iter(code.replace("\\\n", " ").splitlines())
    for line in lines:
        if "<<'END'" in line:
            yield "\n".join([line, *itertools.takewhile(lambda each: each != "END", lines), "END"])
        elif line.strip() and not line.startswith("#"):
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


def call(main: Callable[[], None], words: list[str]) -> None:
    """Call what a command calls, with its words."""
    sys.argv[:] = words
    end = None
    try:
        main()
    except SystemExit as error:
        end = error.code
    assert not end, f"{shlex.join(words)}: {end}"


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


def test_a_failing_example_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    with pytest.raises(AssertionError, match=r"detect gone\.wav: 2"):
        run_shell("shotprint detect gone.wav\ntouch too-late")
    with pytest.raises(AssertionError, match="No such file"):
        run_shell("cat gone.wav | shotprint listen -\ntouch too-late")
    assert not (tmp_path / "too-late").exists()


def test_what_an_example_leaves_open_is_made_quick() -> None:
    assert hasten("shotprint train set.h5 -o run  # now") == (
        "shotprint train set.h5 -o run --epochs 0 --weights shipped"
    )
    assert hasten("shotprint train set.h5 --epochs 3").endswith("--epochs 3 --weights shipped")
    assert hasten("shotprint import cadre CADRE") == "shotprint import cadre CADRE"


NOT_RUN = [
    command
    for page in PAGES
    for block in read_page(name_of(page))
    for command in read_commands(block.code)
    if block.why is not None and command.split()[0] in ("make", "pip", "python")
]


@pytest.mark.parametrize("command", NOT_RUN)
def test_what_is_not_run_could_be(command: str) -> None:
    """Targets of make, extras, scripts and their options exist; shotprint's: `test_docs.py`."""
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        if shutil.which("make") is None:
            pytest.skip("make is not installed")
        told = ["make", "-n", "-C", str(ROOT), "--no-print-directory", *words[1:]]
        plan = subprocess.run(told, capture_output=True, text=True, check=False)
        assert plan.returncode == 0, plan.stderr
        words = shlex.split(plan.stdout.splitlines()[-1])
    if words[:2] == ["pip", "install"]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = re.fullmatch(r"\.(\[.+\])?", words[2])
        assert extras
        named = re.findall(r"\w+", extras[1] or "")
        assert {*named} <= {*project["optional-dependencies"]}
    elif words[1] == "-m":
        module = "benchmarks.__main__" if words[2] == "benchmarks" else words[2]
        importlib.import_module(module).parse(words[3:])
    elif words[1] == "packaging/wheelhouse.py":
        runpy.run_path(str(ROOT / words[1]))["parse"](words[2:])
    else:
        assert (ROOT / words[1]).is_file()


def test_answers_are_as_shown(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`console` shows a command after ``$`` and what it answers; … stands for anything.

    Probabilities may differ by one in a thousand: processors round differently.
    """
    monkeypatch.chdir(shared / "data" / "guns9")
    monkeypatch.setattr(sys, "argv", [])
    shown = [each for page in PAGES for each in read_page(name_of(page)) if each.kind == "console"]
    assert shown
    for block in shown:
        (command, *lines) = block.code.splitlines()
        call(cli.main, shlex.split(command.removeprefix("$ "), comments=True))
        answered = " ".join(capsys.readouterr().out.split())
        expected = " ".join(" ".join(lines).split())
        texts = [re.escape(text).replace("…", ".*") for text in PROBABILITY.split(expected)]
        found = re.search(r"(0\.\d{4})".join(texts) + "$", answered)
        assert found, answered
        numbers = [float(each) for each in PROBABILITY.findall(expected)]
        assert [float(each) for each in found.groups()] == pytest.approx(numbers, abs=1e-3)
