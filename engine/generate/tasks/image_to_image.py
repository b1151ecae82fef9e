"""An image from a sketch or a photo: denoising starts part of the way, from the input with noise on it.

Strength is SDEdit's (Meng et al. 2021, arXiv 2108.01073). Both ends are exact: at 0 the fitted input comes back, at 1
nothing of it is left, which is text to image. With a mask only its white part is repainted, by inpainting checkpoints through
their own channels and by ordinary ones by putting the rest back after each step (Lugmayr et al. 2022, arXiv 2201.09865).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image, ImageOps

from engine.events import Event, Guided
from engine.generate.context import ImageContext, Start
from engine.generate.control.maps import Place
from engine.generate.detail.mask_contents import MaskFiller, fill_latents, open_mask_filler, release_gradually
from engine.generate.detail.region import repaint_part
from engine.generate.engine_state import EngineState
from engine.generate.run import Run
from engine.generate.samplers import skip_steps
from engine.generate.speed.transfers import send
from engine.generate.tasks.conditioning import add_depth, add_noise, create_extra_channels, encode_image, shrink_mask
from engine.generate.tasks.input_image import Canvas, create_canvas, find_matching_size, open_images, works_on_region
from engine.generate.tasks.text_to_image import TextToImageTask
from engine.records.blobs import Blobs
from engine.records.images.open_image import fit
from engine.records.images.photo import ImageToSave, Photo, open_photo
from engine.requests import MASK_AREAS, ImageToImage
from engine.settings import Settings
from engine.stopping import Stop

DRAFTS = 24
"""Drafts that stay on disk: enough that a page can still show the latest one that it received."""


class ImageToImageTask(TextToImageTask):
    """The task of :class:`~engine.requests.ImageToImage`. Raises ImageError for a missing or unusable input."""

    kind = "image_to_image"

    def __init__(self, asked: ImageToImage, blobs: Blobs, mask_filler: MaskFiller | None = None) -> None:
        super().__init__(asked)
        self._mask_filler = mask_filler
        self._asked, self._blobs, self._given = asked, blobs, open_images(asked, blobs)
        self.notices = self._given.notices
        self.keep_newest = DRAFTS if asked.draft else None
        self._canvas: Canvas | None = None
        self._depth: Image.Image | None = None

    def folder(self, settings: Settings) -> Path:
        """Drafts go into a folder of their own, apart from images that the user wants to keep."""
        return settings.drafts if self._asked.draft else settings.outputs

    def choose_size(self, native: int, multiple: int) -> tuple[int, int]:
        """The shape of the part to repaint, with about the checkpoint's native area."""
        return find_matching_size(self._given.shape(self._asked), native, multiple)

    def start(self, context: ImageContext) -> Start:
        """The input's latents, noised for the first step that the strength leaves."""
        canvas = self._find_canvas(context)
        begin, timesteps = skip_steps(context.scheduler, strength_of(context))
        clean = encode_image(canvas.image, context.loaded.vae, context.guard)
        filled = fill_latents(self._asked.fill, clean, canvas, context, self._mask_filler)
        return Start(
            latents=add_noise(filled, begin, timesteps, context),
            timesteps=timesteps,
            extra_channels=create_extra_channels(canvas, context),
            after_step=_find_after_step(canvas, clean, timesteps, context),
        )

    def place_control(self, width: int, height: int) -> Place:
        """As the input is fitted, and cropped to the mask."""
        canvas = self._create_canvas(width, height)

        def place(image: Image.Image) -> Image.Image:
            fitted = fit(image, *canvas.whole.size, how=self._asked.fit, paper="#000000")
            return fitted.crop(canvas.box).resize((width, height), Image.Resampling.LANCZOS)

        return place

    def find_control_source(self, width: int, height: int) -> Image.Image | None:
        """The input image; what the mask covers is transparent."""
        canvas = self._create_canvas(width, height)
        if canvas.mask is None:
            return canvas.image
        holed = canvas.image.convert("RGBA")
        holed.putalpha(ImageOps.invert(canvas.mask))
        return holed

    def _create_canvas(self, width: int, height: int) -> Canvas:
        return create_canvas(self._asked, self._given, width, height)

    def events(self, job: str, state: EngineState) -> Iterator[Event]:
        """The depth map that guides the images, once."""
        if self._depth is not None:
            depth, self._depth = self._depth, None
            yield Guided(job=job, depth=self._blobs.put(depth))

    def finish(self, image: Image.Image, context: ImageContext) -> ImageToSave:
        """Restore the input outside the mask, and all of it at strength 0."""
        canvas, unchanged = self._find_canvas(context), strength_of(context) == 0
        if self._photo is not None:
            return self._photo.finish() if unchanged else repaint_part(self._photo, canvas, image)
        return ImageToSave(image=canvas.whole if unchanged else canvas.put_back(image))

    @cached_property
    def _photo(self) -> Photo | None:
        """The file that a part is repainted of; None where the result has the size of the run."""
        if self._asked.mask_area != MASK_AREAS[0] or not works_on_region(self._asked):
            return None
        return open_photo(self._blobs.path(self._asked.init_image))

    def _find_canvas(self, context: ImageContext) -> Canvas:
        """The fitted input, made for the first image. The others have the same size."""
        if self._canvas is None:
            request = context.resolved.request
            fitted = self._create_canvas(request.width, request.height)
            self._canvas = add_depth(fitted, context.loaded)
            self._depth = self._canvas.depth_image if context.loaded.depth_estimator is not None else None
        return self._canvas


def run(job: str, asked: ImageToImage, state: EngineState, stop: Stop, first_index: int = 0) -> Iterator[Event]:
    """The events of an image-to-image job; see :meth:`engine.generate.run.Run.events`."""
    inventory = state.catalogue.scan()
    filler = open_mask_filler(inventory) if asked.fill == "lama" and asked.mask_image is not None else None
    task = ImageToImageTask(asked, Blobs(state.settings.data / "blobs"), filler)
    task.first_index = first_index
    return Run(job, task, state, stop, inventory).events()


def strength_of(context: ImageContext) -> float:
    """This image's strength: the images of one job may differ in it."""
    request = context.resolved.request
    assert isinstance(request, ImageToImage)
    return request.strength


def _find_after_step(
    canvas: Canvas, clean: torch.Tensor, timesteps: torch.Tensor, context: ImageContext
) -> Callable[[int, torch.Tensor], torch.Tensor] | None:
    if canvas.mask is None:
        return None
    if canvas.amounts is not None:
        return release_gradually(canvas.amounts, clean, timesteps, context)
    return _keep_outside(canvas.mask, clean, timesteps, context)


def _keep_outside(
    mask: Image.Image, clean: torch.Tensor, timesteps: torch.Tensor, context: ImageContext
) -> Callable[[int, torch.Tensor], torch.Tensor]:
    """After each step the part outside the mask becomes the input again, noised as the next step expects it."""
    # Once for all steps: latents lie where the steps are computed.
    inside, known, noise = (send(part, context.device) for part in (shrink_mask(mask, context), clean, context.noise))

    def after_step(index: int, latents: torch.Tensor) -> torch.Tensor:
        last = index + 1 == len(timesteps)
        outside = known if last else context.scheduler.add_noise(known, noise, timesteps[index + 1 : index + 2])
        return outside * (1 - inside) + latents * inside

    return after_step
