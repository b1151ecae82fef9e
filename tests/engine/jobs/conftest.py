from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from engine.jobs import Jobs
from engine.settings import Settings

SCRIPTED = "engine.testing:ScriptedEngine"
PATIENT_SECONDS = 240.0
"""How long a test waits for what must come; a busy machine may take long to start a process."""


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    with Jobs(settings, SCRIPTED) as made:
        yield made


def until(true: Callable[[], object], seconds: float = PATIENT_SECONDS) -> None:
    """Returns when ``true`` is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
