"""Live's delay in a real browser: from the end of a stroke to the repaint on the screen, with the starter."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from engine import Jobs, Settings
from ui import messages
from ui.server.serve import serve

STROKES = 30
WARM_UP = 3
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

_WATCH = """
window.repaints = [];
let ended = 0, last = "";
document.addEventListener("pointerup", () => { ended = performance.now(); }, true);
const look = () => {
  const image = document.querySelector("#sketch-stage [data-state=live] img");
  if (image?.complete && image.naturalWidth && image.src.includes("/drafts/") && image.src !== last) {
    last = image.src;
    if (ended) window.repaints.push(performance.now() - ended);
  }
  requestAnimationFrame(look);
};
look();
"""
"""Records the milliseconds between the end of each stroke and the next new image on the screen, to within a frame."""


def main() -> None:
    """Print the median and the 95th percentile over strokes, each drawn after the previous repaint."""
    with tempfile.TemporaryDirectory() as folder:
        settings = dataclasses.replace(Settings(), data=Path(folder) / "data", outputs=Path(folder) / "outputs")
        with Jobs(settings) as jobs, serve(settings, jobs, port=0) as studio, sync_playwright() as play:
            path = os.environ.get("EASEL_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
            browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
            seconds = sorted(measure_strokes(browser.new_page(viewport={"width": 1280, "height": 1100}), studio.url))
            browser.close()
    worst = seconds[math.ceil(0.95 * len(seconds)) - 1]
    print(f"stroke end to repaint: median {statistics.median(seconds):.2f} s, 95th percentile {worst:.2f} s, of {len(seconds)}")


def measure_strokes(page: Page, address: str) -> list[float]:
    """Seconds from the end of each stroke to its repaint."""
    page.set_default_timeout(300_000)
    page.goto(address)
    page.get_by_role("tab", name="Sketch to image").click()
    page.locator(".pad[data-ready]").wait_for()
    page.locator("[data-sample=bird]").click()
    page.get_by_label(messages.LIVE).check()
    page.locator("#sketch-stage [data-state=live] img.picture:not(.preview)").wait_for()
    page.evaluate(_WATCH)
    # The switch is below the pad, and clicking it may have scrolled the pad out of view.
    page.locator(".pad-view").scroll_into_view_if_needed()
    box = page.locator(".pad-view canvas").bounding_box()
    if box is None:
        sys.exit("The pad is not on the screen.")
    # The sheet is a square in the middle of the pad; a stroke beside it changes nothing, and nothing is repainted.
    side = min(box["width"], box["height"])
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    for number in range(STROKES + WARM_UP):
        x, y = left + 0.1 * side, top + side * (0.1 + 0.8 * number / (STROKES + WARM_UP))
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 0.3 * side, y + 0.03 * side, steps=5)
        page.mouse.up()
        page.wait_for_function("count => window.repaints.length > count", arg=number)
    return [milliseconds / 1000 for milliseconds in page.evaluate("window.repaints")[WARM_UP:]]


if __name__ == "__main__":
    main()
