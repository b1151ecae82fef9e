from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.jobs import Jobs
from engine.jobs.desk import Patience
from engine.settings import Settings

SCRIPTED = "engine.testing:ScriptedEngine"
SHORT = Patience(start=60, load=3, least=2)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    with Jobs(settings, SCRIPTED, SHORT) as made:
        yield made
