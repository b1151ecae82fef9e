"""How LoRAs for few steps are used, as a table of methods, and which of the files fits a checkpoint. Does not import torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.checkpoints.identify.evidence import DMD, HYPER, LCM, LIGHTNING, TCD, TURBO
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry


@dataclass(frozen=True, kw_only=True)
class FewStepMethod:
    """How a checkpoint draws with a LoRA of a method of distillation: ``source`` says so. ``steps`` are usual; requests may
    ask for up to ``most_steps``. A ``guidance_scale`` of 1 is none; requests may ask for up to ``most_guidance``."""

    label: str
    scheduler: str
    source: str
    schedule: str = "SGM Uniform"
    steps: int = 4
    most_steps: int = 8
    guidance_scale: float = 1.0
    most_guidance: float = 1.0


METHODS: Mapping[str, FewStepMethod] = {
    HYPER: FewStepMethod(
        label="Hyper-SD", scheduler="DDIM", source="the card of ByteDance/Hyper-SD; Ren et al. 2024, arXiv 2404.13686"
    ),
    LIGHTNING: FewStepMethod(
        label="Lightning", scheduler="Euler", source="the card of ByteDance/SDXL-Lightning; Lin et al. 2024, arXiv 2402.13929"
    ),
    DMD: FewStepMethod(
        label="DMD2", scheduler="LCM", schedule="Default", source="the card of tianweiy/DMD2; Yin et al. 2024, arXiv 2405.14867"
    ),
    LCM: FewStepMethod(
        label="LCM", scheduler="LCM", schedule="Default", most_guidance=2.0,
        source="the card of latent-consistency/lcm-lora-sdxl; Luo et al. 2023, arXiv 2311.05556",
    ),
    TCD: FewStepMethod(
        label="TCD", scheduler="TCD", schedule="Default", most_steps=50,
        source="diffusers' guide to TCD-LoRA; Zheng et al. 2024, arXiv 2402.19159",
    ),
    TURBO: FewStepMethod(
        label="Turbo", scheduler="Euler a", source="the card of stabilityai/sdxl-turbo; Sauer et al. 2023, arXiv 2311.17042"
    ),
}  # fmt: skip
"""Word for a method, as in file names -> how it is used. In the order of preference."""

USUAL_STEPS = 4

KEPT_GUIDANCE, MOST_KEPT_GUIDANCE = 5.0, 8.0
"""CFG scale of LoRAs that keep guidance (Hyper-SD's "CFG-LoRA": 5 to 8)."""

_IN_TAGS = re.compile(r"[^<>:]+")


def find_method(lora: CheckpointEntry) -> FewStepMethod | None:
    """How ``lora`` is used; None if it is not for few steps, or its method is not in the table."""
    found = lora.identity.few_steps
    name = next((name for name in METHODS if found is not None and name in found.methods), None)
    if found is None or name is None:
        return None
    method = METHODS[name]
    if found.steps:
        method = dataclasses.replace(method, steps=found.steps, most_steps=max(method.most_steps, found.steps))
    if found.keeps_guidance:
        method = dataclasses.replace(method, guidance_scale=KEPT_GUIDANCE, most_guidance=MOST_KEPT_GUIDANCE)
    if name == HYPER and found.steps == 1:
        method = dataclasses.replace(method, scheduler="TCD", schedule="Default")  # as its card says
    return method


def find_few_step_lora(entry: CheckpointEntry, inventory: Inventory) -> CheckpointEntry | None:
    """The LoRA for few steps that fits ``entry`` best: one that says for which base model it is, without guidance, for about four
    steps. None if none of the files fits."""
    base = entry.family.base
    found = [
        (lora, method)
        for lora in inventory.of_kind("lora")
        if base is not None and lora.identity.family in ("", base.name) and _IN_TAGS.fullmatch(lora.name)
        for method in [find_method(lora)]
        if method is not None
    ]
    best = min(found, key=_rank, default=None)
    return best[0] if best else None


def _rank(found: tuple[CheckpointEntry, FewStepMethod]) -> tuple[bool, bool, int, int, str]:
    lora, method = found
    order = [each.label for each in METHODS.values()].index(method.label)
    return not lora.identity.family, method.guidance_scale > 1, abs(method.steps - USUAL_STEPS), order, lora.name
