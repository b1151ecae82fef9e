"""An image from a prompt alone: it starts from pure noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.events import Event
from engine.generate.context import Batch, BatchImage, ImageContext, Start, Task
from engine.generate.engine_state import EngineState
from engine.generate.prepare import Prepared, request_image
from engine.generate.run import Run
from engine.generate.tasks import diffusers_fallback
from engine.generate.tasks.conditioning import create_extra_channels
from engine.requests import Resolved, TextToImage
from engine.stopping import Stop


class TextToImageTask(Task):
    """The task of :class:`~engine.requests.TextToImage`, and the base of the other tasks."""

    @property
    def independent_images(self) -> int:
        """True."""
        return self.request.count

    def choose_size(self, native: int, multiple: int) -> tuple[int, int]:
        """The checkpoint's native square."""
        return native, native

    def count_batches(self, prepared: Prepared, state: EngineState) -> int:
        """One per image."""
        return self.request.count

    def list_encoded(self, prepared: Prepared, state: EngineState) -> list[Resolved]:
        """Each image with the prompts that are drawn for it where text encoders have to come to the device; else the first."""
        if "text_encoders_out" not in prepared.resolved.plan.measures:
            return [prepared.resolved]
        return [image.resolved for batch in self.batches(prepared, state, dict) for image in batch.images]

    def batches(self, prepared: Prepared, state: EngineState, find_saved: Callable[[], Mapping[int, Path]]) -> Iterator[Batch]:
        """One image after the other, each with its own seed."""
        wildcards = state.wildcards
        for index in range(self.request.count):
            resolved = request_image(prepared.resolved, index, wildcards)
            yield Batch(number=index, images=(BatchImage(index=self.first_index + index, resolved=resolved),))

    def start(self, context: ImageContext) -> Start:
        """Pure noise, all the steps."""
        return Start(
            latents=context.noise * context.scheduler.init_noise_sigma,
            timesteps=context.scheduler.timesteps,
            extra_channels=create_extra_channels(None, context),
        )


def run(job: str, asked: TextToImage, state: EngineState, stop: Stop, first_index: int = 0) -> Iterator[Event]:
    """The events of a text-to-image job; see :meth:`engine.generate.run.Run.events`."""
    inventory = state.catalogue.scan()
    entry = inventory.find(asked.checkpoint)
    if diffusers_fallback.is_needed(entry):
        return diffusers_fallback.run(job, asked, entry, state, stop, first_index)
    task = TextToImageTask(asked)
    task.first_index = first_index
    return Run(job, task, state, stop, inventory).events()
