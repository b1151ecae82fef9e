"""The Sketch to image tab in a real browser: real pointers draw, and what reaches the engine is compared with what was drawn."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.jobs import Jobs
from engine.records import metadata
from engine.requests import ImageToImage
from engine.settings import Settings
from tests.ui.browser.conftest import PATIENCE, SCRIPTED, Studio, finished_pictures, ready, show, unfold
from tests.ui.browser.drawing import (
    BLACK,
    BLUR,
    RED,
    SIDE,
    WHITE,
    PageSession,
    Point,
    asked,
    assert_line,
    distance,
    field,
    generate,
    on_page,
    open_tab,
    pad,
    press,
    seen_by_the_engine,
    stroke,
)
from ui import messages
from ui.server.serve import serve
from ui.tabs.sketch_to_image import form


def test_strokes_colours_eraser_undo_and_redo_reach_the_engine_as_drawn(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
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


def test_nothing_drawn_is_lost(scripted: Studio, page_session: PageSession) -> None:
    visitor = page_session(scripted)
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
    show(page, "Text to image")
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


def test_settings_that_are_used_again_bring_drawing_mask_and_paper_back(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    page.locator("[name=pad-paper]").fill("#f2c94c")
    stroke(page, (100, 100), (600, 600))
    press(page, "tool", "mask")
    stroke(page, (300, 300), (400, 300))
    page.locator("[name=pad-kept]").select_option("kept")
    first = generate(page, scripted)
    press(page, "act", "clear")
    page.locator("[name=pad-paper]").fill("#ffffff")
    show(page, "History")
    page.locator("#history-thumbs .thumb").first.click()
    page.locator("#history-chosen").get_by_role("button", name=messages.REUSE).click()
    expect(page.locator("[name=pad-paper]")).to_have_value("#f2c94c")
    again = generate(page, scripted)
    named = [(each.init_image, each.mask_image, each.paper, each.strength, each.fit) for each in (first, again)]
    assert named[0] == named[1] and again.mask_image, "the same pixels have the same name"
    press(page, "act", "undo")
    assert not generate(page, scripted).mask_image, "what was on the pad before can be had back"


def test_a_finger_draws_and_two_fingers_zoom(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted, width=800, height=1100, has_touch=True))
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


def test_a_mask_reaches_the_engine_painted_or_turned_round(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
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


def test_explore_paints_one_seed_at_five_strengths_and_goes_on_with_one(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    press(page, "sample", "bird")
    expect(field(page, "prompt")).to_have_value("a bird")
    page.locator("#sketch-also").click()
    expect(page.locator("#sketch-stage figure.result")).to_have_count(5)
    row, large = page.locator("#sketch-stage .strengths label"), page.locator("#sketch-stage figure.result:visible")
    expect(row).to_have_text([f"{each:g}" for each in form.EXPLORED])
    seeds = set()
    for place, strength in enumerate(form.EXPLORED):
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


def test_live_repaints_after_each_stroke_and_keeps_nothing(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
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
        now = json.loads(page.evaluate("easelPad.upload()"))["sketch"]
        address = image.get_attribute("src") if image.count() else ""
        record = metadata.read(studio.settings.drafts / (address or "").removeprefix("/drafts/")) if address else None
        request = record.resolved.request if record else None
        seeded = field(page, "seed").input_value()
        if isinstance(request, ImageToImage) and (request.prompt, request.init_image, str(request.seed)) == (prompt, now, seeded):
            return request
        page.wait_for_timeout(50)
    raise AssertionError(f"Live stays at {request}")


def test_the_depth_map_is_shown_also_after_a_reload(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    field(page, "prompt").fill("a boat, script: depth")
    generate(page, scripted)
    depth = page.locator("#sketch-stage figure.guide img")
    expect(depth).to_have_js_property("naturalWidth", 256)
    page.reload()
    ready(page)
    open_tab(page)
    expect(depth).to_have_js_property("naturalWidth", 256)


def test_a_restart_on_the_same_port_finds_the_drawing(tmp_path: Path, page_session: PageSession) -> None:
    settings = Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")
    with Jobs(settings, SCRIPTED) as jobs, serve(settings, jobs, port=0) as studio:
        url = studio.url
        visitor = page_session(Studio(url, settings, jobs))
        visitor.expects_trouble = True  # its page is still open when the server goes
        page = pad(visitor)
        stroke(page, (100, 100), (600, 600))
        press(page, "tool", "mask")
        stroke(page, (300, 300), (400, 300))
        drawn = page.evaluate("easelPad.upload()")
        page.close()
    with Jobs(settings, SCRIPTED) as jobs, serve(settings, jobs, port=int(url.rpartition(":")[2])) as again:
        assert again.url == url
        page = pad(visitor)
        assert page.evaluate("easelPad.upload()") == drawn


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_has_all_of_the_pad(scheme: str, scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted, width=400, height=800, color_scheme=scheme))
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for name in ("brush", "eraser", "fill", "mask", "hand"):
        expect(page.locator(f".pad [data-tool={name}]")).to_be_visible()
