"""The neutral form of other programs' records, and their names for samplers in the spelling that Easel uses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.json_values import JsonObject, JsonValue, parse_object


@dataclass(frozen=True, kw_only=True)
class ForeignRecord:
    """What was found; None where a program did not say. ``raw`` is the text that it was read from.

    ``scheduler`` is in AUTOMATIC1111's spelling, ``clip_skip`` in its counting (2: the last layer but one).
    """

    program: str
    raw: str
    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    scheduler: str | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    checkpoint: str | None = None
    checkpoint_hash: str | None = None
    clip_skip: int | None = None
    strength: float | None = None


_SAMPLERS = {
    "euler": "Euler",
    "eulera": "Euler a",
    "eulerancestral": "Euler a",
    "heun": "Heun",
    "lms": "LMS",
    "dpm2": "DPM2",
    "dpm2a": "DPM2 a",
    "dpm2ancestral": "DPM2 a",
    "dpmfast": "DPM fast",
    "dpmadaptive": "DPM adaptive",
    "dpmpp2sa": "DPM++ 2S a",
    "dpmpp2sancestral": "DPM++ 2S a",
    "dpmpp2s": "DPM++ 2S",
    "dpmppsde": "DPM++ SDE",
    "dpmppsdegpu": "DPM++ SDE",
    "dpmpp2m": "DPM++ 2M",
    "dpmpp2msde": "DPM++ 2M SDE",
    "dpmpp2msdegpu": "DPM++ 2M SDE",
    "dpmpp3msde": "DPM++ 3M SDE",
    "dpmpp3msdegpu": "DPM++ 3M SDE",
    "unipc": "UniPC",
    "unipcbh2": "UniPC",
    "ddim": "DDIM",
    "ddimv3": "DDIM",
    "ddpm": "DDPM",
    "plms": "PLMS",
    "pndm": "PLMS",
    "lcm": "LCM",
    "tcd": "TCD",
    "deis": "DEIS",
    "ipndm": "IPNDM",
    "restart": "Restart",
}
"""Other programs' names, lower case and letters and digits alone -> AUTOMATIC1111's."""


def sampler(name: JsonValue, schedule: JsonValue = None) -> str | None:
    """A sampler and its noise schedule under one name: ``("dpmpp_2m", "karras")`` is "DPM++ 2M Karras"."""
    if not isinstance(name, str) or not name.strip():
        return None
    low = name.strip().casefold().removeprefix("k_")
    karras = low.endswith("_k") or str(schedule).casefold() == "karras"
    known = _SAMPLERS.get("".join(c for c in low.removesuffix("_k") if c.isalnum()), name.strip())
    return f"{known} Karras" if karras and not known.endswith("Karras") else known


def whole(value: JsonValue) -> int | None:
    """``value`` as a whole number, not by way of a float where it can be read exactly; None if it is not a number."""
    exact = number(value)
    try:
        return int(value) if isinstance(value, int | str) else None if exact is None else int(exact)
    except ValueError:
        return None if exact is None else int(exact)


def number(value: JsonValue) -> float | None:
    """``value`` as a finite number; None if it is not one."""
    if not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: JsonValue) -> str | None:
    """``value`` if it is a text that says something; else None."""
    return value if isinstance(value, str) and value.strip() not in ("", "None") else None


def json_object(written: str | None) -> JsonObject:
    """The JSON object in ``written``; empty if there is none."""
    try:
        return parse_object(written or "")
    except ValueError:
        return {}


def as_object(value: JsonValue) -> JsonObject:
    """``value`` if it is a JSON object; else an empty one."""
    return value if isinstance(value, dict) else {}
