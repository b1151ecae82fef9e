"""From what was asked to what will run: every open field decided, and said where it differs from what was asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from engine.generate import samplers
from engine.requests import ExecutionPlan, GenerationRequest, Resolved, check, complete, request_at
from engine.seeds import draw_seed

"""Random seeds are drawn below this: short enough to read aloud, and other programs accept them."""


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a checkpoint is best run with, where the request leaves it open. Sizes are pixels."""

    checkpoint: str
    width: int
    height: int
    size_multiple: int
    steps: int
    guidance_scale: float
    scheduler: str


def resolve(
    asked: GenerationRequest,
    defaults: Defaults,
    plan: ExecutionPlan,
    *,
    threads: int,
    checkpoint_hash: str,
    environment: Mapping[str, str],
) -> tuple[Resolved, tuple[str, ...]]:
    """The first picture's resolved request, and a sentence for each thing that was changed.

    Raises RequestError for values that cannot be honoured.
    """
    check(asked)
    width, width_notice = _snapped("width", asked.width, defaults.width, defaults.size_multiple)
    height, height_notice = _snapped("height", asked.height, defaults.height, defaults.size_multiple)
    request = complete(
        asked,
        checkpoint=defaults.checkpoint,
        width=width,
        height=height,
        steps=asked.steps if asked.steps is not None else defaults.steps,
        guidance_scale=float(defaults.guidance_scale if asked.guidance_scale is None else asked.guidance_scale),
        scheduler=samplers.find(asked.scheduler or defaults.scheduler),
        seed=asked.seed if asked.seed is not None else draw_seed(),
        clip_skip=asked.clip_skip or 0,
    )
    resolved = Resolved(request=request, plan=plan, threads=threads, checkpoint_hash=checkpoint_hash, environment=environment)
    return resolved, tuple(notice for notice in (width_notice, height_notice) if notice)


def picture(resolved: Resolved, index: int) -> Resolved:
    """The resolved request of picture ``index`` of a job."""
    return dataclasses.replace(resolved, request=request_at(resolved.request, index))


def _snapped(name: str, asked: int | None, default: int, multiple: int) -> tuple[int, str]:
    """A side in pixels that the checkpoint can draw, and what to say if it is not the one asked for."""
    if asked is None:
        return default, ""
    side = max(multiple, round(asked / multiple) * multiple)
    if side == asked:
        return side, ""
    return (
        side,
        f"The {name} is {side} instead of {asked}: this checkpoint draws sizes that are multiples of {multiple}.",
    )
