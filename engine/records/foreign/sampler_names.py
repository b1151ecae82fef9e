"""Sampler and noise schedule names of all programs, in AUTOMATIC1111's spelling, and the closest sampler that Easel has.

Names: AUTOMATIC1111 and Forge ``modules/sd_samplers_kdiffusion.py``, ``sd_schedulers.py``; ComfyUI ``comfy/samplers.py``; SD.Next
``modules/sd_samplers_diffusers.py``; InvokeAI ``stable_diffusion/schedulers/schedulers.py``; Easy Diffusion
``media/js/parameters.js``; NovelAI's and Draw Things' records.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from engine.json_values import JsonValue


@dataclass(frozen=True)
class SamplerName:
    """``name`` in AUTOMATIC1111's spelling, including "Karras"; ``schedule`` is another noise schedule, None for the default."""

    name: str | None = None
    schedule: str | None = None


_SAMPLERS = {
    "euler": "Euler",
    "eulera": "Euler a",
    "eulerancestral": "Euler a",
    "eulerk": "Euler",
    "heun": "Heun",
    "heunpp2": "HeunPP2",
    "lms": "LMS",
    "lmsd": "LMS",
    "klms": "LMS",
    "dpm2": "DPM2",
    "kdpm2": "DPM2",
    "dpm2a": "DPM2 a",
    "kdpm2a": "DPM2 a",
    "dpm2ancestral": "DPM2 a",
    "dpmfast": "DPM fast",
    "dpmadaptive": "DPM adaptive",
    "dpmpp2sa": "DPM++ 2S a",
    "dpmpp2sancestral": "DPM++ 2S a",
    "dpmpp2s": "DPM++ 2S",
    "dpmpp1s": "DPM++ 1S",
    "dpmsolverstability": "DPM++ 2M",
    "dpmsde": "DPM++ SDE",
    "dpmppsde": "DPM++ SDE",
    "dpmppsdegpu": "DPM++ SDE",
    "dpmpp2m": "DPM++ 2M",
    "dpmpp2malt": "DPM++ 2M",
    "dpmpp2msde": "DPM++ 2M SDE",
    "dpmpp2msdegpu": "DPM++ 2M SDE",
    "dpmpp2msdeheun": "DPM++ 2M SDE Heun",
    "dpmpp3m": "DPM++ 3M",
    "dpmpp3msde": "DPM++ 3M SDE",
    "dpmpp3msdegpu": "DPM++ 3M SDE",
    "unipc": "UniPC",
    "unipcbh2": "UniPC",
    "unipcsnr": "UniPC",
    "unipctu": "UniPC",
    "unipctq": "UniPC",
    "unipcsnr2": "UniPC",
    "unipctu2": "UniPC",
    "ddim": "DDIM",
    "ddimv3": "DDIM",
    "ddpm": "DDPM",
    "plms": "PLMS",
    "pndm": "PLMS",
    "lcm": "LCM",
    "tcd": "TCD",
    "deis": "DEIS",
    "ipndm": "IPNDM",
    "ipndmv": "IPNDM",
    "restart": "Restart",
}
"""Other programs' names in lower case, only letters and digits, "pp" for "++" -> AUTOMATIC1111's."""

_NEAREST = {
    "HeunPP2": "Heun",
    "LMS": "PLMS",
    "DPM fast": "DPM++ 2M",
    "DPM adaptive": "DPM++ 2M",
    "DPM++ 1S": "DPM++ 2M",
    "DPM++ 2S": "DPM++ 2M",
    "DPM++ 2S a": "DPM2 a",
    "DPM++ 2M SDE Heun": "DPM++ 2M SDE",
    "DPM++ 3M": "DPM++ 2M",
    "DPM++ 3M SDE": "DPM++ 2M SDE",
    "IPNDM": "DEIS",
    "Restart": "Heun",
    "res_multistep": "DPM++ 2M",
    "res_multistep_ancestral": "Euler a",
    "gradient_estimation": "Euler",
    "er_sde": "DPM++ 2M SDE",
    "seeds_2": "DPM++ SDE",
    "seeds_3": "DPM++ SDE",
    "sa_solver": "DPM++ 2M SDE",
    "SA Solver": "DPM++ 2M SDE",
}
"""Samplers that Easel lacks -> the closest one (order of the solver, deterministic or ancestral)."""

_SCHEDULES = {
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Polyexponential",
    "sgmuniform": "SGM Uniform",
    "simple": "Simple",
    "beta": "Beta",
    "beta57": "Beta",
    "ddimuniform": "DDIM",
    "ddim": "DDIM",
    "linearquadratic": "Linear quadratic",
    "kloptimal": "KL Optimal",
    "alignyoursteps": "Align Your Steps",
    "ays": "Align Your Steps",
    "aysgits": "Align Your Steps GITS",
    "gits": "Align Your Steps GITS",
    "ayssd1": "Align Your Steps",
    "ayssdxl": "Align Your Steps",
    "trailing": "Trailing",
    "substep": "Substep",
    "turbo": "Turbo",
    "cosine": "Cosine",
}
"""Names of noise schedules in lower case, only letters and digits -> name to show."""

_USUAL = ("", "none", "normal", "native", "uniform", "default", "discrete", "linear", "scaledlinear", "automatic")
"""Names for a sampler's default schedule."""

_AUTOMATIC = {
    "DPM++ 2M": "Karras",
    "DPM++ SDE": "Karras",
    "DPM++ 2S a": "Karras",
    "DPM2": "Karras",
    "DPM2 a": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM++ 2M SDE Heun": "Exponential",
    "DPM++ 3M SDE": "Exponential",
}
"""Sampler -> the schedule that AUTOMATIC1111 uses if "Schedule type" is "Automatic"."""

_SUFFIX = re.compile(
    r"[\s_-]+(karras|exponential|polyexponential|sgm uniform|simple|beta|trailing|substep|ays|turbo|k)$", re.IGNORECASE
)


def read_sampler(name: JsonValue, schedule: JsonValue = None) -> SamplerName:
    """A sampler and its schedule by any program's names: ``("dpmpp_2m", "karras")`` is "DPM++ 2M Karras"."""
    if not isinstance(name, str) or not name.strip():
        return SamplerName(schedule=_read_schedule(schedule))
    plain = re.sub(r"^k_", "", name.strip(), flags=re.IGNORECASE)
    suffix = _SUFFIX.search(plain)
    if suffix is not None and _plain(plain) not in _SAMPLERS:
        plain = plain[: suffix.start()]
        schedule = schedule if _is_named(schedule) else {"k": "karras"}.get(suffix[1].casefold(), suffix[1])
    known = _SAMPLERS.get(_plain(plain), plain)
    if str(schedule).strip().casefold() == "automatic":
        schedule = _AUTOMATIC.get(known)
    found = _read_schedule(schedule)
    return SamplerName(f"{known} Karras") if found == "Karras" else SamplerName(known, found)


def nearest_sampler(name: str, here: Collection[str]) -> str | None:
    """The sampler in ``here`` closest to ``name``, with its schedule if possible; None if the table lists none."""
    known = {each.casefold(): each for each in here}
    base = name.removesuffix(" Karras")
    alone = re.sub(r"[\s_]*(cfg\+\+|smea( dy)?|cfg_pp|flowmatch|sgm)$", "", base, flags=re.IGNORECASE)
    plain = _SAMPLERS.get(_plain(alone), alone)
    like = _NEAREST.get(plain, plain)
    wanted = (f"{like} Karras", like) if name != base else (like, f"{like} Karras")
    return next((known[each.casefold()] for each in wanted if each.casefold() in known), None)


def _read_schedule(schedule: JsonValue) -> str | None:
    if not _is_named(schedule):
        return None
    return _SCHEDULES.get(_plain(str(schedule)), str(schedule).strip())


def _is_named(schedule: JsonValue) -> bool:
    """Whether a schedule is other than the default."""
    return isinstance(schedule, str) and _plain(schedule) not in _USUAL


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold().replace("++", "pp") if c.isalnum())
