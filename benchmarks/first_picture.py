"""How long an image takes with the starter: by the engine alone, through queue and worker, and by a press in a browser.

The three are measured in turns, so that all of them meet what else the machine does.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Page, sync_playwright

from engine import Jobs, Settings, TextToImage
from engine.events import ImageSaved
from engine.jobs.worker_environment import keep_freed_memory, set_thread_waiting
from ui import messages
from ui.server.serve import serve

if TYPE_CHECKING:
    from engine import Local

ROUNDS = 3
PROMPT = "a cat on the beach"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

Measure = Callable[[int], float]
"""Seconds until the image of a seed is on disk."""


def main() -> None:
    """Print seconds to the saved file: the first with a cold worker, then the medians of more, and their ratios."""
    set_thread_waiting()  # as in a worker, for the engine in this process
    keep_freed_memory()
    from engine import Local

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        settings = create_settings(folder / "studio")
        with Jobs(settings) as jobs, serve(settings, jobs, port=0) as studio, sync_playwright() as play:
            measure_by_queue(jobs, seed=0)
            print(f"first picture, worker start and loading included: {time.perf_counter() - start:.2f} s", flush=True)
            path = os.environ.get("EASEL_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
            browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = open_page(browser.new_page(), studio.url)
            with Local(create_settings(folder / "alone")) as engine:
                report({
                    "engine alone": lambda seed: measure_alone(engine, seed),
                    "queue and worker": lambda seed: measure_by_queue(jobs, seed),
                    "press in a browser": lambda _seed: measure_press(page, settings.outputs),
                })  # fmt: skip
            browser.close()


def report(measures: dict[str, Measure]) -> None:
    """Print the median of each, measured in turns, and how much longer it takes than the first."""
    rounds = [{name: measure(seed) for name, measure in measures.items()} for seed in range(1, ROUNDS + 2)][1:]
    medians = {name: statistics.median(each[name] for each in rounds) for name in measures}
    alone = next(iter(medians.values()))
    for name, seconds in medians.items():
        worst = max(each[name] for each in rounds)
        print(
            f"{name:20} median {seconds:.2f} s, slowest {worst:.2f} s, {seconds / alone:.2f} times the engine alone, of {ROUNDS}"
        )


def create_settings(folder: Path) -> Settings:
    """Settings with folders of their own; the starter lies where it always does."""
    return dataclasses.replace(Settings(), data=folder / "data", outputs=folder / "outputs")


def measure_alone(engine: Local, seed: int) -> float:
    """Seconds of the engine in this process."""
    start = time.perf_counter()
    engine.make(TextToImage(prompt=PROMPT, seed=seed))
    return time.perf_counter() - start


def measure_by_queue(jobs: Jobs, seed: int) -> float:
    """Seconds from submitting a request."""
    start = time.perf_counter()
    for event in jobs.watch(jobs.submit(TextToImage(prompt=PROMPT, seed=seed))):
        if isinstance(event, ImageSaved):
            return time.perf_counter() - start
    raise RuntimeError("the job ended without a picture")


def open_page(page: Page, address: str) -> Page:
    """The page, ready for a press."""
    page.set_default_timeout(300_000)
    page.goto(address)
    page.locator("#text-prompt textarea").fill(PROMPT)
    return page


def measure_press(page: Page, outputs: Path) -> float:
    """Seconds from a press of Generate."""
    before = len(list(outputs.rglob("*.png")))
    start = time.perf_counter()
    page.get_by_role("button", name=messages.GENERATE, exact=True).first.click()
    while len(list(outputs.rglob("*.png"))) == before:
        time.sleep(0.005)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
