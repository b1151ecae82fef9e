"""What each word of a negative prompt does: the same image with one term after another switched off.

A silent term's tokens are replaced by neutral ones, so number, order and weights of the tokens stay. All images start from one
noise and run in batches of one shape, with the same noise in every row where a sampler adds some. See
:mod:`engine.negative.study` for which images these are and what follows from them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.events import Event
from engine.generate.context import Batch, BatchImage
from engine.generate.engine_state import EngineState
from engine.generate.prepare import Prepared, fits
from engine.generate.run import Run
from engine.generate.tasks.negative_comparison import check_guided
from engine.generate.tasks.text_to_image import TextToImageTask
from engine.negative import study
from engine.negative.comparison import as_text_to_image
from engine.prompt.terms import Place
from engine.requests import Resolved, ResolvedStudyNegative, StudyNegative
from engine.settings import Settings
from engine.stopping import Stop

ROWS = (4, 3, 2)
"""Batch sizes to try, in order. One image at a time if no more fit."""


class StudyNegativeTask(TextToImageTask):
    """The task of :class:`~engine.requests.StudyNegative`. Raises RequestError if a negative prompt has no effect."""

    is_measured = True
    keep_newest = 1000  # images of studies accumulate, and only their findings are needed later

    def __init__(self, asked: StudyNegative) -> None:
        study.choose_terms(asked)
        if asked.refiner is not None:
            # It encodes the whole negative prompt itself, so no word could be silenced.
            self.notices = ("What each word does is tried without the refiner.",)
            asked = dataclasses.replace(asked, refiner=None)
        super().__init__(asked)
        self._asked = asked

    @property
    def independent_images(self) -> int:
        """False: one is of no use without the others."""
        return 1

    def folder(self, settings: Settings) -> Path:
        """A folder of their own, apart from images that the user wants to keep."""
        return settings.outputs / study.FOLDER

    def check(self, prepared: Prepared) -> None:
        """Raises RequestError if a negative prompt has no effect."""
        check_guided(prepared)

    def count_batches(self, prepared: Prepared, state: EngineState) -> int:
        """The batches of the study, and the image without the terms that did nothing."""
        return math.ceil(len(study.list_silences(self._asked)) / _choose_rows(prepared, state)) + 1

    def list_encoded(self, prepared: Prepared, state: EngineState) -> list[Resolved]:
        """Each image with a term silent."""
        return [_silence(prepared.resolved, silence) for silence in study.list_silences(self._asked)]

    def batches(self, prepared: Prepared, state: EngineState, find_saved: Callable[[], Mapping[int, Path]]) -> Iterator[Batch]:
        """Batches of one shape, then, if some terms did nothing, the image that text to image makes without them."""
        rows = _choose_rows(prepared, state)
        resolved = dataclasses.replace(prepared.resolved, batch_size=rows)
        images = [
            BatchImage(index=index, resolved=_silence(resolved, silence))
            for index, silence in enumerate(study.list_silences(self._asked))
        ]
        starts = range(0, len(images), rows)
        for number, first in enumerate(starts):
            yield Batch(number=number, images=tuple(images[first : first + rows]), rows=rows)
        found = study.summarize(self._asked, find_saved())
        if found.dead:
            request = as_text_to_image(prepared.resolved.request, found.remaining)
            slim = BatchImage(index=len(images), resolved=prepared.resolved.with_request(request))
            yield Batch(number=len(starts), images=(slim,))


def run(job: str, asked: StudyNegative, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The events of a study; see :meth:`engine.generate.run.Run.events`."""
    return Run(job, StudyNegativeTask(asked), state, stop).events()


def _silence(resolved: Resolved, places: tuple[Place, ...]) -> Resolved:
    """The image in which the terms at ``places`` of the negative prompt are silent."""
    request = resolved.request
    assert isinstance(request, ResolvedStudyNegative), "the request that a study resolves is one"
    return dataclasses.replace(resolved, request=dataclasses.replace(request, silenced=places))


def _choose_rows(prepared: Prepared, state: EngineState) -> int:
    return next((rows for rows in ROWS if fits(prepared, state, rows)), 1)
