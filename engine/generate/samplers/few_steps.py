"""The speed "few steps": a request with the LoRA for few steps that fits its checkpoint, drawn as that LoRA's method is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeVar

from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.few_step_loras import FewStepMethod, find_few_step_lora, find_method
from engine.errors import CheckpointError
from engine.plan.speed import FEW_STEPS
from engine.prompt.grammar import parse
from engine.requests import GenerationRequest

R = TypeVar("R", bound=GenerationRequest)


@dataclass(frozen=True)
class FewStepChoice:
    """The checkpoint and the method of a request for few steps, and the ``tag`` of a LoRA that its prompt lacks."""

    entry: CheckpointEntry
    method: FewStepMethod
    source: str
    tag: str = ""

    def complete(self, asked: R) -> tuple[R, str]:
        """``asked`` with the method's settings, and a sentence about them. Steps and CFG scale stay where the method has them."""
        method = self.method
        steps = asked.steps if asked.steps is not None and asked.steps <= method.most_steps else method.steps
        scale = asked.guidance_scale
        scale = scale if scale is not None and scale <= method.most_guidance else method.guidance_scale
        completed = dataclasses.replace(
            asked, steps=steps, guidance_scale=scale, scheduler=method.scheduler, schedule=method.schedule,
            prompt=self._add_tag(asked.prompt),
            prompt_template=asked.prompt_template and self._add_tag(asked.prompt_template),
        )  # fmt: skip
        return completed, (
            f"Few steps: {self.source}, {steps} step{'' if steps == 1 else 's'} with the sampler {method.scheduler} "
            f"and a CFG scale of {scale:g}."
        )

    def _add_tag(self, prompt: str) -> str:
        return f"{prompt.rstrip()} {self.tag}".strip() if self.tag else prompt


def apply_few_steps(asked: R, entry: CheckpointEntry, inventory: Inventory) -> tuple[R, CheckpointEntry, tuple[str, ...]]:
    """``asked`` and its checkpoint as they are with the speed "few steps", if it has that, and a sentence about it. Raises as
    :func:`choose_few_steps` does."""
    choice = choose_few_steps(asked, entry, inventory)
    if choice is None:
        return asked, entry, ()
    completed, explained = choice.complete(asked)
    return completed, choice.entry, (explained,)


def choose_few_steps(asked: GenerationRequest, entry: CheckpointEntry, inventory: Inventory) -> FewStepChoice | None:
    """What the speed "few steps" means for ``asked`` with the checkpoint ``entry``; None for other speeds.

    A LoRA for few steps that the prompt names is used, else the one that the checkpoint brings, else the best of those in the
    folders that fit. Raises CheckpointError if there is none.
    """
    if asked.speed != FEW_STEPS:
        return None
    for tag in parse(asked.prompt).loras:
        lora = inventory.find(tag.name, "lora")
        if method := find_method(lora):
            return FewStepChoice(entry, method, f"the LoRA “{lora.name}” ({method.label})")
    if entry.few_steps:
        return FewStepChoice(entry.for_drafts, _read_own(entry.for_drafts), f"the LoRA that “{entry.name}” brings")
    signature = entry.family.signature
    if signature is not None and (signature.few_steps or signature.guidance_embedding):
        return FewStepChoice(entry, _read_own(entry), f"“{entry.name}” itself is for few steps")
    found = find_few_step_lora(entry, inventory)
    method = find_method(found) if found else None
    if found is None or method is None:
        raise CheckpointError(
            f"Speed is “Few steps”, and no LoRA for few steps in your folders fits “{entry.name}” ({entry.family.label}). The "
            "Checkpoints tab offers those that are published for it, if there are any. Or choose another speed."
        )
    return FewStepChoice(entry, method, f"the LoRA “{found.name}” ({method.label})", f"<lora:{found.name}:1>")


def _read_own(entry: CheckpointEntry) -> FewStepMethod:
    """The recommended settings of a checkpoint that draws in few steps."""
    family = entry.family
    return FewStepMethod(
        label=family.label, scheduler=family.scheduler, schedule="", steps=family.steps,
        guidance_scale=family.guidance_scale, most_guidance=family.guidance_scale, source=family.label,
    )  # fmt: skip
