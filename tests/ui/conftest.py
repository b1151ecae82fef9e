"""A page's settings and jobs, over the scripted engine; one of each for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.jobs import Jobs
from engine.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("served")
    return Settings(data=folder / "data", outputs=folder / "outputs")


@pytest.fixture(scope="module")
def jobs(settings: Settings) -> Iterator[Jobs]:
    with Jobs(settings, "engine.testing:ScriptedEngine") as opened:
        yield opened
