"""Converts between a tab's form and the engine's requests. The only module that knows both."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping

from engine import seeds
from engine.errors import RequestError
from engine.generate.samplers import split_name
from engine.negative import effectiveness
from engine.prompt.composition import is_composed
from engine.prompt.draw_prompts import write_prompts
from engine.requests import DTYPES, FILLS, GUIDANCES, MASK_AREAS, SPEEDS, GenerationRequest, Request, TextToImage, check
from ui import messages, sentences
from ui.common.checkpoint_options import Checkpoint

Value = str | float | bool | None
"""The value of a form's field."""

Stored = Value | Mapping[str, Value]
"""What a browser stored of a form: by name, or anything else if it is damaged."""

OWN_SIZE = "own"
"""The size for which the user enters width and height."""

NOT_OF_PIPELINES = (
    "scheduler", "schedule", "lora", "vae", "refiner", "refiner_start", "clip_skip", "guidance", "guidance_rescale", "speed",
    "variation_seed", "variation_strength",
)  # fmt: skip
"""Fields that mean nothing to a checkpoint that diffusers' own pipeline draws."""

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
    "schedule": "",
    "guidance": "cfg",
    "guidance_rescale": "",
    "variation_seed": "",
    "variation_strength": "",
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
"""Every field of the form, by name, with its initial value. An empty field means: the checkpoint's recommended value."""

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
    "schedule": messages.SCHEDULE,
    "guidance": messages.GUIDANCE,
    "guidance_rescale": "CFG rescale",
    "seed": "Seed",
    "variation_seed": messages.VARIATION_SEED,
    "variation_strength": messages.VARIATION_STRENGTH,
    "count": "Pictures",
    "strength": "Denoising strength",
    "keep_lines": messages.KEEP_LINES,
    "keep_colours": messages.KEEP_COLOURS,
    "lines_model": messages.LINES_MODEL,
    "lines_weight": messages.LINES_WEIGHT,
    "lines_start": messages.CONTROL_START,
    "lines_end": messages.CONTROL_END,
    "fit": "Fit",
    "feather": "Feather",
    "mask_area": messages.MASK_AREA,
    "fill": messages.FILL,
    "soft_mask": "Soft mask",
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
    "upscaler": messages.UPSCALE_AFTERWARDS,
    **{f"grid_{side}": words for side, words in messages.GRID_SIDES.items()},
    **{f"grid_{side}_values": words for side, words in messages.GRID_VALUES.items()},
    "hires": messages.HIRES,
    "hires_factor": "Enlarge by",
    "hires_width": "To a width of",
    "hires_height": "To a height of",
    "hires_upscaler": "Enlarged by",
    "hires_steps": "Steps of the second pass",
    "hires_strength": "Strength of the second pass",
    "hires_guidance_scale": "CFG scale of the second pass",
    "hires_scheduler": "Sampler of the second pass",
    "hires_schedule": "Schedule of the second pass",
}


def create_request(written: Mapping[str, Value], checkpoint: Checkpoint) -> TextToImage:
    """The request that a filled-in form asks for.

    ``written`` has a value for every name in :data:`BLANK`; an empty field takes the recommended value of ``checkpoint``. Raises
    RequestError, a sentence, for the first value that cannot be used.
    """
    width, height = read_size(written, checkpoint)
    steps, guidance_scale = read_whole(written, "steps"), read_number(written, "guidance_scale")
    count, refiner_start = read_whole(written, "count"), read_number(written, "refiner_start")
    asked = TextToImage(
        prompt=begin_prompt(str(written["prompt"] or ""), checkpoint.words_before),
        negative_prompt=str(written["negative_prompt"] or ""),
        checkpoint=checkpoint.name or None,
        width=width,
        height=height,
        steps=checkpoint.steps if steps is None and not checkpoint.runs_itself else steps,
        guidance_scale=checkpoint.guidance_scale if guidance_scale is None and not checkpoint.runs_itself else guidance_scale,
        scheduler=None if checkpoint.runs_itself else str(written["scheduler"] or checkpoint.scheduler),
        schedule=str(written["schedule"] or "") or None,
        guidance=str(written["guidance"] or GUIDANCES[0]),
        guidance_rescale=read_number(written, "guidance_rescale"),
        seed=read_seed(written),
        variation_seed=read_seed(written, "variation_seed"),
        variation_strength=read_number(written, "variation_strength") or 0.0,
        count=1 if count is None else count,
        clip_skip=read_whole(written, "clip_skip"),
        vae=str(written["vae"] or "") or checkpoint.vae or None,
        refiner=str(written["refiner"] or "") or None,
        refiner_start=TextToImage.refiner_start if refiner_start is None else refiner_start,
        speed=str(written["speed"]),
        upscaler=str(written["upscaler"] or ""),
        precision=str(written["precision"]),
    )
    check(asked)
    return asked


def begin_prompt(prompt: str, words: str) -> str:
    """``prompt`` with the checkpoint's own words before it, unless it begins with them already, as one that was reused does."""
    if not words or prompt.startswith(words):
        return prompt
    return f"{words}, {prompt}" if prompt.strip() else words


def read_size(written: Mapping[str, Value], checkpoint: Checkpoint) -> tuple[int | None, int | None]:
    """Width and height in pixels; None for what the checkpoint's own pipeline chooses."""
    if checkpoint.runs_itself and written["size"] == BLANK["size"]:
        return None, None
    if written["size"] in SIZES:
        return size_preset(written["size"], checkpoint)
    width, height = (read_whole(written, name) for name in ("width", "height"))
    return checkpoint.native_size if width is None else width, checkpoint.native_size if height is None else height


def size_preset(name: str, checkpoint: Checkpoint) -> tuple[int, int]:
    """Width and height in pixels of a preset, for a checkpoint."""
    unit = checkpoint.native_size / 4
    multiple = checkpoint.size_multiple
    width, height = (max(multiple, round(part * unit / multiple) * multiple) for part in SIZES[name])
    return width, height


def read_whole(written: Mapping[str, Value], name: str) -> int | None:
    """A whole number, or None for an empty field. Raises RequestError for anything else."""
    text = _read_text(written, name)
    if not text:
        return None
    value = read_number(written, name)
    if value is None or not math.isfinite(value) or value != int(value):
        raise RequestError(sentences.whole_number_error(LABELS[name], text))
    # Not through float: it would round a large seed.
    return int(text) if text.lstrip("+-").isdecimal() else int(value)


def read_seed(written: Mapping[str, Value], name: str = "seed") -> int | None:
    """The seed, or None for a random one: an empty field, -1 and the like. Raises RequestError for what is not a whole number."""
    try:
        return seeds.read_seed(_read_text(written, name).replace(",", "."))
    except ValueError:
        return read_whole(written, name)


def read_number(written: Mapping[str, Value], name: str) -> float | None:
    """A number, or None for an empty field; a decimal comma is understood. Raises RequestError for anything else."""
    text = _read_text(written, name)
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise RequestError(sentences.number_error(LABELS[name], text)) from None


def find_doubt(guidance_scale: str, checkpoint: Checkpoint, prompt: str) -> str:
    """Why a negative prompt has no effect, or harms the result of ``checkpoint``, beside ``prompt`` and at the guidance scale in
    the form; "" if it works."""
    try:
        written = read_number({"guidance_scale": guidance_scale}, "guidance_scale")
    except RequestError:
        return ""
    scale = checkpoint.guidance_scale if written is None else written
    return effectiveness.explain_doubt(
        scale, guidance_free=checkpoint.guidance_free, distilled=checkpoint.distilled, composed=is_composed(prompt)
    )


def find_checkpoint_name(request: Request) -> str | None:
    """The checkpoint that a request names; an upscaler is not a checkpoint."""
    return request.checkpoint if isinstance(request, GenerationRequest) else None


def fill_form(request: Request, checkpoint: Checkpoint) -> dict[str, str]:
    """The form that asks for ``request``, a resolved request, again. ``count`` becomes 1; from an upscaled image, the prompts
    and the sampling settings are taken."""
    if not isinstance(request, GenerationRequest):
        names = {field.name for field in dataclasses.fields(Request)}
        request = TextToImage(**{name: value for name, value in vars(request).items() if name in names})
    presets = {size_preset(name, checkpoint): name for name in reversed(SIZES)}
    name = presets.get((request.width or 0, request.height or 0), OWN_SIZE)
    prompt, negative_prompt = write_prompts(request)
    return BLANK | {
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "checkpoint": checkpoint.name,
        "size": name,
        "width": _format(request.width),
        "height": _format(request.height),
        "steps": _format(request.steps),
        "guidance_scale": "" if request.guidance_scale is None else f"{request.guidance_scale:g}",
        "scheduler": "" if checkpoint.runs_itself else request.scheduler or "",
        "schedule": request.schedule or "",
        "guidance": request.guidance,
        "guidance_rescale": "" if request.guidance_rescale is None else f"{request.guidance_rescale:g}",
        "seed": _format(request.seed),
        "variation_seed": _format(request.variation_seed if request.variation_strength else None),
        "variation_strength": f"{request.variation_strength:g}" if request.variation_strength else "",
        "clip_skip": _format(request.clip_skip or None),
        "vae": request.vae or "",
        "refiner": request.refiner or "",
        "refiner_start": f"{request.refiner_start:g}" if request.refiner else "",
        "speed": request.speed,
        "upscaler": request.upscaler,
        "precision": request.precision,
    }


def read_stored(
    stored: Stored,
    checkpoints: Mapping[str, Checkpoint],
    schedulers: Collection[str],
    blank: Mapping[str, Value] = BLANK,
    schedules: Collection[str] = (),
) -> dict[str, Value]:
    """The form that a browser stored: unknown fields are dropped, missing ones are taken from ``blank``, and choices that are
    gone are replaced by the first."""
    found = _split_sampler(stored) if isinstance(stored, dict) else {}
    form = {name: value if _is_alike(value := found.get(name), first) else first for name, first in blank.items()}
    choices = {
        "scheduler": schedulers, "schedule": schedules, "size": {**SIZES, OWN_SIZE: ()}, "speed": SPEEDS,
        "precision": ("auto", *DTYPES), "guidance": GUIDANCES,
        "mask_area": MASK_AREAS[:-1], "fill": FILLS, "hires": ("", "on", "off"), "hires_scheduler": ("", *schedulers),
        "hires_schedule": ("", *schedules),
    }  # fmt: skip
    gone = {name: blank[name] for name, known in choices.items() if name in form and form[name] not in known}
    checkpoint = form["checkpoint"] if form["checkpoint"] in checkpoints else next(iter(checkpoints), "")
    return {**form, **gone, "checkpoint": checkpoint}


def _split_sampler(stored: Mapping[str, Value]) -> Mapping[str, Value]:
    """A stored form with sampler and schedule apart: earlier versions had "DPM++ 2M Karras" as a sampler."""
    sampler = stored.get("scheduler")
    if not isinstance(sampler, str) or "schedule" in stored:
        return stored
    name, schedule = split_name(sampler)
    return {**stored, "scheduler": name, "schedule": schedule}


def _is_alike(value: Value, blank: Value) -> bool:
    """Whether ``value`` has the type of ``blank``. A browser stores 1.0 as 1."""
    return type(value) is type(blank) or (type(value) is int and type(blank) is float)


def _read_text(written: Mapping[str, Value], name: str) -> str:
    value = written[name]
    return "" if value is None else str(value).strip()


def _format(value: int | None) -> str:
    return "" if value is None else str(value)
