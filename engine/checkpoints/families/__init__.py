"""The families of checkpoints: one table, a small file for each group of relatives.

A new family is a row in one of these files (or a new file, named here) and the configurations of its components in ``configs/``.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.checkpoints.families import (
    other,
    stable_diffusion_1,
    stable_diffusion_2,
    stable_diffusion_3,
    stable_diffusion_xl,
    starter,
)
from engine.checkpoints.families.family import (
    CONFIGS,
    DEPTH,
    IMAGE,
    INPAINT,
    TASKS,
    TEXT,
    UPSCALE,
    BaseModel,
    Family,
    LatentPreview,
    Signature,
    SkipLayers,
    TextLayout,
    bundled_config,
)

__all__ = [
    "BASE_MODELS", "BY_NAME", "CONFIGS", "DEPTH", "FAMILIES", "IMAGE", "INPAINT", "OTHER", "TASKS", "TEXT", "TEXT_LAYOUTS",
    "UPSCALE", "BaseModel", "Family", "LatentPreview", "Signature", "SkipLayers", "TextLayout", "bundled_config", "look_alikes",
]  # fmt: skip

FAMILIES: tuple[Family, ...] = (
    *stable_diffusion_1.FAMILIES,
    *stable_diffusion_2.FAMILIES,
    *stable_diffusion_xl.FAMILIES,
    *stable_diffusion_3.FAMILIES,
    *starter.FAMILIES,
    *other.FAMILIES,
)
BY_NAME: Mapping[str, Family] = {family.name: family for family in FAMILIES}
OTHER = other.OTHER
"""Every pipeline that Easel has no row for."""

BASE_MODELS: Mapping[str, BaseModel] = {family.base.name: family.base for family in FAMILIES if family.base is not None}
TEXT_LAYOUTS: Mapping[str, TextLayout] = {
    family.signature.text.name: family.signature.text for family in FAMILIES if family.signature is not None
}


def look_alikes(family: Family) -> tuple[Family, ...]:
    """The families whose files cannot be told from those of ``family`` by their tensors' names and shapes, itself included."""
    mine = family.signature
    return tuple(each for each in FAMILIES if mine and each.signature and each.signature.looks_like(mine))
