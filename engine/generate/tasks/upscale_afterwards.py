"""Upscales images as soon as they are made, in the same job. Both sizes are saved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain

from engine.checkpoints.library.upscalers import LANCZOS, find_upscaler, is_diffusion
from engine.events import Event, ImageSaved, Result, Step
from engine.generate.engine_state import EngineState
from engine.generate.upscale import run as upscale
from engine.records.blobs import Blobs
from engine.requests import ImageToImage, TextToImage, Upscale, is_draft
from engine.stopping import Stop

JOB_SUFFIX = "-large"
"""What is added to a job's name in the names of the upscaled files, so that both sizes are found separately."""


def is_wanted(asked: TextToImage | ImageToImage) -> bool:
    """Whether the images of a request are upscaled afterwards."""
    return bool(asked.upscaler) and not is_draft(asked)


def run(events: Iterator[Event], job: str, asked: TextToImage | ImageToImage, state: EngineState, stop: Stop) -> Iterator[Event]:
    """``events``, which make the images of ``asked``, followed by the events of upscaling each image four times. Raises
    CheckpointError in advance if the upscaler is missing.
    """
    prompts = _find_prompts(asked, state)
    results: dict[int, Result] = {}

    def collect(event: Event) -> Event:
        if isinstance(event, ImageSaved):
            results[event.index] = event.result
        return _renumber(event, 0, 2 * asked.count)

    def upscale_results() -> Iterator[Event]:
        request = _request(tuple(results.values()), asked, prompts, state)
        for event in upscale.run(job + JOB_SUFFIX, request, state, stop):
            yield dataclasses.replace(_renumber(event, asked.count, 2 * asked.count), job=job)

    return chain(map(collect, events), upscale_results())


def _request(
    results: tuple[Result, ...], asked: TextToImage | ImageToImage, prompts: tuple[str, str], state: EngineState
) -> Upscale:
    blobs = Blobs(state.settings.data / "blobs")
    prompt, negative_prompt = prompts
    return Upscale(
        images=tuple(blobs.put(result.path.read_bytes(), by_head=True) for result in results),
        upscaler=asked.upscaler, seed=results[0].seed if results else asked.seed, precision=asked.precision,
        prompt=prompt, negative_prompt=negative_prompt, prompt_template="", negative_template="",
    )  # fmt: skip


def _find_prompts(asked: TextToImage | ImageToImage, state: EngineState) -> tuple[str, str]:
    """Both prompts if the upscaler uses them, and the images share them. Results of other upscalers keep the record of the small
    image unchanged."""
    if asked.count > 1 and (asked.prompt_template or asked.negative_template):
        return "", ""
    if asked.upscaler == LANCZOS or not is_diffusion(find_upscaler(asked.upscaler, state.catalogue.scan())):
        return "", ""
    return asked.prompt, asked.negative_prompt


def _renumber(event: Event, before: int, count: int) -> Event:
    """``event``, renumbered among all ``count`` images of the job, small and large; ``before`` of them come first."""
    if isinstance(event, Step):
        return dataclasses.replace(event, index=before + event.index, count=count)
    return dataclasses.replace(event, index=before + event.index) if isinstance(event, ImageSaved) else event
