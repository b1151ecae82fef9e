"""What guides an image beside its prompt: a picture, and a control network (ControlNet and its kin) that reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import RequestError

CONTROL_MODES = ("balanced", "prompt", "control")
"""How a control and the prompt share the work, as the ControlNet extension of AUTOMATIC1111's program means them: balanced, "my
prompt is more important", "ControlNet is more important". The usual one first."""

PREPROCESSORS = (
    "none", "invert", "lines", "scribble", "canny", "soft_edges", "line_art", "threshold", "tile", "blur", "colours", "inpaint",
)  # fmt: skip
"""Names of :data:`engine.generate.control.preprocessors.PREPROCESSORS`. The first leaves the picture as it is: it is a map
already."""

SHOWN = (
    "scribble", "canny", "soft_edge", "line_art", "mlsd", "depth", "normal", "pose", "segmentation", "inpaint", "tile", "colours",
    "pixels", "shuffle", "instructions",
)  # fmt: skip
"""What a map can show: names of :data:`engine.checkpoints.control.purposes.PURPOSES`."""

MOST_CONTROLS = 4

MOST_WEIGHT = 2.0

_RESOLUTIONS = range(64, 4097)


@dataclass(frozen=True, kw_only=True)
class Control:
    """One picture that guides the image, and the network that reads it.

    ``model`` is a name from the catalogue, a path, or the beginning of a hash. ``image`` is the content hash of a picture that
    :mod:`engine.records.blobs` keeps, "" for the input image of the request. ``preprocessor`` is one of :data:`PREPROCESSORS`: it
    makes the map that the network reads from the picture. ``weight`` multiplies what the network adds; 0 does not run it. It runs
    from the share ``start`` of the steps to ``end``. ``mode`` is one of :data:`CONTROL_MODES`. ``resolution`` is the shorter side
    in pixels at which the preprocessor works; 0 is that of the image, "pixel perfect". ``shows`` is one of :data:`SHOWN`, for
    networks that read many kinds of maps, or whose name does not say which; "" is what the name or the preprocessor says.
    """

    model: str
    image: str = ""
    preprocessor: str = PREPROCESSORS[0]
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: str = CONTROL_MODES[0]
    resolution: int = 0
    shows: str = ""

    @property
    def has_effect(self) -> bool:
        """Whether it runs at all: with a weight, and for a part of the steps."""
        return self.weight != 0 and self.start < self.end


def check_controls(controls: Sequence[Control]) -> None:
    """Raises RequestError, one sentence, for the first value that no control can have."""
    if len(controls) > MOST_CONTROLS:
        raise RequestError(
            f"A picture can have up to {MOST_CONTROLS} controls. There were {len(controls)}: take out the ones that matter least."
        )
    for number, control in enumerate(controls, start=1):
        for reason in _list_faults(control):
            raise RequestError(f"Control {number}: {reason}")


def _list_faults(control: Control) -> list[str]:
    faults = {
        "choose what reads the picture: a ControlNet, for example.": not control.model,
        f"the weight must be from 0 to {MOST_WEIGHT:g}. It was {control.weight}.": not (
            math.isfinite(control.weight) and 0 <= control.weight <= MOST_WEIGHT
        ),
        f"start and end are shares of the steps, from 0 to 1. They were {control.start} and {control.end}.": not (
            0 <= control.start <= 1 and 0 <= control.end <= 1
        ),
        f"the mode can be {', '.join(CONTROL_MODES)}. It was {control.mode!r}.": control.mode not in CONTROL_MODES,
        f"the preprocessor can be {', '.join(PREPROCESSORS)}. It was {control.preprocessor!r}.": (
            control.preprocessor not in PREPROCESSORS
        ),
        f"its map can show {', '.join(SHOWN)}. It was {control.shows!r}.": control.shows not in ("", *SHOWN),
        f"the resolution is from {_RESOLUTIONS[0]} to {_RESOLUTIONS[-1]} pixels, or 0 for that of the picture. "
        f"It was {control.resolution}.": control.resolution not in (0, *_RESOLUTIONS),
    }
    return [fault for fault, holds in faults.items() if holds]
