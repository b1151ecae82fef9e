"""Requests as JSON, as stored in records and in the journal. All earlier versions can still be read."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import RequestError
from engine.json_values import JsonObject, JsonValue, as_object, read_dataclass, write_dataclass
from engine.requests.kinds import KINDS, Request, Upscale, kind_of
from engine.requests.resolved import RESOLVED_KINDS, ExecutionPlan, Resolved, ResolvedUpscale
from engine.seeds import read_seed

_UPSCALE_KEYS = {"upscaler": "checkpoint"}
"""Field of an Upscale -> its key in JSON, where the two differ."""

_UPSCALE_CONSTANTS: JsonObject = {
    "width": None, "height": None, "vae": None, "refiner": None, "refiner_start": 0.8, "speed": "exact", "upscaler": "",
}  # fmt: skip
"""Keys in the JSON of every Upscale besides its fields, for readers of the first version."""

_TEMPLATES = ("prompt_template", "negative_template")
"""Keys that requests of earlier versions do not have, whose prompts are taken as they are."""

_RESOLVED: type[Resolved[Request]] = Resolved

_SEEDS = ("seed", "variation_seed")

_SAMPLING = ("steps", "guidance_scale", "scheduler", "schedule", "clip_skip")

_FIRST_SAMPLERS: Mapping[str, tuple[str, str]] = {
    "DPM++ 2M Karras": ("DPM++ 2M", "Karras"),
    "DPM++ 2M SDE Karras": ("DPM++ 2M SDE (white noise)", "Karras"),
    "DPM++ 2M SDE": ("DPM++ 2M SDE (white noise)", "Default"),
    "DPM++ SDE Karras": ("DPM++ 2S", "Karras"),
    "DPM++ SDE": ("DPM++ 2S", "Default"),
    "DPM2 Karras": ("DPM2", "Default Karras"),
    "DPM2 a Karras": ("DPM2 a", "Default Karras"),
}
"""Samplers of versions that had no noise schedules -> the pair that gives the same image. The others had the default schedule."""


def to_json(request: Request) -> JsonObject:
    """``request`` as a JSON object, its kind under ``"kind"``."""
    written = write_dataclass(request)
    if isinstance(request, ResolvedUpscale) and not request.steps:
        written |= dict.fromkeys(_SAMPLING)
    if isinstance(request, Upscale):
        written = {**_UPSCALE_CONSTANTS, **{_UPSCALE_KEYS.get(name, name): value for name, value in written.items()}}
    return {"kind": kind_of(request), **written}


def from_json(written: Mapping[str, JsonValue]) -> Request:
    """The asked request that :func:`to_json` wrote. Fields that this version does not know are ignored.

    Raises RequestError if the kind is unknown or a field has the wrong type.
    """
    kind = _read_kind(written)
    try:
        return read_dataclass(KINDS[kind], _open_seed(_upgrade(kind, _close_templates(written))))
    except ValueError as error:
        raise RequestError(f"This request is damaged and cannot be read: {error}.") from error


def resolved_to_json(resolved: Resolved[Request]) -> JsonObject:
    """A resolved request as a JSON object."""
    return {**write_dataclass(resolved), "request": to_json(resolved.request)}


def resolved_from_json(written: Mapping[str, JsonValue]) -> Resolved[Request]:
    """What :func:`resolved_to_json` wrote. Raises RequestError if it cannot be read."""
    try:
        request = _read_resolved_request(as_object(written.get("request")))
        plan = read_dataclass(ExecutionPlan, as_object(written.get("plan")))
        return read_dataclass(_RESOLVED, written, request=request, plan=plan)
    except ValueError as error:
        raise RequestError(f"This record is damaged and cannot be read: {error}.") from error


def _read_resolved_request(written: JsonObject) -> Request:
    """The resolved request, or the asked one if fields are missing in ``written``."""
    kind = _read_kind(written)
    drawn: JsonObject = {"hires": False, **written, **{name: written.get(name) or "" for name in _TEMPLATES}}
    try:
        return read_dataclass(RESOLVED_KINDS[kind], _upgrade(kind, drawn))
    except ValueError:
        return from_json(drawn)


def _upgrade(kind: str, written: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """``written`` by any version, as this one writes it."""
    return _keep_one_pass(_keep_mask_area(_split_sampler(_rename_keys(kind, written))))


def _read_kind(written: Mapping[str, JsonValue]) -> str:
    kind = written.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RequestError(f"This version of Easel does not know requests of the kind {kind!r}. Update Easel.")
    return kind


def _open_seed(written: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """``written`` with null for a random seed, however it is written. Raises ValueError for an invalid seed."""
    given = {name: seed for name in _SEEDS if isinstance(seed := written.get(name), str | int | float)}
    return {**written, **{name: read_seed(seed) for name, seed in given.items()}}


def _split_sampler(written: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """``written`` with sampler and schedule apart, as a version without schedules meant them."""
    sampler = written.get("scheduler")
    if "schedule" in written or not isinstance(sampler, str) or not sampler:
        return written
    name, schedule = _FIRST_SAMPLERS.get(sampler, (sampler, "Default"))
    return {**written, "scheduler": name, "schedule": schedule}


def _close_templates(written: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """``written`` with prompts that are not drawn from variants where its version had none."""
    return {**dict.fromkeys(_TEMPLATES, ""), **written}


def _keep_mask_area(written: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """``written`` with what its version did with a mask, if it was written before there were several ways."""
    return {"mask_area": "", **written} if "only_masked" in written else written


def _keep_one_pass(written: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """``written`` with one pass, if it was written whole before there were two."""
    return {"hires": False, **written} if "refiner_start" in written else written


def _rename_keys(kind: str, written: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """``written`` with the names of the fields as keys."""
    if KINDS[kind] is not Upscale:
        return written
    return {**written, **{field: written.get(key) for field, key in _UPSCALE_KEYS.items()}}
