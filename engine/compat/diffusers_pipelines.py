"""Pipelines that Easel does not know: each has different arguments, which only its signature reveals."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline
from PIL import Image

Argument = str | int | float | torch.Generator | None


def call_pipeline(pipeline: DiffusionPipeline, after_step: Callable[[int], None], **arguments: Argument) -> Image.Image:
    """The image that ``pipeline`` makes of those ``arguments`` that it takes and that are not None.

    ``after_step`` is called with the number of each step, from 0, and may raise. Raises what the pipeline raises.
    """

    def callback(
        _pipeline: DiffusionPipeline, step: int, _timestep: torch.Tensor, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        after_step(step)
        return tensors

    call = type(pipeline).__dict__["__call__"].__get__(pipeline)  # the base class declares none
    accepted = inspect.signature(call).parameters
    given = {name: value for name, value in arguments.items() if name in accepted and value is not None}
    hook = {"callback_on_step_end": callback} if "callback_on_step_end" in accepted else {}
    return call(**given, **hook).images[0]
