"""Noise schedules by their usual names: at which noise levels a sampler evaluates the network.

``levels`` are options of diffusers' EulerDiscreteScheduler, which lays the noise levels out for all samplers that can follow any;
diffusers' documentation maps the names of AUTOMATIC1111's and ComfyUI's programs to these options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.compat.schedulers import Option

DEFAULT = "Default"
"""The schedule of the checkpoint's own configuration."""


@dataclass(frozen=True)
class Schedule:
    """``levels``: see the module. ``spacing`` are the options for samplers that can only choose how to space their timesteps,
    None if that is not enough. ``continuous`` are those for checkpoints of continuous noise levels (EDM), none if there is no
    such schedule. ``optimised``: by a table for the base model instead (see :mod:`engine.compat.noise_levels`).
    """

    levels: Mapping[str, Option] = field(default_factory=dict[str, Option])
    spacing: Mapping[str, Option] | None = None
    continuous: Mapping[str, Option] = field(default_factory=dict[str, Option])
    optimised: bool = False
    paper: str = ""


_EVEN: Mapping[str, Option] = {"timestep_spacing": "linspace"}
_TRAILING: Mapping[str, Option] = {"timestep_spacing": "trailing"}
_LEADING: Mapping[str, Option] = {"timestep_spacing": "leading", "steps_offset": 1}

SCHEDULES: dict[str, Schedule] = {
    "Karras": Schedule(
        {**_EVEN, "use_karras_sigmas": True},
        continuous={"sigma_schedule": "karras"},
        paper="Karras et al. 2022, arXiv 2206.00364",
    ),
    "Exponential": Schedule({**_EVEN, "use_exponential_sigmas": True}, continuous={"sigma_schedule": "exponential"}),
    "SGM Uniform": Schedule(_TRAILING, _TRAILING, paper="Lin et al. 2023, arXiv 2305.08891"),
    "Simple": Schedule(_TRAILING, _TRAILING),
    "Beta": Schedule({**_EVEN, "use_beta_sigmas": True}, paper="Lee et al. 2024, arXiv 2407.12173"),
    "Align Your Steps": Schedule(optimised=True, paper="Sabour et al. 2024, arXiv 2404.14507"),
    "Normal": Schedule(_EVEN, _EVEN),
    "DDIM": Schedule(_LEADING, _LEADING, paper="Song et al. 2020, arXiv 2010.02502"),
    DEFAULT: Schedule(spacing={}),
    "Default Karras": Schedule(),
}
"""Name on the page -> schedule. The page lists them in this order. The last, Karras' levels over the checkpoint's own range, is
what earlier versions of Easel ran as "DPM2 Karras"."""

AUTOMATIC: Mapping[str, str] = {
    "DPM++ 2M": "Karras",
    "DPM++ SDE": "Karras",
    "DPM2": "Karras",
    "DPM2 a": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM++ 2M SDE Heun": "Exponential",
    "DPM++ 3M SDE": "Exponential",
}
"""Sampler -> the schedule that it runs with if none is chosen, as in AUTOMATIC1111's program; :data:`DEFAULT` for the others."""
