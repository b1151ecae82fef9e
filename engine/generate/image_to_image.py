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
from engine.generate.canvas import Canvas, Given, canvas_for, given_for, matching_size
from engine.generate.conditioning import encode, extra_channels, latent_mask, with_depth
from engine.generate.run import Bench, Start
from engine.generate.run import run as run_task
from engine.generate.workshop import Workshop
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

    def start(self, bench: Bench) -> Start:
        """The input's latents, noised for the first of the steps that strength leaves."""
        canvas = self._seen(bench)
        self._guided = getattr(bench.pipeline, "depth_estimator", None) is not None
        begin, timesteps = remaining(bench.scheduler, strength_of(bench))
        clean = encode(canvas.picture, bench.pipeline.vae, bench.guard)
        return Start(
            latents=_noised(clean, begin, timesteps, bench),
            timesteps=timesteps,
            extra_channels=extra_channels(canvas, bench),
            after_step=None if canvas.mask is None else _keep_outside(canvas.mask, clean, timesteps, bench),
        )

    def finish(self, image: Image.Image, bench: Bench) -> Image.Image:
        """The input where the mask does not reach, and all of it at strength 0."""
        canvas = self._seen(bench)
        return canvas.whole if strength_of(bench) == 0 else canvas.put_back(image)

    def _seen(self, bench: Bench) -> Canvas:
        if self._canvas is None:
            request = bench.resolved.request
            assert request.width and request.height
            fitted = canvas_for(self._asked, self._given, request.width, request.height)
            self._canvas = with_depth(fitted, bench.pipeline)
        return self._canvas

    @property
    def depth(self) -> Image.Image | None:
        """The map that guides the run, once it has begun; None for checkpoints that read none."""
        return self._canvas.depth_picture if self._canvas and self._guided else None


def run(job: str, asked: ImageToImage, workshop: Workshop, stop: Stop) -> Iterator[Event]:
    """The pictures of an image-to-image job; see :func:`engine.generate.run.run`. PictureError for an input that is lost."""
    blobs = Blobs(workshop.settings.data / "blobs")
    given = given_for(asked, blobs)
    task, told = FromPicture(asked, given), False
    yield from (Notice(job=job, text=text) for text in given.notices)
    for event in run_task(job, asked, task, workshop, stop):
        yield event
        if not told and (depth := task.depth) is not None:
            told = True
            yield Guided(job=job, depth=blobs.put(depth))


def strength_of(bench: Bench) -> float:
    """This picture's strength: the pictures of one job may differ in it."""
    request = bench.resolved.request
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


def _noised(clean: torch.Tensor, begin: int, timesteps: torch.Tensor, bench: Bench) -> torch.Tensor:
    if not len(timesteps):
        return clean
    if begin == 0:
        return bench.noise * bench.scheduler.init_noise_sigma
    return bench.scheduler.add_noise(clean, bench.noise, timesteps[:1])


def _keep_outside(
    mask: Image.Image, clean: torch.Tensor, timesteps: torch.Tensor, bench: Bench
) -> Callable[[int, torch.Tensor], torch.Tensor]:
    """After each step the part outside the mask becomes the input again, noised as the next step expects it."""
    # Once for all steps: latents lie where the steps are computed.
    inside, known, noise = (part.to(bench.device) for part in (latent_mask(mask, bench), clean, bench.noise))

    def after_step(index: int, latents: torch.Tensor) -> torch.Tensor:
        last = index + 1 == len(timesteps)
        outside = known if last else bench.scheduler.add_noise(known, noise, timesteps[index + 1 : index + 2])
        return outside * (1 - inside) + latents * inside

    return after_step
