"""Whether an image is drawn in two passes, and how: *hires fix*. Does not import torch: the page uses it too.

Far above the size that a checkpoint was trained at, it draws things twice. So the image is drawn at about that size first, then
enlarged, and repainted from there on.
"""

from __future__ import annotations

import dataclasses

from engine.checkpoints.library.upscalers import BUILT_IN, LANCZOS
from engine.generate.tasks.input_image import find_matching_size
from engine.requests import HIRES, LATENT, GenerationRequest, ResolvedGeneration, TextToImage

MOST_AREA = 1.5
"""Times the area that a checkpoint was trained at, above which it is drawn in two passes."""

LEAST_AREA = 320 * 320
"""Pixels up to which no image is drawn in two passes by itself: it has no room for two of anything, and takes no time."""

_FAR = 3.0
"""How many times the first pass's sides the result's are, from which on the second changes less: it knows less of the whole."""


def choose_hires(asked: GenerationRequest, request: ResolvedGeneration, native: int, multiple: int) -> ResolvedGeneration:
    """``request``, which decides everything else of ``asked``, with one pass or two.

    ``native`` and ``multiple``: the side that the checkpoint was trained at, and what sides must be multiples of, in pixels.
    """
    blank = dict.fromkeys(HIRES)
    wanted = is_too_large(request.width, request.height, native) if asked.hires is None else asked.hires
    if not wanted or not isinstance(asked, TextToImage):
        return dataclasses.replace(request, hires=False, **blank)
    width, height = find_matching_size((request.width, request.height), native, multiple)
    first = _round(asked.first_width, multiple) or width, _round(asked.first_height, multiple) or height
    if first[0] >= request.width and first[1] >= request.height:
        return dataclasses.replace(request, hires=False, **blank)
    upscaler = asked.hires_upscaler or BUILT_IN
    factor = max(request.width / first[0], request.height / first[1])
    return dataclasses.replace(
        request,
        hires=True,
        first_width=first[0],
        first_height=first[1],
        hires_upscaler=upscaler,
        hires_steps=asked.hires_steps or request.steps,
        hires_strength=find_strength(upscaler, factor) if asked.hires_strength is None else asked.hires_strength,
        hires_guidance_scale=asked.hires_guidance_scale,
        hires_scheduler=asked.hires_scheduler,
        hires_schedule=asked.hires_schedule,
    )


def is_too_large(width: int, height: int, native: int) -> bool:
    """Whether a checkpoint that was trained at ``native`` squared pixels draws things twice at this size."""
    return width * height > max(MOST_AREA * native * native, LEAST_AREA)


def find_strength(upscaler: str, factor: float) -> float:
    """The strength of the second pass that fits. Stretched latents are blurred, and need more of it."""
    if upscaler == LATENT:
        return 0.6
    return 0.3 if factor >= _FAR else 0.4


def enlarge_size(width: int, height: int, factor: float, multiple: int) -> tuple[int, int]:
    """``width`` x ``height`` times ``factor``, rounded to multiples of ``multiple``."""
    large, high = (max(multiple, round(side * factor / multiple) * multiple) for side in (width, height))
    return large, high


def explain_hires(asked: GenerationRequest, request: ResolvedGeneration) -> str:
    """A sentence where two passes were chosen by themselves; "" where the request asked for them, or has one."""
    if not request.hires or asked.hires is not None:
        return ""
    return (
        f"{request.width} x {request.height} is far above the size that this checkpoint was trained at, where it draws things "
        f"twice. So it is drawn at {request.first_width} x {request.first_height} first, then enlarged and repainted (hires "
        "fix). You can switch that off in the settings."
    )


def _round(side: int | None, multiple: int) -> int | None:
    return None if side is None else max(multiple, round(side / multiple) * multiple)


def is_network(upscaler: str) -> bool:
    """Whether a network enlarges between the passes."""
    return upscaler.casefold() not in (LATENT, LANCZOS)
