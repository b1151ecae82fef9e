"""Samplers and noise schedules by their usual names, in AUTOMATIC1111's spelling, and the diffusers scheduler of each pair.

The tables import no torch, so that the page can show them. Any two go together: :func:`fit_pair` says what is used instead of a
schedule that a sampler cannot follow.
"""

from engine.generate.samplers.create import create, skip_steps
from engine.generate.samplers.pairs import (
    SamplingMethod,
    bound_steps,
    find,
    find_few_step_pair,
    find_pair,
    fit_pair,
    names_schedule,
    split_name,
)
from engine.generate.samplers.schedules import DEFAULT, SCHEDULES, Schedule
from engine.generate.samplers.table import FLOW_MATCHING, SCHEDULERS, FlowSampler, Sampler, fits_continuous, is_flow_matching

__all__ = [
    "DEFAULT",
    "FLOW_MATCHING",
    "SCHEDULERS",
    "SCHEDULES",
    "FlowSampler",
    "Sampler",
    "SamplingMethod",
    "Schedule",
    "bound_steps",
    "create",
    "find",
    "find_few_step_pair",
    "find_pair",
    "fit_pair",
    "fits_continuous",
    "is_flow_matching",
    "names_schedule",
    "skip_steps",
    "split_name",
]
