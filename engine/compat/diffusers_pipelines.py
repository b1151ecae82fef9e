"""Pipelines that Easel does not know: each has different arguments, which only its signature reveals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from PIL import Image

Argument = str | int | float | torch.Generator | None


@dataclass(frozen=True)
class PipelineDefaults:
    """What a pipeline does where nothing is asked; 0 for what it does not say."""

    steps: int
    guidance_scale: float


def read_defaults(pipeline: DiffusionPipeline) -> PipelineDefaults:
    """The default arguments of ``pipeline``."""
    accepted = inspect.signature(_find_call(pipeline)).parameters
    found = {name: parameter.default for name, parameter in accepted.items()}
    steps, scale = found.get("num_inference_steps"), found.get("guidance_scale")
    return PipelineDefaults(
        steps=steps if isinstance(steps, int) else 0, guidance_scale=float(scale) if isinstance(scale, int | float) else 0.0
    )


def _find_call(pipeline: DiffusionPipeline) -> Callable[..., ImagePipelineOutput]:
    """The call of ``pipeline``'s own class: the base class declares none."""
    return type(pipeline).__dict__["__call__"].__get__(pipeline)


def call_pipeline(pipeline: DiffusionPipeline, after_step: Callable[[int], None], **arguments: Argument) -> Image.Image:
    """The image that ``pipeline`` makes of those ``arguments`` that it takes and that are not None.

    ``after_step`` is called with the number of each step, from 0, and may raise. Raises what the pipeline raises.
    """

    def callback(
        _pipeline: DiffusionPipeline, step: int, _timestep: torch.Tensor, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        after_step(step)
        return tensors

    call = _find_call(pipeline)
    accepted = inspect.signature(call).parameters
    given = {name: value for name, value in arguments.items() if name in accepted and value is not None}
    hook = {"callback_on_step_end": callback} if "callback_on_step_end" in accepted else {}
    return call(**given, **hook).images[0]
