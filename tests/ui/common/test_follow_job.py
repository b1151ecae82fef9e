"""Following a job from many pages at once, over real jobs and the scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import RequestError
from engine.jobs import Jobs
from engine.requests import TextToImage
from engine.settings import Settings
from ui.common.follow_job import views
from ui.common.job_view import View


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    folder: Path = tmp_path_factory.mktemp("followed")
    with Jobs(Settings(data=folder / "data", outputs=folder / "outputs"), "engine.testing:ScriptedEngine") as opened:
        yield opened


async def followed(jobs: Jobs, job: str) -> list[View]:
    return [view async for view in views(jobs, job)]


def test_forty_pages_follow_one_job_to_its_end(jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="a cat, script: slow", steps=4))

    async def everybody() -> list[list[View]]:
        return await asyncio.gather(*(followed(jobs, job) for _ in range(40)))

    for seen in asyncio.run(everybody()):
        assert [view.running for view in seen] == [True] * (len(seen) - 1) + [False]
        assert any(view.preview for view in seen) and len(seen[-1].results) == 1


def test_who_comes_after_the_end_sees_the_result(jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="a dog", count=2))
    first = asyncio.run(followed(jobs, job))
    late = asyncio.run(followed(jobs, job))
    assert late[-1] == first[-1] and len(late[-1].results) == 2


def test_a_page_that_leaves_takes_no_listener_along(jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="a cat, script: slow", steps=4))

    async def leave() -> View:
        following = views(jobs, job)
        view = await anext(following)
        await following.aclose()
        return view

    assert asyncio.run(leave()).running
    assert asyncio.run(followed(jobs, job))[-1].results


def test_a_job_that_never_was_is_an_error(jobs: Jobs) -> None:
    with pytest.raises(RequestError, match="does not know this job"):
        asyncio.run(followed(jobs, "nonsense"))
