"""The limits of a request's values, for any checkpoint."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass

from engine.errors import RequestError
from engine.requests.cells import list_changes
from engine.requests.control_settings import check_controls
from engine.requests.kinds import (
    DTYPES,
    FILLS,
    FITS,
    GUIDANCES,
    MASK_AREAS,
    SPEEDS,
    DescribeImage,
    GenerationRequest,
    ImageToImage,
    Request,
    Upscale,
    is_grid,
)


@dataclass(frozen=True)
class Limit:
    """The values that a number may have, both ends included, and the words for it in a sentence."""

    least: float
    most: float
    name: str
    why: str = ""


LIMITS: dict[str, Limit] = {
    "width": Limit(8, 16384, "The width", "pixels"),
    "height": Limit(8, 16384, "The height", "pixels"),
    "steps": Limit(1, 1000, "Steps", "checkpoints are trained on 1000 noise levels; 20 to 50 is usual"),
    "guidance_scale": Limit(0, 100, "The CFG scale", "5 to 12 is usual"),
    "guidance_rescale": Limit(0, 1, "The CFG rescale", "0 leaves guidance as it is; 0.7 is usual for v-prediction"),
    "first_width": Limit(8, 16384, "The first pass's width", "pixels"),
    "first_height": Limit(8, 16384, "The first pass's height", "pixels"),
    "hires_steps": Limit(1, 1000, "The second pass's steps", "20 to 50 is usual"),
    "hires_guidance_scale": Limit(0, 100, "The second pass's CFG scale", "5 to 12 is usual"),
    "hires_strength": Limit(0, 1, "The second pass's strength", "0 keeps the enlarged picture; 0.3 to 0.6 is usual"),
    "count": Limit(1, 1000, "The number of pictures"),
    "variation_strength": Limit(0, 1, "The variation strength", "0 is the seed's own picture, 1 that of the variation seed"),
    "clip_skip": Limit(0, 11, "Clip skip", "0 or 1 means the last layer"),
    "refiner_start": Limit(0, 1, "The refiner's start", "a share of the steps; 0.8 is usual"),
    "strength": Limit(0, 1, "The denoising strength", "0 keeps the picture, 1 forgets it"),
    "feather": Limit(0, 512, "The feather", "pixels"),
    "padding": Limit(0, 2048, "The padding around the mask", "pixels"),
    "max_terms": Limit(1, 100, "The number of terms to try", "each is a picture"),
    "factor": Limit(1, 16, "The factor", "4 makes both sides four times as long"),
    "cleaning": Limit(0, 1, "The strength for cleaning", "0 keeps everything, 1 cleans most"),
    "noise_level": Limit(0, 350, "The noise level", "20 is usual; more invents more"),
    "threshold": Limit(0, 1, "The least confidence", "0.35 is usual; less names more tags"),
    "tile": Limit(0, 4096, "The tile", "pixels of the input; 0 lets Easel choose"),
}
MAX_PROMPT = 50_000
"""Characters that a prompt or a negative prompt may have."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def check(request: Request) -> None:
    """Raises RequestError, one sentence, for the first value that no checkpoint can use."""
    for name, value in vars(request).items():
        if name in LIMITS and value is not None and not (name == "count" and is_grid(request)):
            _check_number(LIMITS[name], value)
    for name, text in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
        if len(text) > MAX_PROMPT:
            raise RequestError(f"The {name} has {len(text):,} characters; Easel reads up to {MAX_PROMPT:,}. Shorten it.")
    if request.precision not in ("auto", *DTYPES):
        raise RequestError(f"Precision can be auto, {', '.join(DTYPES)}. It was {request.precision!r}.")
    if isinstance(request, GenerationRequest) and request.speed not in SPEEDS:
        raise RequestError(f"Speed can be {', '.join(SPEEDS)}. It was {request.speed!r}.")
    if isinstance(request, GenerationRequest) and request.guidance not in GUIDANCES:
        raise RequestError(f"Guidance can be {', '.join(GUIDANCES)}. It was {request.guidance!r}.")
    if isinstance(request, GenerationRequest):
        check_controls(request.controls)
    if isinstance(request, ImageToImage):
        _check_input_image(request)
    if isinstance(request, GenerationRequest):
        for varied in list_changes(request):
            check(varied)
    if isinstance(request, Upscale) and not request.images:
        raise RequestError("There is no picture to upscale. Choose one or more first.")
    if isinstance(request, DescribeImage) and not request.image:
        raise RequestError("There is no picture to describe. Choose one first.")


def _check_number(limit: Limit, value: float) -> None:
    if not (math.isfinite(value) and limit.least <= value <= limit.most):
        because = f" ({limit.why})" if limit.why else ""
        raise RequestError(f"{limit.name} must be from {limit.least} to {limit.most}{because}. It was {value}.")


def _check_input_image(request: ImageToImage) -> None:
    if request.fit not in FITS:
        raise RequestError(f"Fit can be {', '.join(FITS)}. It was {request.fit!r}.")
    if request.mask_area not in MASK_AREAS:
        raise RequestError(f"The part to work on can be {', '.join(MASK_AREAS[:-1])}. It was {request.mask_area!r}.")
    if request.fill not in FILLS:
        raise RequestError(f"The masked part can begin with {', '.join(FILLS)}. It was {request.fill!r}.")
    if not _COLOUR.fullmatch(request.paper):
        raise RequestError(f"The paper's colour is written like #ffffff. It was {request.paper!r}.")
    if request.strengths and len(request.strengths) != request.count:
        raise RequestError(f"{request.count} pictures cannot have {len(request.strengths)} strengths. Give one for each picture.")
    for strength in request.strengths:
        check(dataclasses.replace(request, strength=strength, strengths=()))
