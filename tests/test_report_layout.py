"""The layout of a report: what a laboratory's file replaces, on the page and in the PDF."""

import re
import shutil
import zlib
from importlib import resources
from pathlib import Path

import pytest

pytest.importorskip("fpdf")

from poppler import run_poppler
from shotprint.audio import find_recordings, write_wav
from shotprint.errors import ShotprintError
from shotprint.report import ReportSettings, write_report
from shotprint.report.layout import read_layout
from toy import make_shot

LAYOUT = """
sections = ["summary", "limits", "glossary"]
[page]
size = "letter"
orientation = "landscape"
margins_mm = [20, 20, 20, 20]
[sizes]
body = 12
[fonts]
regular = "fonts/own.ttf"
[header]
left = ["Confidential {{}}", "{examiner}", "{laboratory}"]
right = ["{title}"]
[footer]
left = ["{case}"]
"""


@pytest.fixture
def make_report(tmp_path):
    """Write a layout and a report of one shot by it; return the report's folder."""
    write_wav(tmp_path / "c.wav", make_shot(3, 1.0), 48_000)

    def make(text, **settings):
        (tmp_path / "own.toml").write_text(text, "utf-8")
        chosen = ReportSettings(layout=tmp_path / "own.toml", date="2026-11-25", **settings)
        write_report(find_recordings([tmp_path / "c.wav"]), chosen, tmp_path / "out")
        return tmp_path / "out"

    return make


def test_the_shipped_layout_may_be_given_as_ones_own(tmp_path) -> None:
    shipped = resources.files("shotprint.report").joinpath("layout.toml").read_text("utf-8")
    (tmp_path / "own.toml").write_text(shipped, "utf-8")
    assert read_layout(tmp_path / "own.toml") == read_layout()


def test_page_and_pdf_follow_the_layout(make_report, tmp_path) -> None:
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    (tmp_path / "fonts").mkdir()
    shutil.copy(fonts / "DejaVuSerif.ttf", tmp_path / "fonts" / "own.ttf")
    folder = make_report(LAYOUT, laboratory="Institute", case="Case " + "17 " * 90)
    page = (folder / "report.html").read_text("utf-8")
    titles = ["1. In short", "2. What cannot be said, and why", "3. Words used here"]
    assert re.findall(r"<h2>(.*?)</h2>", page) == titles
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids
    paper = str(folder / "report.pdf")
    assert re.search(r"Page size:\s+792 x 612 pts", run_poppler("pdfinfo", paper))
    assert "DejaVuSerif" in run_poppler("pdffonts", paper)
    sheets = run_poppler("pdftotext", "-layout", paper, "-").split("\f")[:-1]
    places = [" ".join(sheets).index(title) for title in titles]
    assert places == sorted(places)
    for sheet in sheets:
        lines = sheet.strip().splitlines()
        assert re.fullmatch(r"\s*Confidential \{\} · Institute\s+Report on .*", lines[0])
        assert re.fullmatch(r"Case 17 17 .*…\s+page \d of \d", lines[-1])
        assert len(lines) > 5, "a page without text"


@pytest.mark.parametrize("size", ["A4", "A5"])
def test_pictures_end_above_the_margin(tmp_path, size) -> None:
    (tmp_path / "own.toml").write_text(f'[page]\nsize = "{size}"\n', "utf-8")
    write_wav(tmp_path / "c.wav", make_shot(3, 1.0), 48_000)
    missing = [tmp_path / f"{number}.wav" for number in range(39)]
    settings = ReportSettings(layout=tmp_path / "own.toml")
    write_report(find_recordings([tmp_path / "c.wav", *missing]), settings, tmp_path / "out")
    paper = (tmp_path / "out" / "report.pdf").read_bytes()
    streams = [zlib.decompress(x) for x in re.findall(rb"stream\n(x.*?)\nendstream", paper, re.S)]
    drawn = [m for x in streams for m in re.findall(rb"q ([\d. -]+) cm /I\d+ Do Q", x)]
    assert len(drawn) >= 3  # of all exhibits, of one, of its shot
    assert all(float(each.split()[5]) >= 20 / 25.4 * 72 for each in drawn)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sections = [", "cannot be read as a layout"),
        ("section = []", "own.toml has section; expected one of colours"),
        ('sections = ["summary", "summary"]', "each once"),
        ('sections = ["summery"]', "some of summary, question"),
        ('[page]\nformat = "A4"', "has page.format; expected one of logo_mm"),
        ('[page]\nsize = "A6"', "page.size is 'A6', expected one of A3"),
        ("[page]\nsize = []", "one of A3"),
        ('[page]\norientation = "across"', "portrait or landscape"),
        ("[page]\nmargins_mm = [16, 16, 16]", "4 numbers from 8 to 40"),
        ("[sizes]\nbody = true", "a number from 4 to 72"),
        ('[colours]\ntext = "red"', "#8a3200"),
        ('[fonts]\nbold = "own.toml"', "TrueType"),
        ('[footer]\nleft = ["{name}"]', "texts with case, date"),
        ('[footer]\nleft = ["{case"]', "texts with case, date"),
        ('[footer]\nleft = "case"', "texts with case, date"),
        ("header = 3", "header is 3, expected a table"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path, text, expected) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text, "utf-8")
    with pytest.raises(ShotprintError, match=re.escape(expected)) as error:
        read_layout(own)
    assert len(str(error.value).splitlines()) == 1
