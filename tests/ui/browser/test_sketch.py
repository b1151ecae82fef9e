"""The Sketch to image tab in a real browser: real pointers draw, and what reaches the engine is compared with what was drawn."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import ImageToImage
from tests.ui.browser.conftest import PATIENCE, Studio, Visitor, finished_pictures, ready, unfold
from ui import messages, sketch_form

Visit = Callable[..., Visitor]
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
    page.get_by_role("tab", name="Sketch to image").click()
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
    """Press Generate, wait for the picture, and give the request that it was made from."""
    shown = page.locator("#sketch-stage figure.result img")
    before = shown.first.get_attribute("src") if shown.count() else ""
    page.locator("button.generate:visible").click()
    expect(shown).to_have_count(1)
    expect(shown).not_to_have_attribute("src", before or "")
    expect(page.locator("button.generate:visible")).to_be_enabled()
    return asked(studio, 0)


def asked(studio: Studio, ago: int) -> ImageToImage:
    """What was asked of the engine, the newest if ``ago`` is 0."""
    assert studio.jobs is not None
    request = studio.jobs.jobs(limit=ago + 1)[ago].request
    assert isinstance(request, ImageToImage)
    return request


def seen_by_the_engine(studio: Studio, hash: str | None) -> np.ndarray:
    assert hash
    return np.asarray(Blobs(studio.settings.data / "blobs").open(hash).convert("RGB"), int)


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


def test_strokes_colours_eraser_undo_and_redo_reach_the_engine_as_drawn(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    first, second, third = ((100, 100), (600, 150)), ((100, 400), (700, 400)), ((100, 650), (700, 650))
    stroke(page, *first)
    press(page, "colour", "#d9262b")
    stroke(page, *second)
    pixels = seen_by_the_engine(scripted, generate(page, scripted).init_image)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert_line(pixels, first, 14, BLACK)
    assert_line(pixels, second, 14, RED)
    assert (pixels[distance(pixels.shape, first) > 7 + BLUR] != BLACK).any(-1).all()
    stroke(page, *third)
    press(page, "act", "undo")
    assert (seen_by_the_engine(scripted, generate(page, scripted).init_image) == pixels).all(), "undo brings back the very pixels"
    press(page, "act", "redo")
    assert_line(seen_by_the_engine(scripted, generate(page, scripted).init_image)[500:], [(100, 150), (700, 150)], 14, RED)
    press(page, "tool", "eraser")
    stroke(page, (400, 300), (400, 500))
    rubbed = seen_by_the_engine(scripted, generate(page, scripted).init_image)
    near = distance(rubbed.shape, [(400, 300), (400, 500)])
    assert (rubbed[near < 20 - BLUR] == WHITE).all()
    assert (rubbed[near > 20 + BLUR] == seen_by_the_engine(scripted, asked(scripted, 1).init_image)[near > 20 + BLUR]).all()


def test_nothing_drawn_is_lost(scripted: Studio, visit: Visit) -> None:
    visitor = visit(scripted)
    page = pad(visitor)
    stroke(page, (100, 100), (600, 600))
    page.get_by_text(messages.LAYERS).click()
    press(page, "act", "layer-add")
    press(page, "colour", "#d9262b")
    press(page, "tool", "brush")
    stroke(page, (600, 100), (100, 600))
    press(page, "tool", "mask")
    stroke(page, (300, 300), (400, 300))
    press(page, "tool", "hand")
    field(page, "prompt").fill("a bird")
    drawn = generate(page, scripted)
    page.get_by_role("tab", name="Text to image").click()
    open_tab(page)
    field(page, "prompt").fill("script: fail")
    page.locator("button.generate:visible").click()
    expect(page.locator("#sketch-stage .trouble")).to_be_visible()
    page.reload()
    ready(page)
    open_tab(page)
    expect(page.locator(".pad-layers li")).to_have_count(2)
    field(page, "prompt").fill("a bird")
    again = generate(page, scripted)
    assert (again.init_image, again.mask_image) == (drawn.init_image, drawn.mask_image), "the same pixels have the same name"
    page.get_by_text(messages.LAYERS).click()
    page.locator(".pad-layers [data-act=layer-show]").first.click()
    alone = seen_by_the_engine(scripted, generate(page, scripted).init_image)
    assert not (alone == RED).all(-1).any() and (alone == BLACK).all(-1).any(), "the layers are still apart"


def photo(size: tuple[int, int] = (600, 400), seed: int = 5) -> Image.Image:
    """Noise: no scaling and no shift of it goes unseen."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def file_of(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator(".pad input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": content})


def test_a_photo_is_opened_and_drawn_on(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    given = photo()
    upload(page, "photo.png", file_of(given))
    expect(page.locator(".pad-size")).to_have_text("600 × 400")
    stroke(page, (100, 200), (500, 200))
    pixels = seen_by_the_engine(scripted, generate(page, scripted).init_image)
    far = distance(pixels.shape, [(100, 200), (500, 200)])
    assert (pixels[far > 7 + BLUR] == np.asarray(given, int)[far > 7 + BLUR]).all(), "the photo is there to the bit"
    assert (pixels[far < 7 - BLUR] == BLACK).all()


def sixteen_bits() -> Image.Image:
    return Image.fromarray((np.arange(64, dtype=np.uint16) * 1023 + 200)[None].repeat(512, 0).repeat(8, 1))


def photo_on_its_side() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def half_transparent() -> Image.Image:
    image = Image.new("RGBA", (512, 512), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (256, 0, 512, 512))
    return image


_FLAT = Image.new("RGB", (512, 512), (200, 120, 40))
ANY_INPUT: dict[str, tuple[Callable[[], bytes], list[tuple[Point, tuple[int, int, int]]]]] = {
    "grey.png": (lambda: file_of(Image.new("L", (512, 512), 90)), [((256, 256), (90, 90, 90))]),
    "palette.png": (lambda: file_of(_FLAT.quantize(4)), [((256, 256), (200, 120, 40))]),
    "photo.webp": (lambda: file_of(_FLAT, "WEBP", lossless=True), [((256, 256), (200, 120, 40))]),
    "print.jpg": (lambda: file_of(_FLAT.convert("CMYK"), "JPEG", quality=100), [((256, 256), (200, 120, 40))]),
    "sixteen.png": (lambda: file_of(sixteen_bits()), [((1, 256), (1, 1, 1)), ((510, 256), (252, 252, 252))]),
    "alpha.png": (lambda: file_of(half_transparent()), [((128, 256), (200, 30, 30)), ((384, 256), (0x4F, 0x9B, 0xD9))]),
    "turned.jpg": (
        lambda: file_of(half_transparent().convert("RGB"), "JPEG", exif=photo_on_its_side(), quality=100),
        [((256, 100), (200, 30, 30)), ((256, 400), (0, 0, 0))],
    ),
    "phone.heic": (lambda: heic(_FLAT), [((256, 256), (200, 120, 40))]),
}
"""File -> its content, and colours (to a few levels) of some points of it as somebody sees it on blue paper."""


def heic(image: Image.Image) -> bytes:
    pillow_heif.register_heif_opener()
    return file_of(image, "HEIF", quality=100)


def test_any_input_is_understood(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    page.locator("[name=pad-paper]").fill("#4f9bd9")
    for name, (content, colours) in ANY_INPUT.items():
        press(page, "act", "clear")
        upload(page, name, content())
        expect(page.locator(".pad-size")).to_have_text("512 × 512")
        pixels = seen_by_the_engine(scripted, generate(page, scripted).init_image)
        for (x, y), colour in colours:
            assert np.abs(pixels[int(y), int(x)] - colour).max() <= 4, name
        # The next one begins on a sheet of another shape, so that its own is waited for.
        page.get_by_text(messages.LAYERS).click()
        page.locator("[name=pad-shape]").select_option("wide")
        page.get_by_text(messages.LAYERS).click()


def test_a_picture_larger_than_the_pad_is_said(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    upload(page, "large.png", file_of(Image.new("RGB", (3000, 1500), "red")))
    expect(page.locator(".pad-says.note")).to_contain_text(messages.reduced(3000, 1500, 2048))
    expect(page.locator(".pad-size")).to_have_text("2048 × 1024")


def test_settings_that_are_used_again_bring_drawing_mask_and_paper_back(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    page.locator("[name=pad-paper]").fill("#f2c94c")
    stroke(page, (100, 100), (600, 600))
    press(page, "tool", "mask")
    stroke(page, (300, 300), (400, 300))
    page.locator("[name=pad-kept]").select_option("kept")
    first = generate(page, scripted)
    press(page, "act", "clear")
    page.locator("[name=pad-paper]").fill("#ffffff")
    page.get_by_role("tab", name="History").click()
    page.locator("#history-thumbs .thumb").first.click()
    page.locator("#history-chosen").get_by_role("button", name=messages.REUSE).click()
    expect(page.locator("[name=pad-paper]")).to_have_value("#f2c94c")
    again = generate(page, scripted)
    named = [(each.init_image, each.mask_image, each.paper, each.strength, each.fit) for each in (first, again)]
    assert named[0] == named[1] and again.mask_image, "the same pixels have the same name"
    press(page, "act", "undo")
    assert not generate(page, scripted).mask_image, "what was on the pad before can be had back"


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_can_be_pasted_and_dropped(way: str, scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    given = photo(seed=7)
    page.evaluate(
        """([way, content]) => {
            const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0)), carried = new DataTransfer();
            carried.items.add(new File([bytes], "photo.png", { type: "image/png" }));
            const options = { bubbles: true, cancelable: true };
            if (way === "paste") document.body.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: carried }));
            else document.querySelector(".pad-view").dispatchEvent(new DragEvent("drop", { ...options, dataTransfer: carried }));
        }""",
        [way, base64.b64encode(file_of(given)).decode()],
    )
    expect(page.locator(".pad-size")).to_have_text("600 × 400")
    assert (seen_by_the_engine(scripted, generate(page, scripted).init_image) == np.asarray(given, int)).all()


def bomb() -> bytes:
    """A PNG that says it has 30,000 x 30,000 pixels."""
    content = bytearray(file_of(Image.new("RGB", (8, 8))))
    content[16:24] = (30_000).to_bytes(4) + (30_000).to_bytes(4)
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


def test_files_that_are_no_pictures_are_a_sentence_each_and_the_drawing_stays(scripted: Studio, visit: Visit) -> None:
    visitor = visit(scripted)
    visitor.expects_trouble = True  # the browser itself logs each refusal
    page = pad(visitor)
    stroke(page, (100, 100), (600, 600))
    before = page.evaluate("easelPad.handIn()")
    bad = {
        "text.png": (b"hello", "not a picture"),
        "cut.png": (file_of(photo())[:9000], "damaged or cut off"),
        "lines.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing commands"),
        "huge.png": (bomb(), "too large"),
        "empty.png": (b"", "empty"),
    }
    for name, (content, sentence) in bad.items():
        upload(page, name, content)
        expect(page.locator(".pad-says.trouble")).to_contain_text(sentence)
    assert page.evaluate("easelPad.handIn()") == before
    moving = file_of(photo((64, 64)), "GIF", save_all=True, append_images=[photo((64, 64), 6)])
    upload(page, "moving.gif", moving)
    expect(page.locator(".pad-says.note")).to_contain_text("first one is used")


def test_a_finger_draws_and_two_fingers_zoom(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted, width=800, height=1100, has_touch=True))
    devtools = page.context.new_cdp_session(page)

    def touch(kind: str, *points: Point) -> None:
        places = [dict(zip("xy", on_page(page, point), strict=True), id=i) for i, point in enumerate(points)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    line = ((150, 400), (650, 400))
    touch("touchStart", line[0])
    for x in range(200, 700, 50):
        touch("touchMove", (x, 400))
    touch("touchEnd")
    drawn = generate(page, scripted)
    assert_line(seen_by_the_engine(scripted, drawn.init_image), line, 14, BLACK)
    touch("touchStart", (350, 350))
    touch("touchStart", (350, 350), (450, 450))
    touch("touchMove", (250, 250), (550, 550))
    touch("touchEnd")
    assert page.evaluate("easelPad.view.zoom") > 1.5
    assert generate(page, scripted).init_image == drawn.init_image, "a pinch leaves no mark"


def test_a_mask_reaches_the_engine_painted_or_turned_round(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    stroke(page, (100, 100), (600, 100))
    assert generate(page, scripted).mask_image is None
    press(page, "tool", "mask")
    line = ((200, 500), (600, 500))
    stroke(page, *line)
    request = generate(page, scripted)
    mask = seen_by_the_engine(scripted, request.mask_image)
    assert_line(mask, line, 60, WHITE)
    assert not (seen_by_the_engine(scripted, request.init_image)[450:] != WHITE).any(), "the mask is no part of the drawing"
    page.locator("[name=pad-kept]").select_option("kept")
    assert (seen_by_the_engine(scripted, generate(page, scripted).mask_image) == 255 - mask).all()
    press(page, "act", "clear-mask")
    assert generate(page, scripted).mask_image is None


def test_explore_paints_one_seed_at_five_strengths_and_goes_on_with_one(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    press(page, "sample", "bird")
    expect(field(page, "prompt")).to_have_value("a bird")
    page.locator("#sketch-explore").click()
    expect(page.locator("#sketch-stage figure.result")).to_have_count(5)
    expect(page.locator("button.generate:visible")).to_be_enabled()
    row, large = page.locator("#sketch-stage .strengths label"), page.locator("#sketch-stage figure.result:visible")
    expect(row).to_have_text([f"{each:g}" for each in sketch_form.EXPLORED])
    seeds = set()
    for place, strength in enumerate(sketch_form.EXPLORED):
        row.nth(place).click()
        expect(large).to_have_count(1)
        facts = large.locator(".facts").inner_text()
        assert re.search(r"Strength\s+(\S+)", facts)[1] == f"{strength:g}"  # type: ignore[index]
        seeds.add(re.search(r"Seed\s+(\S+)", facts)[1])  # type: ignore[index]
    assert len(seeds) == 1
    row.nth(0).click()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name=messages.GO_ON.format(strength=0.35)).click()
    expect(field(page, "strength")).to_have_value("0.35")
    expect(page.locator("#sketch-strength-words")).to_contain_text(messages.STRENGTHS[0.3])
    request = generate(page, scripted)
    assert request.strength == 0.35 and {str(request.seed)} == seeds


def test_live_repaints_after_each_stroke_and_keeps_nothing(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    unfold(page, messages.SETTINGS)
    kept, queue = finished_pictures(scripted.settings), scripted.jobs
    assert queue is not None
    jobs = len(queue.jobs(limit=1000))
    field(page, "prompt").fill("a boat")
    page.get_by_label(messages.LIVE).check()
    expect(page.locator("button.generate:visible")).to_have_text(messages.FINISH)
    seed = painted(page, scripted, "a boat").seed
    stroke(page, (100, 100), (600, 600))
    assert painted(page, scripted, "a boat").seed == seed, "the seed stays"
    press(page, "act", "undo")
    painted(page, scripted, "a boat")
    # This one is never done by itself: only a newer one ends it.
    field(page, "prompt").fill("a boat, script: wait")
    stroke(page, (100, 200), (600, 200))
    field(page, "prompt").fill("a ship")
    stroke(page, (100, 300), (600, 300))
    painted(page, scripted, "a ship")
    assert finished_pictures(scripted.settings) == kept and len(queue.jobs(limit=1000)) == jobs
    request = generate(page, scripted)
    assert not request.draft and request.seed == seed, "Finish goes on from the seed that Live showed"


def painted(page: Page, studio: Studio, prompt: str) -> ImageToImage:
    """Wait until Live shows the drawing as it is now, under ``prompt``, and give the request of what it shows."""
    image, request = page.locator("#sketch-stage [data-state=live] img.picture:not(.preview)"), None
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        now = json.loads(page.evaluate("easelPad.handIn()"))["sketch"]
        address = image.get_attribute("src") if image.count() else ""
        record = metadata.read(studio.settings.drafts / (address or "").removeprefix("/drafts/")) if address else None
        request = record.resolved.request if record else None
        seeded = field(page, "seed").input_value()
        if isinstance(request, ImageToImage) and (request.prompt, request.init_image, str(request.seed)) == (prompt, now, seeded):
            return request
        page.wait_for_timeout(50)
    raise AssertionError(f"Live stays at {request}")


def test_a_result_goes_back_onto_the_pad(scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted))
    stroke(page, (100, 100), (600, 600))
    generate(page, scripted)
    made = Image.open(max(finished_pictures(scripted.settings), key=lambda path: path.stat().st_mtime)).convert("RGB")
    page.get_by_role("button", name=messages.DRAW_ON_IT).click()
    page.get_by_text(messages.LAYERS).click()
    expect(page.locator(".pad-layers li")).to_have_count(2)
    there = Image.fromarray(seen_by_the_engine(scripted, generate(page, scripted).init_image).astype(np.uint8))
    assert np.abs(np.asarray(there.resize(made.size), int) - np.asarray(made, int)).mean() < 8


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_has_all_of_the_pad(scheme: str, scripted: Studio, visit: Visit) -> None:
    page = pad(visit(scripted, width=400, height=800, color_scheme=scheme))
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for name in ("brush", "eraser", "fill", "mask", "hand"):
        expect(page.locator(f".pad [data-tool={name}]")).to_be_visible()
