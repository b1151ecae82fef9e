"""What this machine should do: facts, tables and a prediction. Free of torch but for ``hardware`` and ``measure``."""

from __future__ import annotations

from engine.plan.hardware.facts import Cpu, Device, Hardware
from engine.plan.hardware.threads import threads
from engine.plan.ladder import check, climb_down, largest_size, spare, step_down
from engine.plan.memory import Budget, Layout, Prediction, Work, budget, cache_budget, predict
from engine.plan.precision import PrecisionTraits, Tolerance, choose, safer

__all__ = [
    "Budget",
    "Cpu",
    "Device",
    "Hardware",
    "Layout",
    "PrecisionTraits",
    "Prediction",
    "Tolerance",
    "Work",
    "budget",
    "cache_budget",
    "check",
    "choose",
    "climb_down",
    "largest_size",
    "predict",
    "safer",
    "spare",
    "step_down",
    "threads",
]
