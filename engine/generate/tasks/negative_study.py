"""What each word of a negative prompt does: the same picture with one term silent after the other.

A silent term's tokens are replaced by neutral ones, so number, order and weights of the tokens stay. All pictures start from
one noise and run in batches of one shape, with the same noise in every row where a sampler adds some. See
:mod:`engine.negative.study` for which pictures these are and what they tell.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from engine.events import Event, Notice
from engine.generate import safety
from engine.generate.decode import decode
from engine.generate.engine_state import EngineState
from engine.generate.out_of_memory import surviving
from engine.generate.prepare import Prepared, fits, prepare
from engine.generate.run import (
    ImageContext,
    Session,
    Start,
    announced,
    create_context,
    denoise,
    encode,
    opened,
    picture,
    remembered,
)
from engine.generate.save import kept, save
from engine.generate.tasks.negative_comparison import check_guided
from engine.generate.tasks.text_to_image import FromWords
from engine.negative import study
from engine.negative.comparison import as_text_to_image
from engine.prompt.encode import PromptEncodings
from engine.prompt.terms import Place
from engine.records import outputs
from engine.requests import Resolved, ResolvedStudyNegative, StudyNegative
from engine.stopping import Stop

ROWS = (4, 3, 2)
"""Pictures in a batch, from what is tried first. One alone where no more fit."""

KEPT = 1000
"""Pictures of studies that stay in their folder: older ones make room."""

Silence = tuple[Place, ...]


def run(job: str, asked: StudyNegative, workshop: EngineState, stop: Stop) -> Iterator[Event]:
    """The pictures of a study, in the order of their numbers. RequestError where a negative prompt cannot do anything."""
    # 1. Decide; refuse now what cannot tell anything.
    outputs.check_writable(workshop.settings.outputs / study.FOLDER)
    study.tried(asked)
    if asked.refiner is not None:
        # It reads the whole negative prompt for itself, so no word of it would ever be silent.
        yield Notice(job=job, text="What each word does is tried without the refiner.")
        asked = dataclasses.replace(asked, refiner=None)
    prepared = prepare(asked, FromWords().size, workshop)
    check_guided(prepared)
    yield from surviving(job, prepared, workshop, partial(_attempt, job, asked, workshop, stop))


def _attempt(job: str, asked: StudyNegative, workshop: EngineState, stop: Stop, prepared: Prepared) -> Iterator[Event]:
    """The whole study under one plan."""
    words, folder, silences = FromWords(), workshop.settings.outputs / study.FOLDER, study.silences(asked)
    rows = next((rows for rows in ROWS if fits(prepared, workshop, rows)), 1)
    resolved = dataclasses.replace(prepared.resolved, batch_size=rows)
    batches = [silences[first : first + rows] for first in range(0, len(silences), rows)]
    yield from announced(job, prepared, workshop)
    with opened(job, words, prepared, workshop, stop, pictures=len(batches) + 1, folder=folder) as session:
        # 2. Batch after batch, all of one shape. Those that an earlier attempt saved are not made twice.
        there = outputs.find_saved(folder, job)
        for number, batch in enumerate(batches):
            first = number * rows
            if all(first + row in there for row in range(len(batch))):
                yield from (kept(session, first + row, resolved, there[first + row]) for row in range(len(batch)))
            else:
                yield from _batch(session, number, [_silent(resolved, silence) for silence in batch], rows)

        # 3. The picture without the terms that did nothing.
        yield from _slim(session, asked, prepared.resolved)
        outputs.keep_newest(folder, KEPT)
        yield from remembered(session, prepared)


@dataclass(frozen=True)
class SideBySide:
    """The words of several pictures as one batch, a row each."""

    rows: tuple[PromptEncodings, ...]

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """As :meth:`engine.prompt.encode.PromptEncodings.at`, with a row a picture."""
        prompt, *others = (_stacked(part) for part in zip(*(row.at(step) for row in self.rows), strict=True))
        negative, pooled, pooled_negative = others
        assert prompt is not None, "there is always a prompt"
        return prompt, negative, pooled, pooled_negative


def _stacked(part: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    there = [row for row in part if row is not None]
    return torch.cat(there) if there else None


def _silent(resolved: Resolved, silence: Silence) -> Resolved[ResolvedStudyNegative]:
    assert isinstance(resolved.request, ResolvedStudyNegative)
    return resolved.with_request(dataclasses.replace(resolved.request, silenced=silence))


def _batch(session: Session, number: int, wanted: Sequence[Resolved[ResolvedStudyNegative]], rows: int) -> Iterator[Event]:
    """The pictures of one batch of ``rows`` rows: one denoising, then one decode and one file each."""
    began = time.monotonic()
    words = [encode(session, each, each.request.silenced) for each in wanted]
    filled = [*words, *words[:1] * (rows - len(words))]
    context = create_context(session, wanted[0])
    start = side_by_side(session.task.start(context), rows)
    latents = start.latents
    session.progress.start_picture()
    for step, latents in enumerate(denoise(_alike(context, rows), start, SideBySide(tuple(filled))), start=1):
        yield session.progress.step(number, step, len(start.timesteps), session.preview(latents[:1]))
    for row, each in enumerate(wanted):
        image = decode(latents[row : row + 1], session.pipeline.vae, session.guard)
        safety.check(image, session.checker)
        index = number * rows + row
        path, _ = save(session, index, each, image)
        yield kept(session, index, each, path, (time.monotonic() - began) / len(wanted))


def side_by_side(start: Start, rows: int) -> Start:
    """The same start in every row."""
    return dataclasses.replace(start, latents=start.latents.repeat(rows, 1, 1, 1))


def _alike(context: ImageContext, rows: int) -> ImageContext:
    """The bench with a generator a row, all in one state: a sampler that adds noise adds the same everywhere."""
    assert isinstance(context.generator, torch.Generator)
    state = context.generator.get_state()
    return dataclasses.replace(context, generator=[torch.Generator("cpu").set_state(state) for _ in range(rows)])


def _slim(session: Session, asked: StudyNegative, resolved: Resolved) -> Iterator[Event]:
    """The picture that text to image makes of the negative prompt without its dead terms, if there are any."""
    there: dict[int, Path] = outputs.find_saved(session.folder, session.job)
    found = study.findings(asked, there)
    if not found.dead:
        return
    slim = dataclasses.replace(resolved, request=as_text_to_image(resolved.request, found.remaining))
    index = study.FIRST + len(found.found)
    if index in there:
        yield kept(session, index, slim, there[index])
    else:
        yield from picture(session, index, slim, encode(session, slim))
