"""The page in a browser: until it can be used, compared with a bare Gradio page, and with an empty and a full studio; and what
a job takes longer because a page watches it."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from playwright.sync_api import Browser, Page, sync_playwright
from safetensors.torch import save_file

from benchmarks import history
from benchmarks.live import BROWSERS
from benchmarks.start import BARE, HOUSE, find_free_port, is_serving
from engine import Jobs, Settings
from engine.events import Started, Step
from engine.requests import TextToImage
from ui import messages
from ui.server.serve import serve

PICTURES = 4000
LORAS = 300
WAITING = 60
ROUNDS = 5
PATIENCE_MS = 120_000

JOB = TextToImage(prompt="a cat, script: steady", steps=200)
"""A job of fifty steps a second."""

JOB_ROUNDS = 3


@dataclass(frozen=True)
class Studio:
    """A studio's address and its queue."""

    url: str
    jobs: Jobs


_SMOOTHNESS = """() => new Promise((done) => {
  const start = performance.now();
  let last = start, longest = 0, frames = 0;
  const frame = (now) => {
    if (frames) longest = Math.max(longest, now - last);
    [last, frames] = [now, frames + 1];
    scrollBy(0, 40);
    if (now - start < 1000) requestAnimationFrame(frame); else done(longest);
  };
  requestAnimationFrame(frame);
})"""
"""Scrolls for a second; gives the milliseconds of the longest frame."""


def main() -> None:
    """Print what the page takes: empty and full, and beside a bare Gradio page."""
    with sync_playwright() as play:
        path = os.environ.get("EASEL_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        with run_studio() as empty, run_bare() as bare:
            compare_with_bare(browser, empty.url, bare)
            taken = [walk(browser, empty.url, is_full=False)]
            compare_jobs(browser, empty)
        with run_studio(fill) as full:
            taken.append(walk(browser, full.url, is_full=True))
        browser.close()
    print(f"an empty studio, and one with {PICTURES:,} pictures, {LORAS} LoRAs and {WAITING} waiting jobs:")
    for part, milliseconds in taken[0].items():
        print(f"{part}: {milliseconds:.0f} ms, {taken[1][part]:.0f} ms")


@contextmanager
def run_studio(prepare: Callable[[Settings, Jobs], None] | None = None) -> Iterator[Studio]:
    """A studio over the scripted engine; ``prepare`` fills it first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs")
        settings.models.mkdir()
        with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
            if prepare is not None:
                prepare(settings, jobs)
            with serve(settings, jobs, port=0) as studio:
                yield Studio(studio.url, jobs)


def fill(settings: Settings, jobs: Jobs) -> None:
    """Pictures of many days, LoRAs, and jobs that wait."""
    history.fill(settings.outputs, images=PICTURES, side=64)
    folder = settings.models / "Lora"
    folder.mkdir()
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {f"{name}.lora_down.weight": torch.zeros(1, 320), f"{name}.lora_up.weight": torch.zeros(320, 1)}
    for number in range(LORAS):
        save_file(tensors, folder / f"lora-{number:03d}.safetensors")
    jobs.pause()
    for number in range(WAITING):
        jobs.submit(TextToImage(prompt=f"waiting {number}"), "elsewhere")


@contextmanager
def run_bare() -> Iterator[str]:
    """The address of a Gradio page with a field, an image and a button, in a process of its own."""
    port = find_free_port()
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen([sys.executable, "-c", BARE, str(port)], cwd=HOUSE, env=environment, stdout=subprocess.DEVNULL) as app:
        try:
            while not is_serving(port):
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            app.terminate()


def compare_with_bare(browser: Browser, empty: str, bare: str) -> None:
    """Print the medians until a word can be typed into the prompt, of new browsers in turns."""
    pairs = [(measure_opening(browser, empty), measure_opening(browser, bare)) for _ in range(ROUNDS + 1)][1:]
    easel, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(
        f"until the prompt takes a word: Easel {easel:.0f} ms, bare Gradio {plain:.0f} ms, ratio {ratio:.2f} (of {ROUNDS} pairs)"
    )


def measure_opening(browser: Browser, url: str) -> float:
    """Milliseconds from the request of the page until what is typed stands in its first field."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    taken = measure_ms(lambda: type_first_word(page, url))
    context.close()
    return taken


def type_first_word(page: Page, url: str) -> None:
    """Open the page, and type as soon as it takes words."""
    page.goto(url, wait_until="commit")
    field = page.locator("textarea:visible").first
    field.press_sequentially("a")
    page.wait_for_function("(field) => field.value === 'a'", arg=field.element_handle())


def walk(browser: Browser, url: str, is_full: bool) -> dict[str, float]:
    """Part of a walk through the page -> milliseconds."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    taken = {"until the prompt takes a word": statistics.median(measure_opening(browser, url) for _ in range(ROUNDS))}
    taken["until the stored form is back"] = measure_ms(lambda: open_with_form(page, url))
    taken["History opens"] = measure_ms(lambda: open_history(page, is_full))
    page.wait_for_timeout(2000)
    taken["the longest frame while History scrolls"] = page.evaluate(_SMOOTHNESS)
    taken["a word is searched in History"] = measure_ms(lambda: search(page, is_full))
    taken["the LoRAs' cards open"] = measure_ms(lambda: open_cards(page, is_full))
    taken["the longest frame while the first tab scrolls"] = page.evaluate(_SMOOTHNESS)
    page.evaluate("scrollTo(0, 0)")
    taken["the queue opens"] = measure_ms(lambda: open_queue(page, is_full))
    taken["from Generate to its answer"] = measure_ms(lambda: generate(page, is_full))
    context.close()
    return taken


def compare_jobs(browser: Browser, studio: Studio) -> None:
    """Print how long a job of fifty steps a second takes with a page that shows it, and without a page, in turns."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    open_with_form(page, studio.url)
    page.locator("#text-prompt textarea").fill(JOB.prompt)
    page.locator("button.label-wrap:visible").filter(has_text=messages.SETTINGS).first.click()
    page.locator("#text-steps input:visible").first.fill(str(JOB.steps))
    pairs = [
        (measure_job_on_page(page, studio.jobs), measure_job(studio.jobs, studio.jobs.submit(JOB))) for _ in range(JOB_ROUNDS)
    ]
    context.close()
    with_page, without = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(
        f"a job of {JOB.steps} steps, fifty a second: {with_page:.2f} s with a page, {without:.2f} s without one, "
        f"ratio {ratio:.2f} (of {JOB_ROUNDS} pairs)"
    )


def measure_job_on_page(page: Page, jobs: Jobs) -> float:
    """Seconds that a job takes which the page asked for and shows, from its start to its end."""
    before = {job.id for job in jobs.jobs(limit=1)}
    page.locator("button.generate:visible").click()
    while not (new := [job.id for job in jobs.jobs(limit=1) if job.id not in before]):
        time.sleep(0.005)
    return measure_job(jobs, new[0])


def measure_job(jobs: Jobs, job: str) -> float:
    """Seconds from the start of a job to its end."""
    events = jobs.watch(job)
    next(event for event in events if isinstance(event, Started))
    start = time.perf_counter()
    # The feed keeps the newest step alone for those who come late.
    if sum(isinstance(event, Step) for event in events) < (JOB.steps or 0) / 2:
        raise RuntimeError("the page did not ask for as many steps")
    return time.perf_counter() - start


def open_with_form(page: Page, url: str) -> None:
    """Open the page, and wait for what the browser stored."""
    page.goto(url)
    page.locator("html[data-text-form=ready]").wait_for()


def open_history(page: Page, is_full: bool) -> None:
    """Show the first thumbnails, or that there are none."""
    page.get_by_role("tab", name="History", exact=True).click()
    page.locator(".thumb" if is_full else ".nothing").first.wait_for()


def search(page: Page, is_full: bool) -> None:
    """Search one of the prompts, and wait for other thumbnails."""
    before = page.locator(".pager").inner_text() if is_full else ""
    page.locator("#history-words").locator("textarea, input").fill("penguins")
    if is_full:
        page.wait_for_function("(before) => document.querySelector('.pager').innerText !== before", arg=before)
    else:
        page.wait_for_function("() => document.querySelector('.nothing')")


def open_cards(page: Page, is_full: bool) -> None:
    """Unfold the cards of the first tab."""
    page.get_by_role("tab", name="Text to image", exact=True).click()
    page.locator("button.label-wrap:visible").filter(has_text=messages.CARDS).click()
    page.locator("#text-cards .card" if is_full else "#text-cards .nothing, #text-cards p").first.wait_for()


def open_queue(page: Page, is_full: bool) -> None:
    """Open the sheet."""
    page.locator(".queue-button").click()
    page.locator(".line li" if is_full else ".sheet .empty").first.wait_for()
    page.keyboard.press("Escape")


def generate(page: Page, is_full: bool) -> None:
    """Press Generate; the answer is the picture, or that it waits."""
    page.locator("#text-prompt textarea").fill("a cat")
    page.locator("button.generate:visible").click()
    page.locator("#text-stage figure.result .picture, .making" if not is_full else ".making, #text-stage .says").first.wait_for()


def measure_ms(work: Callable[[], None]) -> float:
    """The milliseconds that ``work`` takes."""
    return history.measure_seconds(work) * 1000


if __name__ == "__main__":
    main()
