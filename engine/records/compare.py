"""“Why is it different?”: compares how an image was made, by its record, with how this machine would make it now."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from engine.requests import ExecutionPlan, Request, Resolved


@dataclass(frozen=True)
class Difference:
    """One difference. ``matters``: whether it can change the image; ``why`` is a sentence."""

    label: str
    then: str
    now: str
    matters: bool
    why: str


@dataclass(frozen=True)
class _Meaning:
    label: str
    matters: bool
    why: str


_ROUNDING = "Sums are rounded differently; fine detail can change, and now and then the whole picture does."
_UNKNOWN = _Meaning("", True, "It is not known what this changes.")

MEANINGS: Mapping[str, _Meaning] = {
    "checkpoint": _Meaning("Checkpoint", True, "Another checkpoint draws another picture."),
    "device": _Meaning("Device", True, _ROUNDING),
    "runs_on": _Meaning("Runs on", True, _ROUNDING),
    "dtypes": _Meaning("Precision", True, "Fewer digits are kept in every sum; detail changes, seldom the whole picture."),
    "attention": _Meaning("Attention", True, _ROUNDING),
    "torch": _Meaning("PyTorch", True, "Its kernels change between versions. " + _ROUNDING),
    "diffusers": _Meaning("diffusers", True, "Samplers are corrected between versions, which can change the picture."),
    "transformers": _Meaning("transformers", True, "The text encoder lives in it; differences are rare and small."),
    "compiler": _Meaning("Compiled by", True, "Compiled networks add up in another order. " + _ROUNDING),
    "extrapolates": _Meaning(
        "Steps without the network", True, "A speed left out layers before, and leaves out whole steps now."
    ),
    "batch_size": _Meaning("Pictures at once", True, _ROUNDING),
    "threads": _Meaning("Threads", True, "The CPU adds up in another order: " + _ROUNDING.lower()),
    "channels_last": _Meaning("Memory layout", True, _ROUNDING),
    "attention_upcast": _Meaning("Attention in full precision", True, _ROUNDING),
    "attention_scores": _Meaning("Attention in slices", True, _ROUNDING),
    "attention_backend": _Meaning("Attention backend", True, _ROUNDING),
    "vae_tile": _Meaning("Decoding in tiles", True, "Tiles are blended where they meet; colours can shift a little."),
    "repaint_tiles": _Meaning("Second pass in tiles", True, "Each tile is drawn without the rest of the picture."),
    "storage": _Meaning("Weights kept smaller", True, "Weights lose digits when they are kept in a smaller type."),
    "batch_limit": _Meaning("Most pictures at once", False, "It is an upper limit; how many ran at once is compared for itself."),
    "system": _Meaning("Operating system", False, "The same versions give the same picture in nearly all cases."),
    "python": _Meaning("Python", False, "It does no arithmetic on the picture."),
    "easel": _Meaning("Easel", False, "Everything that matters is in the request, which is the same."),
    "measures": _Meaning("Memory measures", False, "They change where data is stored, not what is computed."),
}
"""Name of a fact -> its label and the effect of a difference, the most important first."""

_NAMES = {"device": "runs_on", "checkpoint_hash": "checkpoint"}
"""Field of a record -> name of the fact, if they differ: the environment uses ``device`` for the chip."""

NOT_COMPARED = ("request", "plan", "environment", "checkpoint_sha256", "reasons")
"""Fields of a record that are equal by definition, compared part by part, or consequences of others."""


def list_facts(resolved: Resolved[Request]) -> dict[str, str]:
    """Name -> text for every field of a record that describes the machine, of its plan, and for its whole environment."""
    found = {**_list_fields(resolved), **_list_fields(resolved.plan)}
    return {**found, **resolved.environment}


def _list_fields(part: Resolved[Request] | ExecutionPlan) -> dict[str, str]:
    names = [field.name for field in dataclasses.fields(part) if field.name not in NOT_COMPARED]
    return {_NAMES.get(name, name): _to_text(vars(part)[name]) for name in names}


def differences(then: Resolved[Request], here: Resolved[Request]) -> list[Difference]:
    """What differs between the run of ``then`` and a run of ``here``, the differences that matter first.

    Of the environment, only facts in both records are compared.
    """
    before, now = list_facts(then), list_facts(here)
    found = [
        Difference(meaning.label or name, before[name] or "none", now[name] or "none", meaning.matters, meaning.why)
        for name in (*MEANINGS, *(name for name in before if name not in MEANINGS))
        for meaning in (MEANINGS.get(name, _UNKNOWN),)
        if name in before and name in now and before[name] != now[name]
    ]
    return sorted(found, key=lambda difference: not difference.matters)


def _to_text(value: str | float | tuple[str, ...] | Mapping[str, str]) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value[name]}" for name in sorted(value))
    return ", ".join(value) if isinstance(value, tuple) else str(value)
