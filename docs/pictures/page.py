"""Take the pictures of docs/page.md from a running service and real recordings.

With `shotprint serve --no-browser --data NEW_FOLDER` running:
python docs/pictures/page.py http://127.0.0.1:8765/ DIR RECORDING OTHER
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WIDTH = 1280
HEIGHTS = {"page-recording": 1130, "page-compare": 1170, "page-models": 1240, "page-report": 900}
WAIT_MS = 120_000


def main(url: str, folder: Path, recordings: list[Path]) -> None:
    """Write a picture a view into a folder; each of two recordings holds two shots or more."""
    with sync_playwright() as run:
        chromium = shutil.which("chromium")
        browser = run.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take_all(browser.new_page(), url, folder, recordings)
        browser.close()


def take_all(page: Page, url: str, folder: Path, recordings: list[Path]) -> None:
    """Fill a new case through the page, and take a picture of each view."""
    page.goto(url)
    page.get_by_label("Name of a new case").fill("Range, 24 November")
    page.get_by_role("button", name="Create the case").click()
    page.locator("input[type=file]").first.set_input_files(recordings)
    page.get_by_text("✓ done").nth(len(recordings) - 1).wait_for(timeout=WAIT_MS)
    case = page.url
    page.get_by_role("link", name=recordings[0].name).click()
    page.get_by_role("heading", name="Shot 1").wait_for()
    report = page.locator("a[href$='report.html']").get_attribute("href")
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    page.locator(".tag.corrected").wait_for()
    take(page, folder / "page-recording.png")
    page.goto(case)
    page.get_by_role("link", name=recordings[1].name).click()
    for shot, key in ((1, "c"), (1, "j"), (2, "c")):
        page.get_by_role("heading", name=f"Shot {shot}", exact=True).wait_for()
        page.keyboard.press(key)
    page.get_by_role("heading", name="Two shots").wait_for()
    take(page, folder / "page-compare.png")
    page.goto(f"{url}#/models")
    page.get_by_text("What it answers").wait_for()
    take(page, folder / "page-models.png")
    content = page.request.get(f"{url.rstrip('/')}{report}", timeout=WAIT_MS).text()
    page.goto("about:blank")
    page.set_content(content)
    take(page, folder / "page-report.png")


def take(page: Page, path: Path) -> None:
    """Write what a window of the view's size shows, once nothing is loaded any more."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[path.stem]})
    for image in page.locator("img").all():
        image.evaluate("image => image.decode()")
    page.wait_for_load_state("networkidle")
    page.evaluate("scrollTo(0, 0)")
    Image.open(io.BytesIO(page.screenshot())).quantize().save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(each) for each in sys.argv[3:]])
