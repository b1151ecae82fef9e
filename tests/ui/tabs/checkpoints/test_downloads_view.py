"""What a download's card says and offers in each of its states."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from engine.checkpoints.download import background
from engine.checkpoints.download.background import Download
from engine.settings import Settings
from ui import sentences
from ui.common.checkpoint_options import CheckpointOptions
from ui.tabs.checkpoints.downloads_view import BUTTONS, render_downloads
from ui.tabs.checkpoints.service import CheckpointsService

STATES = (
    background.ASKING, background.CONFIRMING, background.OFFERED, background.RUNNING, background.PAUSED, background.FINISHED,
    background.FAILED, background.CANCELLED,
)  # fmt: skip


def card(state: str, *, done: int = 0, total: int = 0, said: str = "") -> str:
    """The card of a download in ``state``."""
    download = Download(number=1, label="A <b>", licence="", licence_link="", state=state, done=done, total=total, said=said)
    return render_downloads([download])


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_buttons_and_nothing_is_markup(state: str) -> None:
    shown = card(state, done=5_000_000, total=9_000_000, said="A <i>sentence</i>.")
    assert "<b>" not in shown and "A &lt;i&gt;sentence" in shown
    assert [what for what, _ in BUTTONS[state] if f'data-do="{what}"' in shown] == [what for what, _ in BUTTONS[state]]
    assert sentences.download_status(state, "5 MB", "9 MB", True) in shown


@pytest.mark.parametrize("state", [background.FAILED, background.CANCELLED])
def test_a_part_is_named_and_can_be_deleted_only_where_there_is_one(state: str) -> None:
    kept, nothing = card(state, done=5_000_000, total=9_000_000), card(state)
    assert "5 MB of 9 MB are kept" in kept and "Delete the part" in kept
    assert "kept" not in nothing and "Delete the part" not in nothing


def test_a_question_is_no_trouble() -> None:
    assert 'role="alert"' not in card(background.CONFIRMING, said="Continue?") and 'role="alert"' in card(
        background.FAILED, said="No."
    )


def wait_for(service: CheckpointsService, words: str) -> str:
    """The cards once they say ``words``."""
    for _ in range(2000):
        if words in (shown := service.render_downloads()):
            return shown
        time.sleep(0.01)
    raise AssertionError(service.render_downloads())


def test_offline_ends_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: str, **__: str) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")
    service = CheckpointsService(settings, CheckpointOptions(settings))
    for number, link in (("1", "owner/name"), ("2", "https://models.example/a.safetensors")):
        assert service.paste(link) == ""
        wait_for(service, "seems to be offline")
        assert not service.busy
        service.press("dismiss", number)
    service.press("ask", "stable-diffusion-v1-5")
    wait_for(service, "seems to be offline")


def test_a_host_inside_the_network_is_a_question_on_the_card(tmp_path: Path) -> None:
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")
    service = CheckpointsService(settings, CheckpointOptions(settings))
    assert service.paste("http://169.254.169.254/latest.safetensors") == ""
    shown = wait_for(service, "inside your network")
    assert "169.254.169.254" in shown and "Continue" in shown and "Not now" in shown
    service.press("cancel", "1")
    service.press("start", "9" * 5000)
    assert service.render_downloads() == ""
