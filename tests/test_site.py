"""The documentation site builds without a warning and holds every page, command and picture."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from shotprint.cli import app

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    run = subprocess.run(
        [*command, "-d", str(folder / "tree"), str(ROOT / "docs"), str(folder / "html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder / "html"


def list_commands(command, path):
    children = getattr(command, "commands", None)
    if not children:
        return [(path, command)]
    return [x for name in children for x in list_commands(children[name], f"{path} {name}")]


def test_every_page_is_in_the_navigation(site):
    menu = (site / "index.html").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")]
    assert len(pages) > 20
    for page in pages:
        assert (site / page).with_suffix(".html").is_file(), page
        if page.startswith("decisions/") and page != "decisions/index.md":
            continue
        assert page == "index.md" or f'href="{page[:-3]}.html"' in menu, page


def test_every_command_and_option_is_described(site):
    page = (site / "cli.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    found = list_commands(typer.main.get_command(app), "shotprint")
    assert len(found) > 20
    for path, command in found:
        assert f'id="{path.replace(" ", "-")}"' in page, path
        for option in command.params:
            for name in option.opts:  # dashes as typed, not as a typographer would set them
                assert name in text or not name.startswith("-"), f"{path} {name}"


def test_python_reference_is_made_from_the_docstrings(site):
    text = re.sub(r"<[^>]+>", "", (site / "api.html").read_text(encoding="utf-8"))
    for words in ("Finds the shots in recordings", "shots_to_dataframe", "gunshot_probability"):
        assert words in text
    assert re.search(r"level\s+–\s+probability from which something is stated", text)


def test_physics_pictures_are_those_of_the_simulation(tmp_path):
    """Redrawn, they differ from those in docs by no more than another version's letters."""
    np = pytest.importorskip("numpy")
    image = pytest.importorskip("matplotlib.image")
    names = runpy.run_path(str(ROOT / "docs" / "pictures" / "physics.py"))
    names["main"](tmp_path)
    drawn = sorted(tmp_path.glob("*.png"))
    assert len(drawn) == len(names["PICTURES"]) == 5
    page = (ROOT / "docs" / "physics.md").read_text(encoding="utf-8")
    for path in drawn:
        kept = image.imread(ROOT / "docs" / "pictures" / path.name)
        again = image.imread(path)
        assert kept.shape == again.shape, path.name
        assert np.mean(np.abs(kept - again)) < 0.01, f"{path.name}: python docs/pictures/physics.py"
        assert f"pictures/{path.name}" in page
