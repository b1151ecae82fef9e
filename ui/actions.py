"""What happens when something on the text-to-image tab is pressed: from values to requests to jobs, and back."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from engine.errors import EaselError
from engine.generate.schedulers import SCHEDULERS
from engine.jobs import Jobs
from engine.prompt.tokenizer import load_tokenizer
from engine.prompt.tokens import read_prompt
from engine.settings import Settings
from ui import follow, form, messages, pictures, reading, stage
from ui.shelf import Shelf
from ui.updates import IDLE, View


class Actions:
    """The text-to-image tab without its components. Each method is what one event does, in plain values."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self._settings, self._jobs = settings, jobs
        self.shelf = Shelf(settings)

    def submit(self, written: Mapping[str, Any], page: str) -> tuple[str, str]:
        """The id of the new job, or "", and what to say: why there is none, or what was noticed."""
        try:
            asked = form.request(written, self.shelf.find(written["checkpoint"]))
            job = self._jobs.submit(asked, page)
        except EaselError as error:
            return "", stage.says(str(error), "trouble")
        return job, "" if asked.prompt.strip() else stage.says(messages.EMPTY_PROMPT)

    async def follow(self, job: str) -> AsyncIterator[tuple[View, str]]:
        """The view of a job and its picture of itself, until the job ends."""
        try:
            async for view in follow.views(self._jobs, job):
                yield view, stage.show(view, self._settings.outputs)
        except EaselError as error:
            view = View(trouble=str(error))
            yield view, stage.show(view, self._settings.outputs)

    def stop(self, job: str) -> str:
        """Stop a job; what to say."""
        try:
            self._jobs.stop(job)
        except EaselError as error:
            return stage.says(str(error), "trouble")
        return ""

    def arrive(self, kept: object, page: str) -> tuple[dict[str, str], str, str]:
        """For a page that opens: its form as it was left, its id, and its newest job, or ""."""
        self.shelf.look()
        restored = form.kept(kept, self.shelf.checkpoints, SCHEDULERS)
        page = page or secrets.token_urlsafe(12)
        latest = self._jobs.latest(page)
        return restored, page, latest.id if latest else ""

    def reuse(self, picture: str) -> tuple[dict[str, str] | None, str]:
        """The form that asks for a finished picture again, and what to say. ``picture`` is its path inside the outputs."""
        path = pictures.find(self._settings.outputs, picture)
        if path is None:
            return None, stage.says(messages.PICTURE_GONE, "trouble")
        made_with = stage.made_with(path)
        if made_with is None:
            return None, stage.says(messages.NO_RECORD, "trouble")
        return form.settings_of(made_with, self.shelf.find(made_with.checkpoint)), stage.says(messages.REUSED)

    def read(self, prompt: str, checkpoint: str) -> tuple[str, str]:
        """How a checkpoint's text encoder reads a prompt: the line under the prompt, and its tokens."""
        chosen = self.shelf.find(checkpoint)
        if chosen.tokenizer is None:
            return "", ""
        try:
            read = read_prompt(prompt, load_tokenizer(chosen.tokenizer))
        except EaselError as error:
            return stage.says(str(error), "trouble"), ""
        return reading.summary(read, chosen.repertoire, self._settings.models), reading.tokens(read)

    def blank_stage(self) -> str:
        """The stage before anything was asked."""
        return stage.show(IDLE, self._settings.outputs)
