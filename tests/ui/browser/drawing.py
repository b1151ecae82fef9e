"""A person at the drawing pad: what the tests of the Sketch to image tab do, and how they look at what reached the engine."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from engine.records.blobs import Blobs
from engine.records.images.open_image import open_image
from engine.requests import ImageToImage
from tests.ui.browser.conftest import SHOWN, Studio, Visitor, show

PageSession = Callable[..., Visitor]
Point = tuple[float, float]

SIDE = 768
"""Pixels of the sheet that the pad begins with."""

BLUR = 3.5
"""Pixels of the sheet by which a line's edge may lie elsewhere: a soft edge, and whole pixels of the page."""

BLACK, RED, WHITE = (28, 25, 23), (217, 38, 43), (255, 255, 255)


def pad(visitor: Visitor) -> Page:
    """The page with the tab open and the pad ready to be drawn on."""
    page = visitor.open()
    open_tab(page)
    return page


def open_tab(page: Page) -> None:
    show(page, "Sketch to image")
    expect(page.locator(".pad[data-ready]")).to_be_visible()
    page.wait_for_function("document.documentElement.dataset.sketchForm === 'ready'")


def stroke(page: Page, *points: Point) -> None:
    """Draw with the mouse from point to point; points are pixels of the sheet."""
    places = [on_page(page, point) for point in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def on_page(page: Page, point: Point) -> Point:
    """Where a point of the sheet, all of which is shown, lies on the page."""
    page.locator(".pad-view").scroll_into_view_if_needed()
    box = page.locator(".pad-view canvas").bounding_box()
    assert box
    width, height = page.evaluate("[easelPad.drawing.sheet.width, easelPad.drawing.sheet.height]")
    scale = min(box["width"] / width, box["height"] / height)
    left, top = (box["width"] - width * scale) / 2, (box["height"] - height * scale) / 2
    return box["x"] + left + point[0] * scale, box["y"] + top + point[1] * scale


def press(page: Page, kind: str, name: str) -> None:
    page.locator(f".pad [data-{kind}='{name}']").click()


def field(page: Page, name: str) -> Locator:
    return page.locator(f"#sketch-{name}").locator("textarea, input[type=number], input[type=text], input:not([type])").first


def generate(page: Page, studio: Studio) -> ImageToImage:
    """Press Generate, wait for the image, and give the request that it was made from."""
    shown = page.locator(f"#sketch-stage {SHOWN}")
    before = shown.first.get_attribute("src") if shown.count() else ""
    page.locator("button.generate:visible").click()
    expect(shown).to_have_count(1)
    expect(shown).not_to_have_attribute("src", before or "")
    return asked(studio, 0)


def asked(studio: Studio, ago: int) -> ImageToImage:
    """What was asked of the engine, the newest if ``ago`` is 0."""
    assert studio.jobs is not None
    request = studio.jobs.jobs(limit=ago + 1)[ago].request
    assert isinstance(request, ImageToImage)
    return request


def seen_by_the_engine(studio: Studio, hash: str | None, paper: str = "#ffffff") -> np.ndarray:
    """The pixels of an uploaded image, upright, on ``paper``."""
    assert hash
    return np.asarray(open_image(Blobs(studio.settings.data / "blobs").path(hash), paper=paper).image, int)


def distance(shape: tuple[int, ...], points: Sequence[Point]) -> np.ndarray:
    """How far each pixel's middle lies from the line through ``points``."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    far = np.full(shape[:2], np.inf)
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        along = np.array([to_x - x, to_y - y])
        share = np.clip(((columns - x) * along[0] + (rows - y) * along[1]) / (along @ along), 0, 1)
        far = np.minimum(far, np.hypot(columns - x - share * along[0], rows - y - share * along[1]))
    return far


def assert_line(pixels: np.ndarray, points: Sequence[Point], width: float, colour: tuple[int, int, int]) -> None:
    """Every pixel inside the line has its colour, and none outside it does; a browser reports whole pixels of the page."""
    far = distance(pixels.shape, points)
    has = (pixels == colour).all(-1)
    assert has[far < width / 2 - BLUR].all() and not has[far > width / 2 + BLUR].any()


def photo(size: tuple[int, int] = (600, 400), seed: int = 5) -> Image.Image:
    """Noise: no scaling and no shift of it goes unseen."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def file_of(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator(".pad input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": content})
