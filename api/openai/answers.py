"""Finished images as OpenAI's clients read them: at once, or as a stream with partial images."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Literal

from api.context import ApiContext
from api.errors import as_error, find_status, write_error
from api.images import encode_image, write_base64
from api.job_events import stop_when_left, watch
from api.openai.models import ImageAnswer, ImagesAnswer, Options, Usage
from engine.errors import CancelledError, EaselError
from engine.events import Cancelled, Event, Failed, ImageSaved, Result, Step
from engine.json_values import JsonValue

Kind = Literal["image_generation", "image_edit"]
"""The beginning of the names of a stream's events."""


_QUALITY = 95
"""The quality of a JPEG or WebP where a client chooses none."""

_STOPPED = "This was stopped before the first picture was ready."


@dataclass(frozen=True)
class Delivery:
    """How a client wants its images. ``address`` is where Easel's own routes serve them, without a slash at the end."""

    body: Options
    address: str
    notes: tuple[str, ...] = ()


def write_answer(context: ApiContext, job: str, delivery: Delivery) -> ImagesAnswer:
    """The answer for a job that has ended. Raises CancelledError if it was stopped before the first image."""
    state = context.jobs.state(job)
    if not state.results:
        raise CancelledError(_STOPPED)
    first = state.results[0]
    return ImagesAnswer(
        created=int(time.time()),
        data=[_write_image(job, index, result, delivery) for index, result in enumerate(state.results)],
        output_format=delivery.body.output_format or "png",
        quality=delivery.body.quality or "auto",
        size=f"{first.width}x{first.height}",
        easel=[*delivery.notes, *state.notices],
    )


def _write_image(job: str, index: int, result: Result, delivery: Delivery) -> ImageAnswer:
    if delivery.body.response_format == "url":
        return ImageAnswer(url=f"{delivery.address}/easel/v1/jobs/{job}/images/{index}")
    return ImageAnswer(b64_json=_encode(result, delivery.body))


def _encode(result: Result, body: Options) -> str:
    quality = _QUALITY if body.output_compression is None else body.output_compression
    return write_base64(encode_image(result.path, body.output_format or "png", quality))


async def stream_answer(context: ApiContext, job: str, delivery: Delivery, kind: Kind) -> AsyncGenerator[str]:
    """The server-sent events of a job: up to ``partial_images`` previews of each image, then the image itself. A client that goes
    away stops the job."""
    partial = _Partial(delivery.body.partial_images or 0)
    async with stop_when_left(context, job), watch(context, job) as events:
        while events.last is None:
            for event in await events.take():
                try:
                    written = await _write_job_event(context, event, delivery, kind, partial)
                except EaselError as error:
                    yield _write_error(error)
                    return
                if written:
                    yield written


async def _write_job_event(context: ApiContext, event: Event, delivery: Delivery, kind: Kind, partial: _Partial) -> str:
    """A job's event for the client, "" for one that it is not sent. Raises the error of a job that failed."""
    if isinstance(event, Step) and event.preview and partial.wants(event):
        fields = {"b64_json": write_base64(event.preview), "partial_image_index": partial.count(event)}
        return _write_event(f"{kind}.partial_image", {**_describe(delivery, "jpeg"), **fields})
    if isinstance(event, ImageSaved):
        encoded = await context.run(_encode, event.result, delivery.body)
        said = {
            **_describe(delivery, delivery.body.output_format or "png"),
            "size": f"{event.result.width}x{event.result.height}",
        }
        return _write_event(f"{kind}.completed", {**said, "b64_json": encoded, "usage": Usage().model_dump()})
    if isinstance(event, Failed):
        raise as_error(event)
    if isinstance(event, Cancelled) and not event.results:
        raise CancelledError(_STOPPED)
    return ""


class _Partial:
    """Which steps of an image are shown: ``most`` of them, evenly apart."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._shown: dict[int, int] = {}

    def wants(self, step: Step) -> bool:
        """Whether this step is one of those."""
        shown = self._shown.get(step.index, 0)
        return shown < self._most and step.step < step.steps and step.step * (self._most + 1) >= (shown + 1) * step.steps

    def count(self, step: Step) -> int:
        """The index of the partial image that this step is."""
        shown = self._shown.get(step.index, 0)
        self._shown[step.index] = shown + 1
        return shown


def _describe(delivery: Delivery, format: str) -> dict[str, JsonValue]:
    return {
        "created_at": int(time.time()), "size": delivery.body.size or "auto", "quality": delivery.body.quality or "auto",
        "background": "opaque", "output_format": format,
    }  # fmt: skip


def _write_event(kind: str, fields: Mapping[str, JsonValue]) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def _write_error(error: EaselError) -> str:
    written = bytes(write_error("/v1/", find_status(error), str(error), error.kind).body).decode()
    return f"event: error\ndata: {written}\n\n"
