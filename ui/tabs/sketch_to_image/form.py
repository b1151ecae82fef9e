"""Between the sketch tab's form with its drawing and what the engine is asked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import PictureError
from engine.requests import ImageToImage, check
from ui import messages
from ui.common import form
from ui.common.checkpoint_options import Checkpoint

BLANK: dict[str, Any] = {
    **{name: text for name, text in form.BLANK.items() if name != "size"},
    "strength": 0.6,
    "fit": "crop",
    "feather": "",
    "only_masked": False,
    "padding": "",
    "live_steps": "",
}
"""Every field of the tab's form, by name, as it stands at first. Empty width and height take the drawing's shape."""

EXPLORED = (0.2, 0.35, 0.5, 0.65, 0.8)
"""The strengths that Explore tries."""

LIVE_STEPS = 8
"""Steps of a repaint: few, so that it is there when the hand comes back to the paper."""

DEFAULTS = {"feather": 8, "padding": 32}
"""What an empty field means, in pixels."""


@dataclass(frozen=True)
class Handed:
    """What the pad gave to the engine's folder of pictures. ``sketch`` and ``mask`` are hashes there, "" for none; ``paper``
    and the sizes in pixels are the drawing's."""

    sketch: str
    mask: str = ""
    paper: str = "#ffffff"
    width: int = 0
    height: int = 0


def handed_in(told: str | None) -> Handed:
    """What the pad said, as JSON. Raises PictureError with its sentence where it could not hand the drawing in."""
    try:
        said = json.loads(told or "")
        known = {field.name for field in dataclasses.fields(Handed)}
        handed = Handed(**{name: value for name, value in said.items() if name in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise PictureError(_trouble(told) or messages.NO_DRAWING) from error
    return handed


def request(written: Mapping[str, Any], checkpoint: Checkpoint, handed: Handed, depth: str = "", **changes: Any) -> ImageToImage:
    """The request that a filled-in form and a drawing ask for; ``changes`` overrule it.

    ``written`` has a value for every name in :data:`BLANK`. Raises RequestError, a sentence, for the first value that cannot
    be used.
    """
    words = form.request({**written, "size": form.OWN_SIZE}, checkpoint.over_a_picture)
    asked = ImageToImage(
        **{
            **{field.name: getattr(words, field.name) for field in dataclasses.fields(words)},
            "width": form.whole(written, "width"),
            "height": form.whole(written, "height"),
            "init_image": handed.sketch,
            "mask_image": handed.mask or None,
            "depth_image": depth or None,
            "paper": handed.paper,
            "strength": round(float(written["strength"]), 4),
            "fit": written["fit"],
            "only_masked": bool(written["only_masked"]),
            **{name: _pixels(written, name) for name in DEFAULTS},
            **changes,
        }
    )
    check(asked)
    return asked


def explored(asked: ImageToImage) -> ImageToImage:
    """``asked`` at each of :data:`EXPLORED`, from one seed."""
    return dataclasses.replace(asked, strengths=EXPLORED, count=len(EXPLORED))


def live_steps(checkpoint: Checkpoint) -> int:
    """How many steps a repaint takes unless somebody says otherwise."""
    return checkpoint.for_drafts.steps if checkpoint.for_drafts else LIVE_STEPS


def live(written: Mapping[str, Any], checkpoint: Checkpoint, handed: Handed, depth: str = "") -> ImageToImage:
    """The repaint that is shown while somebody draws, by ``checkpoint`` at its own best settings but few steps.

    Where it brings a version for few steps, that one paints.
    """
    painter = checkpoint.for_drafts or checkpoint
    steps = form.whole({"live_steps": written["live_steps"]}, "live_steps") or live_steps(checkpoint)
    plain = {**written, **dict.fromkeys(("steps", "guidance_scale", "scheduler"), ""), "count": "1"}
    # Large checkpoints paint the pixels that they are asked for; what only Live shows is as large as they do best.
    sizes = dict.fromkeys(("width", "height"))
    return request(plain, painter, handed, depth, steps=steps, draft=True, **sizes)


def settings_of(made_with: ImageToImage, checkpoint: Checkpoint) -> dict[str, Any]:
    """The form that asks for ``made_with``, a resolved request, again. What it was not made with keeps its blank."""
    plain = form.settings_of(made_with, checkpoint)
    own = {
        "strength": made_with.strength,
        "fit": made_with.fit,
        "feather": str(made_with.feather),
        "only_masked": made_with.only_masked,
        "padding": str(made_with.padding),
    }
    return {**BLANK, **{name: text for name, text in plain.items() if name in BLANK}, **own}


def drawn(made_with: ImageToImage) -> str:
    """The drawing that ``made_with`` started from, as the pad takes it back: JSON."""
    return json.dumps({"sketch": made_with.init_image, "mask": made_with.mask_image or "", "paper": made_with.paper})


def _pixels(written: Mapping[str, Any], name: str) -> int:
    given = form.whole(written, name)
    return DEFAULTS[name] if given is None else given


def _trouble(told: str | None) -> str:
    try:
        return str(json.loads(told or "{}").get("trouble", ""))
    except (ValueError, AttributeError):
        return ""
