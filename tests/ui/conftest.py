"""A page's settings and jobs, over the scripted engine; one of each for all tests of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a desktop keeps its trash, here a folder of the test's own."""
    folder = tmp_path / "desktop"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == "send2trash"]:  # it looks once, when it is imported
        monkeypatch.delitem(sys.modules, name)
    return folder
