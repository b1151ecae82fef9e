"""diffusers' schedulers, named by strings so that the page can read the table of samplers without importing torch.

Their base class declares none of what they have in common, so :class:`Scheduler` does.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from engine.json_values import JsonObject, JsonValue

if TYPE_CHECKING:
    import torch

Option = bool | int | str


@dataclass(frozen=True)
class LevelLayout:
    """How the noise levels of a run are laid out: by diffusers' EulerDiscreteScheduler with ``options``, or by a ``table`` of
    its ``AysSchedules``.
    """

    options: Mapping[str, Option]
    table: str = ""


class Scheduler(Protocol):
    """What Easel uses of a scheduler."""

    order: int
    timesteps: torch.Tensor
    num_inference_steps: int
    init_noise_sigma: float

    @property
    def config(self) -> Mapping[str, int]:
        """Its configuration."""
        ...

    def set_timesteps(self, num_inference_steps: int) -> None:
        """Lay out the noise levels of a run."""
        ...

    def scale_model_input(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """``sample`` as the UNet wants it at ``timestep``."""
        ...

    def step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        sample: torch.Tensor,
        *,
        return_dict: bool,
        generator: torch.Generator | list[torch.Generator] | None = ...,
    ) -> tuple[torch.Tensor, ...]:
        """The next sample, first of a tuple. Only some schedulers take a ``generator``; see :func:`takes_generator`."""
        ...

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """``original_samples`` with as much noise as ``timesteps`` have."""
        ...


@runtime_checkable
class _FollowsPaths(Protocol):
    """A scheduler whose noise is a Brownian path for each image; see :mod:`engine.compat.solvers`."""

    seeds: tuple[int, ...]


@runtime_checkable
class _HasNoiseTable(Protocol):
    """A scheduler of a network that was trained at a table of noise levels."""

    alphas_cumprod: torch.Tensor


@dataclass(frozen=True)
class PredictionLine:
    """A network's prediction by the image that the noise hides: ``of_sample`` times the network's input, less ``of_image`` times
    the image."""

    of_sample: float
    of_image: float


@runtime_checkable
class _CountsSteps(Protocol):
    """A scheduler that counts its steps instead of searching for each timestep."""

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Where it starts to count."""
        ...


def create_scheduler(
    class_name: str,
    checkpoint_config: JsonObject,
    options: Mapping[str, Option],
    ignored: Collection[str],
    layout: LevelLayout | None = None,
) -> Scheduler:
    """A scheduler of diffusers' class: what it takes of ``checkpoint_config`` but for those ``ignored``, and ``options``.

    ``layout``: the noise levels that it follows instead of laying out its own.
    """
    import diffusers

    from engine.compat import noise_levels, solvers

    module = solvers if class_name in solvers.__all__ else diffusers
    scheduler_class = getattr(module, class_name)
    inherited: JsonObject = {name: value for name, value in checkpoint_config.items() if name not in ignored}
    config: JsonObject = {**inherited, **options}
    if layout is not None:
        levels: JsonObject = {**inherited, **layout.options}
        table = layout.table
        scheduler_class = noise_levels.follow(scheduler_class, lambda steps: noise_levels.lay_out(levels, table, steps))
        config |= noise_levels.FOLLOWING
    taken = noise_levels.select_accepted(scheduler_class, config)
    if checkpoint_config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in taken:
        taken["trained_betas"] = rescale_betas(checkpoint_config)
    return scheduler_class.from_config(taken)


def rescale_betas(checkpoint_config: JsonObject) -> list[JsonValue]:
    """The betas of a schedule whose last step is noise alone (Lin et al. 2023, arXiv 2305.08891), for schedulers that cannot
    rescale their own. As in those that can, the last step keeps 2 ** -24 of the image, so that its noise level is finite."""
    from engine.compat.noise_levels import create_euler

    kept = create_euler(checkpoint_config).alphas_cumprod.double()
    ratios = kept.clone()
    ratios[1:] /= kept[:-1]
    return (1 - ratios).tolist()


def takes_generator(scheduler: Scheduler) -> bool:
    """Whether its steps add noise, which they then draw from a generator."""
    return "generator" in inspect.signature(scheduler.step).parameters


def describe_prediction(scheduler: Scheduler, timestep: float) -> PredictionLine:
    """What the network of ``scheduler`` predicts at ``timestep``: noise, velocity, flow or the image. Where its input has another
    scale (EDM), the prediction counts as the image, which is true up to a slowly changing factor."""
    kind = str(scheduler.config.get("prediction_type", "flow_prediction"))
    if kind == "flow_prediction":
        noise = timestep / scheduler.config["num_train_timesteps"]
        return PredictionLine(1 / noise, 1 / noise)
    if not isinstance(scheduler, _HasNoiseTable) or kind == "sample":
        return PredictionLine(0.0, -1.0)
    kept = _interpolate_table(scheduler.alphas_cumprod, timestep)
    signal, noise = kept**0.5, (1 - kept) ** 0.5
    return PredictionLine(signal / noise, 1 / noise) if kind == "v_prediction" else PredictionLine(1 / noise, signal / noise)


def _interpolate_table(table: torch.Tensor, place: float) -> float:
    """The value between two entries of ``table``."""
    below = min(int(place), len(table) - 1)
    above = min(below + 1, len(table) - 1)
    return float(table[below]) + (place - below) * (float(table[above]) - float(table[below]))


def begin_at(scheduler: Scheduler, index: int) -> None:
    """Have ``scheduler`` begin at a later timestep. Those that look up each timestep need no change."""
    if isinstance(scheduler, _CountsSteps):
        scheduler.set_begin_index(index)


def seed_paths(scheduler: Scheduler, seeds: tuple[int, ...]) -> None:
    """Give each image of the batch its own noise, where ``scheduler``'s noise is a path. The others draw it from a generator."""
    if isinstance(scheduler, _FollowsPaths):
        scheduler.seeds = seeds
