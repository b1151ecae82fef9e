"""Loads the upscaler that a request names: the built-in one, an image network, Stable Diffusion's, or Lanczos."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from engine.checkpoints.identify.image_networks import BY_NAME
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.upscalers import BUILT_IN, LANCZOS, find_built_in, find_upscaler, is_cleaner, is_diffusion
from engine.checkpoints.load.image_network import load_image_network, place_image_network
from engine.compat.stop_hooks import raise_on_stop
from engine.generate.engine_state import EngineState
from engine.generate.estimate import choose_precision
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.upscale.diffusion import DiffusionUpscaler
from engine.generate.upscale.networks import Lanczos, Network, bytes_per_pixel
from engine.generate.upscale.tiles import SMALLEST, TileUpscaler
from engine.plan import Tolerance, choose, find_budget
from engine.plan.hardware.probe import refresh
from engine.requests import ExecutionPlan, Resolved, ResolvedUpscale, Upscale
from engine.stopping import Stop

LARGEST = 256
"""Side of a tile in pixels of the source, unless asked otherwise: larger ones are no quicker."""


class Upscaler(Protocol):
    """An upscaler that is ready to use.

    ``side`` is that of its tiles in pixels of the source. ``keeps_size``: it cleans, and the result has the source's size.
    """

    name: str
    hash: str
    plan: ExecutionPlan
    side: int
    keeps_size: bool

    def resolve(self, asked: Upscale, request: ResolvedUpscale) -> ResolvedUpscale:
        """``request``, which does not sample, with what this upscaler decides about sampling for ``asked``."""
        ...

    def count_steps(self, request: ResolvedUpscale, size: tuple[int, int]) -> int:
        """How often :meth:`prepare` yields for an image of this size (width, height)."""
        ...

    def prepare(
        self, source: torch.Tensor, resolved: Resolved[ResolvedUpscale]
    ) -> Generator[None, None, tuple[torch.Tensor, TileUpscaler]]:
        """What is upscaled in tiles for ``source`` (3 x H x W, uint8), and by what. Yields between pieces of work."""
        ...


@dataclass(kw_only=True)
class DirectUpscaler:
    """An upscaler that takes the image as it is: a network or Lanczos."""

    name: str
    hash: str
    plan: ExecutionPlan
    side: int
    tile_upscaler: TileUpscaler
    keeps_size: bool = False

    def resolve(self, asked: Upscale, request: ResolvedUpscale) -> ResolvedUpscale:
        """``request`` unchanged, because this upscaler does not sample."""
        return request

    def count_steps(self, request: ResolvedUpscale, size: tuple[int, int]) -> int:
        """0, because there is no work before the tiles."""
        return 0

    def prepare(
        self, source: torch.Tensor, resolved: Resolved[ResolvedUpscale]
    ) -> Generator[None, None, tuple[torch.Tensor, TileUpscaler]]:
        """The image itself."""
        return source, self.tile_upscaler
        yield


def open_upscaler(asked: Upscale, state: EngineState, stop: Stop) -> AbstractContextManager[Upscaler]:
    """The upscaler that is asked for, in memory while the block runs. Raises CheckpointError if none has that name."""
    if (asked.upscaler or "").casefold() == LANCZOS:
        return _open_lanczos(asked)
    inventory = state.catalogue.scan()
    entry = find_upscaler(asked.upscaler, inventory)
    if is_diffusion(entry):
        return _open_diffusion(entry, asked, state, stop)
    return _open_network(entry, find_built_in(inventory.of_kind("upscaler")), asked, state, stop)


@contextmanager
def _open_lanczos(asked: Upscale) -> Generator[Upscaler]:
    yield DirectUpscaler(
        name=LANCZOS, hash="", plan=ExecutionPlan(reasons=("Lanczos is arithmetic on the CPU.",)), side=asked.tile or LARGEST,
        tile_upscaler=Lanczos(),
    )  # fmt: skip


@contextmanager
def _open_network(
    entry: CheckpointEntry, own: tuple[CheckpointEntry, CheckpointEntry] | None, asked: Upscale, state: EngineState, stop: Stop
) -> Generator[Upscaler]:
    """``own`` are the two trainings of the built-in upscaler."""
    is_own = own is not None and entry.path == own[0].path
    network = load_image_network(entry, own[1] if own and is_own else None, asked.cleaning)
    traits = Tolerance(name="upscaler", dtypes={"upscaler": BY_NAME[network.architecture.id].dtypes})
    plan = choose(state.hardware, traits, overrule=choose_precision(asked, state.circumstances), measured=state.measured)
    place_image_network(network, plan.device, plan.dtype("upscaler"), channels_last=plan.channels_last)
    with ExitStack() as held:
        guard = held.enter_context(PrecisionGuard())
        held.enter_context(raise_on_stop(stop, network.model, every_layer=True))
        tile_upscaler = Network(network, guard, asked.seed or 0, channels_last=plan.channels_last)
        side = asked.tile or tile_side(bytes_per_pixel(tile_upscaler), tile_upscaler.around, state)
        yield DirectUpscaler(
            name=BUILT_IN if is_own else entry.name, hash=entry.hash, plan=plan, side=side, tile_upscaler=tile_upscaler,
            keeps_size=is_cleaner(entry),
        )  # fmt: skip


@contextmanager
def _open_diffusion(entry: CheckpointEntry, asked: Upscale, state: EngineState, stop: Stop) -> Generator[Upscaler]:
    with DiffusionUpscaler.open(entry, asked, state, stop) as upscaler:
        yield upscaler


def tile_side(bytes_per_pixel: int, around: int, state: EngineState) -> int:
    """The side of tiles, in pixels of the source, that half of the free memory holds."""
    room = find_budget(refresh(state.hardware))
    free = room.device if room.device is not None else room.ram
    side = math.isqrt((2**30 if free is None else free) // 2 // max(1, bytes_per_pixel)) - 2 * around
    return max(SMALLEST, min(LARGEST, side // SMALLEST * SMALLEST))
