"""The checkpoint that was used last is loaded while the person still types."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.jobs import Jobs
from engine.requests import TextToImage
from engine.settings import HOUSE, Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.generate_button import warm_checkpoint


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("first", "second"):
        shutil.copytree(HOUSE / "models" / "starter", tmp_path / "models" / name)
    return Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")


def test_the_last_used_or_else_the_first_is_warmed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[str] = []
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        monkeypatch.setattr(jobs, "warm", warmed.append)
        known = CheckpointOptions(settings)
        warm_checkpoint(jobs, known)
        list(jobs.watch(jobs.submit(TextToImage(prompt="a cat", checkpoint="second"))))
        warm_checkpoint(jobs, known)
        warm_checkpoint(jobs, known, "first")
    assert warmed == ["first", "second", "first"]
