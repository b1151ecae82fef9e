"""What a checkpoint's file or folder shows about its family, and the family that follows from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.checkpoints.families import FAMILIES, Family, TextLayout

FEW_STEPS = ("turbo", "lightning", "hyper", "lcm", "dmd", "tcd", "pcm")
TURBO, LIGHTNING, HYPER, LCM, DMD, TCD, _ = FEW_STEPS
"""Words for methods of distillation that let a checkpoint, with or without a LoRA, draw in few steps."""


def find_few_step_words(title: str) -> set[str]:
    """The words for few-step training among those of a title, written apart or as ``oneWord``."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", title)
    return {word.lower() for word in words}.intersection(FEW_STEPS)


@dataclass(frozen=True)
class FewSteps:
    """What the titles of a LoRA say about few steps: the ``methods`` that they name, of :data:`FEW_STEPS`, the ``steps`` that it
    was trained for, 0 if they do not say, and whether it ``keeps_guidance`` ("CFG-LoRA")."""

    methods: frozenset[str]
    steps: int = 0
    keeps_guidance: bool = False


def read_few_steps(title: str) -> FewSteps | None:
    """What a title says about few steps; None if it names no method."""
    methods = find_few_step_words(title)
    steps = re.search(r"(?<!\d)(\d{1,2})[ _-]?steps?", title, re.IGNORECASE)
    return FewSteps(frozenset(methods), int(steps[1]) if steps else 0, bool(re.search(r"\bCFG\b", title))) if methods else None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """See :class:`~engine.checkpoints.families.Signature`. ``few_steps``: whether the checkpoint says that it needs few steps."""

    text: TextLayout
    channels: int
    network: str = "unet"
    guidance_embedding: bool = False
    few_steps: bool = False

    def candidates(self) -> list[Family]:
        """The families that match; several if names and shapes of tensors do not distinguish them."""
        return [
            family
            for family in FAMILIES
            if (found := family.signature) is not None
            and (found.text, found.channels, found.network, found.guidance_embedding)
            == (self.text, self.channels, self.network, self.guidance_embedding)
        ]


def find_family(evidence: Evidence, prediction_type: str) -> Family | None:
    """The family, None if there is none. Families with equal shapes differ by few-step training, then by prediction type."""
    candidates = evidence.candidates()
    alike = [family for family in candidates if family.signature and family.signature.few_steps == evidence.few_steps]
    fitting = [family for family in alike if family.prediction_type == prediction_type]
    return next(iter((*fitting, *alike, *candidates)), None)


def names_few_steps(name: str) -> bool:
    """Whether the name of a file or folder has a word for few-step training, for families in which nothing else tells."""
    return bool(find_few_step_words(name))
