"""Describes an image by a job, without components: which captioners there are, the request, and the answer as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.captioners.find import find_captioner, is_tagger, list_captioners
from engine.errors import EaselError, ImageError
from engine.jobs import Jobs
from engine.records.blobs import Blobs
from engine.requests import DescribeImage
from engine.settings import Settings
from ui import messages
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.job_view import View, follow_job
from ui.templates import render_notice


@dataclass(frozen=True)
class Description:
    """What to show of a description: its job, a line of HTML, and the words once they are there."""

    job: str = ""
    status: str = ""
    words: str | None = None
    running: bool = False


class DescribeService:
    """Each method is what one event does, in plain values. ``page`` names the jobs of a place on the page."""

    def __init__(self, settings: Settings, jobs: Jobs, known: CheckpointOptions, place: str) -> None:
        self._blobs = Blobs(settings.data / "blobs")
        self._jobs, self._known, self._place = jobs, known, place

    def list_captioners(self) -> list[str]:
        """The names of all captioners that the last scan found."""
        return [entry.name for entry in list_captioners(self._known.inventory)]

    def writes_tags(self, captioner: str | None) -> bool:
        """Whether a captioner, None for the first, gives tags with a confidence."""
        try:
            return is_tagger(find_captioner(captioner or None, self._known.inventory))
        except EaselError:
            return False

    def create_request(self, path: str | None, captioner: str | None, threshold: float) -> DescribeImage:
        """The request to describe an image file. Raises EaselError, a sentence, without a file or a captioner."""
        if not path:
            raise ImageError(messages.NOTHING_TO_DESCRIBE)
        return self.create_request_for_blob(self._blobs.put_file(Path(path)), captioner, threshold)

    def create_request_for_blob(self, image: str, captioner: str | None, threshold: float) -> DescribeImage:
        """The request to describe an image that the engine keeps. Raises CheckpointError without a captioner."""
        entry = find_captioner(captioner or None, self._known.inventory)
        return DescribeImage(image=image, captioner=entry.name, threshold=threshold)

    async def describe(self, ask: Callable[[], DescribeImage], browser: str) -> AsyncGenerator[Description, None]:
        """The answer to ``ask()``, which may raise EaselError, as it comes."""
        try:
            request = await asyncio.to_thread(ask)
            job = await asyncio.to_thread(self._jobs.submit, request, self._name(browser))
        except EaselError as error:
            yield Description(status=render_notice(str(error), "trouble"))
            return
        async for answer in self._follow(job):
            yield answer

    async def follow_latest(self, browser: str) -> AsyncGenerator[Description, None]:
        """The newest answer of this place, for a page that was loaded again."""
        latest = await asyncio.to_thread(self._jobs.latest, self._name(browser))
        if latest is not None:
            async for answer in self._follow(latest.id):
                yield answer

    def stop(self, job: str) -> None:
        """Stop a job, if there is one."""
        if job:
            self._jobs.stop(job)

    async def _follow(self, job: str) -> AsyncGenerator[Description, None]:
        try:
            async for view in follow_job(self._jobs, job):
                yield _show(job, view)
        except EaselError as error:
            yield Description(job, render_notice(str(error), "trouble"))

    def _name(self, browser: str) -> str:
        return f"{browser} {self._place}"


def _show(job: str, view: View) -> Description:
    if view.trouble:
        return Description(job, render_notice(view.trouble, "trouble"))
    said = [view.status if view.running or view.words is None else "", *view.notices]
    if view.words == "":
        said.append(messages.NOTHING_SEEN)
    return Description(job, "".join(render_notice(each) for each in said if each), view.words or None, view.running)
