"""The samplers by their usual names, and the diffusers scheduler of each.

These are the names used in shared prompts and settings, in AUTOMATIC1111's spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.compat.schedulers import Option, Scheduler, begin_at, create_scheduler
from engine.errors import RequestError
from engine.json_values import JsonObject

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class FlowSampler:
    """The same method for checkpoints of flow matching; fields as in :class:`Sampler`."""

    class_name: str
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])


@dataclass(frozen=True)
class Sampler:
    """``class_name`` is a diffusers scheduler; ``options`` override the checkpoint's own scheduler configuration. ``flow`` is
    the method for checkpoints of flow matching, None if it has none."""

    class_name: str
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    paper: str = ""
    flow: FlowSampler | None = None


_KARRAS: Mapping[str, Option] = {"use_karras_sigmas": True}
_SDE: Mapping[str, Option] = {"algorithm_type": "sde-dpmsolver++"}
_FLOW: Mapping[str, Option] = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
_FLOW_MULTISTEP = FlowSampler("DPMSolverMultistepScheduler", _FLOW)
_FLOW_SDE = FlowSampler("DPMSolverMultistepScheduler", {**_FLOW, **_SDE})
_FLOW_EULER = FlowSampler("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": False})

SCHEDULERS: dict[str, Sampler] = {
    "DPM++ 2M Karras": Sampler("DPMSolverMultistepScheduler", _KARRAS, "Lu et al. 2022, arXiv 2211.01095"),
    "DPM++ 2M": Sampler("DPMSolverMultistepScheduler", {}, "Lu et al. 2022, arXiv 2211.01095", _FLOW_MULTISTEP),
    "DPM++ 2M SDE Karras": Sampler("DPMSolverMultistepScheduler", {**_SDE, **_KARRAS}, "arXiv 2211.01095"),
    "DPM++ 2M SDE": Sampler("DPMSolverMultistepScheduler", _SDE, "arXiv 2211.01095", _FLOW_SDE),
    "DPM++ SDE Karras": Sampler("DPMSolverSinglestepScheduler", _KARRAS, "arXiv 2211.01095"),
    "DPM++ SDE": Sampler("DPMSolverSinglestepScheduler", {}, "arXiv 2211.01095"),
    "Euler": Sampler("EulerDiscreteScheduler", {}, "Karras et al. 2022, arXiv 2206.00364", _FLOW_EULER),
    "Euler a": Sampler("EulerAncestralDiscreteScheduler", {}, "Karras et al. 2022, arXiv 2206.00364"),
    "Heun": Sampler(
        "HeunDiscreteScheduler", {}, "Karras et al. 2022, arXiv 2206.00364", FlowSampler("FlowMatchHeunDiscreteScheduler")
    ),
    "DPM2": Sampler("KDPM2DiscreteScheduler", {}, "Karras et al. 2022, arXiv 2206.00364"),
    "DPM2 Karras": Sampler("KDPM2DiscreteScheduler", _KARRAS, "Karras et al. 2022, arXiv 2206.00364"),
    "DPM2 a": Sampler("KDPM2AncestralDiscreteScheduler", {}, "Karras et al. 2022, arXiv 2206.00364"),
    "DPM2 a Karras": Sampler("KDPM2AncestralDiscreteScheduler", _KARRAS, "Karras et al. 2022, arXiv 2206.00364"),
    "UniPC": Sampler(
        "UniPCMultistepScheduler", {}, "Zhao et al. 2023, arXiv 2302.04867", FlowSampler("UniPCMultistepScheduler", _FLOW)
    ),
    "DEIS": Sampler("DEISMultistepScheduler", {}, "Zhang and Chen 2022, arXiv 2204.13902"),
    "DDIM": Sampler("DDIMScheduler", {"clip_sample": False}, "Song et al. 2020, arXiv 2010.02502"),
    "DDPM": Sampler("DDPMScheduler", {"clip_sample": False}, "Ho et al. 2020, arXiv 2006.11239"),
    "PLMS": Sampler("PNDMScheduler", {"skip_prk_steps": True}, "Liu et al. 2022, arXiv 2202.09778"),
    "LCM": Sampler("LCMScheduler", {"clip_sample": False}, "Luo et al. 2023, arXiv 2310.04378"),
    "TCD": Sampler("TCDScheduler", {"clip_sample": False}, "Zheng et al. 2024, arXiv 2402.19159"),
}
"""Name on the page -> scheduler. The page lists them in this order."""

FLOW_MATCHING = tuple(name for name, sampler in SCHEDULERS.items() if sampler.flow is not None)
"""The samplers for checkpoints of flow matching."""


_CONTINUOUS: Mapping[str, str] = {
    "DPMSolverMultistepScheduler": "EDMDPMSolverMultistepScheduler", "EulerDiscreteScheduler": "EDMEulerScheduler",
}  # fmt: skip
"""diffusers' scheduler for discrete timesteps -> the same sampler for EDM's continuous noise levels."""


def fits_continuous(name: str) -> bool:
    """Whether a sampler runs with a checkpoint whose noise schedule is continuous (EDM)."""
    return SCHEDULERS[find(name)].class_name in _CONTINUOUS


def find(name: str) -> str:
    """The table's spelling of a sampler's name, ignoring case. Raises RequestError for an unknown one."""
    for known in SCHEDULERS:
        if known.casefold() == name.strip().casefold():
            return known
    raise RequestError(f"Easel has no sampler called “{name}”. It has: {', '.join(SCHEDULERS)}.")


_SOLVER_CHOICES = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "algorithm_type", "solver_order")
"""Options that only a sampler's row may set, never the checkpoint."""


def create(name: str, checkpoint_config: JsonObject) -> Scheduler:
    """A new scheduler for one image.

    ``checkpoint_config`` is the configuration of the scheduler that came with the checkpoint: its betas and its prediction
    type are kept, so epsilon and v-prediction checkpoints both work with every sampler. Checkpoints of flow matching (Lipman et
    al. 2022, arXiv 2210.02747) keep their shift of the noise levels (Esser et al. 2024, arXiv 2403.03206); RequestError for a
    sampler that has no method for them.
    """
    sampler = SCHEDULERS[find(name)]
    if _is_continuous(checkpoint_config):
        options = {**sampler.options, **({"sigma_schedule": "karras"} if sampler.options.get("use_karras_sigmas") else {})}
        return create_scheduler(_CONTINUOUS[sampler.class_name], checkpoint_config, options, ignored=_SOLVER_CHOICES)
    if not is_flow_matching(checkpoint_config):
        return create_scheduler(sampler.class_name, checkpoint_config, sampler.options, ignored=_SOLVER_CHOICES)
    if sampler.flow is None:
        raise RequestError(f"The sampler {name} does not work with this checkpoint. Choose one of {', '.join(FLOW_MATCHING)}.")
    config: JsonObject = {**checkpoint_config, "flow_shift": checkpoint_config.get("shift", 1.0)}
    return create_scheduler(sampler.flow.class_name, config, sampler.flow.options, ignored=_SOLVER_CHOICES)


def is_flow_matching(checkpoint_config: JsonObject) -> bool:
    """Whether a checkpoint's scheduler configuration is one of flow matching."""
    return str(checkpoint_config.get("_class_name")).startswith("FlowMatch") or "flow" in str(
        checkpoint_config.get("prediction_type")
    )


def _is_continuous(checkpoint_config: JsonObject) -> bool:
    """Whether a checkpoint's scheduler configuration is one of EDM."""
    return str(checkpoint_config.get("_class_name")).startswith("EDM")


def skip_steps(scheduler: Scheduler, share: float) -> tuple[int, torch.Tensor]:
    """The index of the first step to run if only the last ``share`` (0..1) of them run, and the timesteps from there on. Any
    share above 0 runs at least one step.
    """
    steps = scheduler.num_inference_steps
    count = 0 if share == 0 else max(1, min(steps, int(steps * share)))
    # Samplers with two evaluations a step take only one for the first or the last: the list is not `order` times the steps.
    begin = (steps - count) * scheduler.order if count else len(scheduler.timesteps)
    begin_at(scheduler, begin)
    return begin, scheduler.timesteps[begin:]
