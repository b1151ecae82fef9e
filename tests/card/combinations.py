"""The table of what can meet on a card, and the fewest rows in which every pair, or every triple, of values meets.

A new kind of checkpoint, request or measure is a new value in :data:`AXES`; what cannot meet is in :func:`is_possible`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import combinations, product
from typing import Any

from engine.checkpoints.families import BY_NAME
from engine.plan.ladder import RUNGS
from engine.plan.speed import FEW_STEPS
from engine.requests import SPEEDS
from tests.engine.checkpoints import tiny, tiny_sd3

TRIES = 20
"""How many rows that hold a missing combination are compared."""

TASKS = {
    "text_to_image": "text_to_image",
    "image_to_image": "image_to_image",
    "inpaint": "inpaint",
    "depth": "depth",
    "compare_negative": "text_to_image",
    "study_negative": "text_to_image",
    "upscale": "upscale",
    "upscale_afterwards": "text_to_image",
    "hires": "text_to_image",
    "hires_latents": "text_to_image",
}
"""Kind of request -> what its checkpoint must be able to do."""


@dataclass(frozen=True)
class Row:
    """One request on one card. ``rung``: the measure down to which memory is saved; "" for none. ``control``: a
    key of :data:`CONTROLS`."""

    family: str
    kind: str
    rung: str
    lora: bool
    refiner: bool
    control: str
    count: int
    speed: str


CONTROLLED = {
    "sd1": "sd1", "sd1_inpainting": "sd1", "lcm": "sd1", "sd2_base": "sd2_base", "sd2_v": "sd2_base",
    "sd2_inpainting": "sd2_base", "sd2_depth": "sd2_base", "sd_turbo": "sd2_base", "xl": "xl", "xl_inpainting": "xl",
    "xl_turbo": "xl",
}  # fmt: skip
"""Family -> the family that its control networks were made for."""

CONTROLS: Mapping[str, Sequence[str]] = {
    "": ("sd1", "sd2_base", "xl"),
    "folder": ("sd1", "sd2_base", "xl"),
    "t2i folder": ("sd1", "xl"),
    "union folder": ("xl",),
    "control lora": ("sd1", "xl"),
}
"""What the names of control networks end with -> the families that they are made for: none, ControlNets, T2I-Adapters, unions,
Control-LoRAs."""

TRANSFORMERS = tuple(tiny_sd3.NETWORKS)
"""Families whose denoiser is a transformer: they share no network with the others, and have a table of their own."""

AXES: dict[str, Sequence[Any]] = {
    "family": tuple(tiny.KINDS),
    "kind": tuple(TASKS),
    "rung": ("", *(rung.name for rung in RUNGS if rung.name != "not_compiled")),
    "lora": (False, True),
    "refiner": (False, True),
    "control": tuple(CONTROLS),
    "count": (1, 2),
    "speed": tuple(name for name in SPEEDS if name != FEW_STEPS),  # which is another LoRA, and nothing else for a card
}


def is_possible(row: Row) -> bool:
    """Whether a request can be made like this."""
    family = BY_NAME[row.family]
    upscales = row.kind == "upscale"
    return (
        TASKS[row.kind] in family.pipelines
        and not (row.refiner and (row.family not in ("xl", "xl_turbo") or upscales))
        and not (row.lora and (row.family not in ("sd1", "xl") or upscales))
        and not (row.rung.startswith("text_encoder_3") and "text_encoder_3" not in family.dtypes)
        and not (row.control and (CONTROLLED.get(row.family) not in CONTROLS[row.control] or upscales))
        and not (row.control == "control lora" and row.family.endswith("inpainting"))  # a copy of their UNet would read a mask
        and not (row.rung == "experts_in_turn" and not row.refiner)
        and not (row.rung == "repaint_tiles" and not row.kind.startswith("hires"))
        and not (upscales and row.speed != SPEEDS[0])
        and not (row.family == "lcm" and row.kind in ("compare_negative", "study_negative"))
        and not (row.count > 1 and row.kind in ("compare_negative", "study_negative"))
    )


def possible_rows(families: Sequence[str] = AXES["family"]) -> list[Row]:
    """Every request that can be made with checkpoints of these families."""
    rows = (Row(*values) for values in product(*{**AXES, "family": families}.values()))
    return [row for row in rows if is_possible(row)]


def meetings(row: Row, size: int) -> Iterator[tuple[tuple[str, str | bool | int], ...]]:
    """Each combination of ``size`` values of a row."""
    return combinations([(field.name, getattr(row, field.name)) for field in fields(row)], size)


@cache
def cover_all(size: int, families: tuple[str, ...] = AXES["family"]) -> list[Row]:
    """:func:`cover` of every request that can be made with checkpoints of these families."""
    return cover(possible_rows(families), size)


def cover(rows: Sequence[Row], size: int) -> list[Row]:
    """Few of ``rows`` in which all combinations of ``size`` values meet that meet in any of them. Always the same ones."""
    holders: dict[tuple[tuple[str, str | bool | int], ...], list[Row]] = {}
    for row in rows:
        for meeting in meetings(row, size):
            holders.setdefault(meeting, []).append(row)
    missing, chosen, draw = dict.fromkeys(holders), [], random.Random(0)
    while missing:
        having = holders[next(iter(missing))]
        tried = draw.sample(having, min(TRIES, len(having)))
        best = max(tried, key=lambda row: sum(meeting in missing for meeting in meetings(row, size)))
        chosen.append(best)
        for meeting in meetings(best, size):
            missing.pop(meeting, None)
    return sorted(chosen, key=lambda row: (row.family, row.rung, row.refiner))
