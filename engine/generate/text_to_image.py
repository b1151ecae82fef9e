"""A picture from words alone: it starts from pure noise."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from engine.events import Event
from engine.generate import best_effort
from engine.generate.conditioning import extra_channels
from engine.generate.run import Bench, Start
from engine.generate.run import run as run_task
from engine.generate.workshop import Workshop
from engine.requests import TextToImage
from engine.stopping import Stop


class FromWords:
    """The task of :class:`~engine.requests.TextToImage`."""

    kind = "text_to_image"

    def size(self, native: int, multiple: int) -> tuple[int, int]:
        """The checkpoint's native square."""
        return native, native

    def start(self, bench: Bench) -> Start:
        """Pure noise, all the steps."""
        return Start(
            latents=bench.noise * bench.scheduler.init_noise_sigma,
            timesteps=bench.scheduler.timesteps,
            extra_channels=extra_channels(None, bench),
        )

    def finish(self, image: Image.Image, bench: Bench) -> Image.Image:
        """The picture as it is."""
        return image


def run(job: str, asked: TextToImage, workshop: Workshop, stop: Stop) -> Iterator[Event]:
    """The pictures of a text-to-image job; see :func:`engine.generate.run.run`."""
    entry = workshop.catalogue.find(asked.checkpoint)
    if best_effort.is_for(entry):
        return best_effort.run(job, asked, entry, workshop, stop)
    return run_task(job, asked, FromWords(), workshop, stop)
