"""Noise levels that diffusers' schedulers follow instead of laying out their own.

Those that know Karras' levels ask a private method of theirs for them. Its answer is replaced; all else that depends on the
levels (timesteps, levels between two steps) they compute themselves. Euler's ancestral method knows no other levels than its own,
so it is given the timesteps too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, TypeVar

import diffusers
import numpy as np
import numpy.typing as npt
import torch
from diffusers.schedulers import AysSchedules

from engine.json_values import JsonObject, JsonValue

Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """The noise levels of a run, from the first to a last one of 0, and the timestep of each but the last."""

    sigmas: torch.Tensor
    timesteps: torch.Tensor


LayOut: TypeAlias = Callable[[int], Levels]

FOLLOWING: JsonObject = {"timestep_spacing": "linspace", "use_karras_sigmas": True}
"""Options of a scheduler that follows other levels."""


def lay_out(config: JsonObject, table: str, steps: int) -> Levels:
    """The levels of ``steps`` steps by diffusers' EulerDiscreteScheduler of ``config``, or by a ``table`` of its
    ``AysSchedules``.
    """
    if config.get("timestep_spacing") == "linspace" and steps == 1:
        # Even spacing begins at the clean end, where a single step would do nothing.
        config = {**config, "timestep_spacing": "trailing"}
    euler = create_euler(config)
    if table:
        euler.set_timesteps(sigmas=[*_interpolate(AysSchedules[table], steps), 0.0])
    else:
        euler.set_timesteps(steps)
    return Levels(torch.as_tensor(euler.sigmas), torch.as_tensor(euler.timesteps))


def create_euler(config: JsonObject) -> diffusers.EulerDiscreteScheduler:
    """diffusers' EulerDiscreteScheduler with what it takes of ``config``."""
    created = diffusers.EulerDiscreteScheduler.from_config(select_accepted(diffusers.EulerDiscreteScheduler, config))
    return created[0] if isinstance(created, tuple) else created


def select_accepted(scheduler_class: type, config: Mapping[str, JsonValue]) -> JsonObject:
    """What a scheduler class takes of ``config``."""
    accepted = inspect.signature(scheduler_class).parameters
    return {name: value for name, value in config.items() if name in accepted}


def _interpolate(sigmas: Sequence[float], steps: int) -> list[float]:
    """The table of ten steps for another number of them: linear in the logarithm, as its authors advise."""
    known = np.log(sigmas[:-1])
    return np.exp(np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, len(known)), known)).tolist()


S = TypeVar("S")


def follow(scheduler_class: type[S], lay_out_steps: LayOut) -> type[S]:
    """A class like ``scheduler_class`` whose schedulers follow other levels. Create them with :data:`FOLLOWING`."""
    if issubclass(scheduler_class, diffusers.EulerAncestralDiscreteScheduler):
        ancestral = type(scheduler_class.__name__, (_EulerAncestral,), {"lay_out_steps": staticmethod(lay_out_steps)})
        return ancestral  # pyright: ignore[reportReturnType]  # made for this run alone

    def convert(self: diffusers.LMSDiscreteScheduler, in_sigmas: Numbers, num_inference_steps: int = 0) -> Numbers:
        return lay_out_steps(num_inference_steps or self.num_inference_steps or 1).sigmas[:-1].double().numpy()

    following = type(scheduler_class.__name__, (scheduler_class,), {"_convert_to_karras": convert})
    return following  # pyright: ignore[reportReturnType]  # made for this run alone


class _EulerAncestral(diffusers.EulerAncestralDiscreteScheduler):
    lay_out_steps: ClassVar[LayOut]

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        super().set_timesteps(num_inference_steps)
        levels = type(self).lay_out_steps(num_inference_steps)
        self.sigmas, self.timesteps = levels.sigmas, levels.timesteps
