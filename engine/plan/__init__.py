"""Plans how this machine runs a checkpoint: facts, tables and a prediction. Only parts of ``hardware`` import torch."""

from __future__ import annotations

from engine.plan.hardware.facts import Cpu, Device, Hardware, count_threads
from engine.plan.ladder import find_lighter_plan, fit_plan, largest_size, lower_peak, take_next_measure
from engine.plan.memory import Budget, Layout, Prediction, Work, find_budget, find_cache_budget, predict
from engine.plan.precision import PrecisionTraits, Tolerance, choose, raise_precision

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
    "choose",
    "count_threads",
    "find_budget",
    "find_cache_budget",
    "find_lighter_plan",
    "fit_plan",
    "largest_size",
    "lower_peak",
    "predict",
    "raise_precision",
    "take_next_measure",
]
