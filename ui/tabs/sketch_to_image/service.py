"""The logic of the Sketch tab, without components: opened images, and Live repaints while the user draws."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from engine.errors import EaselError
from engine.jobs import Jobs
from engine.records.blobs import Blobs
from engine.requests import ImageToImage
from engine.settings import Settings
from ui.common import result_view
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.job_view import follow_job
from ui.tabs.sketch_to_image import view
from ui.templates import render_notice

FLICKER_SECONDS = 1.5
"""Seconds for which the previous repaint stays, so that noise does not flicker between two strokes."""


class SketchService:
    """Each method is what one event does, in plain values. An ``ask`` makes the request and may raise EaselError."""

    def __init__(self, settings: Settings, jobs: Jobs, checkpoint_options: CheckpointOptions) -> None:
        self._settings, self._jobs, self._checkpoint_options = settings, jobs, checkpoint_options
        self._blobs = Blobs(settings.data / "blobs")

    async def repaint(self, ask: Callable[[], ImageToImage], browser: str) -> AsyncGenerator[str, None]:
        """The result view while a draft is painted and when it is done; ends early if a newer draft replaces it."""
        try:
            began = time.monotonic()
            async for seen in follow_job(self._jobs, self._jobs.submit(ask(), f"{browser} live")):
                slow = seen.preview and time.monotonic() - began > FLICKER_SECONDS
                if slow or seen.results or seen.trouble or seen.notices:
                    yield result_view.render_live(seen, self._settings.drafts)
        except EaselError as error:
            yield render_notice(str(error), "trouble")

    def store_first(self, paths: Sequence[str] | None) -> str:
        """The hash under which the engine stores the first of some uploaded images, "" for none. Raises ImageError."""
        return self._blobs.put_file(Path(paths[0])) if paths else ""

    def find_image(self, hash: str | None) -> Path | None:
        """The file of an image that the engine keeps; None if there is none or it is gone."""
        try:
            return self._blobs.path(hash) if hash else None
        except EaselError:
            return None

    def preview_input(self, ask: Callable[[], ImageToImage]) -> str:
        """What the engine will see of the drawing that ``ask`` asks to start from."""
        try:
            asked = ask()
        except EaselError as error:
            return render_notice(str(error), "trouble")
        return view.render_input(asked, self._checkpoint_options.find(asked.checkpoint), self._blobs)
