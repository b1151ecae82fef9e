"""What happens when something on a tab is pressed: from values to requests to jobs, and back, without components."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import EaselError
from engine.jobs import Jobs
from engine.prompt.tokenizer import load_tokenizer
from engine.prompt.tokens import PromptReading, read_prompt
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, GenerationRequest, ImageToImage, Request, Resolved, StudyNegative, Upscale
from engine.settings import Settings
from ui import messages
from ui.common import follow_job, form, prompt_reading, result_view
from ui.common.checkpoint_options import Checkpoint, CheckpointOptions
from ui.common.estimate import Forecast
from ui.common.job_view import IDLE, View
from ui.common.presets import Presets
from ui.server import image_routes
from ui.tabs.checkpoints.service import CheckpointsService
from ui.tabs.negative_prompts import view as negatives
from ui.tabs.settings import machine_view as machine
from ui.tabs.settings.service import SettingsService
from ui.tabs.sketch_to_image import input_preview as seen
from ui.tabs.sketch_to_image import strengths_view
from ui.tabs.upscale.form import UpscaleService

Show = Callable[[Any, View, Path], str]
"""(request, view of its job, outputs folder) -> the stage as HTML."""

SHOWS: dict[type[Request], Show] = {
    CompareNegative: negatives.show_comparison,
    StudyNegative: negatives.show_study,
}
"""Kind of request -> how its results are shown; those that are not here are pictures."""


def _show_pictures(asked: Request, view: View, outputs: Path) -> str:
    if isinstance(asked, ImageToImage) and asked.strengths:
        return strengths_view.show(asked, view, outputs)
    return result_view.show(view, outputs)


PATIENCE = 1.5
"""Seconds for which the repaint before stays, so that what is still noise does not flicker between two strokes."""


class Actions:
    """What tabs do, in plain values. Each method is what one event does."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self.settings, self._jobs = settings, jobs
        self.checkpoint_options = CheckpointOptions(settings)
        self.presets = Presets(settings)
        self.stock = CheckpointsService(settings, self.checkpoint_options)
        self.standing = SettingsService(settings)
        self.upscale_service = UpscaleService(settings, self.checkpoint_options)
        self._forecast = Forecast(settings, self.checkpoint_options)
        self._blobs = Blobs(settings.data / "blobs")

    def identify(self, page: str) -> str:
        """The id of a browser: the one that it kept, or a new one."""
        return page or secrets.token_urlsafe(12)

    def submit(self, ask: Callable[[], Request], tab: str, page: str) -> tuple[str, str]:
        """The id of the new job of a browser's tab, or "", and what to say: why there is none, or what was noticed.

        ``ask`` makes the request and may raise EaselError.
        """
        try:
            asked = ask()
            job = self._jobs.submit(asked, _place(tab, page))
        except EaselError as error:
            return "", result_view.says(str(error), "trouble")
        return job, "" if asked.prompt.strip() or isinstance(asked, Upscale) else result_view.says(messages.EMPTY_PROMPT)

    def latest(self, tab: str, page: str) -> str:
        """The newest job of a browser's tab, or ""."""
        latest = self._jobs.latest(_place(tab, page))
        return latest.id if latest else ""

    async def follow(self, job: str) -> AsyncIterator[tuple[View, str]]:
        """The view of a job and its picture of itself, until the job ends."""
        try:
            asked = self._jobs.state(job).request
            show = SHOWS.get(type(asked), _show_pictures)
            async for view in follow_job.views(self._jobs, job):
                yield view, show(asked, view, self.settings.outputs)
        except EaselError as error:
            view = View(trouble=str(error))
            yield view, result_view.show(view, self.settings.outputs)

    def describe_run(self, request: Request, seconds: float) -> Resolved[Request] | None:
        """How a request would be run here now; None if it cannot be made here or the worker is busy for so long."""
        return self._jobs.describe_run(request, seconds)

    def outlook(self, ask: Callable[[], GenerationRequest]) -> str:
        """Whether what ``ask`` asks for fits on this machine, and about how long it takes; "" where the form is not usable."""
        try:
            return self._forecast.say(ask(), self._jobs.describe())
        except EaselError:
            return ""

    def machine(self) -> str:
        """What this computer is to Easel."""
        return machine.show(self._jobs.describe())

    def warm(self, checkpoint: str) -> None:
        """Load a checkpoint while the person still types; "" is the one that was used last."""
        made = self._jobs.jobs(limit=1)
        last = made[0].request.checkpoint if made and isinstance(made[0].request, GenerationRequest) else None
        self._jobs.warm(self.checkpoint_options.find(checkpoint or last).name)

    def stop(self, job: str) -> str:
        """Stop a job; what to say."""
        try:
            self._jobs.stop(job)
        except EaselError as error:
            return result_view.says(str(error), "trouble")
        return ""

    async def repaint(self, ask: Callable[[], Request], page: str) -> AsyncIterator[str]:
        """The stage while a draft is painted and when it is there; nothing more once a newer one has ended it."""
        try:
            began = time.monotonic()
            async for view in follow_job.views(self._jobs, self._jobs.submit(ask(), _place("live", page))):
                slow = view.preview and time.monotonic() - began > PATIENCE
                if slow or view.results or view.trouble or view.notices:
                    yield result_view.live(view, self.settings.drafts)
        except EaselError as error:
            yield result_view.says(str(error), "trouble")

    def keep_picture(self, path: str | None) -> str:
        """The hash under which the engine keeps a picture that was handed in as a file, "" for none. Raises PictureError."""
        return self._blobs.put(Path(path).read_bytes()) if path else ""

    def kept_picture(self, hash: str | None) -> Path | None:
        """The file of a picture that the engine keeps; None for none and for one that is gone."""
        try:
            return self._blobs.path(hash) if hash else None
        except EaselError:
            return None

    def seen(self, ask: Callable[[], ImageToImage]) -> str:
        """What the engine will see of the drawing that ``ask`` asks to start from."""
        try:
            asked = ask()
        except EaselError as error:
            return result_view.says(str(error), "trouble")
        return seen.show(asked, self.checkpoint_options.find(asked.checkpoint), self.settings.data / "blobs")

    def made_with(self, picture: str) -> tuple[Request | None, str]:
        """The request that a finished picture was made with, and what to say. ``picture`` is its path inside the outputs."""
        path = image_routes.find(self.settings.outputs, picture)
        if path is None:
            return None, result_view.says(messages.PICTURE_GONE, "trouble")
        made_with = result_view.made_with(path)
        return made_with, result_view.says(messages.REUSED) if made_with else result_view.says(messages.NO_RECORD, "trouble")

    def compared(self, job: str) -> dict[str, Any]:
        """The slider that lays the newest result of an upscaling job over its source; hidden where there is none."""
        results = self._jobs.state(job).results if job else ()
        newest = results[-1].path if results else None
        made_with = result_view.made_with(newest) if newest else None
        if newest is None or not isinstance(made_with, Upscale):
            return gr.update(visible=False)
        pair = self.upscale_service.pair(made_with, newest)
        return gr.update(visible=pair is not None, value=pair)

    def reuse(self, picture: str) -> tuple[dict[str, str] | None, str]:
        """The form that asks for a finished picture again, and what to say. ``picture`` is its path inside the outputs."""
        made_with, said = self.made_with(picture)
        return form.settings_of(
            made_with, self.checkpoint_options.find(form.checkpoint_of(made_with))
        ) if made_with else None, said

    def read(self, prompt: str, negative_prompt: str, chosen: Checkpoint, guidance_scale: str) -> tuple[str, str]:
        """How a checkpoint's text encoders read both prompts: what to say under them, and the tokens."""
        texts = {"prompt": prompt, "negative_prompt": negative_prompt}
        try:
            read = {form.LABELS[name]: _read(text, chosen) for name, text in texts.items() if text or name == "prompt"}
        except EaselError as error:
            return result_view.says(str(error), "trouble"), ""
        said = prompt_reading.summary(read.values(), chosen.repertoire, self.settings.models)
        if negative_prompt.strip():
            said += result_view.says(form.doubt(guidance_scale, chosen))
        return said, prompt_reading.listing(read)

    def blank_stage(self) -> str:
        """The stage before anything was asked."""
        return result_view.show(IDLE, self.settings.outputs)


def _read(text: str, checkpoint: Checkpoint) -> dict[str, PromptReading]:
    tokenizers = {
        each.label: load_tokenizer(each.tokenizer, pad_token=each.pad_token, embeddings=each.embeddings)
        for each in checkpoint.text_encoders
    }
    return {label: read_prompt(text, tokenizer) for label, tokenizer in tokenizers.items()}


def _place(tab: str, page: str) -> str:
    """The name under which the journal keeps the jobs of one tab in one browser."""
    return f"{page} {tab}"
