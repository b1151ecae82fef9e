"""Networks that run compiled while a job lasts, where the plan names a compiler; a table of compilers.

A compiler takes long over a shape (batch, size, tokens) once and keeps what it made with the network. What it makes knows nothing
of LoRAs that come and go and has no layers to skip or to widen one by one, so such runs are not compiled.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException

from engine.checkpoints.adapters import Additions
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.generate.speed.feature_cache import instead
from engine.generate.speed.openvino import OpenVino
from engine.plan.hardware.driver_errors import is_out_of_memory
from engine.requests import ExecutionPlan, ResolvedGeneration
from engine.stopping import Stop

Forward = Callable[..., Any]


SHAPES = 64
"""Shapes that torch compiles a kind of network for before it gives up and runs it as it is; it would after 8."""


class Inductor:
    """torch.compile with CUDA graphs. Its cache lies in the data folder and survives restarts.

    ``trouble``: why torch cannot compile here, in its own words; the network then runs as it is.
    """

    trouble = ""

    def __init__(self, module: torch.nn.Module) -> None:
        graphs = next(module.parameters()).device.type == "cuda"
        torch._dynamo.config.recompile_limit = SHAPES
        self._module = weakref.ref(module)  # what is kept with a network must not keep it
        self._compiled = torch.compile(type(module).forward, dynamic=False, mode="reduce-overhead" if graphs else None)

    def __call__(self, stop: Stop, *given: Any, **named: Any) -> Any:
        stop.raise_if_set()
        torch.compiler.cudagraph_mark_step_begin()
        module = self._module()
        assert module is not None, "it is the network that is running"
        if self.trouble:
            return type(module).forward(module, *given, **named)
        try:
            answer = self._compiled(module, *given, **named)
        except TorchDynamoException as error:
            if is_out_of_memory(error):
                raise
            self.trouble = str(error).strip().partition("\n\n")[0][:300] or type(error).__name__
            return self(stop, *given, **named)
        # The next run of the graph writes into the same memory, and samplers remember earlier answers.
        return (answer[0].clone(), *answer[1:]) if isinstance(answer, tuple) else answer.clone()


COMPILERS: dict[str, Callable[[torch.nn.Module], Callable[..., Any]]] = {"inductor": Inductor, "openvino": OpenVino}
"""A plan's ``compiler`` -> what makes a compiled forward pass of a network. It is called with Stop first."""

_KEPT: weakref.WeakKeyDictionary[torch.nn.Module, tuple[str, Callable[..., Any]]] = weakref.WeakKeyDictionary()
_TOLD: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()
_SEEN: weakref.WeakKeyDictionary[torch.nn.Module, set[tuple[Any, ...]]] = weakref.WeakKeyDictionary()


def can_compile(plan: ExecutionPlan, additions: Additions) -> bool:
    """Whether a run under ``plan`` with what is added to its checkpoint can be compiled."""
    return plan.compiler in COMPILERS and not plan.storage and "unet_offload" not in plan.measures and not additions.loras


def is_new(unet: torch.nn.Module, request: ResolvedGeneration) -> bool:
    """Whether pictures of this size are the first for a compiled ``unet``, which then take long to begin. Asked once each."""
    seen = _SEEN.setdefault(unet, set())
    shape = (request.width, request.height, request.guidance_scale > 1)
    new = shape not in seen
    seen.add(shape)
    return new


def trouble(unet: torch.nn.Module) -> str:
    """A sentence for the page if ``unet`` could not be compiled, and "" once it was asked for."""
    run = _KEPT.get(unet, ("", None))[1]
    why = getattr(run, "trouble", "")
    if not why or unet in _TOLD:
        return ""
    _TOLD.add(unet)
    return (
        f"This checkpoint could not be compiled here, so it ran as it is. The compiler said: {why}. "
        "Leave “Compile large checkpoints” on the Settings tab off, or install what the compiler lacks."
    )


@contextmanager
def compiled(pipeline: LoadedCheckpoint, plan: ExecutionPlan, additions: Additions, stop: Stop) -> Generator[None]:
    """Inside the block the UNet, and the decoder where it works on whole pictures, run compiled."""
    with ExitStack() as held:
        if can_compile(plan, additions):
            held.enter_context(_compiled(pipeline.unet, plan.compiler, stop))
            if plan.vae_tile == 0 and plan.compiler == "openvino":
                held.enter_context(_compiled(pipeline.vae.decoder, plan.compiler, stop))
        yield


@contextmanager
def _compiled(module: torch.nn.Module, compiler: str, stop: Stop) -> Generator[None]:
    planned = _dtype_of(module)
    name, run = _KEPT.get(module, ("", None))
    if run is None or name != compiler:
        run = COMPILERS[compiler](module)
        _KEPT[module] = compiler, run
    own = type(module).forward.__get__(module)

    def forward(*given: Any, **named: Any) -> Any:
        # A network that overflowed was raised to another precision, which nothing was compiled for.
        return run(stop, *given, **named) if _dtype_of(module) == planned else own(*given, **named)

    with instead(module, forward):
        yield


def _dtype_of(module: torch.nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
