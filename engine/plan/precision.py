"""Which precision each part of a checkpoint runs in on this machine, by the table of hardware and the checkpoint's family."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.plan.hardware.facts import Hardware
from engine.plan.precision_table import BRAIN, FULL, HALF, Row, find_row
from engine.requests import DTYPES, ExecutionPlan
from engine.requests.resolved import MOST_SCORES

SLICED_SCORES = 2**26
"""Scores of attention at once where all of them are held, twice: 256 MB in 16 bits. More slices gain no memory that counts."""

MUST_GAIN = 1.1
"""A lower precision is "faster" when it is at least this many times as fast as float32: less is not worth its error."""

CHANNELS_LAST = "channels_last"
"""What is measured of the layout in which convolutions are computed, beside precisions and libraries."""


class PrecisionTraits(Protocol):
    """What the plan needs to know about a checkpoint's family; a row of the families table is one.

    ``dtypes``: for each component, the precisions in which its output is correct. ``attention_upcast_in_fp16``: whether its
    attention overflows in float16 and must be computed in float32 there.
    """

    @property
    def name(self) -> str: ...
    @property
    def dtypes(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def attention_upcast_in_fp16(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """A plain :class:`PrecisionTraits`."""

    name: str
    dtypes: Mapping[str, tuple[str, ...]]
    attention_upcast_in_fp16: bool = False


def choose(
    hardware: Hardware, family: PrecisionTraits, *, overrule: str = "auto", measured: Mapping[str, float] | None = None
) -> ExecutionPlan:
    """How a checkpoint of ``family`` runs on ``hardware.device``.

    ``overrule`` is the user's choice (``"auto"`` or one of DTYPES), used for every component that supports it.
    ``measured`` is what was measured on this device: how many times as fast as float32 a precision is, as torch a library, and
    :data:`CHANNELS_LAST` as the other layout. What is not in it counts as faster, where the table does not say otherwise.
    """
    measured = measured or {}
    row = find_row(hardware)
    insisted, why_not = _choose_requested(row, overrule)
    order, why_order = _order_by_gain(row, measured)
    orders = {c: _order(row, c, order, family, insisted) for c in family.dtypes}
    dtypes = {c: next((d for d in orders[c] if d in family.dtypes[c]), FULL) for c in family.dtypes}
    overflows = row.upcast or family.attention_upcast_in_fp16
    compiler = find_compiler(hardware, measured)
    return ExecutionPlan(
        device=hardware.device.torch,
        dtypes=dtypes,
        channels_last=row.channels_last and measured.get(CHANNELS_LAST, 1.0) >= 1,
        attention_scores=MOST_SCORES if row.fused_attention else SLICED_SCORES,
        attention_upcast=overflows and dtypes.get("transformer", dtypes.get("unet")) == HALF,
        reasons=(
            f"{row.name}: {row.reason}",
            *why_not,
            *why_order,
            *_exceptions(orders, dtypes),
            *_explain_compiler(hardware, measured),
        ),
        compiler=compiler,
    )


def find_compiler(hardware: Hardware, measured: Mapping[str, float]) -> str:
    """The installed library that computes networks on ``hardware.device``; "" for torch, also where that was measured to be
    faster."""
    compiler = find_row(hardware).compiler
    return compiler if compiler in hardware.extras and measured.get(compiler, 1.0) >= 1 else ""


def raise_precision(plan: ExecutionPlan, component: str, hardware: Hardware, family: PrecisionTraits) -> ExecutionPlan | None:
    """``plan`` with ``component`` in the next safer precision after values overflowed, or None if it is in float32 already."""
    further = find_safer_dtype(plan.dtype(component), component, hardware, family)
    return replace_dtypes(plan, {component: further}) if further else None


def find_safer_dtype(now: str, component: str, hardware: Hardware, family: PrecisionTraits) -> str | None:
    """The next safer precision than ``now`` that ``component`` and ``hardware`` support; None after float32."""
    usable = (*find_row(hardware).order(component), FULL)  # emulated bfloat16 is slow, and takes far more memory in convolutions
    safe = [d for d in (BRAIN, FULL) if d in usable and d in (*family.dtypes.get(component, ()), FULL)]
    return next((d for d in safe if DTYPES.index(d) < DTYPES.index(now)), None)


def replace_dtypes(plan: ExecutionPlan, dtypes: Mapping[str, str]) -> ExecutionPlan:
    """``plan`` with some components in other precisions: for what was learned about one checkpoint."""
    changed = {c: d for c, d in dtypes.items() if plan.dtype(c) != d}
    reasons = [
        f"{describe_component(c)} runs in {d}: in {plan.dtype(c)} this checkpoint gave invalid numbers."
        for c, d in changed.items()
    ]
    return dataclasses.replace(plan, dtypes={**plan.dtypes, **changed}, reasons=(*plan.reasons, *reasons))


def describe_component(component: str) -> str:
    """A component's name at the start of a sentence."""
    return _WORDS.get(component, f"The part {component!r}")


_WORDS = {
    "unet": "The denoiser (UNet)",
    "transformer": "The denoiser (transformer)",
    "vae": "The decoder (VAE)",
    "text_encoder": "The text encoder",
    "text_encoder_2": "The second text encoder",
    "text_encoder_3": "The third text encoder (T5)",
    "depth_estimator": "The depth estimator",
}


def _choose_requested(row: Row, overrule: str) -> tuple[str, tuple[str, ...]]:
    """The user's precision if the hardware supports it, else the nearest safer one, and a sentence about it."""
    if overrule == "auto":
        return "", ()
    if overrule in row.works:
        return overrule, (f"You asked for {overrule}.",)
    return FULL, (f"You asked for {overrule}, which does not work on this hardware; float32 is used.",)


def _order_by_gain(row: Row, measured: Mapping[str, float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The row's precisions in the measured order, and a sentence about it."""
    if not row.if_faster:
        return row.dtypes, ()
    without = tuple(d for d in row.dtypes if d != row.if_faster)
    gain = measured.get(row.if_faster)
    if gain is None:
        return (row.dtypes if row.unmeasured else without), ()
    sentence = f"Measured here: {row.if_faster} is {gain:.1f} times as fast as float32."
    return (row.dtypes if gain >= MUST_GAIN else without), (sentence,)


def _order(row: Row, component: str, order: tuple[str, ...], family: PrecisionTraits, insisted: str) -> tuple[str, ...]:
    """Precisions to try for a component, the best first."""
    if insisted:
        # Emulated bfloat16 takes gigabytes more in one layer of a decoder, so only who asks for it gets it.
        return (insisted, *(d for d in (BRAIN, FULL) if DTYPES.index(d) < DTYPES.index(insisted) and d in (*row.dtypes, FULL)))
    mine = tuple(d for d in row.order(component) if d in (*order, FULL))
    overflows = {"unet": family.attention_upcast_in_fp16, "transformer": row.upcast}  # a transformer's is not computed in float32
    if overflows.get(component) and BRAIN in mine:
        return (BRAIN, *(d for d in mine if d != BRAIN))
    return mine


def _explain_compiler(hardware: Hardware, measured: Mapping[str, float]) -> list[str]:
    """Why a library computes the networks, or does not though it is installed."""
    compiler = find_row(hardware).compiler
    if compiler not in hardware.extras:
        return []
    gain = measured.get(compiler)
    compared = "" if gain is None else f" Measured here: it is {gain:.2f} times as fast as torch."
    done = "computes" if find_compiler(hardware, measured) else "is installed but does not compute"
    return [f"The library {compiler} {done} the networks on this processor.{compared}"]


def _exceptions(orders: Mapping[str, tuple[str, ...]], dtypes: Mapping[str, str]) -> list[str]:
    """A sentence for each component that does not run in the preferred precision."""
    return [
        f"{describe_component(c)} runs in {dtypes[c]}: this kind of checkpoint does not work in {order[0]} there."
        for c, order in orders.items()
        if dtypes[c] != order[0]
    ]
