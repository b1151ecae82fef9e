"""Everything that is decided before a run starts: which checkpoint, which plan, every open field, and whether it fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from engine.checkpoints.adapters import NOTHING, Additions
from engine.checkpoints.architectures import Architecture
from engine.checkpoints.catalogue import CheckpointEntry
from engine.errors import CheckpointError
from engine.generate import additions
from engine.generate.outlook import on_cpu, plan_for, work_for
from engine.generate.refine import Refiner, check_pair
from engine.generate.resolve import Defaults, resolve
from engine.generate.workshop import Workshop, environment
from engine.plan import budget, check, predict, spare
from engine.requests import CompareNegative, ImageToImage, Request, Resolved, StudyNegative, is_draft

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


def prepare(asked: Request, size: Size, workshop: Workshop) -> Prepared:
    """Raises CheckpointError for a checkpoint that is not there, RequestError for values that cannot be honoured, DoesNotFit."""
    found = workshop.catalogue.find(asked.checkpoint)
    entry = found.for_drafts if is_draft(asked) else found
    if entry.architecture.name == "other":
        raise CheckpointError(f"“{entry.name}” is of a kind that only does text to image here. Choose another checkpoint.")
    plan = plan_for(entry, asked, workshop.circumstances)
    added = additions.named(asked, entry, workshop.catalogue)
    resolved, notices = resolve(
        asked,
        _defaults(entry, asked, size),
        plan,
        threads=workshop.threads,
        checkpoint_hash=entry.hash,
        environment={**environment(workshop.hardware.device.name or workshop.hardware.device.kind), **additions.hashes(added)},
    )
    refiner = _refiner(asked, entry, workshop)
    work = work_for(entry, resolved.request, refiner.entry if refiner else None)
    processor = on_cpu(entry, plan, workshop.hardware)
    fitting, _ = check(work, plan, budget(workshop.hardware), processor)
    if workshop.sparing and fitting.measures == plan.measures:
        fitting = spare(fitting, work, processor)
    said = tuple(reason for reason in fitting.reasons if reason not in plan.reasons)
    return Prepared(entry, dataclasses.replace(resolved, plan=fitting), (*notices, *said), added, refiner)


def fits(prepared: Prepared, workshop: Workshop, batch: int) -> bool:
    """Whether ``batch`` pictures at once have room under the plan as it stands."""
    plan = prepared.resolved.plan
    if 0 < plan.batch_limit < batch:
        return False
    refiner = prepared.refiner.entry if prepared.refiner else None
    work = dataclasses.replace(work_for(prepared.entry, prepared.resolved.request, refiner), batch=batch)
    return budget(workshop.hardware).holds(predict(work, plan))


def _used(family: Architecture, asked: Request) -> Architecture:
    """The family with what is best for this kind of request."""
    if isinstance(asked, ImageToImage):
        return family.over_a_picture
    return family.against_a_negative if isinstance(asked, CompareNegative | StudyNegative) else family


def _defaults(entry: CheckpointEntry, asked: Request, size: Size) -> Defaults:
    family = _used(entry.architecture, asked)
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


def _refiner(asked: Request, entry: CheckpointEntry, workshop: Workshop) -> Refiner | None:
    if not asked.refiner or asked.refiner_start >= 1:
        return None
    found = workshop.catalogue.find(asked.refiner)
    check_pair(entry, found)
    return Refiner(entry=found, plan=plan_for(found, asked, workshop.circumstances), start=asked.refiner_start)
