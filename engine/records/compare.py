"""“Why is it different?”: what a picture's record says about how it was made, against this machine now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.requests import Request, Resolved


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was. ``matters`` says whether it can change the picture, ``why`` in words."""

    field: str
    then: str
    now: str
    matters: bool
    why: str


@dataclass(frozen=True)
class _Part:
    label: str
    matters: bool
    why: str


_ROUNDING = "Sums are rounded differently; fine detail can change, and now and then the whole picture does."
_OTHER = _Part("", True, "It is not known what this changes.")

_PARTS: dict[str, _Part] = {
    "checkpoint": _Part("Checkpoint", True, "Another checkpoint draws another picture."),
    "device": _Part("Device", True, _ROUNDING),
    "runs_on": _Part("Runs on", True, _ROUNDING),
    "dtypes": _Part("Precision", True, "Fewer digits are kept in every sum; detail changes, seldom the whole picture."),
    "attention": _Part("Attention", True, _ROUNDING),
    "torch": _Part("PyTorch", True, "Its kernels change between versions. " + _ROUNDING),
    "diffusers": _Part("diffusers", True, "Samplers are mended between versions, which can change the picture."),
    "transformers": _Part("transformers", True, "The text encoder lives in it; differences are rare and small."),
    "batch_size": _Part("Pictures at once", True, _ROUNDING),
    "threads": _Part("Threads", True, "The CPU adds up in another order: " + _ROUNDING.lower()),
    "channels_last": _Part("Memory layout", True, _ROUNDING),
    "attention_upcast": _Part("Attention in full precision", True, _ROUNDING),
    "vae_tile": _Part("Decoding in tiles", True, "Tiles are blended where they meet; colours can shift a little."),
    "storage": _Part("Weights kept smaller", True, "Weights lose digits when they are kept in a smaller type."),
    "system": _Part("Operating system", False, "The same versions give the same picture in nearly all cases."),
    "python": _Part("Python", False, "It does no arithmetic on the picture."),
    "easel": _Part("Easel", False, "What counts is in the request, which is the same."),
    "measures": _Part("Memory measures", False, "They change where things lie, not what is computed."),
}
"""Name of a fact -> how to call it and what comes of a difference, the weightiest first."""


def facts(resolved: Resolved[Request]) -> dict[str, str]:
    """What a record says about the machine, as plain texts by the names that :func:`differences` compares.

    The plan that a run would have here now, as a Resolved, gives ``here``.
    """
    plan = resolved.plan
    found = {
        "runs_on": plan.device,
        "dtypes": _pairs(plan.dtypes),
        "channels_last": str(plan.channels_last),
        "attention_upcast": str(plan.attention_upcast),
        "vae_tile": str(plan.vae_tile),
        "storage": _pairs(plan.storage),
        "measures": ", ".join(plan.measures),
        "threads": str(resolved.threads),
        "batch_size": str(resolved.batch_size),
        "checkpoint": resolved.checkpoint_hash,
    }
    return {**found, **resolved.environment}


def differences(resolved: Resolved[Request], here: Mapping[str, str]) -> list[Difference]:
    """What is not the same ``here`` as when ``resolved`` was run, what matters first.

    ``here`` is made by :func:`facts`, or holds only some of its names: what it leaves out is not compared.
    """
    then = facts(resolved)
    found = [
        Difference(part.label or name, then.get(name) or "none", here[name] or "none", part.matters, part.why)
        for name in (*_PARTS, *(n for n in then if n not in _PARTS))
        for part in (_PARTS.get(name, _OTHER),)
        if name in then and name in here and then[name] != here[name]
    ]
    return sorted(found, key=lambda difference: not difference.matters)


def _pairs(named: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {named[name]}" for name in sorted(named))
