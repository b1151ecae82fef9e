"""What a run is made of: where denoising starts, what a picture is made with, what a kind of request does its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image

from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.checkpoints.load.safety_checker import SafetyChecker
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import PictureWithheld
from engine.generate import preview
from engine.generate.engine_state import EngineState
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.progress import Progress
from engine.generate.refiner import Refinement
from engine.generate.save_queue import Saving
from engine.requests import Resolved


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where denoising begins. ``latents`` are scaled and noised for the first of ``timesteps``.

    ``extra_channels`` and ``after_step`` are as in :class:`~engine.generate.denoise.Denoiser`.
    """

    latents: torch.Tensor
    timesteps: torch.Tensor
    extra_channels: torch.Tensor | None = None
    after_step: Callable[[int, torch.Tensor], torch.Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class ImageContext:
    """What one picture is made with: the leased pipeline, its fresh scheduler, the first noise and its generator.

    A batch has a list of generators, one a row.
    """

    pipeline: LoadedCheckpoint
    scheduler: Any
    resolved: Resolved
    noise: torch.Tensor
    generator: torch.Generator | list[torch.Generator]
    guard: PrecisionGuard
    refinement: Refinement | None = None

    @property
    def device(self) -> torch.device:
        """Where the steps are computed."""
        return torch.device(self.resolved.plan.device)


class Task(Protocol):
    """What one kind of request does its own way."""

    kind: str
    """The kind of pipeline to lease."""

    def size(self, native: int, multiple: int) -> tuple[int, int]:
        """Width and height in pixels where the request leaves them open."""
        ...

    def start(self, context: ImageContext) -> Start:
        """Where this picture's denoising begins."""
        ...

    def finish(self, image: Image.Image, context: ImageContext) -> Image.Image:
        """The last touch on the decoded picture."""
        ...


@dataclass(frozen=True, kw_only=True)
class Session:
    """One job while it holds its pipeline. ``folder`` is where its pictures are saved, ``checker`` who may withhold some.

    Of ``count`` pictures that stand alone one that is withheld is left out; with 1 the job fails. ``withheld`` says why.
    """

    job: str
    task: Task
    entry: CheckpointEntry
    pipeline: LoadedCheckpoint
    guard: PrecisionGuard
    progress: Progress
    state: EngineState
    folder: Path
    saving: Saving
    refinement: Refinement | None = None
    checker: SafetyChecker | None = None
    count: int = 1
    withheld: list[PictureWithheld] = field(default_factory=list)

    def preview(self, latents: torch.Tensor) -> bytes | None:
        """The picture so far, if it is time for it. None while pictures may be withheld: what is not kept is not shown either.

        None too while the picture before is looked at, which may need the VAE once more.
        """
        if self.checker or self.saving.busy or not self.progress.preview_is_due:
            return None
        arrived = latents.cpu()  # waits for the step, which costs no time that the preview is to blame for
        return self.progress.preview(partial(preview.picture, arrived, self.pipeline.vae, self.pipeline.family.preview))
