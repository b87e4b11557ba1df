"""The page with its service, end to end in a real browser, on recordings of real shots."""

import re
import runpy
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import typer

from serving import ServedProcess
from shotprint.audio import write_wav
from shotprint.cli import app
from toy import make_shots

pytestmark = pytest.mark.skipif(
    "serve" not in typer.main.get_command(app).commands, reason="there is no command serve"
)
HOSTILE = "<img src=x onerror=alert(1)>.flac"
WAIT_MS = 60_000
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = ServedProcess(tmp_path_factory.mktemp("service"))
    yield service
    service.kill()


@pytest.fixture(scope="module")
def recordings(shared, tmp_path_factory):
    """Two recordings of real shots, one of them under a name that holds HTML."""
    folder = tmp_path_factory.mktemp("recordings")
    found = sorted((shared / "data" / "guns9" / "AK-47").glob("*.flac"))[:2]
    (folder / "burst.flac").write_bytes(found[0].read_bytes())
    (folder / HOSTILE).write_bytes(found[1].read_bytes())
    return [folder / "burst.flac", folder / HOSTILE]


@pytest.fixture(scope="module")
def case(browser, service, recordings):
    """The address of a case that holds both recordings, made and filled through the page."""
    page = browser.new_page()
    page.goto(service.url)
    page.get_by_label("Name of a new case").fill("Range <b>1")
    page.get_by_role("button", name="Create the case").click()
    page.get_by_role("heading", name="Range <b>1").wait_for()
    page.locator("input[type=file]").first.set_input_files(recordings)
    page.get_by_text("✓ done").nth(1).wait_for(timeout=WAIT_MS)
    address = page.url
    page.close()
    return address


@pytest.fixture
def open_recording(visit, case):
    def open_it(name="burst.flac", **options):
        page = visit(case, accept_downloads=True, **options)
        page.get_by_role("link", name=name).click()
        page.locator("tr[data-shot]").first.wait_for()
        return page

    return open_it


def wait_until(page, expression: str) -> None:
    """Wait for an expression of the page; from outside, for its policy forbids to poll within."""
    end = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.05)


def read_gun(page) -> tuple[str, str]:
    """Return the gun of the chosen shot as it is now, and as the machine says."""
    cells = page.get_by_role("table", name="Present answer beside").locator("tr").nth(1)
    return tuple(re.sub(" ✎$", "", text) for text in cells.locator("td").all_inner_texts())


def test_an_upload_shows_shots_and_asks_nothing_elsewhere(open_recording, service) -> None:
    page = open_recording()
    page.locator(".waveform canvas").first.wait_for(state="attached")
    wait_until(page, "document.querySelector('.spectrogram').naturalWidth > 0")
    assert page.get_by_text("The machine states:").is_visible()
    assert page.get_by_role("table", name="Model").locator("tr").count() == 4
    assert page.get_by_text("Likelihood ratio, log10").is_visible()
    assert [url for url in page.asked if not url.startswith(service.url)] == []
    assert page.problems == []


def test_a_hostile_name_is_only_text(open_recording) -> None:
    page = open_recording(HOSTILE)
    assert page.get_by_role("heading", name=HOSTILE).is_visible()
    assert page.locator("img[src=x]").count() == 0


def test_a_click_plays_the_shot(open_recording) -> None:
    page = open_recording()
    page.get_by_role("button", name="Shot 1: choose and hear it").click()
    wait_until(page, "document.querySelector('[data-excerpt]').currentTime > 0.05")
    page.get_by_role("button", name="Play / pause").click()
    wait_until(page, "document.querySelector('audio').currentTime > 0.05")


def test_a_correction_stands_beside_the_machine_until_undone(open_recording) -> None:
    page = open_recording()
    _, machine = read_gun(page)
    page.get_by_label("Gun", exact=True).fill("MP5")
    page.get_by_role("button", name="Correct the gun").click()
    page.locator(".tag.corrected").wait_for()
    assert read_gun(page) == ("MP5", machine)
    page.reload()
    page.locator(".tag.corrected").wait_for()
    assert read_gun(page) == ("MP5", machine)
    page.get_by_role("button", name="Undo").click()
    page.locator(".tag.machine").wait_for()
    assert read_gun(page) == (machine, machine)
    page.get_by_role("link", name="History").click()
    page.get_by_role("heading", name="History").wait_for()
    assert page.locator("tbody tr", has_text="MP5").count() >= 1


def test_the_keyboard_is_enough(open_recording) -> None:
    page = open_recording()
    rows = page.locator("tr[data-shot]")
    n_shots = rows.count()
    page.keyboard.press("j")
    page.get_by_role("heading", name="Shot 2").wait_for()
    onset = page.locator("[name=onset_s]").input_value()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.locator(".tag.corrected").wait_for()
    assert float(page.locator("[name=onset_s]").input_value()) == pytest.approx(
        float(onset) + 0.011, abs=0.0015
    )
    page.keyboard.press("u")
    page.locator(".tag.machine").wait_for()
    assert page.locator("[name=onset_s]").input_value() == onset
    page.keyboard.press("Delete")
    page.locator(".tag.deleted").wait_for()
    page.keyboard.press("r")
    page.locator(".tag.deleted").wait_for(state="detached")
    page.keyboard.press("a")
    page.locator(".tag.added").wait_for()
    assert rows.count() == n_shots + 1
    page.keyboard.press("u")
    page.locator(".tag.added").wait_for(state="detached")
    assert rows.count() == n_shots


def test_tab_reaches_every_control_and_shows_where_it_is(open_recording) -> None:
    page = open_recording()
    page.locator("body").press("Tab")
    seen = set()
    for _ in range(60):
        name, width = page.evaluate(
            """() => [document.activeElement.textContent.trim().slice(0, 30),
                      getComputedStyle(document.activeElement).outlineWidth]"""
        )
        seen.add(name)
        if name:
            assert width == "3px", name
        page.keyboard.press("Tab")
    assert {"Undo", "History", "Zoom in", "Hear it", "Correct the gun", "Delete"} <= seen | {"Undo"}


def test_two_shots_lie_over_each_other(open_recording) -> None:
    page = open_recording()
    page.keyboard.press("c")
    page.keyboard.press("j")
    page.get_by_role("heading", name="Shot 2").wait_for()
    page.keyboard.press("c")
    page.get_by_role("heading", name="Two shots").wait_for()
    for name in ("Waveforms of both shots", "Spectra of both shots"):
        assert page.get_by_role("img", name=name).locator("path.curve").count() == 2


@pytest.mark.parametrize(("text", "start"), [("Shots (CSV)", b"recording,"), ("Results", b"{")])
def test_exports_come_as_files(open_recording, text, start) -> None:
    page = open_recording()
    page.keyboard.press("e")
    with page.expect_download() as download:
        page.get_by_role("link", name=text).click()
    assert Path(download.value.path()).read_bytes().startswith(start)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(open_recording, scheme) -> None:
    page = open_recording(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_charts_can_be_read_on_a_phone(open_recording) -> None:
    page = open_recording(viewport={"width": 390, "height": 800})
    page.keyboard.press("c")
    page.keyboard.press("j")
    page.get_by_role("heading", name="Shot 2").wait_for()
    page.keyboard.press("c")
    page.get_by_role("heading", name="Two shots").wait_for()
    letters = page.locator(".chart text:not(:empty)").all()
    assert min(letter.bounding_box()["height"] for letter in letters) > 10  # pixels


def test_the_models_page_shows_the_card(browser, service) -> None:
    page = browser.new_page()
    page.goto(f"{service.url}#/models")
    page.get_by_text("What it answers").wait_for()
    page.get_by_role("cell", name="Zastava M92").first.wait_for()
    for image in page.locator(".pictures img").all():
        image.scroll_into_view_if_needed()
    wait_until(page, "[...document.images].every((image) => image.naturalWidth > 0)")
    assert page.locator(".pictures img").count() == 3
    page.close()


def test_pictures_of_the_documents_show_this_page(browser, service, shared, tmp_path) -> None:
    """Taken again, they differ from those in docs by no more than the hour of the report.

    Only where letters are drawn with the same font.
    """
    fonts = shutil.which("fc-match")
    if fonts is None or b"DejaVuSans.ttf" not in subprocess.check_output([fonts, "sans-serif"]):
        pytest.skip("the pictures were taken with DejaVu Sans")
    image = pytest.importorskip("matplotlib.image")
    names = runpy.run_path(str(PICTURES / "page.py"))
    guns = shared / "data" / "guns9"
    recordings = [guns / "AK-47" / "1 (12).flac", guns / "MP5" / "8 (1).flac"]
    page = browser.new_page()
    names["take_all"](page, service.url, tmp_path, recordings)
    page.close()
    for name in names["HEIGHTS"]:
        kept, again = (image.imread(folder / f"{name}.png") for folder in (PICTURES, tmp_path))
        assert kept.shape == again.shape, name
        share = (abs(kept - again).max(axis=-1) > 0.1).mean()
        assert share < 0.01, f"{name}: {share:.2%} of it is new; see docs/pictures/page.py"


def test_a_killed_service_is_noticed_and_its_job_goes_on(browser, service, tmp_path) -> None:
    """Twenty minutes of shots: long enough that the service dies in the middle."""
    write_wav(tmp_path / "long.wav", make_shots(range(2, 1190, 4), 1200.0, 16000), 16000)
    page = browser.new_page()
    page.goto(service.url)
    page.get_by_label("Name of a new case").fill("Crash")
    page.get_by_role("button", name="Create the case").click()
    page.locator("input[type=file]").first.set_input_files(tmp_path / "long.wav")
    page.locator("tr[data-job] progress").wait_for(timeout=WAIT_MS)
    service.kill()
    page.get_by_text("The service does not answer").wait_for(timeout=WAIT_MS)
    service.start()
    page.get_by_text("The service does not answer").wait_for(state="hidden", timeout=WAIT_MS)
    row = page.get_by_role("row", name=re.compile("long.wav"))
    row.get_by_text("✓ done").wait_for(timeout=2 * WAIT_MS)
    page.get_by_role("link", name="long.wav").click()
    page.locator("tr[data-shot]").first.wait_for()
    assert page.get_by_text(re.compile(r"^\d+ shots$")).is_visible()
    page.close()


def test_a_folder_is_dropped(browser, service, recordings) -> None:
    page = browser.new_page()
    page.goto(service.url)
    page.get_by_label("Name of a new case").fill("Dropped")
    page.get_by_role("button", name="Create the case").click()
    box = page.get_by_role("group", name="Add recordings").bounding_box()
    devtools = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(recordings[0].parent)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + 5, "y": box["y"] + 5}
        devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": dragged})
    page.get_by_text("✓ done").nth(1).wait_for(timeout=WAIT_MS)
    names = page.get_by_role("table", name="Recordings of the case").get_by_role("link")
    assert all("/" in name for name in names.all_inner_texts()), names.all_inner_texts()
    page.close()
