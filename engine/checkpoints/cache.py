"""Checkpoints in memory: loaded once, shared by all runs; the least recently used are unloaded when memory is needed.

A checkpoint is used in a ``with`` block and never unloaded while in use. Each unloading is reported with its reason.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass

import diffusers
import torch

from engine.checkpoints.adapters.additions import NOTHING, Additions, apply_additions
from engine.checkpoints.adapters.merge import MergedLoras
from engine.checkpoints.files.headers import BYTES
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.attention_backends import use_attention_backend
from engine.checkpoints.load.checkpoint import load_checkpoint, load_pipeline
from engine.checkpoints.load.components import IsCancelled, never_cancelled
from engine.checkpoints.load.control.network import ControlNetwork, LoadedControl, explain_base, load_control, plan_for_control
from engine.checkpoints.load.safety_checker import SafetyChecker, is_brought, load_safety_checker
from engine.checkpoints.loaded import LoadedCheckpoint, LoadedPipeline, bytes_of
from engine.compat.hooks import change_dtype, give_back_page_locked
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan


@dataclass(frozen=True, kw_only=True)
class CacheEvent:
    """What the cache did: ``kind`` is ``"loaded"``, ``"evicted"`` or ``"failed"``; ``reason`` is a sentence."""

    kind: str
    checkpoint: str
    reason: str
    bytes: int = 0
    seconds: float = 0.0


Loaded = LoadedCheckpoint | LoadedPipeline | LoadedControl
"""What the cache holds."""


@dataclass
class _Held:
    """One checkpoint in memory, how many use it now, and the LoRAs in its weights (None where none can be)."""

    entry: CheckpointEntry
    loaded: Loaded
    leases: int = 0
    merged: MergedLoras | None = None
    safety_checker: SafetyChecker | None = None

    @property
    def bytes(self) -> int:
        """What its weights take."""
        return self.loaded.bytes + (self.safety_checker.bytes if self.safety_checker else 0)


Key = tuple[Hashable, ...]


class CheckpointCache:
    """Holds checkpoints up to ``budget_bytes`` of weights, more only while more is in use. For one thread at a time.

    ``on_event`` is called for every load and eviction; :attr:`events` keeps the last hundred.
    """

    def __init__(self, budget_bytes: int, on_event: Callable[[CacheEvent], None] | None = None) -> None:
        self.budget_bytes = budget_bytes
        self.events: list[CacheEvent] = []
        self._on_event = on_event
        self._held: OrderedDict[Key, _Held] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """What the weights in memory take."""
        return sum(held.bytes for held in self._held.values())

    def bytes_on(self, device: str) -> int:
        """What the weights in memory take on a torch device."""
        return sum(bytes_of(held.loaded.modules.values(), device) for held in self._held.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The checkpoints in memory, the least recently used first."""
        return tuple(held.entry.name for held in self._held.values())

    @contextlib.contextmanager
    def lease(
        self,
        entry: CheckpointEntry,
        plan: ExecutionPlan,
        task: str = "text_to_image",
        cancelled: IsCancelled = never_cancelled,
        additions: Additions = NOTHING,
    ) -> Generator[LoadedCheckpoint]:
        """``entry`` in memory, for ``task`` (a key of :attr:`~engine.checkpoints.families.Family.pipelines`).

        All tasks share one set of weights. ``additions`` (LoRAs, embeddings, a VAE) are there within the block. After it, LoRAs
        stay in the weights until the next lease asks for others; the rest is gone.
        Raises CheckpointError for a checkpoint that cannot be loaded or cannot do ``task``; what was loaded before stays usable.
        Raises CancelledError soon after ``cancelled`` says so.
        """
        with self._hold(entry, plan, cancelled) as held:
            if held.merged is None or task not in entry.family.pipelines:
                can = ", ".join(entry.abilities) or "nothing that Easel offers"
                raise CheckpointError(f"“{entry.name}” ({entry.family.label}) cannot do this. It can do: {can}.")
            before = held.merged.loras if held.leases > 1 else additions.loras
            try:
                with apply_additions(additions, held.merged, entry, plan, cancelled) as changed:
                    yield changed
            finally:
                held.merged.set(before, never_cancelled)

    @contextlib.contextmanager
    def lease_pipeline(
        self, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled = never_cancelled
    ) -> Generator[diffusers.DiffusionPipeline]:
        """The pipeline of an ``entry`` that only diffusers knows. Raises as :meth:`lease` does."""
        with self._hold(entry, plan, cancelled) as held:
            if not isinstance(held.loaded, LoadedPipeline):
                raise CheckpointError(f"“{entry.name}” does not run in diffusers' own pipeline.")
            yield held.loaded.pipeline

    @contextlib.contextmanager
    def lease_control(
        self, entry: CheckpointEntry, loaded: LoadedCheckpoint, cancelled: IsCancelled = never_cancelled
    ) -> Generator[ControlNetwork]:
        """The control network ``entry`` beside the denoiser of ``loaded``, which is leased meanwhile. Afterwards it computes in
        its own precision again. Raises as :meth:`lease` does."""
        plan = plan_for_control(loaded.plan)
        key = (*_key(entry, plan), explain_base(entry, loaded))
        held = self._get(entry, plan, lambda: load_control(entry, loaded, plan, cancelled), key)
        with self._use(held):
            if not isinstance(held.loaded, LoadedControl):
                raise CheckpointError(f"“{entry.name}” is no control network.")
            dtype = held.loaded.network.dtype
            try:
                yield held.loaded.network
            finally:
                if held.loaded.network.dtype != dtype:
                    change_dtype(held.loaded.network, dtype)

    def load(self, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled = never_cancelled) -> None:
        """Load ``entry`` in advance. Raises as :meth:`lease` does."""
        with self._hold(entry, plan, cancelled):
            pass

    @contextlib.contextmanager
    def _hold(self, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled) -> Generator[_Held]:
        with self._use(self._get(entry, plan, lambda: _load(entry, plan, cancelled))) as held:
            with use_attention_backend(plan.attention_backend):
                yield held

    @contextlib.contextmanager
    def _use(self, held: _Held) -> Generator[_Held]:
        held.leases += 1
        try:
            yield held
        finally:
            held.leases -= 1
            self._shrink(0, "memory is needed for others")

    def safety_checker(
        self, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled = never_cancelled
    ) -> SafetyChecker | None:
        """The checkpoint's own safety checker, or None if it has none. Call it within a lease; it stays in memory as long as
        the checkpoint.

        Raises as :meth:`lease` does.
        """
        held = self._get(entry, plan, lambda: _load(entry, plan, cancelled))
        if held.safety_checker is None and is_brought(entry):
            held.safety_checker = load_safety_checker(entry, plan, cancelled)
        return held.safety_checker

    def release(self, entry: CheckpointEntry | None = None, plan: ExecutionPlan | None = None) -> None:
        """Free the memory of everything that is not in use, but for the weights that ``entry`` under ``plan`` can go on with."""
        kept = _key(entry, plan) if entry is not None and plan is not None else None
        for key in [k for k, held in self._held.items() if not held.leases and k != kept]:
            self._drop(key, "all memory was asked back")
        give_back_device_memory()

    def _get(self, entry: CheckpointEntry, plan: ExecutionPlan, load: Callable[[], Loaded], key: Key = ()) -> _Held:
        key = key or _key(entry, plan)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        self._forget_older(entry, key)
        self._shrink(_expected_bytes(entry, plan), f"room is needed for {entry.name}")
        began = time.monotonic()
        try:
            loaded = load()
        except CheckpointError as error:
            self._tell(CacheEvent(kind="failed", checkpoint=entry.name, reason=str(error)))
            raise
        merged = MergedLoras(loaded) if isinstance(loaded, LoadedCheckpoint) else None
        held = self._held[key] = _Held(entry, loaded, merged=merged)
        seconds = time.monotonic() - began
        self._tell(CacheEvent(kind="loaded", checkpoint=entry.name, reason="asked for", bytes=loaded.bytes, seconds=seconds))
        return held

    def _forget_older(self, entry: CheckpointEntry, key: Key) -> None:
        """Drop weights of an older version of the file or plan, which will not be requested again."""
        for other, held in list(self._held.items()):
            if (held.entry.path, held.entry.quick) == (entry.path, entry.quick) and not held.leases:
                changed = "its file changed" if other[:4] != key[:4] else "the plan for it changed"
                self._drop(other, changed)

    def _shrink(self, coming: int, reason: str) -> None:
        """Drop checkpoints until the held and the ``coming`` bytes fit the budget, or nothing more can be dropped."""
        for key in list(self._held):
            if self.held_bytes + coming <= self.budget_bytes:
                return
            alone = coming == 0 and len(self._held) == 1
            if not self._held[key].leases and not alone:
                self._drop(key, reason)

    def _drop(self, key: Key, reason: str) -> None:
        held = self._held.pop(key)
        size, name = held.bytes, held.entry.name
        del held
        gc.collect()
        give_back_device_memory()
        self._tell(CacheEvent(kind="evicted", checkpoint=name, reason=reason, bytes=size))

    def _tell(self, event: CacheEvent) -> None:
        self.events = [*self.events[-99:], event]
        if self._on_event is not None:
            self._on_event(event)


def _key(entry: CheckpointEntry, plan: ExecutionPlan) -> Key:
    """The key under which weights in memory can be reused."""
    precision = tuple(sorted(plan.dtypes.items())), tuple(sorted(plan.storage.items())), plan.placing
    return (
        str(entry.path), entry.version or entry.stamp, entry.hash, entry.identity.prediction_type,
        tuple((name, str(lender.path), lender.version) for name, lender in sorted(entry.borrowed.items())),
        plan.device, precision, plan.channels_last, plan.attention_upcast, plan.attention_scores,
        plan.attention_backend,
        entry.t5_tokenizer,
    )  # fmt: skip


def _expected_bytes(entry: CheckpointEntry, plan: ExecutionPlan) -> int:
    return sum(part.bytes_in(BYTES.get(plan.dtype(name), 4)) for name, part in entry.parts.items())


def _load(entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled) -> LoadedCheckpoint | LoadedPipeline:
    if entry.family.loaded_by_diffusers:
        return load_pipeline(entry, plan)
    return load_checkpoint(entry, plan, cancelled)


def give_back_device_memory() -> None:
    """Give memory that torch's allocators hold unused back to the devices, and to the system what was page-locked for them."""
    for backend in (torch.cuda, torch.xpu, torch.mps):
        if backend is torch.mps and not torch.backends.mps.is_available():
            continue
        if backend is not torch.mps and not backend.is_available():  # type: ignore[attr-defined]
            continue
        backend.empty_cache()
    give_back_page_locked()
