"""Tiny real checkpoints on the page: switched on every tab, with all that can be added to them, overruled, and withheld."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from engine import preferences
from engine.jobs import Jobs
from engine.preferences import Preferences
from engine.records import metadata
from engine.requests import TextToImage, Upscale
from engine.settings import Settings
from tests.engine.checkpoints import additions, tiny
from tests.engine.generate.test_safety import ALWAYS, checker
from tests.engine.generate.test_safety import write as write_careful
from tests.ui.browser import test_negatives, test_sketch
from tests.ui.browser.conftest import PATIENCE, Studio, Visitor, finished_pictures, show, unfold
from tests.ui.browser.listening import LISTENING, heard
from ui import messages
from ui.server.serve import serve

pytestmark = pytest.mark.usefixtures("more_patience")

PageSession = Callable[..., Visitor]
CHECKPOINTS = ("sd1", "sd2_base", "x4_upscaler")
FEW = "2"
"""Steps."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The page over the real engine and tiny checkpoints."""
    folder = tmp_path_factory.mktemp("real")
    settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs", device="cpu")
    for kind in CHECKPOINTS:
        tiny.pipeline(kind).save_pretrained(settings.models / kind)
    write_careful(settings.models / "careful", checker(ALWAYS))
    additions.write(settings.models)
    with Jobs(settings, LISTENING) as jobs, serve(settings, jobs, port=0) as studio:
        yield Studio(studio.url, settings, jobs)


def choose(page: Page, tab: str, field: str, option: str) -> None:
    page.locator(f"#{tab}-{field} input").click()
    page.get_by_role("option", name=option, exact=True).click()
    expect(page.locator(f"#{tab}-{field} input")).to_have_value(option)


def write(page: Page, tab: str, field: str, text: str) -> None:
    page.locator(f"#{tab}-{field}").locator("textarea, input").first.fill(text)


def made(page: Page, studio: Studio, press: str) -> TextToImage:
    """What was asked with one more press on a button, once it is done; the job must have ended well."""
    assert studio.jobs is not None
    before = len(studio.jobs.jobs(limit=1000))
    page.get_by_role("button", name=press, exact=True).and_(page.locator(":visible")).first.click()
    for _ in range(6 * PATIENCE // 100):
        known = studio.jobs.jobs(limit=1000)
        if len(known) > before and known[0].over:
            assert known[0].state == "finished", known[0].error
            return known[0].request
        page.wait_for_timeout(100)
    raise AssertionError("the job did not end")


def words(visitor: Visitor) -> Page:
    """The page with the first tab's settings open, and few steps."""
    page = visitor.open()
    unfold(page, messages.SETTINGS)
    write(page, "text", "steps", FEW)
    write(page, "text", "seed", "7")
    write(page, "text", "prompt", "a cat")
    return page


def test_two_checkpoints_alternate_on_all_tabs_and_load_once_each(
    real: Studio, page_session: PageSession, tmp_path: Path
) -> None:
    page, pair = words(page_session(real)), CHECKPOINTS[:2]
    tabs = {
        "text": (lambda: show(page, "Text to image"), messages.GENERATE),
        "sketch": (lambda: test_sketch.open_tab(page), messages.GENERATE),
        "negative": (lambda: test_negatives.open_tab(page), messages.COMPARE),
    }
    asked: list[tuple[str, str | None]] = []
    for tab, (open_tab, press) in tabs.items():
        open_tab()
        if tab != "text":
            unfold(page, messages.SETTINGS)
        write(page, tab, "steps", FEW)
        write(page, tab, "prompt", "a cat")
        write(page, tab, "negative_prompt", "rain")
        for name in pair:
            choose(page, tab, "checkpoint", name)
            request = made(page, real, press)
            asked.append((type(request).__name__, request.checkpoint))
    assert [checkpoint for _, checkpoint in asked] == [*pair] * 3
    assert [kind for kind, _ in asked[::2]] == ["TextToImage", "ImageToImage", "CompareNegative"]
    for upscaler in ("x4_upscaler", None, "x4_upscaler"):
        assert isinstance(upscaled(page, real, upscaler, tmp_path), Upscale)
    for name in (*pair, *pair):
        show(page, "Text to image")
        choose(page, "text", "checkpoint", name)
        made(page, real, messages.GENERATE)
    said = heard(real.settings)
    assert sorted(line for line in said if line.startswith("cache")) == [f"cache loaded {name}" for name in sorted(CHECKPOINTS)]
    # A checkpoint that is chosen is loaded ahead of the press, so that most jobs find it there.
    assert all(said.count(f"job loading {name}") <= 1 for name in CHECKPOINTS)


def upscaled(page: Page, studio: Studio, upscaler: str | None, folder: Path) -> TextToImage:
    """One image on the Upscale tab, by a Stable Diffusion upscaler or by Lanczos."""
    Image.radial_gradient("L").convert("RGB").resize((16, 16)).save(folder / "round.png")
    show(page, "Upscale")
    if not page.locator("#upscale-cost").inner_text().strip():
        page.locator("#upscale-files input[type=file]").set_input_files(folder / "round.png")
        expect(page.locator("#upscale-cost")).to_contain_text("becomes")
    choose(page, "upscale", "upscaler", upscaler or messages.LANCZOS_UPSCALER)
    if upscaler:
        write(page, "upscale", "steps", FEW)
    return made(page, studio, messages.UPSCALE)


def test_lora_vae_clip_skip_and_an_embedding_from_the_page_to_the_picture(real: Studio, page_session: PageSession) -> None:
    page = words(page_session(real))
    choose(page, "text", "checkpoint", "sd1")
    made(page, real, messages.GENERATE)
    plain = newest(real.settings)
    unfold(page, messages.ADDITIONS)
    write(page, "text", "prompt", "a zorble cat")
    for lora, prompt in (("one", "a zorble cat <lora:one:1>"), ("two", "a zorble cat <lora:one:1> <lora:two:1>")):
        page.locator("#text-lora input").click()
        page.get_by_role("option", name=lora, exact=True).click()
        expect(page.locator("#text-prompt textarea")).to_have_value(prompt)
    choose(page, "text", "vae", "another")
    write(page, "text", "clip_skip", "2")
    request = made(page, real, messages.GENERATE)
    assert (request.vae, request.clip_skip) == ("another", 2)
    record = metadata.read(newest(real.settings))
    assert record is not None
    assert {"lora one", "lora two", "embedding zorble", "vae another"} <= record.resolved.environment.keys()
    assert pixels(newest(real.settings)) != pixels(plain)


def newest(settings: Settings) -> Path:
    return max(finished_pictures(settings), key=lambda path: path.stat().st_mtime_ns)


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def test_what_a_checkpoint_predicts_is_overruled_and_the_picture_is_another(real: Studio, page_session: PageSession) -> None:
    page = words(page_session(real))
    choose(page, "text", "checkpoint", "sd1")
    made(page, real, messages.GENERATE)
    seen = [pixels(newest(real.settings))]
    for prediction in ("v_prediction", ""):
        show(page, "Checkpoints")
        row = page.locator("tr[data-entry=sd1]")
        row.locator("summary").click()
        row.locator("select[name=prediction_type]").select_option(prediction)
        expect(page.locator("#checkpoints-says")).to_contain_text(messages.CHOICE_KEPT)
        expect(row.locator("details[open]")).to_have_count(0)
        show(page, "Text to image")
        made(page, real, messages.GENERATE)
        seen.append(pixels(newest(real.settings)))
    assert seen[0] == seen[2] and seen[0] != seen[1]


def test_a_withheld_picture_is_said_and_not_shown(real: Studio, page_session: PageSession) -> None:
    preferences.write(real.settings.data, Preferences(safety_checker=True))
    try:
        page = words(page_session(real))
        choose(page, "text", "checkpoint", "careful")
        before = finished_pictures(real.settings)
        page.locator("button.generate:visible").click()
        expect(page.locator("#text-stage")).to_contain_text("withheld")
        expect(page.locator("#text-stage img")).to_have_count(0)
        assert finished_pictures(real.settings) == before
    finally:
        preferences.write(real.settings.data, Preferences())
    choose(page, "text", "checkpoint", "sd1")
    made(page, real, messages.GENERATE)
    expect(page.locator("#text-stage figure.result .picture:visible")).to_be_visible()
