"""One picture with its negative prompt and without it: to the bit what text to image makes of the same words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial

from engine.errors import RequestError
from engine.events import Event
from engine.generate.engine_state import EngineState
from engine.generate.out_of_memory import surviving
from engine.generate.prepare import Prepared, prepare
from engine.generate.run import announced, encode, opened, picture, remembered
from engine.generate.save import kept
from engine.generate.tasks.text_to_image import FromWords
from engine.negative.comparison import COMPANIONS, pair
from engine.negative.effectiveness import why_not
from engine.records import outputs
from engine.requests import CompareNegative
from engine.stopping import Stop


def run(job: str, asked: CompareNegative, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The picture with the negative prompt, then the one without. RequestError where a negative prompt cannot do anything."""
    outputs.check_writable(state.settings.outputs)
    if not asked.negative_prompt.strip():
        raise RequestError("The negative prompt is empty, so there is nothing to compare. Write what should stay away.")
    prepared = prepare(asked, FromWords().size, state)
    check_guided(prepared)
    yield from surviving(job, prepared, state, partial(_attempt, job, state, stop))


def _attempt(job: str, state: EngineState, stop: Stop, prepared: Prepared) -> Iterator[Event]:
    """Both pictures under one plan."""
    words, folder = FromWords(), state.settings.outputs
    yield from announced(job, prepared, state)
    with opened(job, words, prepared, state, stop, pictures=2, folder=folder) as session:
        saved = outputs.find_saved(folder, job)
        for index, request in enumerate(pair(prepared.resolved.request)):
            resolved = dataclasses.replace(prepared.resolved, request=request)
            if index in saved:
                yield kept(session, index, resolved, saved[index])
            else:
                yield from picture(session, index, resolved, encode(session, resolved), {COMPANIONS[index]: 1 - index})
        yield from remembered(session, prepared)


def check_guided(prepared: Prepared) -> None:
    """Raises RequestError where a negative prompt cannot work."""
    scale = prepared.resolved.request.guidance_scale
    distilled = prepared.entry.config("unet").get("time_cond_proj_dim") is not None
    if reason := why_not(scale, guidance_free=prepared.entry.family.guidance_free, distilled=distilled):
        raise RequestError(reason)
