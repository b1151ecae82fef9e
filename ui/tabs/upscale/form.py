"""Converts between the Upscale tab's form and the engine's requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.prompt.draw_prompts import write_prompts
from engine.requests import Upscale, check
from ui.common import form

BLANK: dict[str, Any] = {
    "upscaler": BUILT_IN, "factor": 4.0, "cleaning": 0.0, "prompt": "", "negative_prompt": "", "noise_level": 20, "steps": "",
    "seed": "",
}  # fmt: skip
"""Every field of the tab's form, by name, with its initial value."""

BUILT_IN_KIND, DIFFUSION, CLEANER, PLAIN = "built in", "diffusion", "cleaner", "plain"
"""Kinds of upscaler: they determine which fields apply."""


def create_request(written: Mapping[str, Any], kind: str, images: Sequence[str]) -> Upscale:
    """The request that a filled-in form asks for, with an upscaler of that kind, for images by their hashes.

    Raises RequestError, a sentence, for the first value that cannot be used.
    """
    prompt, negative_prompt = (str(written[name] or "") if kind == DIFFUSION else "" for name in ("prompt", "negative_prompt"))
    asked = Upscale(
        images=tuple(images),
        upscaler=str(written["upscaler"]),
        factor=1.0 if kind == CLEANER else float(written["factor"]),
        cleaning=float(written["cleaning"]) if kind == BUILT_IN_KIND else 0.0,
        noise_level=int(written["noise_level"]),
        steps=form.read_whole(written, "steps") if kind == DIFFUSION else None,
        seed=form.read_seed(written),
        prompt=prompt,
        negative_prompt=negative_prompt,
    )
    check(asked)
    return asked


def fill_form(request: Upscale) -> dict[str, Any]:
    """The form that asks for ``request``, a resolved one, again."""
    prompt, negative_prompt = write_prompts(request)
    return {
        **BLANK,
        "upscaler": request.upscaler or BUILT_IN,
        "factor": request.factor,
        "cleaning": request.cleaning,
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "noise_level": request.noise_level,
        "steps": _format(request.steps or None),
        "seed": _format(request.seed),
    }


def _format(value: int | None) -> str:
    return "" if value is None else str(value)
