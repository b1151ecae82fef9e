"""Renews the screenshots in docs/images, with pictures by the starter: ``python -m tests.ui.browser.screenshots [NAME ...]``."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from engine.jobs import Jobs
from engine.requests import TextToImage
from engine.settings import HOUSE, Settings
from tests.ui.browser.conftest import SHOWN, open_browser, ready, show
from tests.ui.browser.drawing import press, stroke
from ui.server.serve import serve

FOLDER = HOUSE / "docs/images"
PATIENCE = 600_000
"""Milliseconds that a picture may take."""

COLOURS = 256
"""Colours of a stored screenshot: with 256, chosen for each, it has a third of the bytes and differs little."""

PROMPTS = (
    "a boat on the sea",
    "a red balloon at sunset",
    "a house in the forest",
    "a rocket in space",
    "two penguins in the snow",
    "a castle at night",
    "a tree in the snow",
    "a fox in the forest",
)


@dataclass(frozen=True)
class Sitting:
    """A page of a studio of its own, whose first pictures are those of :data:`PROMPTS`."""

    page: Page
    jobs: Jobs
    outputs: Path

    def generate(self, stage: str) -> None:
        """Press the tab's button, and wait for what it makes."""
        self.page.locator("button.generate:visible").click()
        expect(self.page.locator(stage)).to_be_visible()
        expect(self.page.locator(".making")).to_have_count(0)

    def find_picture(self) -> Path:
        """One of those that are there."""
        return sorted(self.outputs.rglob("*.png"))[0]


def take_text_to_image(sitting: Sitting) -> None:
    sitting.page.locator("#text-count").locator("input, textarea").fill("4")
    sitting.page.locator("#text-seed").locator("input, textarea").fill("7")
    sitting.page.locator("#text-prompt textarea").fill("a cat on the beach")
    sitting.generate(f"#text-stage {SHOWN}")


def take_sketch(sitting: Sitting) -> None:
    page = sitting.page
    show(page, "Sketch to image")
    expect(page.locator(".pad[data-ready]")).to_be_visible()
    page.locator("[data-sample=house]").click()
    sitting.generate(f"#sketch-stage {SHOWN}")
    press(page, "tool", "mask")
    stroke(page, (470, 120), (620, 100), (680, 180), (560, 200))


def take_negative_prompts(sitting: Sitting) -> None:
    page = sitting.page
    show(page, "Negative prompts")
    page.locator("#negative-prompt textarea").fill("a tree")
    page.locator("#negative-negative_prompt textarea").fill("snow, forest, mountains")
    page.locator("#negative-seed").locator("input, textarea").fill("5")
    sitting.generate("#negative-stage .pair")


def take_upscaling(sitting: Sitting) -> None:
    show(sitting.page, "Upscale")
    sitting.page.set_input_files("#upscale-files input[type=file]", sitting.find_picture())
    expect(sitting.page.locator("#upscale-cost")).to_contain_text("pixels")
    sitting.generate("#upscale-slider .pair")


def take_history(sitting: Sitting) -> None:
    show(sitting.page, "History")
    sitting.page.locator(".thumb").last.click()
    expect(sitting.page.locator("#history-chosen .picture")).to_be_visible()


def take_image_info(sitting: Sitting) -> None:
    show(sitting.page, "Image info")
    sitting.page.set_input_files("#info-file input[type=file]", sitting.find_picture())
    expect(sitting.page.locator("#info-shown .prompt").first).to_be_visible()


def take_checkpoints(sitting: Sitting) -> None:
    show(sitting.page, "Checkpoints")
    expect(sitting.page.locator(".offers li").first).to_be_visible()


def take_queue(sitting: Sitting) -> Locator:
    for number, prompt in enumerate(PROMPTS[:3]):
        sitting.jobs.submit(TextToImage(prompt=prompt, seed=number, steps=400))
    sitting.page.locator(".queue-button").click()
    expect(sitting.page.locator(".line .running")).to_contain_text("Step")
    return sitting.page.locator(".sheet")


SHOTS: dict[str, Callable[[Sitting], Locator | None]] = {
    "text-to-image": take_text_to_image,
    "sketch": take_sketch,
    "negative-prompts": take_negative_prompts,
    "upscaling": take_upscaling,
    "history": take_history,
    "image-info": take_image_info,
    "checkpoints": take_checkpoints,
    "queue": take_queue,
}
"""Name of a file in docs/images -> what leads the page there; it gives what to store, or None for the whole window."""


def main() -> None:
    """Take the screenshots that are named, or all of them."""
    flags = argparse.ArgumentParser(prog="python -m tests.ui.browser.screenshots")
    flags.add_argument("names", nargs="*", choices=[*SHOTS, []], default=[])
    names = flags.parse_args().names or list(SHOTS)
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        home = Path(folder, "Easel")
        settings = Settings(models=home / "models", data=home / "data", outputs=home / "outputs")
        shutil.copytree(HOUSE / "models", settings.models)  # the place that the page names is nobody's own
        expect.set_options(timeout=PATIENCE)
        os.environ["GRADIO_TEMP_DIR"] = str(settings.data / "uploads")
        with Jobs(settings) as jobs, serve(settings, jobs, port=0) as studio:
            for seed, prompt in enumerate(PROMPTS):
                list(jobs.watch(jobs.submit(TextToImage(prompt=prompt, seed=seed))))
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            page.goto(studio.url)
            ready(page)
            for name in names:
                part = SHOTS[name](Sitting(page, jobs, settings.outputs)) or page
                page.mouse.move(0, 0)
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(1500)  # images that are decoded, and colours that change gradually
                store(part.screenshot(), FOLDER / f"{name}.png")


def store(screenshot: bytes, path: Path) -> None:
    """Write it small, and print its size."""
    Image.open(io.BytesIO(screenshot)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
