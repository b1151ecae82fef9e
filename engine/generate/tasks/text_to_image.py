"""A picture from words alone: it starts from pure noise."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from engine.events import Event
from engine.generate.engine_state import EngineState
from engine.generate.run import ImageContext, Start
from engine.generate.run import run as run_task
from engine.generate.tasks import diffusers_fallback
from engine.generate.tasks.conditioning import extra_channels
from engine.requests import TextToImage
from engine.stopping import Stop


class FromWords:
    """The task of :class:`~engine.requests.TextToImage`."""

    kind = "text_to_image"

    def size(self, native: int, multiple: int) -> tuple[int, int]:
        """The checkpoint's native square."""
        return native, native

    def start(self, context: ImageContext) -> Start:
        """Pure noise, all the steps."""
        return Start(
            latents=context.noise * context.scheduler.init_noise_sigma,
            timesteps=context.scheduler.timesteps,
            extra_channels=extra_channels(None, context),
        )

    def finish(self, image: Image.Image, context: ImageContext) -> Image.Image:
        """The picture as it is."""
        return image


def run(job: str, asked: TextToImage, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The pictures of a text-to-image job; see :func:`engine.generate.run.run`."""
    entry = state.catalogue.find(asked.checkpoint)
    if diffusers_fallback.is_for(entry):
        return diffusers_fallback.run(job, asked, entry, state, stop)
    return run_task(job, asked, FromWords(), state, stop)
