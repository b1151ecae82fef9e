"""Which sampler, schedule and number of steps a request runs with, for its checkpoint and what is added to that."""

from __future__ import annotations

from dataclasses import dataclass

from engine.checkpoints.adapters.additions import Additions
from engine.checkpoints.families import Family
from engine.checkpoints.library.entry import CheckpointEntry
from engine.generate.samplers.pairs import (
    SamplingMethod,
    bound_steps,
    find_few_step_pair,
    find_pair,
    fit_pair,
    names_schedule,
)
from engine.generate.samplers.schedules import DEFAULT
from engine.generate.samplers.table import fits_continuous
from engine.requests import GenerationRequest


@dataclass(frozen=True)
class Sampling:
    """A sampler with its schedule, the steps, and a sentence for each that differs from the request ("" for none)."""

    pair: SamplingMethod
    steps: int
    notices: tuple[str, ...]


def choose_sampling(asked: GenerationRequest, defaults: Family, entry: CheckpointEntry, additions: Additions) -> Sampling:
    """The sampling for ``asked``; ``defaults`` are the family's for this kind of request. Raises RequestError for unknown
    names."""
    config = entry.config("scheduler")
    chosen, instead = _choose_pair(asked, defaults, entry.name)
    is_chosen = names_schedule(asked.scheduler or "", asked.schedule)
    if not is_chosen and chosen.schedule == DEFAULT and _needs_few_steps(entry, additions):
        chosen = find_few_step_pair(chosen, config)
    pair, replaced = fit_pair(chosen, config)
    if pair.sampler == chosen.sampler and not is_chosen:
        replaced = ""  # nobody chose what was replaced
    steps, bounded = bound_steps(pair, defaults.steps if asked.steps is None else asked.steps, config)
    return Sampling(pair, steps, (instead, replaced, bounded))


def _needs_few_steps(entry: CheckpointEntry, additions: Additions) -> bool:
    """Whether a checkpoint is distilled, or has a LoRA added that is."""
    signature = entry.family.signature
    distilled = signature is not None and (signature.few_steps or signature.guidance_embedding)
    return distilled or any(lora.entry.identity.few_steps is not None for lora in additions.loras)


def _choose_pair(asked: GenerationRequest, family: Family, checkpoint: str) -> tuple[SamplingMethod, str]:
    """The sampler and its schedule, and a sentence if the sampler is not the one that was asked for."""
    found, schedule = find_pair(asked.scheduler or family.scheduler, asked.schedule), family.noise_schedule
    if schedule is None or not schedule.continuous or fits_continuous(found.sampler):
        return found, ""
    return find_pair(schedule.scheduler, asked.schedule), (
        f"The sampler is {schedule.scheduler} instead of {found.sampler}: “{checkpoint}” was trained on continuous noise levels "
        "(EDM), which only Euler and the DPM++ 2M samplers know."
    )
