"""Converts between the sketch tab's form with its drawing and the engine's requests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import ImageError
from engine.generate.samplers import split_name
from engine.requests import ImageToImage, Request, check, without_axes
from ui import messages
from ui.common import form
from ui.common.checkpoint_options import Checkpoint
from ui.grid import grid_fields
from ui.tabs.sketch_to_image import lines

BLANK: dict[str, Any] = {
    **{name: text for name, text in form.BLANK.items() if name != "size"},
    "strength": 0.6,
    "fit": "crop",
    "feather": "",
    "mask_area": "region",
    "fill": "original",
    "soft_mask": False,
    "padding": "",
    "live_steps": "",
    **lines.BLANK,
    **grid_fields.BLANK,
}
"""Every field of the tab's form, by name, with its initial value. Empty width and height follow the drawing's shape."""

EXPLORED = (0.2, 0.35, 0.5, 0.65, 0.8)
"""The strengths that Explore tries."""

LIVE_STEPS = 8
"""Steps of a Live repaint: few, so that it is ready before the next stroke."""

_OWN = ("width", "height", "seed", "variation_seed", "variation_strength", "count")
"""Fields in which a drawing does not follow the image that it is made from."""

DEFAULTS = {"feather": 8, "padding": 32}
"""What an empty field means, in pixels."""


@dataclass(frozen=True)
class Drawing:
    """What the pad uploaded. ``sketch``, ``mask`` and ``lines``, the layer that is drawn on, are hashes there, "" for none;
    ``paper`` and the sizes in pixels are the drawing's."""

    sketch: str
    mask: str = ""
    paper: str = "#ffffff"
    width: int = 0
    height: int = 0
    lines: str = ""


def read_drawing(told: str | None) -> Drawing:
    """Parse the pad's JSON. Raises ImageError with the pad's own message if it could not upload the drawing."""
    try:
        said = json.loads(told or "")
        known = {field.name for field in dataclasses.fields(Drawing)}
        return Drawing(**{name: value for name, value in said.items() if name in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise ImageError(_read_trouble(told) or messages.NO_DRAWING) from error


def create_request(written: Mapping[str, Any], checkpoint: Checkpoint, drawing: Drawing, depth: str = "") -> ImageToImage:
    """The request that a filled-in form and a drawing ask for. ``depth`` is the hash of a depth map, "" for none.

    ``written`` has a value for every name in :data:`BLANK`. Raises RequestError, a sentence, for the first value that cannot
    be used.
    """
    asked = grid_fields.add_axes(_read_request(written, checkpoint, drawing, depth), written)
    check(asked)
    return asked


def _read_request(written: Mapping[str, Any], checkpoint: Checkpoint, drawing: Drawing, depth: str) -> ImageToImage:
    words = form.create_request({**written, "size": form.OWN_SIZE}, checkpoint.for_sketches)
    return dataclasses.replace(
        ImageToImage(**vars(words), init_image=drawing.sketch),
        width=form.read_whole(written, "width"),
        height=form.read_whole(written, "height"),
        mask_image=drawing.mask or None,
        depth_image=depth or None,
        paper=drawing.paper,
        strength=round(float(written["strength"]), 4) if written["keep_colours"] else 1.0,
        controls=lines.read_lines(written, checkpoint, drawing.lines),
        fit=written["fit"],
        mask_area=written["mask_area"],
        fill=written["fill"],
        soft_mask=bool(written["soft_mask"]),
        feather=_read_pixels(written, "feather"),
        padding=_read_pixels(written, "padding"),
    )


def explore(asked: ImageToImage) -> ImageToImage:
    """``asked`` at each strength in :data:`EXPLORED`, with one seed."""
    return dataclasses.replace(without_axes(asked), strengths=EXPLORED, count=len(EXPLORED))


def count_live_steps(checkpoint: Checkpoint) -> int:
    """The default number of steps of a Live repaint."""
    return checkpoint.for_drafts.steps if checkpoint.for_drafts else LIVE_STEPS


def create_live_request(written: Mapping[str, Any], checkpoint: Checkpoint, drawing: Drawing, depth: str = "") -> ImageToImage:
    """The repaint that is shown while somebody draws, by ``checkpoint`` at its own best settings but few steps.

    If it has a version for few steps, that one is used.
    """
    painter = dataclasses.replace(checkpoint.for_drafts or checkpoint, line_controls=checkpoint.line_controls)
    steps = form.read_whole({"live_steps": written["live_steps"]}, "live_steps") or count_live_steps(checkpoint)
    plain = {**written, **dict.fromkeys(("steps", "guidance_scale", "scheduler", "schedule"), ""), "count": "1"}
    # A Live repaint has the checkpoint's native size, whatever the size in the form.
    words = _read_request(plain, painter, drawing, depth)
    asked = dataclasses.replace(words, steps=steps, draft=True, width=None, height=None, mask_area="picture")
    check(asked)
    return asked


def fill_from_other(request: Request, checkpoint: Checkpoint) -> dict[str, Any]:
    """The words and settings of an image of any kind that is drawn on.

    Size and seed stay open: the drawing has its own. What was the checkpoint's best for words alone follows the tab's best.
    """
    plain = form.fill_form(request, checkpoint)
    usual = {
        "steps": f"{checkpoint.steps}",
        "guidance_scale": f"{checkpoint.guidance_scale:g}",
        "scheduler": split_name(checkpoint.scheduler)[0],
    }
    kept = {name: "" if usual.get(name) == text else text for name, text in plain.items() if name in BLANK}
    return {name: text for name, text in kept.items() if name not in _OWN}


def fill_form(request: ImageToImage, checkpoint: Checkpoint) -> dict[str, Any]:
    """The form that asks for ``request``, a resolved request, again. Fields that the image does not have keep their blank
    value."""
    plain = form.fill_form(request, checkpoint)
    own = {
        "strength": request.strength,
        "fit": request.fit,
        "feather": str(request.feather),
        "mask_area": _read_area(request),
        "fill": request.fill,
        "soft_mask": request.soft_mask,
        "padding": str(request.padding),
        **lines.fill_lines(request),
        **grid_fields.fill_grid(request),
    }
    return {**BLANK, **{name: text for name, text in plain.items() if name in BLANK}, **own}


def _read_area(request: ImageToImage) -> str:
    """What a run with a mask worked on; earlier versions had two ways, which the form has too."""
    return request.mask_area or ("region" if request.only_masked else "picture")


def describe_drawing(request: ImageToImage) -> str:
    """The drawing that ``request`` started from, as the pad takes it back: JSON."""
    drawn = lines.find_lines(request)
    made_from = {"sketch": request.init_image, "mask": request.mask_image or "", "paper": request.paper}
    return json.dumps({**made_from, "lines": drawn.image if drawn else ""})


def _read_pixels(written: Mapping[str, Any], name: str) -> int:
    given = form.read_whole(written, name)
    return DEFAULTS[name] if given is None else given


def _read_trouble(told: str | None) -> str:
    try:
        return str(json.loads(told or "{}").get("trouble", ""))
    except (ValueError, AttributeError):
        return ""
