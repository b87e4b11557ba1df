"""The page alone, in a real browser: no service, only its files."""

import hashlib
import threading
import tomllib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "src" / "shotprint" / "web" / "page"
HOSTILE = '<img src=x onerror="window.hit = 1"><script>window.hit = 1</script>'


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture(scope="module")
def address():
    """The page's files behind a plain server that knows no API."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=PAGE))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_page(visit, address):
    """Open the page."""
    return partial(visit, address)


def test_bundled_files_are_as_published() -> None:
    stated = tomllib.loads((PAGE / "vendor" / "vendor.toml").read_text(encoding="utf-8"))["sha256"]
    found = {path.name for path in (PAGE / "vendor").iterdir()} - {"vendor.toml"}
    assert found == set(stated)
    for name, digest in stated.items():
        assert hashlib.sha256((PAGE / "vendor" / name).read_bytes()).hexdigest() == digest, name


def test_nothing_is_asked_elsewhere(open_page, address) -> None:
    page = open_page()
    page.get_by_text("The service does not answer. Trying again").wait_for()
    assert len(page.asked) > 5
    assert [url for url in page.asked if not url.startswith(address)] == []


def test_inline_script_and_outward_requests_are_refused(open_page) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.hit = 1";
            document.head.append(script);
        }"""
    )
    assert page.evaluate("window.hit") is None
    page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 'refused')")
    assert any(
        "Content Security Policy" in line and "127.0.0.1:9" in line for line in page.problems
    )


def test_wavesurfer_may_write_its_style(open_page) -> None:
    page = open_page()
    page.problems.clear()
    position = page.evaluate(
        """async () => {
            const { default: WaveSurfer } = await import("/vendor/wavesurfer.esm.js");
            const host = document.createElement("div");
            document.body.append(host);
            const surfer = WaveSurfer.create({ container: host, height: 128 });
            await surfer.load("", [[0, 1, 0]], 1);
            const cursor = host.firstChild.shadowRoot.querySelector(".cursor");
            return getComputedStyle(cursor).position;
        }"""
    )
    assert position == "absolute"
    assert not any("Content Security Policy" in line for line in page.problems)


def test_text_stays_text(open_page) -> None:
    page = open_page()
    shown = page.evaluate(
        """async (text) => {
            const { h } = await import("/dom.js");
            const { markdown } = await import("/markdown.js");
            const element = h("p", { title: text }, text);
            const lines = [`# ${text}`, "", `- ${text}`, "", `| ${text} |`, "|---|", "| b |"];
            const card = h("div", {}, markdown(lines.join("\\n")));
            document.body.append(element, card);
            await new Promise((resolve) => setTimeout(resolve, 100));
            const item = card.querySelector("li").textContent;
            return [element.textContent, card.querySelectorAll("img, script").length, item];
        }""",
        HOSTILE,
    )
    assert shown == [HOSTILE, 0, HOSTILE]
    assert page.evaluate("window.hit") is None


def test_numbers_read_as_clocks_and_shares(open_page) -> None:
    shown = open_page().evaluate(
        """async () => {
            const { clock, percent, signed, decide } = await import("/format.js");
            const nothing = { level: "inconclusive", label: null, probability: 0.6 };
            return [clock(0), clock(59.9996), clock(2400.5, 1), clock(null),
                    percent(0.5), percent(0.99971), signed(-1.234), decide(nothing)];
        }"""
    )
    assert shown[:4] == ["0:00.000", "1:00.000", "40:00.5", "–"]
    assert shown[4:7] == ["50.0 %", "99.97 %", "−1.23"]
    assert shown[7].startswith("inconclusive")


def test_help_opens_and_closes_by_keys(open_page) -> None:
    page = open_page()
    page.get_by_text("This cannot be shown").wait_for()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys of this page")
    dialog.wait_for()
    assert "show these keys" in dialog.inner_text()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_single_letters_can_be_switched_off(open_page) -> None:
    page = open_page()
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Keys of one letter do something").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert not page.get_by_role("dialog").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader_and_keep_contrast(open_page, scheme) -> None:
    page = open_page(color_scheme=scheme)
    page.get_by_text("This cannot be shown").wait_for()
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (measure_luminance(paper) > 0.5) == (scheme == "light")
    names = ["--quiet", "--blue", "--orange", "--bad", "--onset"]
    read = """(name) => {
        document.body.style.color = `var(${name})`;
        return getComputedStyle(document.body).color;
    }"""
    for colour in [ink, *(page.evaluate(read, name) for name in names)]:
        light, dark = sorted([measure_luminance(colour), measure_luminance(paper)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour  # WCAG 2.2, 1.4.3


def measure_luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)`` by WCAG 2.2."""
    shares = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_phone_needs_no_scrolling_sideways(open_page) -> None:
    page = open_page(viewport={"width": 390, "height": 800})
    page.get_by_text("This cannot be shown").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
