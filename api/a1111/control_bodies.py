"""The units of the ControlNet extension in a request (``alwayson_scripts``), as Easel's controls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from api.context import ApiContext
from api.images import read_base64, store_image
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.control_networks import list_controls
from engine.records.foreign.control_units import read_fields
from engine.requests import MOST_CONTROLS, Control

EXTENSION = "controlnet"

Units = Mapping[str, JsonValue]


def read_controls(
    context: ApiContext, scripts: Mapping[str, JsonValue], inventory: Inventory, notes: list[str]
) -> tuple[Control, ...]:
    """The controls that a request's extensions ask for; a unit that cannot run here is left out, and that is said. Raises
    EaselError for a picture that cannot be used."""
    known = {control.name for control in list_controls(inventory)}
    found: list[Control] = []
    for unit in _list_units(scripts):
        control = read_fields({name: value for name, value in unit.items() if isinstance(value, str | int | float)})
        if control is None or control.model not in known or len(found) == MOST_CONTROLS:
            notes.append(
                f"A unit of {EXTENSION} was left out: Easel has no “{unit.get('model')}” with “{unit.get('module')}” here."
            )
            continue
        picture = _find_picture(unit)
        image = store_image(context, read_base64(picture)) if picture else ""
        found.append(dataclasses.replace(control, image=image))
    return tuple(found)


def _list_units(scripts: Mapping[str, JsonValue]) -> Iterator[Units]:
    """The units that are switched on."""
    for name, script in scripts.items():
        arguments = script.get("args") if isinstance(script, dict) else None
        if name.casefold() == EXTENSION and isinstance(arguments, list):
            yield from (unit for unit in arguments if isinstance(unit, dict) and unit.get("enabled", True) and unit.get("model"))


def _find_picture(unit: Units) -> str:
    """The picture of a unit in base64; "" for the input image of the request."""
    picture = unit.get("image") or unit.get("input_image")
    picture = picture.get("image") if isinstance(picture, dict) else picture
    return picture if isinstance(picture, str) else ""
