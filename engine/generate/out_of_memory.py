"""Never a bare "out of memory": a run that memory ran out in takes the next measure of the plan's ladder, and goes on."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from engine.errors import DoesNotFit
from engine.events import Event, Notice, PictureSaved
from engine.generate.engine_state import EngineState
from engine.generate.estimate import on_cpu
from engine.generate.prepare import Prepared
from engine.plan import take_next_measure
from engine.plan.hardware.driver_errors import is_out_of_memory
from engine.plan.ladder import Rung
from engine.plan.learned import learn
from engine.requests import ExecutionPlan

Attempt = Callable[[Prepared], Iterator[Event]]
"""A run under one plan. Called again, it makes only the pictures that are not on disk yet."""

_WHILE = {
    "load": "while the checkpoint was loading",
    "encode": "while the prompt was read",
    "denoise": "in the middle of a step",
    "decode": "while the picture was decoded",
}


class MemoryShort(DoesNotFit):
    """Memory ran out in ``phase``: ``"load"``, ``"encode"``, ``"denoise"`` or ``"decode"``."""

    def __init__(self, phase: str) -> None:
        super().__init__(
            f"Memory ran out {_WHILE[phase]}, and nothing more can be given up. Close other programs, or choose a smaller "
            "size or a smaller checkpoint."
        )
        self.phase = phase

    @property
    def kind(self) -> str:
        """To the rest of Easel it is a request that does not fit."""
        return DoesNotFit.__name__


@contextmanager
def phase(name: str) -> Generator[None]:
    """Turns whatever says "out of memory" inside the block, torch, a driver or Python, into MemoryShort."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        short = MemoryShort(name)
    else:
        return
    # Raised outside of the handler: the error's traceback would keep alive the tensors that are in the way.
    raise short


def surviving(job: str, prepared: Prepared, state: EngineState, attempt: Attempt) -> Iterator[Event]:
    """The events of ``attempt(prepared)``; each time memory runs out in it, one rung down the ladder, said, remembered, and
    on from there. Raises MemoryShort when nothing is left to give up."""
    told: set[int] = set()
    while True:
        try:
            for event in attempt(prepared):
                if not (isinstance(event, PictureSaved) and event.picture in told):
                    yield event
                if isinstance(event, PictureSaved):
                    told.add(event.picture)
            return
        except MemoryShort as short:
            where = short.phase
            plan = prepared.resolved.plan
            lower = take_next_measure(plan, where, on_cpu(prepared.entry, plan, state.hardware))
            if lower is None:
                raise
        plan, rung = lower
        gc.collect()
        state.cache.release()
        learn(state.notes, prepared.entry.hash, state.hardware.device, measure=rung.name)
        yield Notice(job=job, text=notice(where, rung))
        prepared = _under(prepared, plan)


def notice(where: str, rung: Rung) -> str:
    """One line for the page about a step down."""
    return f"Memory ran out {_WHILE[where]}, so from now on {rung.words}."


def _under(prepared: Prepared, plan: ExecutionPlan) -> Prepared:
    return dataclasses.replace(prepared, resolved=dataclasses.replace(prepared.resolved, plan=plan), notices=())
