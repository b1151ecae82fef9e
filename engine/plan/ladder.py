"""The measures that save memory, in order, as a table; and the largest size that fits when none is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import DoesNotFit
from engine.plan.memory import Budget, Prediction, Work, format_bytes, predict
from engine.requests import ExecutionPlan
from engine.requests.resolved import T5_OUT

Usable = Callable[[ExecutionPlan], bool]

STEP = 64
"""Sizes that are offered are multiples of this many pixels."""


def _always(_plan: ExecutionPlan) -> bool:
    return True


def _on_card(plan: ExecutionPlan) -> bool:
    return plan.device != "cpu"


def _has_own_memory(plan: ExecutionPlan) -> bool:
    return plan.has_own_memory


def _holds_full_precision(plan: ExecutionPlan) -> bool:
    return plan.dtype(plan.denoiser) == "float32" and plan.denoiser not in plan.storage


def _is_compiled(plan: ExecutionPlan) -> bool:
    return plan.compiler != ""


def _can_store_bytes(plan: ExecutionPlan) -> bool:
    return plan.device != "mps"


def _has_t5(plan: ExecutionPlan) -> bool:
    return "text_encoder_3" in plan.dtypes and T5_OUT not in plan.measures


def _can_store_t5_in_bytes(plan: ExecutionPlan) -> bool:
    return _has_t5(plan) and _can_store_bytes(plan)


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One measure. ``changes`` are fields of the plan; ``eases`` the phases in which it saves memory; ``words`` tell the user.
    ``stores``: a component, or ``"denoiser"``, and the dtype that its weights are kept in.

    ``exact`` says whether the image stays the same up to rounding. ``refined``: only for runs in which a refiner takes over,
    ``enlarged``: only for those of two passes.
    """

    name: str
    words: str
    eases: frozenset[str]
    changes: Mapping[str, Any] = field(default_factory=dict)
    stores: tuple[str, str] | None = None
    usable: Usable = _always
    exact: bool = True
    refined: bool = False
    enlarged: bool = False


LOAD, ENCODE, DENOISE, DECODE = "load", "encode", "denoise", "decode"

RUNGS: tuple[Rung, ...] = (
    Rung(
        name="not_compiled",
        eases=frozenset({LOAD, ENCODE, DENOISE, DECODE}),
        changes={"compiler": ""},
        usable=_is_compiled,
        words="the networks run as they are and not compiled, which takes more memory",
    ),
    Rung(
        name="text_encoders_out",
        eases=frozenset({LOAD, ENCODE, DENOISE, DECODE}),
        usable=_has_own_memory,
        words="the text encoders leave the card once the prompt is read",
    ),
    Rung(
        name="experts_in_turn",
        eases=frozenset({LOAD, ENCODE, DENOISE, DECODE}),
        usable=_has_own_memory,
        refined=True,
        words="the denoiser and the refiner take turns on the card",
    ),
    Rung(
        name="vae_tiles",
        eases=frozenset({DECODE}),
        changes={"vae_tile": 512},
        exact=False,
        words="the picture is decoded in tiles of 512 pixels",
    ),
    Rung(
        name="vae_small_tiles",
        eases=frozenset({DECODE}),
        changes={"vae_tile": 256},
        exact=False,
        words="the picture is decoded in tiles of 256 pixels",
    ),
    Rung(
        name="repaint_tiles",
        eases=frozenset({DENOISE}),
        changes={"repaint_tiles": True},
        exact=False,
        enlarged=True,
        words="the larger pass is repainted in tiles",
    ),
    Rung(
        name="batch_split",
        eases=frozenset({DENOISE, DECODE}),
        changes={"batch_limit": 1},
        words="pictures are made one at a time",
    ),
    Rung(
        name="unet_half_storage",
        eases=frozenset({LOAD, DENOISE, DECODE}),
        stores=("denoiser", "float16"),
        usable=_holds_full_precision,
        words="the denoiser's weights are kept in 16 bits and widened layer by layer",
    ),
    Rung(
        name="text_encoder_3_byte_storage",
        eases=frozenset({LOAD, ENCODE, DENOISE, DECODE}),
        stores=("text_encoder_3", "float8_e4m3fn"),
        usable=_can_store_t5_in_bytes,
        exact=False,
        words="the weights of the text encoder T5 are kept in 8 bits and widened layer by layer",
    ),
    Rung(
        name="unet_byte_storage",
        eases=frozenset({LOAD, DENOISE, DECODE}),
        stores=("denoiser", "float8_e4m3fn"),
        usable=_can_store_bytes,
        exact=False,
        words="the denoiser's weights are kept in 8 bits and widened layer by layer",
    ),
    Rung(
        name=T5_OUT,
        eases=frozenset({LOAD, ENCODE, DENOISE, DECODE}),
        usable=_has_t5,
        exact=False,
        words="the text encoder T5 is left out, so long sentences and lettering are followed less closely",
    ),
    Rung(
        name="unet_offload",
        eases=frozenset({LOAD, DENOISE, DECODE}),
        usable=_has_own_memory,
        words="the denoiser's layers come to the card one by one, which is about three times slower",
    ),
    Rung(
        name="cpu",
        eases=frozenset({LOAD, ENCODE, DENOISE, DECODE}),
        usable=_on_card,
        words="the CPU takes over, which is much slower",
    ),
)
"""From the cheapest measure to the most expensive; each rung keeps those above it."""


def take_next_measure(
    plan: ExecutionPlan, phase: str, on_cpu: ExecutionPlan | None = None, *, refined: bool = False, enlarged: bool = False
) -> tuple[ExecutionPlan, Rung] | None:
    """The next measure after memory ran out in ``phase`` (``"load"``, ``"encode"``, ``"denoise"``, ``"decode"``), or None.

    ``on_cpu`` is the plan that the last rung changes to; without one that rung is not offered. ``refined``: a refiner takes
    over in this run; ``enlarged``: it has two passes.
    """
    rung = next((r for r in RUNGS if phase in r.eases and _open(r, plan, on_cpu, refined, enlarged)), None)
    return (apply(plan, rung, on_cpu), rung) if rung else None


def find_lighter_plan(
    plan: ExecutionPlan, work: Work, room: Budget, on_cpu: ExecutionPlan | None = None
) -> tuple[ExecutionPlan, Prediction]:
    """The first plan down the ladder that is predicted to fit, or the one that needs least if none does.

    Measures that save nothing for this work are skipped.
    """
    predicted = predict(work, plan)
    while not room.holds(predicted):
        lighter = (apply(plan, rung, on_cpu) for rung in RUNGS if _open(rung, plan, on_cpu, work.is_refined, work.tile > 0))
        better = ((each, predict(work, each)) for each in lighter)
        found = next((pair for pair in better if _eases(predicted, pair[1], room)), None)
        if found is None:
            break
        plan, predicted = found
    return plan, predicted


def lower_peak(plan: ExecutionPlan, work: Work, on_cpu: ExecutionPlan | None = None) -> ExecutionPlan:
    """``plan`` with the first further measure that lowers the predicted peak of ``work``; unchanged if none does. Used after
    the system killed an attempt for lack of memory, when it is unknown how much was missing.
    """
    most = _all(predict(work, plan))
    lower = (apply(plan, rung, on_cpu) for rung in RUNGS if _open(rung, plan, on_cpu, work.is_refined, work.tile > 0))
    return next((each for each in lower if _all(predict(work, each)) < most), plan)


def apply(plan: ExecutionPlan, rung: Rung, on_cpu: ExecutionPlan | None = None) -> ExecutionPlan:
    """``plan`` with one more measure, and a sentence on it."""
    reasons = (*plan.reasons, f"Memory is short: {rung.words}.")
    if rung.name == "cpu" and on_cpu is not None:
        return dataclasses.replace(on_cpu, measures=(rung.name,), reasons=(*reasons, *on_cpu.reasons))
    return dataclasses.replace(
        plan, measures=(*plan.measures, rung.name), reasons=reasons, storage=_store(plan, rung), **rung.changes
    )


def _store(plan: ExecutionPlan, rung: Rung) -> Mapping[str, str]:
    """The plan's storage dtypes with those of a measure."""
    if rung.stores is None:
        return plan.storage
    component, dtype = rung.stores
    return {**plan.storage, plan.denoiser if component == "denoiser" else component: dtype}


def largest_size(work: Work, plan: ExecutionPlan, room: Budget, on_cpu: ExecutionPlan | None = None) -> tuple[int, int] | None:
    """The largest size (width, height) of the same shape that fits with every measure taken, or None if not even 64 pixels do."""
    low, high = 0, max(work.width, work.height) // STEP + 1
    while high - low > 1:
        middle = (low + high) // 2
        width, height = _scale(work, middle * STEP)
        fits = room.holds(find_lighter_plan(plan, dataclasses.replace(work, width=width, height=height), room, on_cpu)[1])
        low, high = (middle, high) if fits else (low, middle)
    return _scale(work, low * STEP) if low else None


def fit_plan(
    work: Work, plan: ExecutionPlan, room: Budget, on_cpu: ExecutionPlan | None = None
) -> tuple[ExecutionPlan, Prediction]:
    """The plan to run ``work`` with, measures included, and what it will need.

    Raises DoesNotFit, with the size that would fit, if no measure makes room for it.
    """
    best, predicted = find_lighter_plan(plan, work, room, on_cpu)
    if room.holds(predicted):
        return best, predicted
    need, free = _short_of(predicted, room)
    least = largest_size(dataclasses.replace(work, batch=1), plan, room, on_cpu)
    if least is None:
        raise DoesNotFit(
            f"This checkpoint needs about {format_bytes(need)} of memory even with every saving measure, "
            f"and {format_bytes(free)} are free. Close other programs, or choose a smaller checkpoint."
        )
    raise DoesNotFit(
        f"{work.width} x {work.height} pixels need about {format_bytes(need)} of memory, and {format_bytes(free)} are free. "
        f"{least[0]} x {least[1]} would fit."
    )


def _open(rung: Rung, plan: ExecutionPlan, on_cpu: ExecutionPlan | None, refined: bool, enlarged: bool) -> bool:
    """Whether a measure can be taken and is not taken yet."""
    if rung.name in plan.measures or not rung.usable(plan) or (rung.refined and not refined) or (rung.enlarged and not enlarged):
        return False
    return rung.name != "cpu" or on_cpu is not None


def _eases(before: Prediction, after: Prediction, room: Budget) -> bool:
    """Whether a measure lowers the need for the memory that is short, or moves the work to a device with room."""
    if room.holds(after):
        return True
    if before.peak_device and not after.peak_device:
        return True
    if before.peak_device and room.device is not None and before.peak_device > room.device:
        return after.peak_device < before.peak_device
    return _all(after) < _all(before)


def _all(prediction: Prediction) -> int:
    """Peak bytes, on the device and in RAM together."""
    return prediction.peak_ram + prediction.peak_device


def _scale(work: Work, side: int) -> tuple[int, int]:
    """The size with the same shape whose longer side is ``side``."""
    longer = max(work.width, work.height)
    width, height = (max(STEP, round(s * side / longer / STEP) * STEP) for s in (work.width, work.height))
    return width, height


def _short_of(predicted: Prediction, room: Budget) -> tuple[int, int]:
    """(needed, free) bytes of the memory that is short."""
    if room.device is not None and predicted.peak_device > room.device:
        return predicted.peak_device, room.device
    return predicted.peak_ram + (predicted.peak_device if room.together else 0), room.ram or 0
