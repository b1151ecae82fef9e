"""The samplers by their usual names, and the diffusers scheduler of each.

These are the names used in shared prompts and settings, in AUTOMATIC1111's spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.compat.schedulers import Option
from engine.json_values import JsonObject


@dataclass(frozen=True)
class FlowSampler:
    """The same method for checkpoints of flow matching; fields as in :class:`Sampler`."""

    class_name: str
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])


@dataclass(frozen=True)
class Sampler:
    """``class_name`` is a diffusers scheduler; ``options`` override the checkpoint's own scheduler configuration. ``flow`` is
    the method for checkpoints of flow matching, None if it has none.

    ``follows``: any noise ``levels``, only a ``spacing`` of the timesteps, or ``none`` but its own schedule. ``distilled``: it
    skips along the steps that the checkpoint was distilled with, and cannot run more of them. ``least_steps``: with fewer it
    makes noise.
    """

    class_name: str
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    paper: str = ""
    flow: FlowSampler | None = None
    follows: Literal["levels", "spacing", "none"] = "levels"
    distilled: bool = False
    least_steps: int = 1


_DPM, _EDM = "Lu et al. 2022, arXiv 2211.01095", "Karras et al. 2022, arXiv 2206.00364"
_MULTISTEP, _BROWNIAN = "DPMSolverMultistepScheduler", "BrownianDPMSolverMultistepScheduler"
_SDE: Mapping[str, Option] = {"algorithm_type": "sde-dpmsolver++"}
_OWN: Mapping[str, Option] = {"clip_sample": False}
_FLOW: Mapping[str, Option] = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
_FLOW_MULTISTEP = FlowSampler(_MULTISTEP, _FLOW)
_FLOW_EULER = FlowSampler("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": False})
_FLOW_HEUN = FlowSampler("FlowMatchHeunDiscreteScheduler")
_FLOW_UNIPC = FlowSampler("UniPCMultistepScheduler", _FLOW)

SCHEDULERS: dict[str, Sampler] = {
    "DPM++ 2M": Sampler(_MULTISTEP, {}, _DPM, _FLOW_MULTISTEP),
    "DPM++ 2M SDE": Sampler(_BROWNIAN, _SDE, _DPM, FlowSampler(_BROWNIAN, {**_FLOW, **_SDE})),
    "DPM++ 2M SDE Heun": Sampler(_BROWNIAN, {**_SDE, "solver_type": "heun"}, _DPM),
    "DPM++ 3M SDE": Sampler(_BROWNIAN, {**_SDE, "solver_order": 3}, _DPM),
    "DPM++ 3M": Sampler(_MULTISTEP, {"solver_order": 3}, _DPM),
    "DPM++ SDE": Sampler("BrownianDPMSolverSDEScheduler", {}, _DPM),
    "DPM++ 2S": Sampler("DPMSolverSinglestepScheduler", {"lower_order_final": True}, _DPM),
    "Euler": Sampler("EulerDiscreteScheduler", {}, _EDM, _FLOW_EULER),
    "Euler a": Sampler("EulerAncestralDiscreteScheduler", {}, _EDM),
    "Heun": Sampler("HeunDiscreteScheduler", {}, _EDM, _FLOW_HEUN),
    "DPM2": Sampler("KDPM2DiscreteScheduler", {}, _EDM),
    "DPM2 a": Sampler("KDPM2AncestralDiscreteScheduler", {}, _EDM),
    "LMS": Sampler("LMSDiscreteScheduler", {}, "Liu et al. 2022, arXiv 2202.09778"),
    "UniPC": Sampler("UniPCMultistepScheduler", {}, "Zhao et al. 2023, arXiv 2302.04867", _FLOW_UNIPC),
    "DEIS": Sampler("DEISMultistepScheduler", {}, "Zhang and Chen 2022, arXiv 2204.13902", follows="spacing"),
    "SA Solver": Sampler("SASolverScheduler", {}, "Xue et al. 2023, arXiv 2309.05019", follows="spacing"),
    "DDIM": Sampler("DDIMScheduler", _OWN, "Song et al. 2020, arXiv 2010.02502", follows="spacing"),
    "DDPM": Sampler("DDPMScheduler", _OWN, "Ho et al. 2020, arXiv 2006.11239", follows="spacing"),
    "PLMS": Sampler(
        "PNDMScheduler", {"skip_prk_steps": True}, "Liu et al. 2022, arXiv 2202.09778", follows="none", least_steps=2
    ),
    "LCM": Sampler("LCMScheduler", _OWN, "Luo et al. 2023, arXiv 2310.04378", follows="none", distilled=True),
    "TCD": Sampler("TCDScheduler", _OWN, "Zheng et al. 2024, arXiv 2402.19159", follows="none", distilled=True),
    "DPM++ 2M SDE (white noise)": Sampler(_MULTISTEP, _SDE, _DPM),
}
"""Name on the page -> scheduler. The page lists them in this order. The last is what earlier versions of Easel ran as
"DPM++ 2M SDE"."""

FLOW_MATCHING = tuple(name for name, sampler in SCHEDULERS.items() if sampler.flow is not None)
"""The samplers for checkpoints of flow matching."""


CONTINUOUS: Mapping[str, str] = {
    _MULTISTEP: "EDMDPMSolverMultistepScheduler", _BROWNIAN: "EDMDPMSolverMultistepScheduler",
    "EulerDiscreteScheduler": "EDMEulerScheduler",
}  # fmt: skip
"""Scheduler for discrete timesteps -> diffusers' for the same sampler on EDM's continuous noise levels."""


def fits_continuous(name: str) -> bool:
    """Whether a sampler runs with a checkpoint whose noise schedule is continuous (EDM)."""
    return SCHEDULERS[name].class_name in CONTINUOUS


def is_continuous(checkpoint_config: JsonObject) -> bool:
    """Whether a checkpoint's scheduler configuration is one of EDM."""
    return str(checkpoint_config.get("_class_name")).startswith("EDM")


def is_flow_matching(checkpoint_config: JsonObject) -> bool:
    """Whether a checkpoint's scheduler configuration is one of flow matching."""
    return str(checkpoint_config.get("_class_name")).startswith("FlowMatch") or "flow" in str(
        checkpoint_config.get("prediction_type")
    )
