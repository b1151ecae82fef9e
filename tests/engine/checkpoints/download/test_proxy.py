"""A proxy that Easel cannot download through is a sentence, and nothing goes past it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.checkpoints.download import hub
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.proxy import check_proxy
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import fetch
from engine.errors import DownloadError

SOURCES = (DownloadSource(link="https://models.example/a.safetensors"), DownloadSource(repository="somebody/model"))


@pytest.fixture(autouse=True)
def socks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the launcher's table of variables makes of ALL_PROXY=socks5://..."""
    monkeypatch.setenv("EASEL_UNUSABLE_PROXY", "socks5://proxy.example:1080")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1,::1,mirror.example")


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_asked_past_it(source: DownloadSource, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"socks5://proxy.example:1080.*HTTPS_PROXY.*HTTP proxy"):
        hub.look(source)
    with pytest.raises(DownloadError, match="proxy"):
        fetch(source, tmp_path / "a.safetensors", Control(), lambda progress: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "mirror.example"])
def test_exceptions_of_no_proxy_hold(host: str) -> None:
    check_proxy(f"http://{host}/a.safetensors", "a.safetensors")
