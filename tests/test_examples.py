"""The examples of the documentation run, in the order of their page, in an empty folder.

A block of `shell` or `python`, or one without a language that calls shotprint, is run or stands
below a line ``<!-- not run: why -->``; a page is run if it is listed in `PAGES_RUN`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
PAGES_RUN = {  # page → what it needs
    "docs/tutorials/examiner.md": "matplotlib",
    "docs/tutorials/integrator.md": "matplotlib",
    "docs/tutorials/researcher.md": "torch",
    "docs/own-sounds.md": "torch",
    "docs/simulation.md": "numpy",
    "docs/report.md": "cryptography",
}
FENCE = re.compile(
    r"(?P<mark><!-- not run: .+ -->\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
EXAMPLE = re.compile(r"^(?:\$ |.*\| )?(?:shotprint|make|pip) ", re.M)


class Block(NamedTuple):
    kind: str
    code: str
    is_marked: bool


def read_blocks(text: str) -> list[Block]:
    """Return the blocks of a page that a reader may run."""
    found = [Block(m["kind"], m["code"], m["mark"] is not None) for m in FENCE.finditer(text)]
    kinds = ("shell", "python")
    return [
        each
        for each in found
        if each.kind in kinds or (not each.kind and EXAMPLE.search(each.code))
    ]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_blocks_are_found() -> None:
    text = "```shell\na\n```\n<!-- not run: why -->\n```python\nb\n```\n"
    text += "```json\n{}\n```\n```\nshotprint x\n```\n"
    assert read_blocks(text) == [
        Block("shell", "a\n", False),
        Block("python", "b\n", True),
        Block("", "shotprint x\n", False),
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_example_is_run_or_marked(page: Path) -> None:
    blocks = read_blocks(page.read_text(encoding="utf-8"))
    left = [each.code for each in blocks if not each.is_marked]
    if name_of(page) in PAGES_RUN:
        assert any(each.kind for each in blocks if not each.is_marked), "nothing is run"
        left = [each.code for each in blocks if not each.is_marked and not each.kind]
    assert not left, f"{name_of(page)}: run it, or write <!-- not run: why --> above: {left[0]}"


@pytest.mark.parametrize("name", PAGES_RUN)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(PAGES_RUN[name])
    if shutil.which("bash") is None:
        pytest.skip("the shell examples need bash")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in read_blocks((ROOT / name).read_text(encoding="utf-8")):
        if block.is_marked:
            continue
        if block.kind == "python":
            exec(compile(block.code, name, "exec"), names)
        else:
            run_shell(block.code)


def run_shell(code: str) -> None:
    """Run a block with this interpreter's shotprint; the first command that fails ends it."""
    script = f'shotprint() {{ "$PYTHON" -m shotprint "$@"; }}\n{code}'
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, f"{code}\n{run.stderr[-2000:]}"


def test_a_failing_example_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="no such file"):
        run_shell("shotprint detect gone.wav\necho too late")
