"""Compiles networks for the duration of a job if the plan names a compiler; a table of compilers.

Compiling a network for a shape (batch, size, tokens) takes a minute or more, once: the result is kept with the network. It
does not support feature caching, or weights widened layer by layer, so such runs are not compiled; nor are runs with LoRAs by a
compiler that has a copy of the weights.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import torch

from engine.checkpoints.adapters.additions import Additions
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.dynamo import CompilerError, allow_recompiles
from engine.compat.forward import Output, own_forward, replace_forward
from engine.generate.speed.openvino_compiler import OpenVino
from engine.plan.hardware.driver_errors import is_out_of_memory
from engine.requests import ExecutionPlan, ResolvedGeneration
from engine.stopping import Stop

SHAPES = 64
"""Shapes that torch compiles a kind of network for before it falls back to running it uncompiled; torch's default is 8."""


class CompiledNetwork(Protocol):
    """The compiled forward pass of a network. ``trouble``: why it could not be compiled and runs uncompiled, else ""."""

    trouble: str

    def __call__(self, stop: Stop, *args: torch.Tensor, **kwargs: torch.Tensor | bool | None) -> Output:
        """As the network with ``return_dict=False``. Raises CancelledError soon after ``stop`` is set."""
        ...


class Inductor:
    """torch.compile with CUDA graphs. Its cache lies in the data folder and survives restarts.

    ``trouble``: why torch cannot compile here, in its own words; the network then runs uncompiled.
    """

    trouble = ""

    def __init__(self, module: torch.nn.Module) -> None:
        graphs = next(module.parameters()).device.type == "cuda"
        allow_recompiles(SHAPES)
        self._module = weakref.ref(module)  # an attribute of the network must not keep it alive
        self._compiled = torch.compile(type(module).forward, dynamic=False, mode="reduce-overhead" if graphs else None)

    def __call__(self, stop: Stop, *args: torch.Tensor, **kwargs: torch.Tensor | bool | None) -> Output:
        """As :class:`CompiledNetwork`."""
        stop.raise_if_set()
        torch.compiler.cudagraph_mark_step_begin()
        module = self._module()
        assert module is not None, "it is the network that is running"
        if self.trouble:
            return own_forward(module)(*args, **kwargs)
        try:
            output = self._compiled(module, *args, **kwargs)
        except CompilerError as error:
            if is_out_of_memory(error):
                raise
            self.trouble = str(error).strip().partition("\n\n")[0][:300] or type(error).__name__
            return self(stop, *args, **kwargs)
        # The next run of the graph writes into the same memory, and samplers remember earlier outputs.
        return (output[0].clone(), *output[1:]) if isinstance(output, tuple) else output.clone()


COMPILERS: dict[str, Callable[[torch.nn.Module], CompiledNetwork]] = {"inductor": Inductor, "openvino": OpenVino}
"""A plan's ``compiler`` -> what compiles a network."""

READS_WEIGHTS = frozenset({"inductor"})
"""Compilers whose networks read the weights in each step, so that LoRAs which were merged into them count."""

_COMPILED: weakref.WeakKeyDictionary[torch.nn.Module, tuple[str, CompiledNetwork]] = weakref.WeakKeyDictionary()
_REPORTED: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()
_SHAPES_SEEN: weakref.WeakKeyDictionary[torch.nn.Module, set[tuple[int, int, bool]]] = weakref.WeakKeyDictionary()


def can_compile(plan: ExecutionPlan, additions: Additions) -> bool:
    """Whether a run under ``plan`` with these additions can be compiled."""
    follows = not additions.loras or plan.compiler in READS_WEIGHTS
    return plan.compiler in COMPILERS and follows and not plan.storage and "unet_offload" not in plan.measures


def is_new(unet: torch.nn.Module, request: ResolvedGeneration) -> bool:
    """Whether images of this size are the first for a compiled ``unet``, whose start takes longer. True only the first time."""
    seen = _SHAPES_SEEN.setdefault(unet, set())
    shape = (request.width, request.height, request.guidance_scale > 1)
    new = shape not in seen
    seen.add(shape)
    return new


def explain_trouble(unet: torch.nn.Module) -> str:
    """A sentence for the page if ``unet`` could not be compiled; "" after the first call."""
    kept = _COMPILED.get(unet)
    if kept is None or not kept[1].trouble or unet in _REPORTED:
        return ""
    _REPORTED.add(unet)
    return (
        f"This checkpoint could not be compiled here, so it ran uncompiled. The compiler said: {kept[1].trouble}. "
        "Leave “Compile large checkpoints” on the Settings tab off, or install what the compiler lacks."
    )


@contextmanager
def run_compiled(loaded: LoadedCheckpoint, plan: ExecutionPlan, additions: Additions, stop: Stop) -> Generator[None]:
    """Inside the block the UNet, and the decoder where it works on whole images, run compiled."""
    with ExitStack() as stack:
        if can_compile(plan, additions):
            stack.enter_context(_replace_by_compiled(loaded.denoiser, plan.compiler, stop))
            if plan.vae_tile == 0 and plan.compiler == "openvino":
                stack.enter_context(_replace_by_compiled(loaded.vae.decoder, plan.compiler, stop))
        yield


@contextmanager
def _replace_by_compiled(module: torch.nn.Module, compiler: str, stop: Stop) -> Generator[None]:
    planned, own, run = _dtype_of(module), own_forward(module), _find_compiled(module, compiler)

    def forward(*args: torch.Tensor, **kwargs: torch.Tensor | bool | None) -> Output:
        # A network that overflowed was raised to another precision, for which nothing was compiled.
        return run(stop, *args, **kwargs) if _dtype_of(module) == planned else own(*args, **kwargs)

    with replace_forward(module, forward):
        yield


def _find_compiled(module: torch.nn.Module, compiler: str) -> CompiledNetwork:
    """The network compiled by ``compiler``, now if it was not before."""
    kept = _COMPILED.get(module)
    if kept is None or kept[0] != compiler:
        kept = compiler, COMPILERS[compiler](module)
        _COMPILED[module] = kept
    return kept[1]


def _dtype_of(module: torch.nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
