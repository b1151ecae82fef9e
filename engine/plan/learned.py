"""Small things that were learnt on this machine and are kept in a JSON file: speeds that were measured, overflows, full memory.

A file that is lost or damaged costs one more measurement or one more fall down the ladder, so it is then begun anew.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.plan.hardware.facts import Device
from engine.plan.ladder import RUNGS, apply
from engine.plan.precision import with_dtypes
from engine.requests import DTYPES, ExecutionPlan


class Notes:
    """A JSON object in a file, read anew at each question: the page and the worker look at the same one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> dict[str, Any]:
        """What was written under ``key``, or an empty dict."""
        return self._read().get(key, {})

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Write ``value`` under ``key``, whole or not at all. A folder that is read-only is no reason to fail a picture."""
        try:
            self._write({**self._read(), key: dict(value)})
        except OSError:
            return

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            written = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {k: v for k, v in written.items() if isinstance(v, dict)} if isinstance(written, dict) else {}

    def _write(self, everything: Mapping[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        folder = self._path.parent
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False, encoding="utf-8") as file:
            json.dump(everything, file, indent=1, sort_keys=True)
        os.replace(file.name, self._path)


def learnt(notes: Notes, checkpoint_hash: str, device: Device, plan: ExecutionPlan) -> ExecutionPlan:
    """``plan`` with what earlier runs of this checkpoint on this device taught: safer precisions and memory measures."""
    kept = notes.get(_key(checkpoint_hash, device))
    dtypes = {c: d for c, d in kept.get("dtypes", {}).items() if _is_safer(d, plan.dtype(c))}
    plan = with_dtypes(plan, dtypes)
    for rung in RUNGS:
        wanted = rung.name in kept.get("measures", ()) and rung.name not in plan.measures
        if wanted and rung.usable(plan) and rung.name != "cpu":
            plan = apply(plan, rung)
    return plan


def learn(
    notes: Notes, checkpoint_hash: str, device: Device, *, dtypes: Mapping[str, str] | None = None, measure: str = ""
) -> None:
    """Keep for :func:`learnt` that components of a checkpoint needed safer ``dtypes``, or that memory needed ``measure``."""
    key = _key(checkpoint_hash, device)
    kept = notes.get(key)
    measures = [*kept.get("measures", ()), *([measure] if measure else [])]
    notes.put(key, {"dtypes": {**kept.get("dtypes", {}), **(dtypes or {})}, "measures": list(dict.fromkeys(measures))})


def _key(checkpoint_hash: str, device: Device) -> str:
    return f"{checkpoint_hash} on {device.name or device.kind}"


def _is_safer(dtype: str, than: str) -> bool:
    return dtype in DTYPES and DTYPES.index(dtype) < DTYPES.index(than)
