"""The upscalers that there are: the built-in one, any network that spandrel loads, Stable Diffusion's, and Lanczos."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.checkpoints.library.upscalers import BUILT_IN, LANCZOS, built_in, find
from engine.checkpoints.load.upscaler import load_upscaler
from engine.generate.engine_state import EngineState
from engine.generate.estimate import wished_precision
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.stop_hooks import listening
from engine.generate.upscale.diffusion import Diffusion
from engine.generate.upscale.networks import Lanczos, Network, bytes_a_pixel
from engine.generate.upscale.tiles import SMALLEST, Enlarger
from engine.plan import Tolerance, budget, choose
from engine.plan.hardware.probe import refresh
from engine.requests import ExecutionPlan, Resolved, ResolvedUpscale, Upscale
from engine.stopping import Stop

LARGEST = 256
"""Side of a tile in pixels of the source, unless asked otherwise: larger ones are no quicker."""


class Upscaler(Protocol):
    """An upscaler, ready to work. ``side`` is that of its tiles in pixels of the source."""

    name: str
    hash: str
    plan: ExecutionPlan
    side: int

    def resolved(self, asked: Upscale, request: ResolvedUpscale) -> ResolvedUpscale:
        """``request``, which does not sample, with what this upscaler decides about sampling for ``asked``."""
        ...

    def ticks(self, request: ResolvedUpscale, size: tuple[int, int]) -> int:
        """How often :meth:`begin` yields for a picture of this size (width, height)."""
        ...

    def begin(
        self, source: torch.Tensor, resolved: Resolved[ResolvedUpscale]
    ) -> Generator[None, None, tuple[torch.Tensor, Enlarger]]:
        """What is to be enlarged for ``source`` (3 x H x W, uint8), and by what. Yields between pieces of work."""
        ...


@dataclass(kw_only=True)
class Direct:
    """An upscaler that takes the picture as it is: a network or Lanczos."""

    name: str
    hash: str
    plan: ExecutionPlan
    side: int
    enlarger: Enlarger

    def resolved(self, asked: Upscale, request: ResolvedUpscale) -> ResolvedUpscale:
        """It does not sample."""
        return request

    def ticks(self, request: ResolvedUpscale, size: tuple[int, int]) -> int:
        """None: the tiles are all its work."""
        return 0

    def begin(
        self, source: torch.Tensor, resolved: Resolved[ResolvedUpscale]
    ) -> Generator[None, None, tuple[torch.Tensor, Enlarger]]:
        """The picture itself."""
        return source, self.enlarger
        yield


def opened(asked: Upscale, state: EngineState, stop: Stop) -> AbstractContextManager[Upscaler]:
    """The upscaler that is asked for, in memory while the block runs. Raises CheckpointError if there is none of that name."""
    if (asked.upscaler or "").casefold() == LANCZOS:
        return _lanczos(asked, state)
    entry = find(asked.upscaler, state.catalogue)
    return (_diffusion if entry.identity.kind == "checkpoint" else _network)(entry, asked, state, stop)


@contextmanager
def _lanczos(asked: Upscale, state: EngineState) -> Generator[Upscaler]:
    yield Direct(
        name=LANCZOS, hash="", plan=ExecutionPlan(reasons=("Lanczos is arithmetic on the CPU.",)), side=asked.tile or LARGEST,
        enlarger=Lanczos(),
    )  # fmt: skip


@contextmanager
def _network(entry: CheckpointEntry, asked: Upscale, state: EngineState, stop: Stop) -> Generator[Upscaler]:
    own = built_in(state.catalogue.of_kind("upscaler"))
    is_own = own is not None and entry.path == own[0].path
    network = load_upscaler(entry, own[1] if own and is_own else None, asked.cleaning)
    halves = (*(["float16"] if network.supports_half else []), *(["bfloat16"] if network.supports_bfloat16 else []))
    family = Tolerance(name="upscaler", dtypes={"upscaler": (*halves, "float32")})
    plan = choose(state.hardware, family, overrule=wished_precision(asked, state.circumstances), measured=state.measured)
    network.model.to(plan.device, getattr(torch, plan.dtype("upscaler")), memory_format=torch.channels_last)  # type: ignore[call-overload]
    with ExitStack() as held:
        guard = held.enter_context(PrecisionGuard())
        held.enter_context(listening(stop, network.model, everywhere=True))
        enlarger = Network(network, guard)
        side = asked.tile or tile_side(bytes_a_pixel(enlarger), enlarger.around, state)
        yield Direct(name=BUILT_IN if is_own else entry.name, hash=entry.hash, plan=plan, side=side, enlarger=enlarger)


@contextmanager
def _diffusion(entry: CheckpointEntry, asked: Upscale, state: EngineState, stop: Stop) -> Generator[Upscaler]:
    with Diffusion.opened(entry, asked, state, stop) as upscaler:
        yield upscaler


def tile_side(bytes_a_pixel: int, around: int, state: EngineState) -> int:
    """The side of tiles, in pixels of the source, that half of the free memory holds."""
    room = budget(refresh(state.hardware))
    free = room.device if room.device is not None else room.ram
    side = math.isqrt((2**30 if free is None else free) // 2 // max(1, bytes_a_pixel)) - 2 * around
    return max(SMALLEST, min(LARGEST, side // SMALLEST * SMALLEST))
