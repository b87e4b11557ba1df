"""The examples of the documentation run, in the order of their page: how, says `example_runs.py`.

A block of `shell` or `python`, or one without a language that calls a program, is run. `console`
shows what a command answers; see `test_answers_are_as_shown`.
"""

import contextlib
import functools
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from clusters import serve_s3, start_ray
from example_runs import ROOT, Block, Runner, call, hasten, read_blocks, read_page
from shotprint import cli

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
    modules : its examples are left out where one of them is not installed
    before : commands that make what the page supposes, in the world of `example_world.py`;
        None: it begins in an empty folder, as its reader does
    after : the page in whose folder, as its examples leave it, this one begins
    cluster : whether there is to be a Ray on this machine, and an S3 server with recordings
    """

    modules: tuple[str, ...] = ("torch",)
    before: str | None = ""
    after: str = ""
    cluster: bool = False


PAGES_RUN = {
    "README.md": Page(),
    "docs/bench.md": Page(),
    "docs/cluster.md": Page(("pyarrow", "ray"), cluster=True),
    "docs/datasets.md": Page(("pandas",)),
    "docs/evaluation.md": Page(before=PREDICT),
    "docs/guide.md": Page(),
    "docs/likelihood-ratios.md": Page(before="rm -r cv", after="docs/statements.md"),
    "docs/manifest.md": Page(before=IMPORT),
    "docs/offline.md": Page(("pip._vendor.packaging",)),
    "docs/own-sounds.md": Page(before=None),
    "docs/page.md": Page(("uvicorn",), None),
    "docs/report.md": Page(("cryptography",), None),
    "docs/service.md": Page(("uvicorn",), "shotprint serve --no-browser"),
    "docs/simulation.md": Page(("numpy",), None),
    "docs/soak.md": Page(("numpy",), None),
    "docs/statements.md": Page(
        before=f"{IMPORT}{PACKS}mkdir detector\n"
        "shotprint detect guns9 --format json -o detector/shots.json"
    ),
    "docs/training.md": Page(),
    "docs/tutorials/examiner.md": Page(("cryptography", "uvicorn"), None),
    "docs/tutorials/integrator.md": Page(("matplotlib", "uvicorn"), None),
    "docs/tutorials/researcher.md": Page(before=None),
}
PROBABILITY = re.compile(r"\b0\.\d{4}\b")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_blocks_are_found() -> None:
    text = "```shell\na\n```\n```python\nb\n```\n"
    text += "```json\n{}\n```\n```\nshotprint x\n```\n\n```\nmake\n```\n"
    assert read_blocks(text) == [
        Block("shell", "a\n"),
        Block("python", "b\n"),
        Block("shell", "shotprint x\n"),
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_with_examples_is_run(page: Path) -> None:
    blocks = [block for block in read_page(name_of(page)) if block.kind != "console"]
    assert bool(blocks) == (name_of(page) in PAGES_RUN)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pages begin in."""
    pytest.importorskip("pandas")
    from example_world import make_world

    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    for name in ("recipes", "deploy"):
        shutil.copytree(ROOT / name, folder / name)
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
        for module in page.modules:
            pytest.importorskip(module)
        folder = tmp_path_factory.mktemp("page") / "here"
        if page.before is None:
            folder.mkdir()
        else:
            begin = run(page.after) if page.after else request.getfixturevalue("world")
            shutil.copytree(begin, folder)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.chdir(folder))
            if page.cluster:
                stack.enter_context(open_cluster(folder))
            runner = stack.enter_context(Runner(tmp_path_factory.mktemp("runner")))
            runner.run_shell(page.before or "")
            runner.run_page(name)
        return folder

    return run


@contextlib.contextmanager
def open_cluster(folder: Path) -> Iterator[None]:
    """Start the Ray that ``auto`` finds, and an S3 server with the recordings of its example."""
    from pyarrow.fs import S3FileSystem

    with contextlib.ExitStack() as stack:
        s3 = stack.enter_context(serve_s3())
        if not s3:
            pytest.skip("no S3 server is installed")
        address = stack.enter_context(start_ray(s3))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("RAY_ADDRESS", address)
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.setenv("AWS_ENDPOINT_URL", s3)
        files = S3FileSystem(endpoint_override=s3, allow_bucket_creation=True)
        files.create_dir("bucket/2026")
        for path in (folder / "archive").iterdir():
            with files.open_output_stream(f"bucket/2026/{path.name}") as file:
                file.write(path.read_bytes())
        yield


@pytest.mark.parametrize("name", PAGES_RUN)
def test_examples_run(name: str, run_page: Callable[[str], Path]) -> None:
    run_page(name)


def test_a_failing_example_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Runner(tmp_path) as runner:
        for code, message in (
            ("shotprint detect gone.wav", r"detect gone\.wav: 2"),
            ("cat gone.wav | shotprint listen -", "No such file"),
            ("make nonsense", "there is no target nonsense"),
            ("make bench OPTIONS=--nonsense", "unrecognized arguments"),
            ("pip install '.[nonsense]'", "nonsense"),
            ("torchrun --nproc-per-node 1 -m shotprint train --nonsense", "No such option"),
            ("sbatch gone.sbatch", "No such file"),
            ("shotprint serve --nonsense", "No such option"),
        ):
            with pytest.raises(AssertionError, match=message):
                runner.run_shell(f"{code}\ntouch too-late")
    assert not (tmp_path / "too-late").exists()


def test_what_an_example_leaves_open_is_made_quick() -> None:
    assert hasten("shotprint train set.h5 -o run  # now") == (
        "shotprint train set.h5 -o run --epochs 0 --weights shipped"
    )
    assert hasten("shotprint train set.h5 --epochs 3").endswith("--epochs 3 --weights shipped")
    assert hasten("shotprint import cadre CADRE") == "shotprint import cadre CADRE"
    assert hasten("python -m benchmarks.soak --files 3000").endswith("--files 40")


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
