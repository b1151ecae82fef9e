"""The checkpoint that was used last is loaded while the person still types."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.jobs import Jobs
from engine.requests import TextToImage
from engine.settings import HOUSE, Settings
from engine.testing import GO_ON
from tests.ui import run_async
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.generate_button import Shown, TabJobs, warm_checkpoint


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


def test_a_tab_follows_its_jobs_one_after_the_other_and_keeps_what_they_made(settings: Settings) -> None:
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        tab, other = (TabJobs(jobs, settings.outputs, name) for name in ("text", "sketch"))

        def ask(prompt: str) -> TextToImage:
            return TextToImage(prompt=prompt, checkpoint="first")

        async def follow() -> list[Shown]:
            return [shown async for shown in tab.follow("me")]

        for prompt in ("one, script: wait", "two", "three"):
            assert tab.submit(lambda prompt=prompt: ask(prompt), "me") == ""
        other.submit(lambda: ask("elsewhere"), "me")
        assert len(jobs.line(page="me text")) == 3 and len(jobs.line()) == 4
        tab.stop(jobs.line(page="me text")[-1].id)
        (settings.data / GO_ON).touch()
        shown = run_async.run(follow())
        assert len(dict.fromkeys(each.job for each in shown)) == 2 and not shown[-1].running and shown[-1].waiting == 0
        assert str(shown[-1].stage).count("<figure") == 2, "the second picture, and the first one beside it"
        assert [each.running for each in run_async.run(follow())] == [False]
