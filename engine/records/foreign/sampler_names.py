"""Sampler and noise schedule names of all programs, in AUTOMATIC1111's spelling, and the closest ones that Easel has.

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
    """``name`` and noise ``schedule`` in AUTOMATIC1111's spelling; no schedule is the one that is usual with the sampler."""

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
    "sasolver": "SA Solver",
}
"""Other programs' names in lower case, only letters and digits, "pp" for "++" -> AUTOMATIC1111's."""

_NEAREST = {
    "HeunPP2": "Heun",
    "DPM fast": "DPM++ 2S",
    "DPM adaptive": "DPM++ 2M",
    "DPM++ 1S": "DPM++ 2M",
    "DPM++ 2S a": "DPM2 a",
    "IPNDM": "DEIS",
    "Restart": "Heun",
    "res_multistep": "DPM++ 2M",
    "res_multistep_ancestral": "Euler a",
    "gradient_estimation": "Euler",
    "er_sde": "DPM++ 2M SDE",
    "seeds_2": "DPM++ SDE",
    "seeds_3": "DPM++ SDE",
}
"""Samplers that Easel lacks -> the closest one (order of the solver, deterministic or ancestral)."""

_SCHEDULES = {
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Exponential",
    "sgmuniform": "SGM Uniform",
    "trailing": "SGM Uniform",
    "simple": "Simple",
    "beta": "Beta",
    "normal": "Normal",
    "uniform": "Normal",
    "native": "Normal",
    "discrete": "Normal",
    "linear": "Normal",
    "scaledlinear": "Normal",
    "linspace": "Normal",
    "ddimuniform": "DDIM",
    "ddim": "DDIM",
    "leading": "DDIM",
    "alignyoursteps": "Align Your Steps",
    "ays": "Align Your Steps",
    "ayssd1": "Align Your Steps",
    "ayssdxl": "Align Your Steps",
    "beta57": "Beta 57",
    "linearquadratic": "Linear quadratic",
    "kloptimal": "KL Optimal",
    "alignyoursteps11": "Align Your Steps 11",
    "alignyoursteps32": "Align Your Steps 32",
    "ays32": "Align Your Steps 32",
    "alignyourstepsgits": "Align Your Steps GITS",
    "aysgits": "Align Your Steps GITS",
    "gits": "Align Your Steps GITS",
    "substep": "Substep",
    "turbo": "Turbo",
    "cosine": "Cosine",
    "laplace": "Laplace",
}
"""Names of noise schedules in lower case, only letters and digits -> AUTOMATIC1111's. Polyexponential is Exponential at the rate
that all programs use; several programs call even steps from the training's last timestep to its first by their spacing."""

_NEAREST_SCHEDULE = {
    "Beta 57": "Beta",
    "Linear quadratic": "Simple",
    "KL Optimal": "Align Your Steps",
    "Align Your Steps 11": "Align Your Steps",
    "Align Your Steps 32": "Align Your Steps",
    "Align Your Steps GITS": "Align Your Steps",
    "Substep": "SGM Uniform",
    "Turbo": "SGM Uniform",
    "Cosine": "Normal",
    "Laplace": "Karras",
}
"""Schedules that Easel lacks -> the closest one (where most of the steps are)."""

_UNNAMED = ("", "none", "default")
"""What programs write for a schedule that was not chosen."""

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

_SPACED = ("DDIM", "DDPM", "PLMS", "UniPC", "LCM", "TCD", "DEIS", "SA Solver")
"""Samplers whose default is their own spacing of the timesteps in all programs."""

_SUFFIX = re.compile(
    r"[\s_-]+(karras|exponential|polyexponential|sgm uniform|simple|beta|trailing|substep|ays|turbo|k)$", re.IGNORECASE
)


def read_sampler(name: JsonValue, schedule: JsonValue = None, usual: str = "Normal") -> SamplerName:
    """A sampler and its schedule by any program's names: ``("dpmpp_2m", "karras")`` is "DPM++ 2M" with "Karras".

    ``usual``: the schedule of the program's samplers where none is named, k-diffusion's by default.
    """
    if not isinstance(name, str) or not name.strip():
        return SamplerName(schedule=_read_schedule(schedule))
    plain = re.sub(r"^k_", "", name.strip(), flags=re.IGNORECASE)
    suffix = _SUFFIX.search(plain)
    if suffix is not None and _plain(plain) not in _SAMPLERS:
        plain = plain[: suffix.start()]
        schedule = schedule if _is_named(schedule) else {"k": "karras"}.get(suffix[1].casefold(), suffix[1])
    known = _SAMPLERS.get(_plain(plain), plain)
    default = None if known in _SPACED else usual
    if str(schedule).strip().casefold() == "automatic":
        return SamplerName(known, _AUTOMATIC.get(known, default))
    return SamplerName(known, _read_schedule(schedule) or default)


def nearest_sampler(name: str, here: Collection[str]) -> str | None:
    """The sampler in ``here`` closest to ``name``; None if the table lists none."""
    known = {each.casefold(): each for each in here}
    alone = re.sub(r"[\s_]*(cfg\+\+|smea( dy)?|cfg_pp|flowmatch|sgm)$", "", name, flags=re.IGNORECASE)
    plain = _SAMPLERS.get(_plain(alone), alone)
    return known.get(_NEAREST.get(plain, plain).casefold())


def nearest_schedule(name: str, here: Collection[str]) -> str | None:
    """The schedule in ``here`` closest to ``name``; None if the table lists none."""
    known = {each.casefold(): each for each in here}
    return known.get(_NEAREST_SCHEDULE.get(name, name).casefold())


def _read_schedule(schedule: JsonValue) -> str | None:
    if not _is_named(schedule):
        return None
    return _SCHEDULES.get(_plain(str(schedule)), str(schedule).strip())


def _is_named(schedule: JsonValue) -> bool:
    """Whether a schedule was chosen."""
    return isinstance(schedule, str) and _plain(schedule) not in _UNNAMED


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold().replace("++", "pp") if c.isalnum())
