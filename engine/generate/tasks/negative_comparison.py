"""One image with its negative prompt and without it: bit for bit what text to image makes of the same prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.errors import RequestError
from engine.events import Event
from engine.generate.context import Batch, BatchImage
from engine.generate.engine_state import EngineState
from engine.generate.prepare import Prepared
from engine.generate.run import Run
from engine.generate.tasks.text_to_image import TextToImageTask
from engine.negative.comparison import COMPANIONS, create_pair
from engine.negative.effectiveness import explain_no_effect
from engine.prompt.composition import is_composed
from engine.requests import CompareNegative, Resolved
from engine.stopping import Stop


class CompareNegativeTask(TextToImageTask):
    """The task of :class:`~engine.requests.CompareNegative`. Raises RequestError if a negative prompt has no effect."""

    is_measured = True

    def __init__(self, asked: CompareNegative) -> None:
        if not asked.negative_prompt.strip():
            raise RequestError("The negative prompt is empty, so there is nothing to compare. Write one first.")
        super().__init__(asked)

    @property
    def independent_images(self) -> int:
        """False: one is of no use without the other."""
        return 1

    def check(self, prepared: Prepared) -> None:
        """Raises RequestError if a negative prompt has no effect."""
        check_guided(prepared)

    def count_batches(self, prepared: Prepared, state: EngineState) -> int:
        """One per image."""
        return 2

    def list_encoded(self, prepared: Prepared, state: EngineState) -> list[Resolved]:
        """Both images."""
        return [prepared.resolved.with_request(request) for request in create_pair(prepared.resolved.request)]

    def batches(self, prepared: Prepared, state: EngineState, find_saved: Callable[[], Mapping[int, Path]]) -> Iterator[Batch]:
        """The image with the negative prompt, then the one without."""
        for index, request in enumerate(create_pair(prepared.resolved.request)):
            resolved = prepared.resolved.with_request(request)
            image = BatchImage(index=index, resolved=resolved, companions={COMPANIONS[index]: 1 - index})
            yield Batch(number=index, images=(image,))


def run(job: str, asked: CompareNegative, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The events of a comparison; see :meth:`engine.generate.run.Run.events`."""
    return Run(job, CompareNegativeTask(asked), state, stop).events()


def check_guided(prepared: Prepared) -> None:
    """Raises RequestError if a negative prompt has no effect."""
    request, family = prepared.resolved.request, prepared.entry.family
    free, composed = family.guidance_free, is_composed(request.prompt)
    distilled = prepared.entry.config(family.denoiser).get("time_cond_proj_dim") is not None
    if reason := explain_no_effect(request.guidance_scale, guidance_free=free, distilled=distilled, composed=composed):
        raise RequestError(reason)
