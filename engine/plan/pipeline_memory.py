"""How a pipeline that only diffusers knows fits into memory: its weights are known from the files' headers, the rest is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from engine.errors import DoesNotFit
from engine.plan.memory import BYTES, GIB, Budget, format_bytes
from engine.requests import ExecutionPlan

WORKING = GIB
"""Bytes beside the weights that are left for the numbers of a picture."""

PARTS_OFFLOAD, LAYERS_OFFLOAD = "parts_offload", "layers_offload"
"""Measures of a plan: the card holds one component at a time, or one layer."""

_REASONS: Mapping[str, str] = {
    PARTS_OFFLOAD: "Memory is short: the parts of the checkpoint come to the card one after the other.",
    LAYERS_OFFLOAD: "Memory is short: the layers come to the card one by one, which is several times slower.",
}


def fit_pipeline(parameters: Mapping[str, int], plan: ExecutionPlan, room: Budget) -> ExecutionPlan:
    """``plan`` with what is needed for components with so many ``parameters`` to fit. Raises DoesNotFit if nothing helps."""
    whole, largest = _measure(parameters, plan)
    free = None if plan.device == "cpu" else room.device
    measure = "" if free is None or whole <= free else PARTS_OFFLOAD if largest <= free else LAYERS_OFFLOAD
    held = whole if measure or plan.device == "cpu" else largest
    if room.ram is not None and held > room.ram:
        raise DoesNotFit(
            f"This checkpoint needs about {format_bytes(held)} of memory, and {format_bytes(room.ram)} are free. "
            "Close other programs, or choose a smaller checkpoint."
        )
    if not measure:
        return plan
    return dataclasses.replace(plan, measures=(*plan.measures, measure), reasons=(*plan.reasons, _REASONS[measure]))


def predict_pipeline(parameters: Mapping[str, int], plan: ExecutionPlan) -> int:
    """Peak bytes under ``plan``: on its device, and in RAM on the CPU."""
    whole, largest = _measure(parameters, plan)
    if LAYERS_OFFLOAD in plan.measures:
        return WORKING
    return largest if PARTS_OFFLOAD in plan.measures else whole


def _measure(parameters: Mapping[str, int], plan: ExecutionPlan) -> tuple[int, int]:
    """Bytes for all components at once, and for the largest alone."""
    weights = [count * BYTES[plan.dtype(component)] for component, count in parameters.items()]
    return sum(weights) + WORKING, max(weights, default=0) + WORKING
