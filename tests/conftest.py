"""Fixtures that several test files use."""

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings, weights and golden outputs beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(
            "../shared with real recordings and golden outputs is not beside the repository"
        )
    return SHARED


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory) -> Path:
    """A model file (ONNX) with random weights; its safetensors stands beside it in ``run/``."""
    pytest.importorskip("torch")
    from toy import export_toy

    return export_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def toy_detector(tmp_path_factory) -> Path:
    """A detector's file (ONNX) that hears a sudden rise of the level, whatever is shipped."""
    pytest.importorskip("onnx")
    from toy import write_toy_detector

    return write_toy_detector(tmp_path_factory.mktemp("toy") / "rise.onnx")


@pytest.fixture(scope="session")
def read_schema():
    """Return the validator of a shipped JSON Schema, by its name without ``.json``."""
    jsonschema = pytest.importorskip("jsonschema")

    def read(name):
        path = resources.files("shotprint") / "schemas" / f"{name}.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(content)
        return jsonschema.Draft202012Validator(content)

    return read


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, without a window, for the tests of the page."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open an address; ``problems`` collects what the browser refuses, ``asked`` what it asked."""
    contexts = []

    def open_it(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.problems, page.asked = [], []
        page.on("console", lambda line: page.problems.append(line.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        return page

    yield open_it
    for context in contexts:
        context.close()
