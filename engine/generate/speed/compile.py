"""Compiles networks for the duration of a job if the plan names a compiler; a table of compilers.

A compiler may not be ready when a job begins: OpenVINO's graph of an architecture is made once, by another process, and torch
computes the images meanwhile. So it is decided before each image what computes it, and never changed inside one.
Perturbed attention, and weights widened layer by layer need torch's own layers, so such runs are not compiled.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Protocol

import torch
from diffusers import AutoencoderKL

from engine.checkpoints.adapters.additions import Additions
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.dynamo import REPEATED_BLOCKS, CompilerError, allow_recompiles
from engine.compat.forward import Output, own_forward, replace_forward
from engine.compat.stop_hooks import raise_on_stop
from engine.generate import estimate
from engine.generate.speed.network_graphs import GraphStore
from engine.generate.speed.network_kinds import EVEN, Architecture, describe_decoder, describe_denoiser
from engine.generate.speed.openvino_compiler import OpenVino, Unsupported
from engine.plan.hardware.driver_errors import is_out_of_memory
from engine.requests import ExecutionPlan, Resolved, ResolvedGeneration
from engine.stopping import Stop

VARIANTS = 64
"""Variants of a kind of block that torch compiles before it falls back to running it uncompiled: one for each width in a
network, for one row and for several, for each precision. Torch's default is 8."""

GRAPHS = "graphs"
"""The folder of OpenVINO's graphs in the data folder."""


Shape = tuple[int, int, int, int]
"""What a network is compiled for: rows of the batch, tokens of the prompt, and height and width of the latents."""


class CompiledNetwork(Protocol):
    """The compiled forward pass of a network."""

    def expect(self, weights: str) -> None:
        """Note the name of what is merged into the module's weights now."""
        ...

    def __call__(self, stop: Stop, *args: torch.Tensor, **kwargs: torch.Tensor | bool | None) -> Output:
        """As the network with ``return_dict=False``. Raises CancelledError soon after ``stop`` is set, Unsupported for arguments
        that it was not compiled for, and RuntimeError if it cannot be compiled."""
        ...


class Inductor:
    """torch.compile on the blocks that a network repeats, as diffusers' ``compile_repeated_blocks``: one compilation serves every
    size, length of prompt and number of images. A single row, which is an image without guidance, takes one more.

    Its cache lies in the data folder and survives restarts. Each step reads the weights.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        allow_recompiles(VARIANTS)
        self._module = weakref.ref(module)  # an attribute of the network must not keep it alive
        self._compiled = {kind: torch.compile(kind.forward, dynamic=True) for kind in REPEATED_BLOCKS}

    def expect(self, weights: str) -> None:
        """As :class:`CompiledNetwork`."""

    def __call__(self, stop: Stop, *args: torch.Tensor, **kwargs: torch.Tensor | bool | None) -> Output:
        """As :class:`CompiledNetwork`."""
        module = self._module()
        assert module is not None, "it is the network that is running"
        with ExitStack() as stack:
            for block in module.modules():
                if type(block) in self._compiled:
                    stack.enter_context(replace_forward(block, partial(self._run_block, stop, block)))
            return own_forward(module)(*args, **kwargs)

    def _run_block(self, stop: Stop, block: torch.nn.Module, *args: torch.Tensor, **kwargs: torch.Tensor | bool | None) -> Output:
        stop.raise_if_set()
        return self._compiled[type(block)](block, *args, **kwargs)


@dataclass(frozen=True)
class GraphSource:
    """Where graphs come from. ``makes``: whether those that are missing are made while torch draws; those of the starter, whose
    images would wait for that, are made by the self-test."""

    store: GraphStore
    makes: bool


Compiler = Callable[[torch.nn.Module, Architecture, GraphSource], CompiledNetwork | None]
"""Compiles a network, or says None if it cannot yet."""


def _compile_with_inductor(module: torch.nn.Module, _architecture: Architecture, _source: GraphSource) -> CompiledNetwork:
    return Inductor(module)


def _compile_with_openvino(module: torch.nn.Module, architecture: Architecture, source: GraphSource) -> CompiledNetwork | None:
    graph = source.store.find(architecture)
    if graph is not None:
        return OpenVino(module, graph, source.store.folder)
    if source.makes:
        source.store.make_later(architecture)
    return None


COMPILERS: dict[str, Compiler] = {"inductor": _compile_with_inductor, "openvino": _compile_with_openvino}
"""A plan's ``compiler`` -> what compiles a network."""

ANNOUNCEMENTS: dict[str, str] = {
    "inductor": "Compiling {name}, once: this takes a minute or more",
    "openvino": "Compiling {name} for this size and length of prompt, once: this takes some seconds",
}
"""What the page says when an image waits for the compiler."""

TROUBLES: dict[str, str] = {
    "inductor": "This checkpoint could not be compiled here, so it ran uncompiled. The compiler said: {said}. "
    "Leave “Compile large checkpoints” on the Settings tab off, or install what the compiler lacks.",
    "openvino": "OpenVINO could not compute this checkpoint here, so torch did, which is slower. The reason: {said}.",
}
"""What the page says of a network that could not be compiled."""

COMPILES_DECODERS = frozenset({"openvino"})
"""Compilers that pay for a single pass."""

_COMPILED: weakref.WeakKeyDictionary[torch.nn.Module, tuple[str, Architecture, CompiledNetwork]] = weakref.WeakKeyDictionary()
_TROUBLE: weakref.WeakKeyDictionary[torch.nn.Module, str] = weakref.WeakKeyDictionary()
"""A sentence on each network that could not be compiled."""

_REPORTED: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()
_SHAPES_SEEN: weakref.WeakKeyDictionary[torch.nn.Module, set[Shape]] = weakref.WeakKeyDictionary()


@cache
def find_store(folder: Path) -> GraphStore:
    """The graphs in a data folder, one store a process."""
    return GraphStore(folder / GRAPHS)


def can_compile(plan: ExecutionPlan) -> bool:
    """Whether a run under ``plan`` can be compiled."""
    return plan.compiler in COMPILERS and not plan.storage and "unet_offload" not in plan.measures


def is_new(unet: torch.nn.Module, shape: Shape, compiler: str) -> bool:
    """Whether an image of this shape waits until ``compiler`` has compiled ``unet`` for it. True only the first time."""
    rows = min(shape[0], 2), 0, 0, 0
    seen, variant = _SHAPES_SEEN.setdefault(unet, set()), rows if compiler == "inductor" else shape
    new = variant not in seen
    seen.add(variant)
    return new


def explain_trouble(unet: torch.nn.Module) -> str:
    """A sentence for the page if ``unet`` could not be compiled; "" after the first call."""
    trouble = _TROUBLE.get(unet, "")
    if not trouble or unet in _REPORTED:
        return ""
    _REPORTED.add(unet)
    return trouble


class _Network:
    """A network of a run. ``compiled`` computes it in this image, None for torch; ``is_used``: for all of the image so far."""

    def __init__(self, module: torch.nn.Module, plan: ExecutionPlan, stop: Stop, source: GraphSource) -> None:
        self.module, self._compiler, self._stop, self._source = module, plan.compiler, stop, source
        self._planned, self._own = _dtype_of(module), own_forward(module)
        self.compiled: CompiledNetwork | None = None
        self.is_used = False

    def start_image(self, architecture: Architecture, weights: str) -> None:
        """Choose what computes the next image."""
        self.compiled = self._find_compiled(architecture)
        self.is_used = self.compiled is not None
        if self.compiled is not None:
            self.compiled.expect(weights)

    def forward(self, *args: torch.Tensor, **kwargs: torch.Tensor | bool | None) -> Output:
        """The network's output, by torch where the compiled one does not fit."""
        # A network that overflowed was raised to another precision, for which nothing was compiled.
        if self.compiled is not None and _dtype_of(self.module) == self._planned:
            try:
                return self.compiled(self._stop, *args, **kwargs)
            except Unsupported:
                pass
            except (CompilerError, RuntimeError) as error:
                self._stop.raise_if_set()
                if self._compiler == "inductor" and (is_out_of_memory(error) or not isinstance(error, CompilerError)):
                    raise
                said = str(error).strip().partition("\n\n")[0][:300] or type(error).__name__
                _TROUBLE[self.module] = TROUBLES[self._compiler].format(said=said)
                self.compiled = None
        self.is_used = False
        with raise_on_stop(self._stop, self.module):
            return self._own(*args, **kwargs)

    def _find_compiled(self, architecture: Architecture) -> CompiledNetwork | None:
        """The compiled network, None if its compiler cannot compile it or is not ready."""
        if self.module in _TROUBLE:
            return None
        kept = _COMPILED.get(self.module)
        if kept is not None and kept[:2] == (self._compiler, architecture):
            return kept[2]
        compiled = COMPILERS[self._compiler](self.module, architecture, self._source)
        if compiled is not None:
            _COMPILED[self.module] = self._compiler, architecture, compiled
        return compiled


class CompiledRun:
    """What computes the networks of a run, image by image."""

    def __init__(self, loaded: LoadedCheckpoint, plan: ExecutionPlan, stop: Stop, store: GraphStore, decodes: bool) -> None:
        self._loaded, self._plan = loaded, plan
        parameters = sum(weight.numel() for weight in loaded.denoiser.parameters())
        source = GraphSource(store, makes=parameters >= estimate.WORTH_COMPILING)
        self._denoiser = _Network(loaded.denoiser, plan, stop, source) if can_compile(plan) else None
        decodes = decodes and self._denoiser is not None and plan.vae_tile == 0 and plan.compiler in COMPILES_DECODERS
        self._decoder = _Network(loaded.vae.decoder, plan, stop, source) if decodes else None

    @property
    def networks(self) -> tuple[_Network, ...]:
        """Those that may be compiled."""
        return tuple(network for network in (self._denoiser, self._decoder) if network is not None)

    @property
    def has_compiled(self) -> bool:
        """Whether a compiler computes the image that was started last."""
        return self._denoiser is not None and self._denoiser.compiled is not None

    def start_image(self, request: ResolvedGeneration, additions: Additions) -> bool:
        """Choose what computes the next image; whether that is a compiler. ``additions`` are in the weights."""
        scale = self._loaded.vae_scale_factor
        sides = (request.width, request.height, request.first_width or 0, request.first_height or 0)
        even = not any(side // scale % EVEN for side in sides)
        if self._denoiser is None:
            return False
        self._denoiser.start_image(describe_denoiser(self._loaded.denoiser, even), repr([lora.key for lora in additions.loras]))
        if self._decoder is not None and isinstance(self._loaded.vae, AutoencoderKL):
            self._decoder.start_image(describe_decoder(self._loaded.vae), "")
        return self.has_compiled

    @property
    def is_used(self) -> bool:
        """Whether a compiler computed all steps of the last image."""
        return self._denoiser is not None and self._denoiser.is_used

    def record(self, resolved: Resolved, refiner: CompiledRun | None = None) -> Resolved:
        """``resolved`` with the compiler that computed all steps of the last image, those of a ``refiner`` too."""
        used = self.is_used and (refiner is None or refiner.is_used)
        plan = dataclasses.replace(resolved.plan, compiler=self._plan.compiler if used else "")
        return dataclasses.replace(resolved, plan=plan)


@contextmanager
def run_compiled(
    loaded: LoadedCheckpoint, plan: ExecutionPlan, stop: Stop, data: Path, *, decodes: bool = True
) -> Generator[CompiledRun]:
    """Inside the block the denoiser, and the decoder where it works on whole images, run as is chosen before each image.
    ``data`` is the data folder; ``decodes``: whether the decoder is used."""
    run = CompiledRun(loaded, plan, stop, find_store(data), decodes)
    with ExitStack() as stack:
        for network in run.networks:
            stack.enter_context(replace_forward(network.module, network.forward))
        yield run


def _dtype_of(module: torch.nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
