"""The text tab's form: that of all tabs, hires fix (the second, larger pass), and grids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from engine.generate.detail.hires_choice import enlarge_size
from engine.requests import GenerationRequest, Request, TextToImage, check
from ui.common import form
from ui.common.checkpoint_options import Checkpoint
from ui.common.form import Value
from ui.grid import grid_fields

HIRES_BLANK: dict[str, str] = {
    "hires": "",
    "hires_factor": "",
    "hires_width": "",
    "hires_height": "",
    "hires_upscaler": "",
    "hires_steps": "",
    "hires_strength": "",
    "hires_guidance_scale": "",
    "hires_scheduler": "",
    "hires_schedule": "",
}
"""The fields of hires fix, with their initial values. Without a factor or a size, the form's size is that of the result."""

BLANK: dict[str, str] = {**form.BLANK, **HIRES_BLANK, **grid_fields.BLANK}
"""Every field of the tab's form, by name, with its initial value."""

SWITCH: Mapping[str, bool | None] = {"": None, "on": True, "off": False}
"""Value of the field that switches hires fix -> that of the request; None does so by itself."""


def create_request(written: Mapping[str, Value], checkpoint: Checkpoint) -> TextToImage:
    """The request that a filled-in form asks for. Raises RequestError, a sentence, for the first value that cannot be used."""
    asked = grid_fields.add_axes(_read_image(written, checkpoint), written)
    check(asked)
    return asked


def _read_image(written: Mapping[str, Value], checkpoint: Checkpoint) -> TextToImage:
    """The request without the grid."""
    asked = form.create_request(written, checkpoint)
    wanted = SWITCH[str(written["hires"] or "")]
    if wanted is False:
        return dataclasses.replace(asked, hires=False)
    asked = dataclasses.replace(
        asked,
        hires=wanted,
        hires_upscaler=str(written["hires_upscaler"] or "") or None,
        hires_steps=form.read_whole(written, "hires_steps"),
        hires_strength=form.read_number(written, "hires_strength"),
        hires_guidance_scale=form.read_number(written, "hires_guidance_scale"),
        hires_scheduler=str(written["hires_scheduler"] or "") or None,
        hires_schedule=str(written["hires_schedule"] or "") or None,
    )
    return _enlarge(asked, written, checkpoint)


def _enlarge(asked: TextToImage, written: Mapping[str, Value], checkpoint: Checkpoint) -> TextToImage:
    """``asked``, whose size becomes that of the first pass if the form has a factor or a size for the second."""
    factor = form.read_number(written, "hires_factor")
    across, down = (form.read_whole(written, name) for name in ("hires_width", "hires_height"))
    if not asked.width or not asked.height or not (factor or across or down):
        return asked
    if across and down:
        large = across, down
    else:
        factor = across / asked.width if across else down / asked.height if down else factor or 1.0
        large = enlarge_size(asked.width, asked.height, factor, checkpoint.size_multiple)
    return dataclasses.replace(
        asked, hires=True, width=large[0], height=large[1], first_width=asked.width, first_height=asked.height
    )


def fill_form(request: Request, checkpoint: Checkpoint) -> dict[str, str]:
    """The form that asks for ``request``, a resolved request, again."""
    if not isinstance(request, GenerationRequest) or not request.hires:
        off = "off" if isinstance(request, TextToImage) and request.hires is False else ""
        return {**BLANK, **form.fill_form(request, checkpoint), **grid_fields.fill_grid(request), "hires": off}
    first = dataclasses.replace(request, width=request.first_width, height=request.first_height)
    numbers = {
        "hires_width": request.width, "hires_height": request.height, "hires_steps": request.hires_steps,
        "hires_strength": request.hires_strength, "hires_guidance_scale": request.hires_guidance_scale,
    }  # fmt: skip
    return {
        **BLANK,
        **form.fill_form(first, checkpoint),
        **grid_fields.fill_grid(request),
        **{name: "" if value is None else f"{value:g}" for name, value in numbers.items()},
        "hires": "on",
        "hires_upscaler": request.hires_upscaler or "",
        "hires_scheduler": request.hires_scheduler or "",
        "hires_schedule": request.hires_schedule or "",
    }
