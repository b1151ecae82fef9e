"""When a run is short of memory, it takes the next measure of the plan's ladder and continues."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import DoesNotFit
from engine.generate.engine_state import EngineState
from engine.generate.estimate import find_cpu_plan
from engine.generate.prepare import Prepared
from engine.plan import take_next_measure
from engine.plan.hardware.driver_errors import is_out_of_memory
from engine.plan.ladder import Rung
from engine.plan.learned import learn
from engine.requests import ExecutionPlan

_PHASES = {
    "load": "while the checkpoint was loading",
    "encode": "while the prompt was read",
    "denoise": "in the middle of a step",
    "decode": "while the picture was decoded",
}


class MemoryShort(DoesNotFit):
    """Memory ran out in ``phase``: ``"load"``, ``"encode"``, ``"denoise"`` or ``"decode"``.

    Its kind is that of a request that does not fit.
    """

    kind = DoesNotFit.__name__

    def __init__(self, phase: str) -> None:
        super().__init__(
            f"Memory ran out {_PHASES[phase]}, and no further measure can save any. Close other programs, or choose a smaller "
            "size or a smaller checkpoint."
        )
        self.phase = phase


@contextmanager
def phase(name: str) -> Generator[None]:
    """Turns out-of-memory errors of torch, a driver or Python inside the block into MemoryShort."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        short = MemoryShort(name)
    else:
        return
    # Raised outside of the handler: the error's traceback would keep tensors alive that need to be freed.
    raise short


@dataclass(frozen=True)
class Relief:
    """The next rung of the ladder for a run that is short of memory. Holds none of the run's tensors."""

    phase: str
    plan: ExecutionPlan
    rung: Rung

    @property
    def notice(self) -> str:
        """A sentence for the page."""
        return f"Memory ran out {_PHASES[self.phase]}, so from now on {self.rung.words}."


def find_relief(short: MemoryShort, prepared: Prepared, state: EngineState) -> Relief:
    """The next memory measure for the run. Raises ``short`` if none is left."""
    plan = prepared.resolved.plan
    lower = take_next_measure(plan, short.phase, find_cpu_plan(prepared.entry, plan, state.hardware))
    if lower is None:
        raise short
    return Relief(short.phase, *lower)


def apply_relief(relief: Relief, prepared: Prepared, state: EngineState) -> Prepared:
    """Free memory, store the measure for the next runs of this checkpoint, and return the plan with it."""
    gc.collect()
    state.cache.release()
    learn(state.notes, prepared.entry.hash, state.hardware.device, measure=relief.rung.name)
    return dataclasses.replace(prepared, resolved=dataclasses.replace(prepared.resolved, plan=relief.plan), notices=())


@contextmanager
def swap_in_text_encoders(loaded: LoadedCheckpoint, plan: ExecutionPlan) -> Generator[None]:
    """If the plan offloads text encoders, move them to the device and the other components to RAM inside the block, and back
    after it."""
    if "text_encoders_out" not in plan.measures:
        yield
        return
    encoders = loaded.text_encoder, loaded.text_encoder_2
    others = (loaded.vae,) if "unet_offload" in plan.measures else (loaded.unet, loaded.vae)
    _move(others, "cpu")
    _move(encoders, plan.device)
    try:
        yield
    finally:
        _move(encoders, "cpu")
        _move(others, plan.device)


def _move(networks: Iterable[torch.nn.Module | None], device: str) -> None:
    for network in networks:
        if network is not None:
            network.to(device)
