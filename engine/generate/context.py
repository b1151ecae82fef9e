"""The parts of a run: the batches that a task defines, where denoising starts, and the context of one image."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.schedulers import Scheduler
from engine.events import Event
from engine.generate.control.maps import Place, place_by_fit
from engine.generate.denoise import Denoiser, Generator, Network, copy_timesteps
from engine.generate.engine_state import EngineState
from engine.generate.out_of_memory import phase
from engine.generate.precision_guard import Overflowed, PrecisionGuard
from engine.generate.prepare import Prepared
from engine.generate.speed.transfers import Pace, send
from engine.records.images.photo import ImageToSave
from engine.requests import GenerationRequest, Resolved
from engine.settings import Settings


@dataclass(frozen=True, kw_only=True)
class BatchImage:
    """An image to make: its number in the job, and the other images of the job named in its record."""

    index: int
    resolved: Resolved
    companions: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images that are denoised together: from one noise, a row each, and empty rows up to ``rows`` of them.

    ``number`` is what its steps are counted under.
    """

    number: int
    images: tuple[BatchImage, ...]
    rows: int = 1


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where denoising begins. ``latents`` are scaled and noised for the first of ``timesteps``.

    ``extra_channels`` are as in :class:`~engine.generate.denoise.Denoiser`. ``after_step(index, latents)`` returns latents of
    which it may have put back a part (inpainting).
    """

    latents: torch.Tensor
    timesteps: torch.Tensor
    extra_channels: torch.Tensor | None = None
    after_step: Callable[[int, torch.Tensor], torch.Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class ImageContext:
    """Everything that one image or batch needs: the leased checkpoint, a fresh scheduler, the first noise, and the
    generator that it came from."""

    loaded: LoadedCheckpoint
    scheduler: Scheduler
    resolved: Resolved
    noise: torch.Tensor
    generator: Generator
    guard: PrecisionGuard

    @property
    def device(self) -> torch.device:
        """The device that computes the steps."""
        return torch.device(self.resolved.plan.device)


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """Everything that a batch starts from. It includes the sampler's state, so it can be used once only."""

    context: ImageContext
    start: Start
    denoiser: Denoiser

    @property
    def latents(self) -> torch.Tensor:
        """The first latents, on the device that computes the steps."""
        return send(self.start.latents, self.denoiser.device)

    @cached_property
    def device_timesteps(self) -> torch.Tensor:
        """The timesteps, on the device that computes the steps."""
        return copy_timesteps(self.start.timesteps, self.denoiser.device)


class Denoising:
    """A batch while it is denoised. ``begin`` creates its starting state anew on each call.

    ``step`` steps are done; ``began`` is the time of :func:`time.monotonic` when the image was begun. ``before`` and ``after``
    are the steps of other passes over the same image.
    """

    def __init__(self, begin: Callable[[], Beginning], began: float | None = None, before: int = 0, after: int = 0) -> None:
        self.began, self.before, self.after = time.monotonic() if began is None else began, before, after
        self._begin, self._from, self.step, self._is_doubted = begin, begin(), 0, False
        self.latents = self._from.latents
        self._pace = Pace(self._from.denoiser.device)

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self._from.start.timesteps)

    @property
    def done(self) -> int:
        """The number of steps of the image that are done, those of other passes included."""
        return self.before + self.step

    @property
    def total(self) -> int:
        """The number of steps of the image in all its passes."""
        return self.before + self.steps + self.after

    @property
    def network(self) -> Network | None:
        """What takes the next step; None if none is left."""
        if not self.steps or (self.step == self.steps and not self._is_doubted):
            return None
        start = self._from.start
        return self._from.denoiser.find_expert(start.timesteps[min(self.step, self.steps - 1)]).network

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The rows of the network's batch, the tokens of the prompt, and the height and width of the latents."""
        denoiser = self._from.denoiser
        prompt, negative, *_ = denoiser.encodings.at(0)
        rows = len(self.latents) * (len(denoiser.encodings.weights) + (negative is not None))
        height, width = self.latents.shape[-2:]
        return rows, prompt.shape[1], height, width

    @property
    def context(self) -> ImageContext:
        """The context of the images."""
        return self._from.context

    def advance(self) -> bool:
        """Take the next step; False if there is none left. Raises MemoryShort.

        Where steps that ran ahead turn out to have overflowed, they start again from the noise, in safer precision.
        """
        with phase("denoise"):
            while True:
                start, denoiser, index = self._from.start, self._from.denoiser, self.step
                try:
                    if self._is_doubted:
                        self._is_doubted = False
                        denoiser.settle()
                except Overflowed:
                    self._from, self.step = self._begin(), 0
                    self.latents = self._from.latents
                    continue
                if index == self.steps:
                    return False
                timestep, expert = start.timesteps[index], denoiser.expert(start.timesteps[index])
                prediction = expert.extrapolate(index, self.latents, timestep)
                if prediction is None:
                    prediction = expert.predict(index, self.latents, timestep, self._from.device_timesteps[index])
                    expert.keep(self.latents, timestep, prediction)
                latents = denoiser.step(prediction.to(self.latents.device), timestep, self.latents)
                self.latents = latents if start.after_step is None else start.after_step(index, latents)
                self.step += 1
                self._pace.step()
                return True

    def doubt(self) -> None:
        """Say that the latents may not be finite: the next :meth:`advance` looks."""
        self._is_doubted = True

    def repair(self) -> Iterator[None]:
        """Take all steps again, in safer precision, if one of them overflowed. Yields after each; raises as :meth:`advance`."""
        self.doubt()
        while self.advance():
            yield


class Task(ABC):
    """What one kind of request does differently. Methods that are not abstract do what text to image does."""

    kind = "text_to_image"
    """The task that the checkpoint is leased for, a key of :attr:`engine.checkpoints.families.Architecture.pipelines`."""

    keep_newest: int | None = None
    """How many images to keep in the folder after the job; None for all."""

    is_measured = False
    """Whether the saved images are compared with each other, so that they must be as they were computed."""

    notices: tuple[str, ...] = ()
    """Notices to show before the run is planned."""

    first_index = 0
    """The index of the first image; it is another in a job that is made of several runs."""

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request

    @property
    def independent_images(self) -> int:
        """Whether each image is useful without the others: then a withheld one is skipped, unless it is the only one."""
        return 1

    def folder(self, settings: Settings) -> Path:
        """Where the images are saved."""
        return settings.outputs

    def check(self, prepared: Prepared) -> None:
        """Raises RequestError if the checkpoint cannot do this task."""
        return

    @abstractmethod
    def choose_size(self, native: int, multiple: int) -> tuple[int, int]:
        """Width and height in pixels where the request leaves them open."""

    @abstractmethod
    def count_batches(self, prepared: Prepared, state: EngineState) -> int:
        """The largest number of batches, for the estimate of the remaining time."""

    def list_encoded(self, prepared: Prepared, state: EngineState) -> Sequence[Resolved]:
        """Images whose prompts are encoded before the first batch: all that differ in them."""
        return (prepared.resolved,)

    @abstractmethod
    def batches(self, prepared: Prepared, state: EngineState, find_saved: Callable[[], Mapping[int, Path]]) -> Iterator[Batch]:
        """The batches, in order. ``find_saved()`` waits for the images of the batches before, and finds them by index."""

    @abstractmethod
    def start(self, context: ImageContext) -> Start:
        """Where denoising begins."""

    def place_control(self, width: int, height: int) -> Place:
        """How a control's picture is fitted to an image of this size."""
        return place_by_fit(width, height)

    def find_control_source(self, width: int, height: int) -> Image.Image | None:
        """The picture of controls that have none of their own, fitted to the image; RGBA if a part of it is to be filled."""
        return None

    def events(self, job: str, state: EngineState) -> Iterator[Event]:
        """Events of this task after denoising has begun."""
        return iter(())

    def finish(self, image: Image.Image, context: ImageContext) -> ImageToSave:
        """Postprocess the decoded image. Runs on the saving thread and must not use any network."""
        return ImageToSave(image=image)
