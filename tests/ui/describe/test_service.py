"""A picture is described by a job of the scripted engine; what cannot be done is said before there is a job."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from engine.checkpoints.captioners.find import NO_CAPTIONER
from engine.errors import CheckpointError, ImageError
from engine.jobs import Jobs
from engine.requests import DescribeImage
from engine.settings import Settings
from tests.engine.tiny_captioners import create_tagger
from tests.ui.run_async import run
from ui import messages
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.queue_panel import QueuePanel, find_tab
from ui.describe.service import DescribeService, Description


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    create_tagger(home / "models" / "wd.onnx")
    return Settings(models=home / "models", data=home / "data", outputs=home / "outputs")


@pytest.fixture(scope="module")
def service(settings: Settings, jobs: Jobs) -> DescribeService:
    return DescribeService(settings, jobs, CheckpointOptions(settings), "describe")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.radial_gradient("L").save(path)
    return str(path)


async def collect(service: DescribeService, request: DescribeImage, browser: str) -> list[Description]:
    return [answer async for answer in service.describe(lambda: request, browser)]


async def collect_latest(service: DescribeService, browser: str) -> list[Description]:
    return [answer async for answer in service.follow_latest(browser)]


def test_the_words_come_and_come_again_after_a_reload(service: DescribeService, jobs: Jobs, photo: str) -> None:
    request = service.create_request(photo, None, 0.5)
    assert (request.captioner, request.threshold) == ("wd", 0.5) and service.writes_tags(None)
    answers = run(collect(service, request, "browser"))
    assert answers[-1].words == "a picture as wd sees it" and not answers[-1].running and answers[0].running
    assert [answer.words for answer in run(collect_latest(service, "browser"))] == [answers[-1].words]
    assert run(collect_latest(service, "another browser")) == []
    described = jobs.state(answers[-1].job).described
    assert described is not None and described.resolved.request.captioner == "wd" and described.words == answers[-1].words


def test_the_queue_shows_the_picture_and_leads_to_its_tab(
    service: DescribeService, settings: Settings, jobs: Jobs, photo: str
) -> None:
    request = service.create_request(photo, None, 0.5)
    jobs.pause()
    try:
        job = jobs.submit(request, "browser describe")
        shown = QueuePanel(jobs, settings.outputs).render()
    finally:
        jobs.resume()
    assert find_tab(request) == messages.INFO_TAB and f"sketches/{request.image}" in shown and messages.DESCRIBE in shown
    service.stop(job)


def test_without_a_picture_or_a_captioner_nothing_is_queued(
    service: DescribeService, jobs: Jobs, settings: Settings, photo: str, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match="Drop a picture"):
        service.create_request(None, None, 0.5)
    (tmp_path / "models").mkdir()
    empty = Settings(models=tmp_path / "models", data=settings.data, outputs=settings.outputs)
    bare = DescribeService(empty, jobs, CheckpointOptions(empty), "bare")
    with pytest.raises(CheckpointError):
        bare.create_request(photo, None, 0.5)

    async def ask() -> list[Description]:
        return [answer async for answer in bare.describe(lambda: bare.create_request(photo, None, 0.5), "browser")]

    (answer,) = run(ask())
    assert NO_CAPTIONER.split(".")[0] in answer.status and jobs.latest("browser bare") is None
