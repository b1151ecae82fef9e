"""Pictures that are enlarged once they are made, in the same job. Both sizes are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from engine.checkpoints.library.upscalers import LANCZOS, find_upscaler, is_diffusion
from engine.events import Event, PictureSaved, Result, Step
from engine.generate.engine_state import EngineState
from engine.generate.upscale import run as upscale
from engine.records.blobs import Blobs
from engine.requests import GenerationRequest, ImageToImage, Request, TextToImage, Upscale, is_draft
from engine.stopping import Stop

Run = Callable[[str, Any, EngineState, Stop], Iterator[Event]]
"""What makes the pictures of a kind of request: (job, asked, workshop, stop) -> events."""

ENLARGED = "-large"
"""What is added to a job's name in the names of the enlarged files, so that each is found again for itself."""


def run(make: Run, job: str, asked: Request, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The pictures that ``make`` makes, then, if ``asked.upscaler`` says so, each of them four times as large.

    Raises CheckpointError before anything is made if that upscaler is not there.
    """
    if not isinstance(asked, TextToImage | ImageToImage) or not wanted(asked):
        yield from make(job, asked, state, stop)
        return
    prompt, negative_prompt = _words(asked, state)
    results: list[Result] = []
    for event in make(job, asked, state, stop):
        if isinstance(event, PictureSaved):
            results.append(event.result)
        yield _counted(event, 0, 2 * asked.count)
    blobs = Blobs(state.settings.data / "blobs")
    images = tuple(blobs.put(result.path.read_bytes(), by_head=True) for result in results)
    seed = results[0].seed if results else asked.seed
    enlarge = Upscale(
        images=images, upscaler=asked.upscaler, seed=seed, precision=asked.precision, prompt=prompt,
        negative_prompt=negative_prompt,
    )  # fmt: skip
    for event in upscale.run(job + ENLARGED, enlarge, state, stop):
        yield dataclasses.replace(_counted(event, asked.count, 2 * asked.count), job=job)


def wanted(asked: TextToImage | ImageToImage) -> bool:
    """Whether the pictures of a request are enlarged afterwards."""
    return bool(asked.upscaler) and not is_draft(asked)


def _words(asked: GenerationRequest, state: EngineState) -> tuple[str, str]:
    """Both prompts, for an upscaler that reads them. The others' results carry the record of the small picture as it is."""
    if asked.upscaler == LANCZOS or not is_diffusion(find_upscaler(asked.upscaler, state.catalogue)):
        return "", ""
    return asked.prompt, asked.negative_prompt


def _counted(event: Event, before: int, pictures: int) -> Event:
    """``event`` among all the ``pictures`` of the job, small and large ones, ``before`` of which come first."""
    if isinstance(event, Step):
        return dataclasses.replace(event, picture=before + event.picture, pictures=pictures)
    return dataclasses.replace(event, picture=before + event.picture) if isinstance(event, PictureSaved) else event
