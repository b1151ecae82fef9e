"""An image put into words. The phases of a job, from top to bottom."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from engine.checkpoints.captioners.find import find_captioner, is_tagger
from engine.checkpoints.captioners.identify_captioner import KIND
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import DoesNotFit
from engine.events import Described, Event, Loading, Notice
from engine.generate.caption.captioner import Captioner
from engine.generate.caption.tagger import open_tagger
from engine.generate.caption.writer import open_writer
from engine.generate.engine_state import EngineState, environment
from engine.generate.estimate import choose_precision
from engine.plan import Tolerance, choose, find_budget
from engine.plan.memory import BYTES, format_bytes
from engine.records.blobs import Blobs
from engine.records.images.open_image import open_image
from engine.requests import DTYPES, DescribeImage, ExecutionPlan, Resolved, ResolvedDescribeImage, check, complete_description
from engine.stopping import Stop

WORKING = 2**28
"""Bytes beside the weights that are left for the numbers of an image."""

_TRAITS = Tolerance(name="captioner", dtypes={KIND: DTYPES})


def run(job: str, asked: DescribeImage, state: EngineState, stop: Stop) -> Iterator[Event]:
    """Describe the image of one job. Raises EaselError for what cannot be done, and CancelledError soon after ``stop`` is set."""
    # 1. The captioner and the image; raise now if either cannot be used.
    check(asked)
    entry = find_captioner(asked.captioner, state.catalogue.scan())
    opened = open_image(Blobs(state.settings.data / "blobs").path(asked.image))
    yield from (Notice(job=job, text=text) for text in opened.notices)

    # 2. Where it runs, and whether it fits.
    yield Loading(job=job, checkpoint=entry.name, text=f"Loading {entry.name}")
    if is_tagger(entry):
        captioner = open_tagger(entry, stop)
    else:
        plan = _make_room(entry, _plan(entry, asked, state), state)
        captioner = open_writer(entry, plan, stop)
    yield from (Notice(job=job, text=text) for text in captioner.notices)

    # 3. The words.
    yield Loading(job=job, checkpoint=entry.name, text=f"{entry.name} looks at the picture")
    words = captioner.describe(opened.colours, asked.threshold)
    stop.raise_if_set()
    yield Described(job=job, words=words, resolved=_resolve(asked, entry, captioner, state))


def _plan(entry: CheckpointEntry, asked: DescribeImage, state: EngineState) -> ExecutionPlan:
    """The device and the precision: those of the machine, or the processor where the device has not the memory."""
    wanted, measured = choose_precision(asked, state.circumstances), state.measured
    plan = choose(state.hardware, _TRAITS, overrule=wanted, measured=measured)
    room = state.budget
    if plan.device != "cpu" and room.device is not None and _need(entry, plan) > room.device:
        processor = next(device for device in state.hardware.devices if device.kind == "cpu")
        plan = choose(dataclasses.replace(state.hardware, device=processor), _TRAITS, overrule=wanted)
        plan = dataclasses.replace(plan, reasons=("It runs on the processor: the device has too little memory.", *plan.reasons))
    need = _need(entry, plan)
    if plan.device == "cpu" and room.ram is not None and need > room.ram:
        raise DoesNotFit(
            f"“{entry.name}” needs about {format_bytes(need)} of memory, and {format_bytes(room.ram)} are free. "
            "Close other programs, or choose a smaller captioner."
        )
    return dataclasses.replace(plan, compiler="")


def _make_room(entry: CheckpointEntry, plan: ExecutionPlan, state: EngineState) -> ExecutionPlan:
    """``plan``, once there is memory for it: checkpoints that wait in it for their next image are unloaded where they fill it."""
    free = find_budget(state.hardware).device
    if plan.device != "cpu" and free is not None and _need(entry, plan) > free:
        state.cache.release()
    return plan


def _need(entry: CheckpointEntry, plan: ExecutionPlan) -> int:
    return sum(entry.parameters.values()) * BYTES[plan.dtype(KIND)] + WORKING


def _resolve(
    asked: DescribeImage, entry: CheckpointEntry, captioner: Captioner, state: EngineState
) -> Resolved[ResolvedDescribeImage]:
    device = state.hardware.device
    return Resolved(
        request=complete_description(asked, captioner=entry.name), plan=captioner.plan, threads=state.threads,
        checkpoint_hash=entry.hash,
        environment={**environment(device.name or device.kind), **captioner.environment},
    )  # fmt: skip
