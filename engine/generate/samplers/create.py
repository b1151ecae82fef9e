"""From a sampler and a schedule to a scheduler of diffusers' for one batch of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engine.compat.schedulers import LevelLayout, Option, Scheduler, begin_at, create_scheduler, seed_paths
from engine.errors import RequestError
from engine.generate.samplers.pairs import find
from engine.generate.samplers.schedules import DEFAULT, SCHEDULES
from engine.generate.samplers.table import CONTINUOUS, FLOW_MATCHING, SCHEDULERS, Sampler, is_continuous, is_flow_matching
from engine.json_values import JsonObject

if TYPE_CHECKING:
    import torch

_SOLVER_CHOICES = (
    "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "algorithm_type", "solver_order", "solver_type",
    "noise_sampler_seed",
)  # fmt: skip
"""Options that only the tables may set, never the checkpoint."""

_OWN_KARRAS: Mapping[str, Option] = {"use_karras_sigmas": True}


def create(
    name: str,
    checkpoint_config: JsonObject,
    schedule: str = DEFAULT,
    *,
    aligned_steps: str = "StableDiffusionSigmas",
    seeds: Sequence[int] = (0,),
) -> Scheduler:
    """A new scheduler for one batch.

    ``checkpoint_config`` is the configuration of the scheduler that came with the checkpoint: its betas and its prediction
    type are kept, so epsilon and v-prediction checkpoints both work with every sampler. Checkpoints of flow matching (Lipman et
    al. 2022, arXiv 2210.02747) keep their shift of the noise levels (Esser et al. 2024, arXiv 2403.03206); RequestError for a
    sampler that has no method for them. ``aligned_steps`` names the checkpoint's table in diffusers' ``AysSchedules``. ``seeds``,
    one an image of the batch, are those of Brownian noise.
    """
    sampler = SCHEDULERS[find(name)]
    if is_flow_matching(checkpoint_config):
        scheduler = _create_for_flow(name, sampler, checkpoint_config)
    elif is_continuous(checkpoint_config):
        options = {**sampler.options, **SCHEDULES[schedule].continuous}
        scheduler = create_scheduler(CONTINUOUS[sampler.class_name], checkpoint_config, options, ignored=_SOLVER_CHOICES)
    else:
        options, layout = _follow(sampler, schedule, aligned_steps)
        scheduler = create_scheduler(
            sampler.class_name, checkpoint_config, {**options, **sampler.options}, ignored=_SOLVER_CHOICES, layout=layout
        )
    seed_paths(scheduler, tuple(seeds))
    return scheduler


def _create_for_flow(name: str, sampler: Sampler, checkpoint_config: JsonObject) -> Scheduler:
    if sampler.flow is None:
        raise RequestError(f"The sampler {name} does not work with this checkpoint. Choose one of {', '.join(FLOW_MATCHING)}.")
    config: JsonObject = {**checkpoint_config, "flow_shift": checkpoint_config.get("shift", 1.0)}
    return create_scheduler(sampler.flow.class_name, config, sampler.flow.options, ignored=_SOLVER_CHOICES)


def _follow(sampler: Sampler, schedule: str, aligned_steps: str) -> tuple[Mapping[str, Option], LevelLayout | None]:
    """The options with which ``sampler`` follows a schedule, and the layout of its noise levels if it takes one."""
    row = SCHEDULES[schedule]
    if schedule == DEFAULT or sampler.follows == "none":
        return {}, None
    if sampler.follows == "spacing":
        return row.spacing or {}, None
    if not row.levels and not row.optimised:
        return _OWN_KARRAS, None
    return {}, LevelLayout(options=row.levels, table=aligned_steps if row.optimised else "")


def skip_steps(scheduler: Scheduler, share: float) -> tuple[int, torch.Tensor]:
    """The index of the first step to run if only the last ``share`` (0..1) of them run, and the timesteps from there on. Any
    share above 0 runs at least one step.
    """
    steps = scheduler.num_inference_steps
    count = 0 if share == 0 else max(1, min(steps, int(steps * share)))
    # Samplers with two evaluations a step take only one for the first or the last: the list is not `order` times the steps.
    begin = (steps - count) * scheduler.order if count else len(scheduler.timesteps)
    begin_at(scheduler, begin)
    return begin, scheduler.timesteps[begin:]
