"""Full-size checkpoints of each well-known family as plain values: for the printed plan, for tests, which have no files, and
to say which checkpoints suit a machine before they are downloaded."""

from __future__ import annotations

from dataclasses import dataclass

from engine.checkpoints.families import BY_NAME, FAMILIES, Family, bundled_config
from engine.errors import DoesNotFit
from engine.plan.hardware.facts import Hardware
from engine.plan.ladder import fit_plan
from engine.plan.memory import Layout, Work, find_budget
from engine.plan.precision import choose


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


_CPU_WORK = 25 * 860_000_000
"""Steps times parameters of a denoiser that a processor computes in a bearable time: those of Stable Diffusion 1."""

RECOMMENDED, USABLE, TOO_LARGE, UNKNOWN = "recommended", "usable", "too large", "unknown"
"""How a checkpoint suits a machine: without any measure that saves memory, with some, not at all."""


def judge(family: str, hardware: Hardware) -> str:
    """How a published checkpoint of the family of that name suits ``hardware``: one of the words above."""
    known = find_reference(family)
    if known is None:
        return UNKNOWN
    on_cpu = choose(hardware.on_cpu, known.family)
    try:
        plan, _ = fit_plan(known.work, choose(hardware, known.family), find_budget(hardware), on_cpu)
    except DoesNotFit:
        return TOO_LARGE
    is_slow = plan.device == "cpu" and BY_NAME[family].steps * known.work.parameters[known.family.denoiser] > _CPU_WORK
    return USABLE if plan.measures or is_slow else RECOMMENDED


def estimate_file_bytes(family: str) -> int | None:
    """About the size in bytes of a published checkpoint in half precision; None where that is unknown."""
    known = find_reference(family)
    return None if known is None else 2 * sum(known.work.parameters.values())


def find_reference(family: str) -> ReferenceCheckpoint | None:
    """The reference for a family: its own, or else the first one of the same base."""
    wanted = BY_NAME[family]
    own = (known for known in REFERENCE_CHECKPOINTS if known.family.name == family)
    alike = (known for known in REFERENCE_CHECKPOINTS if wanted.base is not None and known.family.base == wanted.base)
    return next(own, None) or next(alike, None)
