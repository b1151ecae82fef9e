"""Images that come onto the drawing pad, in a real browser: opened, pasted, dropped, sent from a stage, or refused."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.ui.browser.conftest import Studio, finished_pictures
from tests.ui.browser.drawing import (
    BLACK,
    BLUR,
    PageSession,
    Point,
    distance,
    file_of,
    generate,
    pad,
    photo,
    press,
    seen_by_the_engine,
    stroke,
    upload,
)
from ui import messages, sentences


def test_a_photo_is_opened_and_drawn_on(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
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


def test_any_input_is_understood(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    page.locator("[name=pad-paper]").fill("#4f9bd9")
    for name, (content, colours) in ANY_INPUT.items():
        press(page, "act", "clear")
        upload(page, name, content())
        expect(page.locator(".pad-size")).to_have_text("512 × 512")
        asked = generate(page, scripted)
        pixels = seen_by_the_engine(scripted, asked.init_image, asked.paper)
        for (x, y), colour in colours:
            assert np.abs(pixels[int(y), int(x)] - colour).max() <= 4, name
        # The next one begins on a sheet of another shape, so that its own is waited for.
        page.get_by_text(messages.LAYERS).click()
        page.locator("[name=pad-shape]").select_option("wide")
        page.get_by_text(messages.LAYERS).click()


def test_a_picture_larger_than_the_pad_is_said(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    upload(page, "large.png", file_of(Image.new("RGB", (3000, 1500), "red")))
    expect(page.locator(".pad-says.note")).to_contain_text(sentences.reduced_size(3000, 1500, 2048))
    expect(page.locator(".pad-size")).to_have_text("2048 × 1024")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_can_be_pasted_and_dropped(way: str, scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
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


def test_files_that_are_no_pictures_are_a_sentence_each_and_the_drawing_stays(
    scripted: Studio, page_session: PageSession
) -> None:
    visitor = page_session(scripted)
    visitor.expects_trouble = True  # the browser itself logs each refusal
    page = pad(visitor)
    stroke(page, (100, 100), (600, 600))
    before = page.evaluate("easelPad.upload()")
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
    assert page.evaluate("easelPad.upload()") == before
    moving = file_of(photo((64, 64)), "GIF", save_all=True, append_images=[photo((64, 64), 6)])
    upload(page, "moving.gif", moving)
    expect(page.locator(".pad-says.note")).to_contain_text("first one is used")


def test_a_result_goes_back_onto_the_pad(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    stroke(page, (100, 100), (600, 600))
    generate(page, scripted)
    made = Image.open(max(finished_pictures(scripted.settings), key=lambda path: path.stat().st_mtime)).convert("RGB")
    page.get_by_role("button", name=messages.DRAW_ON_IT).click()
    page.get_by_text(messages.LAYERS).click()
    expect(page.locator(".pad-layers li")).to_have_count(2)
    there = Image.fromarray(seen_by_the_engine(scripted, generate(page, scripted).init_image).astype(np.uint8))
    assert np.abs(np.asarray(there.resize(made.size), int) - np.asarray(made, int)).mean() < 8
