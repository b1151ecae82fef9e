"""Controls as the ControlNet extension of AUTOMATIC1111's program writes them: ``ControlNet 0: "Module: canny, Model: ..."``.

The names are those of Mikubill/sd-webui-controlnet (``internal_controlnet/external_code.py`` and its preprocessors). The pictures
are not in such a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.records.foreign.fields import Fields
from engine.records.foreign.values import number
from engine.requests import CONTROL_MODES, MOST_CONTROLS, MOST_WEIGHT, PREPROCESSORS, Control

_MODES = ("Balanced", "My prompt is more important", "ControlNet is more important")

MODULES: Mapping[str, str] = {
    "none": "none", "invert": "invert (from white bg & black line)", "lines": "invert (from white bg & black line)",
    "scribble": "scribble_xdog", "canny": "canny", "soft_edges": "softedge_pidinet",
    "line_art": "lineart_standard (from white bg & black line)", "threshold": "threshold", "tile": "tile_resample",
    "blur": "blur_gaussian", "colours": "t2ia_color_grid", "inpaint": "inpaint_only",
}  # fmt: skip
"""Preprocessor -> the extension's nearest module."""

_READ: tuple[tuple[str, str], ...] = (
    (r"none", "none"), (r"invert", "invert"), (r"canny", "canny"), (r"scribble", "scribble"),
    (r"soft_?edge|hed|pidi|teed", "soft_edges"),
    (r"line_?art", "line_art"), (r"threshold|binary", "threshold"), (r"tile", "tile"), (r"blur", "blur"),
    (r".*color", "colours"),
    (r"inpaint", "inpaint"),
)  # fmt: skip
"""Regular expression for the extension's module -> the nearest preprocessor; others are found in a picture by weights that Easel
does not have."""

_LABEL = "controlnet {}"
_HASH = re.compile(r"\s*\[[0-9a-fA-F]{6,}\]$")
_PART = re.compile(r"\s*([A-Z][\w ]*?):\s*(.*?)\s*(?:,|$)")


def write_units(controls: tuple[Control, ...]) -> Iterator[tuple[str, str]]:
    """Label and value of each control, as the extension writes them."""
    for index, control in enumerate(controls):
        resolution = f", Processor Res: {control.resolution}" if control.resolution else ""
        yield (
            f"ControlNet {index}",
            (
                f"Module: {MODULES[control.preprocessor]}, Model: {control.model}, Weight: {control.weight:g}, "
                f"Resize Mode: Crop and Resize{resolution}, Guidance Start: {control.start:g}, Guidance End: {control.end:g}, "
                f"Pixel Perfect: {control.resolution == 0}, Control Mode: {_MODES[CONTROL_MODES.index(control.mode)]}"
            ),
        )


def take_units(settings: Fields) -> tuple[Control, ...]:
    """The controls in a record's settings. What cannot be understood is left among the unused fields."""
    found: list[Control] = []
    for index in range(MOST_CONTROLS):
        written = settings.look(_LABEL.format(index))
        control = read_unit(written) if isinstance(written, str) else None
        if control is not None:
            settings.take(_LABEL.format(index))
            found.append(control)
    return tuple(found)


def read_unit(written: str) -> Control | None:
    """One control; None for a unit without a network, or with a module that Easel does not have."""
    return read_fields({match[1].casefold().replace(" ", "_"): match[2] for match in _PART.finditer(written)})


def read_fields(parts: Mapping[str, str | float]) -> Control | None:
    """One control from the extension's fields by name, as its API takes them; None as :func:`read_unit`."""
    model = _HASH.sub("", str(parts.get("model", "")))
    module = str(parts.get("module", parts.get("preprocessor", "none"))).casefold()
    preprocessor = find_preprocessor(module)
    if model in ("", "None") or preprocessor not in PREPROCESSORS:
        return None
    weight, start, end = (number(parts.get(name)) for name in ("weight", "guidance_start", "guidance_end"))
    resolution = number(parts.get("processor_res")) or 0
    perfect = str(parts.get("pixel_perfect", "False")) == "True" or not 64 <= resolution <= 4096
    return Control(
        model=model,
        preprocessor=preprocessor,
        weight=min(max(1.0 if weight is None else weight, 0.0), MOST_WEIGHT),
        start=_clamp(start, 0.0),
        end=_clamp(end, 1.0),
        mode=_read_mode(parts.get("control_mode", _MODES[0])),
        resolution=0 if perfect else int(resolution),
    )


def find_preprocessor(module: str) -> str | None:
    """The preprocessor nearest to one of the extension's modules; None for those that need weights."""
    return next((name for pattern, name in _READ if re.match(pattern, module.casefold())), None)


def _read_mode(written: str | float) -> str:
    """The mode by the extension's name or number."""
    if isinstance(written, int | float) or str(written).isdecimal():
        return CONTROL_MODES[min(max(int(written), 0), len(CONTROL_MODES) - 1)]
    return CONTROL_MODES[_MODES.index(written)] if written in _MODES else CONTROL_MODES[0]


def explain_units(controls: tuple[Control, ...]) -> str:
    """A sentence on what a text cannot hold; "" for no controls."""
    if not controls:
        return ""
    return "The pictures that its ControlNets read are not in the file: choose them again under “Guide by pictures”."


def _clamp(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else min(max(value, 0.0), 1.0)
