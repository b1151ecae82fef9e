"""Which sampler and schedule a request means, and what is used where the two do not go together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import RequestError
from engine.generate.samplers.schedules import AUTOMATIC, DEFAULT, SCHEDULES
from engine.generate.samplers.table import FLOW_MATCHING, SCHEDULERS, is_continuous, is_flow_matching
from engine.json_values import JsonObject

AUTOMATIC_NAME = "automatic"
"""What a request may also write for a schedule that it leaves open."""


@dataclass(frozen=True)
class SamplingMethod:
    """A sampler and a schedule, by the tables' names."""

    sampler: str
    schedule: str


def find(name: str) -> str:
    """The table's spelling of a sampler's name, ignoring case. Raises RequestError for an unknown one."""
    return _find(name, SCHEDULERS, "sampler")


def find_pair(sampler: str, schedule: str | None) -> SamplingMethod:
    """What a request names. The sampler's name may contain the schedule's ("DPM++ 2M Karras"). Raises RequestError for unknown
    names.
    """
    name, suffix = split_name(sampler)
    known = find(name)
    chosen = suffix if schedule is None or schedule.strip().casefold() in ("", AUTOMATIC_NAME) else schedule
    return SamplingMethod(known, _find(chosen, SCHEDULES, "noise schedule") if chosen else AUTOMATIC.get(known, DEFAULT))


def names_schedule(sampler: str, schedule: str | None) -> bool:
    """Whether a request chooses a schedule, in its field or at the end of the sampler's name."""
    return bool(split_name(sampler)[1]) or (schedule or AUTOMATIC_NAME).strip().casefold() not in ("", AUTOMATIC_NAME)


def split_name(sampler: str) -> tuple[str, str]:
    """A sampler's name and the schedule that was written at its end, "" for none."""
    plain = sampler.strip()
    for schedule in SCHEDULES:
        if plain.casefold().endswith(f" {schedule}".casefold()) and plain.casefold() not in map(str.casefold, SCHEDULERS):
            return plain[: -len(schedule) - 1].strip(), schedule
    return plain, ""


def find_few_step_pair(pair: SamplingMethod, checkpoint_config: JsonObject) -> SamplingMethod:
    """``pair`` with the schedule for checkpoints of few steps, which begin where training ended, at the most noise (Lin et al.
    2023, arXiv 2305.08891, section 3.3), unless the checkpoint's own does so or the sampler cannot follow it."""
    found = SamplingMethod(pair.sampler, "SGM Uniform")
    if checkpoint_config.get("timestep_spacing") == "trailing" or not _go_together(found, checkpoint_config):
        return pair
    return found


def fit_pair(pair: SamplingMethod, checkpoint_config: JsonObject) -> tuple[SamplingMethod, str]:
    """The pair that can run with a checkpoint's scheduler configuration, and a sentence if that is another one."""
    if is_flow_matching(checkpoint_config) and pair.sampler not in FLOW_MATCHING:
        notice = f"The sampler {pair.sampler} has no method for this kind of checkpoint (flow matching), so Euler is used."
        return SamplingMethod("Euler", DEFAULT), notice
    if _go_together(pair, checkpoint_config):
        return pair, ""
    notice = f"The sampler {pair.sampler} cannot follow the noise schedule {pair.schedule} here, so it runs with its own."
    return SamplingMethod(pair.sampler, DEFAULT), notice


def bound_steps(pair: SamplingMethod, steps: int, checkpoint_config: JsonObject) -> tuple[int, str]:
    """The steps nearest to those asked for that a sampler can run, and a sentence if they differ."""
    sampler = SCHEDULERS[pair.sampler]
    if steps < sampler.least_steps:
        return sampler.least_steps, f"{pair.sampler} needs {sampler.least_steps} steps, so it runs as many instead of {steps}."
    if not sampler.distilled:
        return steps, ""
    trained = checkpoint_config.get("original_inference_steps")
    most = trained if isinstance(trained, int) else 50
    if steps <= most:
        return steps, ""
    return most, f"{pair.sampler} runs at most {most} steps, so it runs {most} instead of {steps}. 4 to 8 are usual."


def _go_together(pair: SamplingMethod, checkpoint_config: JsonObject) -> bool:
    if pair.schedule == DEFAULT:
        return True
    if is_flow_matching(checkpoint_config):
        return False
    if is_continuous(checkpoint_config):
        return bool(SCHEDULES[pair.schedule].continuous)
    sampler = SCHEDULERS[pair.sampler]
    return sampler.follows == "levels" or (sampler.follows == "spacing" and SCHEDULES[pair.schedule].spacing is not None)


def _find(name: str, known: Iterable[str], what: str) -> str:
    found = next((each for each in known if each.casefold() == name.strip().casefold()), None)
    if found is None:
        raise RequestError(f"Easel has no {what} called “{name}”. It has: {', '.join(known)}.")
    return found
