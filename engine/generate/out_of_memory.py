"""When a run is short of memory, it takes the next measure of the plan's ladder and continues."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

from engine.checkpoints.loaded import LoadedCheckpoint, bytes_of
from engine.errors import DoesNotFit
from engine.generate.engine_state import EngineState
from engine.generate.estimate import circumstance_of, find_cpu_plan
from engine.generate.prepare import Prepared
from engine.plan import take_next_measure
from engine.plan.hardware.driver_errors import is_out_of_memory
from engine.plan.hardware.probe import read_reusable_bytes
from engine.plan.ladder import Rung
from engine.plan.learned import learn
from engine.plan.memory import SCRATCH_ON_DEVICE
from engine.prompt.encoding.text_encoders import Guard
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
    on_cpu = find_cpu_plan(prepared.entry, plan, state.hardware)
    lower = take_next_measure(
        plan, short.phase, on_cpu, refined=prepared.refiner is not None, enlarged=prepared.resolved.request.hires
    )
    if lower is None:
        raise short
    return Relief(short.phase, *lower)


def apply_relief(relief: Relief, prepared: Prepared, state: EngineState) -> Prepared:
    """Free memory, store the measure for the next runs of this checkpoint, and return the plan with it."""
    gc.collect()
    state.cache.release(prepared.entry, relief.plan)
    then = circumstance_of(prepared.resolved.request, state.budget)
    learn(state.notes, prepared.entry.hash, state.hardware.device, measure=relief.rung.name, then=then)
    return dataclasses.replace(
        prepared, resolved=dataclasses.replace(prepared.resolved, plan=relief.plan), notices=(),
        refiner=prepared.refiner.under(relief.plan, state) if prepared.refiner else None,
    )  # fmt: skip


@contextmanager
def lend_text_encoders(loaded: LoadedCheckpoint, plan: ExecutionPlan, guard: Guard) -> Generator[Guard]:
    """A guard for encoding prompts. If the plan offloads text encoders, they move to the device for the first prompt that
    has to be encoded, and stay there until the block ends.

    The weights in RAM are kept meanwhile, so nothing is copied back. The denoiser and the decoder make way only where both do
    not fit.
    """
    with ExitStack() as stack:
        yield _OnDemand(loaded, plan, guard, stack) if "text_encoders_out" in plan.measures else guard


@dataclass
class _OnDemand:
    """A guard that moves the text encoders of ``loaded`` to the device before the first of them runs."""

    loaded: LoadedCheckpoint
    plan: ExecutionPlan
    guard: Guard
    stack: ExitStack
    _are_there: bool = False

    def run(self, name: str, component: torch.nn.Module, call: Callable[[torch.dtype], torch.Tensor]) -> torch.Tensor:
        """As :meth:`engine.prompt.encoding.text_encoders.Guard.run`."""
        if not self._are_there:
            self._are_there = True
            self._move()
        return self.guard.run(name, component, call)

    def _move(self) -> None:
        loaded, device = self.loaded, torch.device(self.plan.device)
        encoders = [encoder for name, encoder in loaded.modules.items() if name.startswith("text_encoder")]
        room = read_reusable_bytes(device)
        if room is None or room < bytes_of(encoders) + SCRATCH_ON_DEVICE:
            self.stack.enter_context(_send_away(loaded, self.plan))
        for encoder in encoders:
            self.stack.enter_context(_copied_to(encoder, device))


@contextmanager
def _copied_to(module: torch.nn.Module, device: torch.device) -> Generator[None]:
    """The weights of ``module`` are on ``device`` inside the block, and are again those in RAM after it.

    A module that was widened meanwhile, because its numbers overflowed, stays wide.
    """
    kept = [(tensor, tensor.data) for tensor in (*module.parameters(), *module.buffers())]
    for tensor, data in kept:
        tensor.data = data.to(device)
    try:
        yield
    finally:
        for tensor, data in kept:
            tensor.data = data.to(tensor.dtype)


class Turns:
    """Lets one of several networks that wait in RAM be on ``device`` at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stack = device, ExitStack()
        self._network: torch.nn.Module | None = None

    def take(self, network: torch.nn.Module) -> None:
        """``network`` is on the device from now on, and the one before it in RAM."""
        if network is not self._network:
            self.close()
            self._stack.enter_context(_copied_to(network, self._device))
            self._network = network

    def close(self) -> None:
        """All networks are in RAM."""
        self._network = None
        self._stack.close()


@contextmanager
def let_experts_take_turns(plan: ExecutionPlan) -> Generator[Turns | None]:
    """The turns of the denoiser and the refiner on the device; None if ``plan`` keeps both there."""
    if "experts_in_turn" not in plan.measures or "unet_offload" in plan.measures:
        yield None
        return
    turns = Turns(torch.device(plan.device))
    try:
        yield turns
    finally:
        turns.close()


@contextmanager
def _send_away(loaded: LoadedCheckpoint, plan: ExecutionPlan) -> Generator[None]:
    """The denoiser and the decoder are in RAM inside the block."""
    networks = (loaded.vae,) if plan.waits_in_ram(loaded.family.denoiser) else (loaded.denoiser, loaded.vae)
    _move(networks, "cpu")
    try:
        yield
    finally:
        _move(networks, plan.device)


def _move(networks: Iterable[torch.nn.Module], device: str) -> None:
    for network in networks:
        network.to(device)
