"""Everything that is decided before a run starts: which checkpoint, which plan, every open field, and whether it fits."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from engine import preferences
from engine.checkpoints.adapters import NOTHING, Additions
from engine.checkpoints.catalogue import CheckpointEntry
from engine.generate import additions
from engine.generate.refine import Refiner, check_pair
from engine.generate.resolve import Defaults, resolve
from engine.generate.workshop import Workshop, environment
from engine.plan import Layout, Work, budget, check, choose, predict
from engine.plan.notes import learnt
from engine.requests import ExecutionPlan, ImageToImage, Request, Resolved

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
    entry = workshop.catalogue.find(asked.checkpoint)
    plan = plan_for(entry, asked, workshop)
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
    work = _work(entry, resolved.request, refiner)
    fitting, _ = check(work, plan, budget(workshop.hardware), on_cpu(entry, plan, workshop))
    said = tuple(reason for reason in fitting.reasons if reason not in plan.reasons)
    return Prepared(entry, dataclasses.replace(resolved, plan=fitting), (*notices, *said), added, refiner)


def fits(prepared: Prepared, workshop: Workshop, batch: int) -> bool:
    """Whether ``batch`` pictures at once have room under the plan as it stands."""
    plan = prepared.resolved.plan
    if 0 < plan.batch_limit < batch:
        return False
    work = dataclasses.replace(_work(prepared.entry, prepared.resolved.request, prepared.refiner), batch=batch)
    return budget(workshop.hardware).holds(predict(work, plan))


def plan_for(entry: CheckpointEntry, asked: Request, workshop: Workshop) -> ExecutionPlan:
    """The plan of this machine for a checkpoint, with what earlier runs taught, before memory is looked at."""
    wishes = (asked.precision, workshop.settings.precision, preferences.read(workshop.settings.data).precision)
    wish = next((each for each in wishes if each != "auto"), "auto")
    plan = choose(workshop.hardware, entry.architecture, overrule=wish, measured=workshop.measured)
    return learnt(workshop.notes, entry.hash, workshop.hardware.device, plan)


def on_cpu(entry: CheckpointEntry, plan: ExecutionPlan, workshop: Workshop) -> ExecutionPlan | None:
    """The plan of ``entry`` on the processor, the last rung of the ladder; None where ``plan`` runs there already."""
    processor = next((device for device in workshop.hardware.devices if device.kind == "cpu"), None)
    if plan.device == "cpu" or processor is None:
        return None
    return choose(dataclasses.replace(workshop.hardware, device=processor), entry.architecture)


def _defaults(entry: CheckpointEntry, asked: Request, size: Size) -> Defaults:
    family = entry.architecture.over_a_picture if isinstance(asked, ImageToImage) else entry.architecture
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
    return Refiner(entry=found, plan=plan_for(found, asked, workshop), start=asked.refiner_start)


def _work(entry: CheckpointEntry, request: Request, refiner: Refiner | None) -> Work:
    assert request.width and request.height and request.guidance_scale is not None
    return Work(
        parameters=Counter(entry.parameters) + Counter(refiner.entry.parameters if refiner else {}),
        width=request.width,
        height=request.height,
        guided=request.guidance_scale > 1,
        layout=Layout.of(entry.config("unet"), entry.config("vae")),
    )
