"""A picture from a sketch or a photo: denoising starts part of the way, from the input with noise on it.

Strength is SDEdit's (Meng et al. 2021, arXiv 2108.01073). Both ends are exact: at 0 the fitted input comes back, at 1
nothing of it is left, which is text to image. With a mask only its white part is repainted, by inpainting checkpoints through
their own channels and by ordinary ones by putting the rest back after each step (Lugmayr et al. 2022, arXiv 2201.09865).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from PIL import Image

from engine.events import Event, Guided, Notice
from engine.generate.engine_state import EngineState
from engine.generate.run import ImageContext, Start
from engine.generate.run import run as run_task
from engine.generate.tasks.conditioning import encode, extra_channels, latent_mask, with_depth
from engine.generate.tasks.input_image import Canvas, Given, canvas_for, given_for, matching_size
from engine.records.blobs import Blobs
from engine.requests import ImageToImage
from engine.stopping import Stop


class FromPicture:
    """The task of :class:`~engine.requests.ImageToImage`."""

    kind = "image_to_image"

    def __init__(self, asked: ImageToImage, given: Given) -> None:
        self._asked, self._given = asked, given
        self._canvas: Canvas | None = None
        self._guided = False

    def size(self, native: int, multiple: int) -> tuple[int, int]:
        """The shape of the part that is worked on, at about the checkpoint's native area."""
        return matching_size(self._given.shape(self._asked), native, multiple)

    def start(self, context: ImageContext) -> Start:
        """The input's latents, noised for the first of the steps that strength leaves."""
        canvas = self._seen(context)
        self._guided = context.pipeline.depth_estimator is not None
        begin, timesteps = remaining(context.scheduler, strength_of(context))
        clean = encode(canvas.picture, context.pipeline.vae, context.guard)
        return Start(
            latents=_noised(clean, begin, timesteps, context),
            timesteps=timesteps,
            extra_channels=extra_channels(canvas, context),
            after_step=None if canvas.mask is None else _keep_outside(canvas.mask, clean, timesteps, context),
        )

    def finish(self, image: Image.Image, context: ImageContext) -> Image.Image:
        """The input where the mask does not reach, and all of it at strength 0."""
        canvas = self._seen(context)
        return canvas.whole if strength_of(context) == 0 else canvas.put_back(image)

    def _seen(self, context: ImageContext) -> Canvas:
        if self._canvas is None:
            request = context.resolved.request
            fitted = canvas_for(self._asked, self._given, request.width, request.height)
            self._canvas = with_depth(fitted, context.pipeline)
        return self._canvas

    @property
    def depth(self) -> Image.Image | None:
        """The map that guides the run, once it has begun; None for checkpoints that read none."""
        return self._canvas.depth_picture if self._canvas and self._guided else None


def run(job: str, asked: ImageToImage, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The pictures of an image-to-image job; see :func:`engine.generate.run.run`. PictureError for an input that is lost."""
    blobs = Blobs(state.settings.data / "blobs")
    given = given_for(asked, blobs)
    task, told = FromPicture(asked, given), False
    yield from (Notice(job=job, text=text) for text in given.notices)
    for event in run_task(job, asked, task, state, stop):
        yield event
        if not told and (depth := task.depth) is not None:
            told = True
            yield Guided(job=job, depth=blobs.put(depth))


def strength_of(context: ImageContext) -> float:
    """This picture's strength: the pictures of one job may differ in it."""
    request = context.resolved.request
    assert isinstance(request, ImageToImage)
    return request.strength


def remaining(scheduler: Any, strength: float) -> tuple[int, torch.Tensor]:
    """The first step that runs, and the timesteps from there on. Any strength above 0 runs at least one step."""
    steps = scheduler.num_inference_steps
    count = 0 if strength == 0 else max(1, min(steps, int(steps * strength)))
    # Samplers with two evaluations a step take only one for the first or the last: the list is not `order` times the steps.
    begin = (steps - count) * scheduler.order if count else len(scheduler.timesteps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    return begin, scheduler.timesteps[begin:]


def _noised(clean: torch.Tensor, begin: int, timesteps: torch.Tensor, context: ImageContext) -> torch.Tensor:
    if not len(timesteps):
        return clean
    if begin == 0:
        return context.noise * context.scheduler.init_noise_sigma
    return context.scheduler.add_noise(clean, context.noise, timesteps[:1])


def _keep_outside(
    mask: Image.Image, clean: torch.Tensor, timesteps: torch.Tensor, context: ImageContext
) -> Callable[[int, torch.Tensor], torch.Tensor]:
    """After each step the part outside the mask becomes the input again, noised as the next step expects it."""
    # Once for all steps: latents lie where the steps are computed.
    inside, known, noise = (part.to(context.device) for part in (latent_mask(mask, context), clean, context.noise))

    def after_step(index: int, latents: torch.Tensor) -> torch.Tensor:
        last = index + 1 == len(timesteps)
        outside = known if last else context.scheduler.add_noise(known, noise, timesteps[index + 1 : index + 2])
        return outside * (1 - inside) + latents * inside

    return after_step
