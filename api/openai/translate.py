"""OpenAI's requests as Easel's, with a sentence for everything that Easel leaves out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from api.context import ApiContext
from api.errors import NotFound
from api.images import store_image, store_mask, store_transparency
from api.names import find_entry, find_sampler, list_drawing
from api.openai.models import EditBody, GenerationBody, Options
from api.translation import Translation
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import RequestError
from engine.requests import GenerationRequest, ImageToImage, TextToImage, check

_SIZE = re.compile(r"\s*(\d{1,5})\s*[xX×]\s*(\d{1,5})\s*")

_STEPS: Mapping[str, float] = {"low": 0.5, "high": 1.5, "hd": 1.5}
"""Quality -> how many times the checkpoint's usual steps are run, once for the others."""

_WHOLE, _MASKED = 0.75, 1.0
"""How far an edit departs from the image: all of it, or its masked part."""


def translate_generation(context: ApiContext, body: GenerationBody) -> Translation:
    """What a request for new images asks for. Raises EaselError for values that cannot be used."""
    return _translate(context, body, TextToImage(prompt=body.prompt))


def translate_edit(context: ApiContext, body: EditBody, images: list[bytes], mask: bytes | None) -> Translation:
    """What a request to change the first of ``images`` asks for. What is transparent in ``mask``, or else in the image, is drawn
    anew; without either, all of it changes a little."""
    if not images:
        raise RequestError("There is no “image”. Send the picture that is to be changed as a file.")
    image = images[0]
    hidden = store_transparency(context, image) if mask is None else store_mask(context, mask, image, "transparent")
    blank = ImageToImage(
        prompt=body.prompt, init_image=store_image(context, image), mask_image=hidden, strength=_MASKED if hidden else _WHOLE,
        mask_area="region" if _read_size(body.size) == (None, None) else "picture",
    )  # fmt: skip
    more = ("Only the first picture was used.",) if len(images) > 1 else ()
    translated = _translate(context, body, blank)
    return Translation(translated.request, (*more, *translated.notes))


def _translate(context: ApiContext, body: Options, blank: GenerationRequest) -> Translation:
    if body.background == "transparent":
        raise RequestError("Easel draws no transparent background. Ask for “opaque” or “auto”.")
    inventory, notes = context.catalogue.scan(), list[str]()
    entry = find_model(body.model, inventory, notes)
    width, height = _read_size(body.size)
    sampler, schedule = find_sampler(body.sampler_name, None, notes)
    request = dataclasses.replace(
        blank,
        negative_prompt=body.negative_prompt or "",
        seed=body.seed,
        steps=body.steps or _choose_steps(body.quality, entry),
        guidance_scale=body.cfg_scale,
        scheduler=sampler,
        schedule=schedule,
        count=body.n or 1,
        width=width,
        height=height,
        checkpoint=entry.name if entry else None,
    )
    check(request)
    return Translation(request, tuple(notes))


def find_model(name: str | None, inventory: Inventory, notes: list[str]) -> CheckpointEntry | None:
    """The checkpoint called ``name``, else the default one, None if there is none: many clients can only name OpenAI's models."""
    drawing = list_drawing(inventory)
    default = drawing[0] if drawing else None
    if not name:
        return default
    try:
        return find_entry("Model", name, drawing)
    except NotFound:
        if default is not None:
            notes.append(f"There is no model called “{name[:100]}” here; “{default.name}” was used.")
        return default


def _choose_steps(quality: str | None, entry: CheckpointEntry | None) -> int | None:
    share = _STEPS.get(quality or "")
    return None if share is None or entry is None else max(1, round(entry.family.steps * share))


def _read_size(size: str | None) -> tuple[int | None, int | None]:
    if size is None or size.strip().casefold() in ("", "auto"):
        return None, None
    found = _SIZE.fullmatch(size)
    if found is None:
        raise RequestError(f"“size” is written like 512x512, or auto. It was {size[:50]!r}.")
    return int(found[1]), int(found[2])
