"""A server with the scripted engine, one per test file, and the tally of all attacks."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import httpx
import pytest

from engine.jobs import Jobs
from engine.settings import Settings
from tests.attack.tally import PROPERTY, Tally
from ui.server.serve import Studio, serve


@pytest.fixture
def tally() -> Tally:
    """Counts the attacks that a test tries and the faults that it finds; the test fails if there are any."""
    return Tally()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, bool | None, bool | None]:
    """Fails the test whose tally is not clean, and puts the tally into its report."""
    counted = pyfuncitem.funcargs.get("tally")
    try:
        done = yield
        if isinstance(counted, Tally):
            counted.check()
        return done
    finally:
        if isinstance(counted, Tally):
            pyfuncitem.user_properties.append((PROPERTY, dict(counted.counts)))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("attacked")
    return Settings(data=folder / "data", outputs=folder / "outputs")


@pytest.fixture(scope="module")
def studio(settings: Settings) -> Iterator[Studio]:
    with pytest.MonkeyPatch.context() as patch:
        # Gradio recomputes statistics of its queue after each event, which would dominate the time of a thousand events.
        patch.setenv("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
        yield from _serve(settings)


def _serve(settings: Settings) -> Iterator[Studio]:
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs, serve(settings, jobs, port=0) as served:
        yield served


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.url, timeout=60) as opened:
        yield opened
