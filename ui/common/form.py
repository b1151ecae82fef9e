"""Between what stands in the form and what the engine is asked. The only room that knows both."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from engine.errors import RequestError
from engine.negative import effectiveness
from engine.requests import DTYPES, SPEEDS, GenerationRequest, Request, TextToImage, check
from ui import messages
from ui.common.checkpoint_options import Checkpoint

OWN_SIZE = "own"
"""The size whose width and height the user writes."""

SIZES: dict[str, tuple[int, int]] = {"square": (4, 4), "portrait": (3, 4), "landscape": (4, 3), "tall": (4, 6), "wide": (6, 4)}
"""Name of a preset -> width and height in quarters of the checkpoint's native size."""

BLANK: dict[str, str] = {
    "prompt": "",
    "negative_prompt": "",
    "checkpoint": "",
    "size": "square",
    "width": "",
    "height": "",
    "steps": "",
    "guidance_scale": "",
    "scheduler": "",
    "seed": "",
    "count": "1",
    "clip_skip": "",
    "vae": "",
    "refiner": "",
    "refiner_start": "",
    "speed": "exact",
    "precision": "auto",
    "lora": "",
    "upscaler": "",
}
"""Every field of the form, by name, as it stands at first. An empty field means: what is best for the checkpoint."""

LABELS: dict[str, str] = {
    "prompt": messages.PROMPT,
    "negative_prompt": messages.NEGATIVE,
    "checkpoint": "Checkpoint",
    "size": "Size",
    "width": "Width",
    "height": "Height",
    "steps": "Steps",
    "guidance_scale": "CFG scale",
    "scheduler": "Sampler",
    "seed": "Seed",
    "count": "Pictures",
    "strength": "Denoising strength",
    "fit": "Fit",
    "feather": "Feather",
    "only_masked": "Only the masked part",
    "padding": "Padding",
    "live_checkpoint": "Live is painted by",
    "live_steps": "Live steps",
    "max_terms": messages.MAX_TERMS,
    "clip_skip": "Clip skip",
    "vae": "VAE",
    "refiner": "Refiner",
    "refiner_start": "Refiner from",
    "speed": messages.SPEED,
    "precision": messages.PRECISION,
    "lora": "Add a LoRA",
    "upscaler": messages.ENLARGE_AFTERWARDS,
}


def request(written: Mapping[str, Any], checkpoint: Checkpoint) -> TextToImage:
    """The request that a filled-in form asks for.

    ``written`` has a value for every name in :data:`BLANK`; an empty field takes what is best for ``checkpoint``. Raises
    RequestError, a sentence, for the first value that cannot be used.
    """
    width, height = size(written, checkpoint)
    steps, guidance_scale, count = whole(written, "steps"), number(written, "guidance_scale"), whole(written, "count")
    refiner_start = number(written, "refiner_start")
    asked = TextToImage(
        prompt=str(written["prompt"] or ""),
        negative_prompt=str(written["negative_prompt"] or ""),
        checkpoint=checkpoint.name or None,
        width=width,
        height=height,
        steps=checkpoint.steps if steps is None else steps,
        guidance_scale=checkpoint.guidance_scale if guidance_scale is None else guidance_scale,
        scheduler=str(written["scheduler"] or checkpoint.scheduler),
        seed=whole(written, "seed"),
        count=1 if count is None else count,
        clip_skip=whole(written, "clip_skip"),
        vae=str(written["vae"] or "") or None,
        refiner=str(written["refiner"] or "") or None,
        refiner_start=TextToImage.refiner_start if refiner_start is None else refiner_start,
        speed=str(written["speed"]),
        upscaler=str(written["upscaler"] or ""),
        precision=str(written["precision"]),
    )
    check(asked)
    return asked


def size(written: Mapping[str, Any], checkpoint: Checkpoint) -> tuple[int, int]:
    """Width and height in pixels."""
    if written["size"] in SIZES:
        return preset(written["size"], checkpoint)
    width, height = (whole(written, name) for name in ("width", "height"))
    return checkpoint.native_size if width is None else width, checkpoint.native_size if height is None else height


def preset(name: str, checkpoint: Checkpoint) -> tuple[int, int]:
    """Width and height in pixels of a preset, for a checkpoint."""
    unit = checkpoint.native_size / 4
    multiple = checkpoint.size_multiple
    width, height = (max(multiple, round(part * unit / multiple) * multiple) for part in SIZES[name])
    return width, height


def whole(written: Mapping[str, Any], name: str) -> int | None:
    """A whole number, or None for an empty field. Raises RequestError for anything else."""
    text = _text(written, name)
    if not text:
        return None
    value = number(written, name)
    if value is None or not math.isfinite(value) or value != int(value):
        raise RequestError(messages.not_whole(LABELS[name], text))
    # Not through float: it would round a large seed.
    return int(text) if text.lstrip("+-").isdecimal() else int(value)


def number(written: Mapping[str, Any], name: str) -> float | None:
    """A number, or None for an empty field; a decimal comma is understood. Raises RequestError for anything else."""
    text = _text(written, name)
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise RequestError(messages.not_a_number(LABELS[name], text)) from None


def doubt(guidance_scale: str, checkpoint: Checkpoint) -> str:
    """Why a negative prompt cannot work, or strains ``checkpoint``, at the scale that stands in the form; "" if it works."""
    try:
        written = number({"guidance_scale": guidance_scale}, "guidance_scale")
    except RequestError:
        return ""
    scale = checkpoint.guidance_scale if written is None else written
    return effectiveness.doubt(scale, guidance_free=checkpoint.guidance_free, distilled=checkpoint.distilled)


def checkpoint_of(made_with: Request) -> str | None:
    """The checkpoint that a request names; an upscaler is none."""
    return made_with.checkpoint if isinstance(made_with, GenerationRequest) else None


def settings_of(made_with: Request, checkpoint: Checkpoint) -> dict[str, str]:
    """The form that asks for ``made_with``, a resolved request, again. ``count`` becomes 1; of an upscaled picture the prompts
    and what governs the sampling are taken."""
    if not isinstance(made_with, GenerationRequest):
        names = (field.name for field in dataclasses.fields(Request))
        made_with = TextToImage(**{name: value for name, value in vars(made_with).items() if name in names})
    presets = {preset(name, checkpoint): name for name in reversed(SIZES)}
    name = presets.get((made_with.width or 0, made_with.height or 0), OWN_SIZE)
    return BLANK | {
        "prompt": made_with.prompt,
        "negative_prompt": made_with.negative_prompt,
        "checkpoint": checkpoint.name,
        "size": name,
        "width": _written(made_with.width),
        "height": _written(made_with.height),
        "steps": _written(made_with.steps),
        "guidance_scale": "" if made_with.guidance_scale is None else f"{made_with.guidance_scale:g}",
        "scheduler": made_with.scheduler or "",
        "seed": _written(made_with.seed),
        "clip_skip": _written(made_with.clip_skip or None),
        "vae": made_with.vae or "",
        "refiner": made_with.refiner or "",
        "refiner_start": f"{made_with.refiner_start:g}" if made_with.refiner else "",
        "speed": made_with.speed,
        "upscaler": made_with.upscaler,
        "precision": made_with.precision,
    }


def kept(
    stored: object, checkpoints: Mapping[str, Checkpoint], schedulers: Mapping[str, Any], blank: Mapping[str, Any] = BLANK
) -> dict[str, Any]:
    """The form as a browser kept it, whatever it kept: unknown fields are dropped, missing ones as in ``blank``,
    choices that are gone the first."""
    found = stored if isinstance(stored, dict) else {}
    form = {name: value if _alike(value := found.get(name), first) else first for name, first in blank.items()}
    choices = {"scheduler": schedulers, "size": {**SIZES, OWN_SIZE: ()}, "speed": SPEEDS, "precision": ("auto", *DTYPES)}
    gone = {name: blank[name] for name, known in choices.items() if name in form and form[name] not in known}
    checkpoint = form["checkpoint"] if form["checkpoint"] in checkpoints else next(iter(checkpoints), "")
    return {**form, **gone, "checkpoint": checkpoint}


def _alike(value: object, blank: object) -> bool:
    """Whether ``value`` is of the kind of ``blank``. A browser keeps 1.0 as 1."""
    return type(value) is type(blank) or (type(value) is int and type(blank) is float)


def _text(written: Mapping[str, Any], name: str) -> str:
    value = written[name]
    return "" if value is None else str(value).strip()


def _written(value: int | None) -> str:
    return "" if value is None else str(value)
