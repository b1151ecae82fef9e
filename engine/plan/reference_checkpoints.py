"""Full-size checkpoints of each well-known family as plain values: for the printed plan and for tests, which have no files."""

from __future__ import annotations

from dataclasses import dataclass

from engine.checkpoints.families import FAMILIES, Family, bundled_config
from engine.plan.memory import Layout, Work


@dataclass(frozen=True, kw_only=True)
class ReferenceCheckpoint:
    """A family, and the work of an image at its native size (pixels per side)."""

    family: Family
    work: Work

    @property
    def title(self) -> str:
        """Its title."""
        return self.family.label


def _reference(family: Family) -> ReferenceCheckpoint:
    side = family.native_size
    layout = Layout.of(bundled_config(family, family.denoiser), bundled_config(family, "vae"))
    return ReferenceCheckpoint(family=family, work=Work(parameters=family.parameters, width=side, height=side, layout=layout))


REFERENCE_CHECKPOINTS = tuple(_reference(family) for family in FAMILIES if family.parameters)
"""The families whose parameters are in the table."""
