"""What was learned on this machine, stored in a JSON file: measured speeds, overflows, runs that ran out of memory.

If the file is lost or damaged, it starts empty: this only costs another measurement or another run out of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from engine.json_values import JsonObject, JsonValue, as_object
from engine.plan.hardware.facts import Device
from engine.plan.ladder import RUNGS, apply
from engine.plan.precision import replace_dtypes
from engine.requests import DTYPES, ExecutionPlan
from engine.storage.json_store import JsonStore

MOST = 1e15
"""No time in seconds, no ratio of speeds and no number of bytes or pixels that was measured is larger."""


class LearnedFacts:
    """A JSON object in a file, read again for each query, because the page and the worker share it."""

    def __init__(self, path: Path) -> None:
        self._store = JsonStore(path, as_object, lambda value: value)

    def get(self, key: str) -> JsonObject:
        """What was stored under ``key``, or an empty dict. Its values may have any type: :func:`read_numbers` and the like
        leave out what is of another one."""
        return self._store.read_or_empty().get(key, {})

    def put(self, key: str, value: Mapping[str, JsonValue]) -> None:
        """Store ``value`` under ``key``. A read-only folder is ignored, so that the image does not fail."""
        self.change(key, lambda stored: dict(value))

    def change(self, key: str, change: Callable[[JsonObject], JsonObject]) -> None:
        """Replace the value under ``key``, or an empty dict, by the result of ``change``."""
        try:
            self._store.update(lambda stored: {key: change(stored.get(key, {}))})
        except OSError:
            return


def read_numbers(stored: Mapping[str, JsonValue]) -> dict[str, float]:
    """The entries that are numbers from 0 to :data:`MOST`; others are left out."""
    return {name: float(value) for name, value in stored.items() if is_number(value)}


def is_number(value: JsonValue) -> TypeGuard[int | float]:
    """Whether ``value`` is a number from 0 to :data:`MOST`."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST


def read_texts(value: JsonValue) -> list[str]:
    """The texts in a list; none for anything else."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def read_texts_by_name(value: JsonValue) -> dict[str, str]:
    """The texts in an object; none for anything else."""
    return {name: each for name, each in value.items() if isinstance(each, str)} if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Circumstance:
    """The size of an image in ``pixels``, and the bytes of memory that were ``free`` for it."""

    pixels: int
    free: int

    def repeats(self, earlier: JsonValue) -> bool:
        """Whether memory will run out as it did in ``earlier``: for an image as large, with no more memory."""
        stored = read_numbers(earlier) if isinstance(earlier, dict) else {}
        return "free" in stored and self.pixels >= stored.get("pixels", 0) and self.free <= stored["free"] * AS_MUCH


AS_MUCH = 1.05
"""Up to this many times as much memory is as much."""

PLENTY = Circumstance(pixels=0, free=2**62)
"""A circumstance in which memory has never run out."""


def apply_learned(
    notes: LearnedFacts, checkpoint_hash: str, device: Device, plan: ExecutionPlan, now: Circumstance | None = None
) -> ExecutionPlan:
    """``plan`` with what earlier runs of this checkpoint on this device learned: safer precisions, and the memory measures that
    were needed for an image of the size of ``now`` with as little memory. None takes all measures."""
    kept = notes.get(_key(checkpoint_hash, device))
    shortages = kept.get("shortages")
    known = shortages if isinstance(shortages, dict) else {}
    dtypes = {c: d for c, d in read_texts_by_name(kept.get("dtypes")).items() if _is_safer(d, plan.dtype(c))}
    plan, measures = replace_dtypes(plan, dtypes), read_texts(kept.get("measures"))
    for rung in RUNGS:
        again = now is None or now.repeats(known.get(rung.name))
        wanted = again and rung.name in measures and rung.name not in plan.measures
        if wanted and rung.usable(plan) and rung.name != "cpu" and not rung.refined:
            plan = apply(plan, rung)
    return plan


def learn(
    notes: LearnedFacts, checkpoint_hash: str, device: Device, *, dtypes: Mapping[str, str] | None = None, measure: str = "",
    then: Circumstance | None = None,
) -> None:  # fmt: skip
    """Store for :func:`apply_learned` that a checkpoint needed safer ``dtypes``, or that memory needed ``measure`` ``then``."""

    def add(stored: JsonObject) -> JsonObject:
        measures = [*read_texts(stored.get("measures")), *([measure] if measure else [])]
        shortages = stored.get("shortages")
        known: JsonObject = dict(shortages) if isinstance(shortages, dict) else {}
        if measure and then is not None:
            known[measure] = {"pixels": then.pixels, "free": then.free}
        return {
            "shortages": known,
            "dtypes": {**read_texts_by_name(stored.get("dtypes")), **(dtypes or {})},
            "measures": [*dict.fromkeys(measures)],
        }

    notes.change(_key(checkpoint_hash, device), add)


def _key(checkpoint_hash: str, device: Device) -> str:
    return f"{checkpoint_hash} on {device.name or device.kind}"


def _is_safer(dtype: str, than: str) -> bool:
    return dtype in DTYPES and DTYPES.index(dtype) < DTYPES.index(than)
