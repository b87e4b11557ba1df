"""The page of a report in a real browser: from a file, narrow and wide, light and dark, printed."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fpdf")

from poppler import run_poppler
from shotprint.audio import find_recordings, write_wav
from shotprint.files import compute_sha256
from shotprint.report import Correction, ReportSettings, write_report
from toy import make_shot

SIZES = [(1280, 800), (390, 844)]
OVERLAPS = """() => {
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const box of text ? range.getClientRects() : [])
      if (box.width > 1 && box.right > 0) boxes.push([box, text.slice(0, 40)]);
  }
  boxes.sort((a, b) => a[0].top - b[0].top);
  const found = [];
  boxes.forEach(([a, text], i) => {
    for (let j = i + 1; j < boxes.length && boxes[j][0].top < a.bottom - 4; j++) {
      const [b, other] = boxes[j];
      const shared = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      if (shared > 2) found.push(text + " | " + other);
    }
  });
  return [boxes.length, found];
}"""
FAINT = """() => {
  const split = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => split(colour).slice(0, 3).map((x) => x / 255)
    .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return split(colour)[3] === 0 ? behind(element.parentElement) : colour;
  };
  const found = [];
  for (const element of document.querySelectorAll("h1, h2, h3, p, li, th, td, a, b, summary")) {
    const pair = [light(getComputedStyle(element).color), light(behind(element))];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) found.push([element.outerHTML.slice(0, 60), contrast]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A German report, whose words are long: two shots, a file that is none, a correction."""
    folder = tmp_path_factory.mktemp("report")
    path = folder / "case" / f"{'long' * 20} <b>name.wav"
    write_wav(path, np.concatenate([make_shot(3, 1.0), make_shot(2, 1.0)]), 48_000)
    (folder / "case" / "none.wav").write_bytes(b"no sound")
    said = Correction("J. Doe", "2026-11-24T10:00:00Z", "label", "shot 1, labelled Škorpion")
    settings = ReportSettings(language="de", question="Wer schoss?", laboratory="L" * 60)
    found = find_recordings([folder / "case"])
    write_report(found, settings, folder / "out", {compute_sha256(path): [said]})
    return folder / "out"


@pytest.fixture
def open_report(visit, report) -> Callable:
    def open_it(size=SIZES[0], scheme="light"):
        viewport = {"width": size[0], "height": size[1]}
        return visit((report / "report.html").as_uri(), viewport=viewport, color_scheme=scheme)

    return open_it


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_opens_from_a_file_and_can_be_read(open_report, report, size, scheme) -> None:
    page = open_report(size, scheme)
    away = [url for url in page.asked if not url.startswith("data:image/png;base64,")]
    assert away == [(report / "report.html").as_uri()]
    assert page.problems == []
    assert page.locator("section.shot").count() == 2
    drawn = "[...document.images].map((each) => each.complete && each.naturalWidth > 100)"
    assert set(page.evaluate(drawn)) == {True}
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate("document.querySelector('details').open = true")
    n_texts, overlaps = page.evaluate(OVERLAPS)
    assert n_texts > 300
    assert overlaps == []
    assert page.evaluate(FAINT) == []
    is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 23, 23)"
    assert is_dark == (scheme == "dark")


def test_the_keyboard_reaches_contents_and_details(open_report) -> None:
    page = open_report()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**#summary")
    focused = "document.activeElement.tagName"
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "SUMMARY":
            break
    details = page.locator("details")
    assert details.get_attribute("open") is None
    page.keyboard.press("Enter")
    assert details.get_attribute("open") is not None
    assert details.locator("table").first.is_visible()


def test_a_narrow_page_shows_all_of_a_wide_table_to_the_keyboard(open_report) -> None:
    page = open_report(SIZES[1])
    wide = page.locator(".table.wide").first
    hidden = "(each) => each.scrollWidth - each.clientWidth - each.scrollLeft"
    assert wide.evaluate(hidden) > 50
    wide.evaluate("(each) => each.querySelector('a').focus()")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert wide.evaluate(hidden) < 2


def test_it_prints_on_sheets_that_each_say_something(open_report, tmp_path) -> None:
    page = open_report()
    page.pdf(path=tmp_path / "printed.pdf", prefer_css_page_size=True)
    path = str(tmp_path / "printed.pdf")
    sheets = run_poppler("pdftotext", "-layout", path, "-").split("\f")[:-1]
    facts = run_poppler("pdfinfo", path)
    assert re.search(r"Page size:\s+59[45]\.?\d* x 84[12]", facts), facts
    assert 5 <= len(sheets) <= 12
    assert all(len(each.split()) > 10 for each in sheets)
    text = " ".join(" ".join(sheets).split())
    assert "What it cannot do" in text, "the folded card is left out"
    assert text.count("1. Kurz gefasst") == 1, "the contents, whose links do not work, are printed"
    assert text.count("Schuss 1 bei") == 1
