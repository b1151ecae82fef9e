from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from engine.jobs import Jobs
from engine.jobs.watchdog import TimeLimits
from engine.settings import Settings

SCRIPTED = "engine.testing:ScriptedEngine"
SHORT = TimeLimits(start=60, load=3, least=2)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    with Jobs(settings, SCRIPTED, SHORT) as made:
        yield made


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Returns when ``true`` is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
