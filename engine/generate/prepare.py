"""Everything that is decided before a run starts: which checkpoint, which plan, every open field, and whether it fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from engine.checkpoints.adapters import NOTHING, Additions
from engine.checkpoints.families import Family
from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.errors import CheckpointError
from engine.generate import additions
from engine.generate.engine_state import EngineState, environment
from engine.generate.estimate import on_cpu, plan_for, work_for
from engine.generate.refiner import Refiner, check_pair
from engine.generate.resolve import Defaults, resolve
from engine.plan import find_budget, fit_plan, lower_peak, predict
from engine.requests import CompareNegative, GenerationRequest, ImageToImage, Resolved, StudyNegative, is_draft

Size = Callable[[int, int], tuple[int, int]]
"""(native size, size multiple) -> width and height in pixels where the request leaves them open."""


@dataclass(frozen=True)
class Prepared:
    """What runs, and what to say about it first."""

    entry: CheckpointEntry
    resolved: Resolved
    notices: tuple[str, ...]
    additions: Additions = NOTHING
    refiner: Refiner | None = None


def prepare(asked: GenerationRequest, size: Size, state: EngineState) -> Prepared:
    """Raises CheckpointError for a checkpoint that is not there, RequestError for values that cannot be honoured, DoesNotFit."""
    found = state.catalogue.find(asked.checkpoint)
    entry = found.for_drafts if is_draft(asked) else found
    if entry.family.loaded_by_diffusers:
        raise CheckpointError(f"“{entry.name}” is of a kind that only does text to image here. Choose another checkpoint.")
    plan = plan_for(entry, asked, state.circumstances)
    added = additions.named(asked, entry, state.catalogue)
    resolved, notices = resolve(
        asked,
        _defaults(entry, asked, size),
        plan,
        threads=state.threads,
        checkpoint_hash=entry.hash,
        environment={**environment(state.hardware.device.name or state.hardware.device.kind), **additions.hashes(added)},
    )
    refiner = _refiner(asked, entry, state)
    work = work_for(entry, resolved.request, refiner.entry if refiner else None)
    processor = on_cpu(entry, plan, state.hardware)
    fitting, _ = fit_plan(work, plan, find_budget(state.hardware), processor)
    if state.sparing and fitting.measures == plan.measures:
        fitting = lower_peak(fitting, work, processor)
    said = tuple(reason for reason in fitting.reasons if reason not in plan.reasons)
    return Prepared(entry, dataclasses.replace(resolved, plan=fitting), (*notices, *said), added, refiner)


def fits(prepared: Prepared, state: EngineState, batch: int) -> bool:
    """Whether ``batch`` pictures at once have room under the plan as it stands."""
    plan = prepared.resolved.plan
    if 0 < plan.batch_limit < batch:
        return False
    refiner = prepared.refiner.entry if prepared.refiner else None
    work = dataclasses.replace(work_for(prepared.entry, prepared.resolved.request, refiner), batch=batch)
    return find_budget(state.hardware).holds(predict(work, plan))


def _used(family: Family, asked: GenerationRequest) -> Family:
    """The family with what is best for this kind of request."""
    if isinstance(asked, ImageToImage):
        return family.over_a_picture
    return family.against_a_negative if isinstance(asked, CompareNegative | StudyNegative) else family


def _defaults(entry: CheckpointEntry, asked: GenerationRequest, size: Size) -> Defaults:
    family = _used(entry.family, asked)
    width, height = size(family.native_size, family.size_multiple)
    return Defaults(
        checkpoint=entry.name,
        width=width,
        height=height,
        size_multiple=family.size_multiple,
        steps=family.steps,
        guidance_scale=family.guidance_scale,
        scheduler=family.scheduler,
    )


def _refiner(asked: GenerationRequest, entry: CheckpointEntry, state: EngineState) -> Refiner | None:
    if not asked.refiner or asked.refiner_start >= 1:
        return None
    found = state.catalogue.find(asked.refiner)
    check_pair(entry, found)
    return Refiner(entry=found, plan=plan_for(found, asked, state.circumstances), start=asked.refiner_start)
