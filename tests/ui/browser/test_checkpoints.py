"""The Checkpoints and Settings tabs in a real browser: a download from a server of our own, choices, preferences."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from engine import preferences
from engine.checkpoints.library.catalogue import Catalogue
from engine.jobs import Jobs
from engine.settings import Settings
from tests.engine.checkpoints.library.test_catalogue import LORA, SD1, SD2, write
from tests.ui.browser.conftest import SCRIPTED, Studio, Visitor, show, unfold
from ui import messages
from ui.server.serve import serve


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The page over a models folder with a few files."""
    folder = tmp_path_factory.mktemp("stocked")
    settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs")
    write(settings.models / "one.safetensors", SD1)
    write(settings.models / "two.safetensors", SD2)
    write(settings.models / "loras" / "ink.safetensors", LORA)
    with Jobs(settings, SCRIPTED) as jobs, serve(settings, jobs, port=0) as studio:
        yield Studio(studio.url, settings, jobs)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[tuple[str, threading.Event]]:
    """The link of a checkpoint on this machine, whose second half waits for the event."""
    content = write(tmp_path / "x.safetensors", {**SD1, "more": [500_000]}).read_bytes()
    second_half = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(content[: len(content) // 2])
            second_half.wait(60)
            self.wfile.write(content[len(content) // 2 :])

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/fetched.safetensors", second_half
        listening.shutdown()


def test_a_pasted_link_is_offered_fetched_and_there(
    stocked: Studio, source: tuple[str, threading.Event], page_session: Callable[..., Visitor]
) -> None:
    link, second_half = source
    page = page_session(stocked).open()
    show(page, "Checkpoints")
    table, downloads = page.locator("#checkpoints-inventory"), page.locator("#checkpoints-downloads")
    expect(table).to_contain_text("ink")
    page.locator("#checkpoints-link").locator("input, textarea").fill("nonsense")
    page.locator("#checkpoints-ask").click()
    expect(page.locator("#checkpoints-says")).to_contain_text("neither a link nor a hub name")
    page.locator("#checkpoints-link").locator("input, textarea").fill(link)
    page.locator("#checkpoints-ask").click()
    expect(downloads).to_contain_text("which is this computer itself")
    downloads.get_by_role("button", name="Continue").click()
    expect(downloads).to_contain_text("1 MB")
    expect(downloads).to_contain_text("Free on the disk")
    assert not list(stocked.settings.models.glob("fetched*"))
    downloads.get_by_role("button", name="Download").click()
    expect(downloads).to_contain_text("Downloading")
    second_half.set()
    expect(downloads).to_contain_text("ready to use")
    expect(table).to_contain_text("fetched")
    downloads.get_by_role("button", name="Close").click()
    expect(downloads.locator("section")).to_have_count(0)


def test_a_choice_for_a_file_and_preferences_survive_a_reload(stocked: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_session(stocked).open()
    show(page, "Checkpoints")
    row = page.locator("tr", has_text="two")
    row.locator("summary").click()
    row.locator("select[name=family]").select_option("sd2_v")
    expect(page.locator("#checkpoints-says")).to_contain_text(messages.CHOICE_KEPT)
    expect(row).to_contain_text("Stable Diffusion 2, 768")
    assert Catalogue(stocked.settings).find("two").identity.prediction_type == "v_prediction"
    show(page, "Settings")
    expect(page.locator("#settings-save")).to_be_enabled()
    page.locator("#settings-watermark").locator("input, textarea").fill("mine")
    page.locator("#settings-leave_metadata_out input").check()
    page.locator("#settings-save").click()
    expect(page.locator("#settings-says")).to_contain_text(messages.SAVED)
    chosen = preferences.read(stocked.settings.data)
    assert chosen.watermark == "mine" and chosen.leave_metadata_out
    page.reload()
    show(page, "Settings")
    expect(page.locator("#settings-watermark").locator("input, textarea")).to_have_value("mine")
    expect(page.locator("#settings-leave_metadata_out input")).to_be_checked()


def test_a_lora_is_picked_into_the_prompt(stocked: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_session(stocked).open()
    page.locator("#text-prompt textarea").fill("a cat")
    unfold(page, messages.SETTINGS)
    unfold(page, messages.ADDITIONS)
    page.locator("#text-lora input").click()
    page.get_by_role("option", name="ink").click()
    expect(page.locator("#text-prompt textarea")).to_have_value("a cat <lora:ink:1>")
