"""What was learned on this machine, stored in a JSON file: measured speeds, overflows, runs that ran out of memory.

If the file is lost or damaged, it starts empty: this only costs another measurement or another run out of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.json_values import JsonObject, as_object
from engine.plan.hardware.facts import Device
from engine.plan.ladder import RUNGS, apply
from engine.plan.precision import replace_dtypes
from engine.requests import DTYPES, ExecutionPlan
from engine.storage.json_store import JsonStore


class LearnedFacts:
    """A JSON object in a file, read again for each query, because the page and the worker share it."""

    def __init__(self, path: Path) -> None:
        self._store = JsonStore(path, as_object, lambda value: value)

    def get(self, key: str) -> dict[str, Any]:
        """What was stored under ``key``, or an empty dict."""
        return self._store.read_or_empty().get(key, {})

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Store ``value`` under ``key``. A read-only folder is ignored, so that the image does not fail."""
        self.change(key, lambda stored: dict(value))

    def change(self, key: str, change: Callable[[dict[str, Any]], JsonObject]) -> None:
        """Replace the value under ``key``, or an empty dict, by the result of ``change``."""
        try:
            self._store.update(lambda stored: {key: change(stored.get(key, {}))})
        except OSError:
            return


def apply_learned(notes: LearnedFacts, checkpoint_hash: str, device: Device, plan: ExecutionPlan) -> ExecutionPlan:
    """``plan`` with what earlier runs of this checkpoint on this device learned: safer precisions and memory measures."""
    kept = notes.get(_key(checkpoint_hash, device))
    dtypes = {c: d for c, d in kept.get("dtypes", {}).items() if _is_safer(d, plan.dtype(c))}
    plan = replace_dtypes(plan, dtypes)
    for rung in RUNGS:
        wanted = rung.name in kept.get("measures", ()) and rung.name not in plan.measures
        if wanted and rung.usable(plan) and rung.name != "cpu":
            plan = apply(plan, rung)
    return plan


def learn(
    notes: LearnedFacts, checkpoint_hash: str, device: Device, *, dtypes: Mapping[str, str] | None = None, measure: str = ""
) -> None:
    """Store for :func:`apply_learned` that a checkpoint needed safer ``dtypes``, or that memory needed ``measure``."""

    def add(stored: dict[str, Any]) -> JsonObject:
        measures = [*stored.get("measures", ()), *([measure] if measure else [])]
        return {"dtypes": {**stored.get("dtypes", {}), **(dtypes or {})}, "measures": list(dict.fromkeys(measures))}

    notes.change(_key(checkpoint_hash, device), add)


def _key(checkpoint_hash: str, device: Device) -> str:
    return f"{checkpoint_hash} on {device.name or device.kind}"


def _is_safer(dtype: str, than: str) -> bool:
    return dtype in DTYPES and DTYPES.index(dtype) < DTYPES.index(than)
