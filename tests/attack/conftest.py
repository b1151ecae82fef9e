"""A studio over the scripted engine; one for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from engine.jobs import Jobs
from engine.settings import Settings
from ui.server.serve import Studio, serve


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("attacked")
    return Settings(data=folder / "data", outputs=folder / "outputs")


@pytest.fixture(scope="module")
def studio(settings: Settings) -> Iterator[Studio]:
    with pytest.MonkeyPatch.context() as patch:
        # Gradio's statistics of its queue, anew after each event, would take most of the time of a thousand events.
        patch.setenv("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
        yield from _served(settings)


def _served(settings: Settings) -> Iterator[Studio]:
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs, serve(settings, jobs, port=0) as served:
        yield served


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.url, timeout=60) as opened:
        yield opened
