"""A network that OpenVINO computes on the processor: a kept graph, with the weights of torch's module, compiled for one shape."""

from __future__ import annotations

import gc
import inspect
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.compat.forward import Output
from engine.generate.speed.network_graphs import NetworkGraph, list_weights
from engine.generate.speed.weights_file import move_into_file
from engine.plan.memory import SMALL_NETWORK
from engine.stopping import Stop

if TYPE_CHECKING:
    from openvino import InferRequest, Node  # type: ignore[import-not-found]

_STOP_INTERVAL = 50
"""Milliseconds between two checks of Stop."""

SHAPES_OF_SMALL = 4
"""Shapes of a small network that are kept."""

Argument = torch.Tensor | dict[str, torch.Tensor] | float | None
_Shapes = tuple[tuple[str, tuple[int, ...]], ...]
_Key = tuple[_Shapes, int]
"""Shapes by input, and the number of threads."""

_Compiled = tuple["InferRequest", list[torch.Tensor]]
"""A request, and tensors that must live as long as it does."""

NO_ROOM = "its weights, which OpenVINO needs a second time, have no room on the disk ({reason})"


class Unsupported(Exception):
    """A call has other arguments than the graph."""


class OpenVino:
    """A compiled forward pass. Takes what the network takes, by name or in order; returns float32, as the network does with
    ``return_dict=False``.

    The weights are read when it compiles: for another shape, which takes seconds, and after :meth:`expect` was given another name
    for them. One shape is kept, because each holds a copy of the weights in the processor's order; of a small network several.
    The module's own weights move into a file in ``folder``, unless they are few, so that they do not stay in RAM as well.
    """

    def __init__(self, module: torch.nn.Module, graph: NetworkGraph, folder: Path) -> None:
        self._module = weakref.ref(module)
        self._graph = graph
        self._names = tuple(inspect.signature(type(module).forward).parameters)[1:]
        self._folder = folder
        self._compiled: dict[_Key, _Compiled] = {}
        self._is_small = sum(weight.numel() for weight in module.parameters()) <= SMALL_NETWORK
        self._weights = ""

    def expect(self, weights: str) -> None:
        """Compile anew if the module's weights had another name until now."""
        if weights != self._weights:
            self._weights = weights
            self._compiled.clear()

    def __call__(self, stop: Stop, *args: Argument, **kwargs: Argument) -> Output:
        """The network's output. Raises CancelledError soon after ``stop`` is set, Unsupported for other arguments than the
        graph's, and RuntimeError if OpenVINO cannot compile."""
        tensors = dict(_flatten({**dict(zip(self._names, args, strict=False)), **kwargs}))
        if set(tensors) != set(self._graph.inputs):
            raise Unsupported
        output = _infer(self._find_request(tensors), [tensors[name] for name in self._graph.inputs], stop)
        return (output,) if "return_dict" in self._names else output

    def _find_request(self, tensors: dict[str, torch.Tensor]) -> InferRequest:
        """The inference request for these shapes, compiled now if need be."""
        key = tuple((name, tuple(tensors[name].shape)) for name in self._graph.inputs), torch.get_num_threads()
        if key not in self._compiled:
            while len(self._compiled) >= (SHAPES_OF_SMALL if self._is_small else 1):
                del self._compiled[next(iter(self._compiled))]
            gc.collect()
            self._compiled[key] = self._compile(key[0])
            gc.collect()
        return self._compiled[key][0]

    def _compile(self, shapes: _Shapes) -> _Compiled:
        module = self._module()
        assert module is not None, "it is the network that is running"
        if self._is_small:
            return _compile(self._graph, module, shapes, lambda weight: weight)
        try:
            file = move_into_file(module, self._folder)
        except OSError as error:
            raise RuntimeError(NO_ROOM.format(reason=error.strerror)) from error
        compiled = _compile(self._graph, module, shapes, file.read)
        file.leave_memory()
        return compiled


def _flatten(arguments: dict[str, Argument]) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor by its path, fractions in float32. A timestep of any type becomes a tensor with one element or a row each.
    Raises Unsupported for an argument that graphs do not have."""
    for name, value in arguments.items():
        if name == "timestep":
            yield name, torch.as_tensor(value, dtype=torch.float32).reshape(-1)
        elif isinstance(value, torch.Tensor):
            yield name, value.float() if value.is_floating_point() else value
        elif isinstance(value, dict):
            yield from ((f"{name}/{part}", each.float()) for part, each in value.items())
        elif value is not None and name != "return_dict":
            raise Unsupported


def _compile(
    graph: NetworkGraph, module: torch.nn.Module, shapes: _Shapes, read: Callable[[torch.Tensor], torch.Tensor]
) -> _Compiled:
    """An inference request for exactly these shapes, with the module's weights, as ``read`` gives them."""
    import openvino  # type: ignore[import-not-found]

    core = openvino.Core()
    model = core.read_model(graph.xml, openvino.Tensor(np.frombuffer(graph.constants, np.uint8)))
    weights = {name: read(weight.detach()).contiguous() for name, weight in list_weights(module)}
    for parameter, name in zip(model.get_parameters()[len(graph.inputs) :], graph.weights, strict=True):
        parameter.output(0).replace(_share(weights[name]).output(0))
        model.remove_parameter(parameter)
    model.reshape({port: list(shape) for port, (_, shape) in zip(model.inputs, shapes, strict=True)})
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if _dtype_of(module) == torch.bfloat16 else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    narrow = [weight for weight in weights.values() if weight.dtype == torch.bfloat16]
    return core.compile_model(model, "CPU", options).create_infer_request(), narrow


def _share(weight: torch.Tensor) -> Node:
    """A contiguous tensor's memory as a constant in float32, which keeps the tensor unless that is bfloat16, unknown to NumPy."""
    import openvino  # type: ignore[import-not-found]

    if weight.dtype != torch.bfloat16:
        return openvino.op.Constant(weight.numpy(), shared_memory=True)
    shared = openvino.Tensor(weight.view(torch.uint16).numpy(), list(weight.shape), openvino.Type.bf16)
    return openvino.opset13.convert(openvino.op.Constant(shared), "f32")


def _infer(request: InferRequest, tensors: list[torch.Tensor], stop: Stop) -> torch.Tensor:
    """The output in float32. Raises CancelledError soon after ``stop`` is set."""
    import openvino  # type: ignore[import-not-found]

    stop.raise_if_set()
    for port, tensor in zip(request.model_inputs, tensors, strict=True):
        request.set_tensor(port, openvino.Tensor(tensor.contiguous().numpy()))  # a copy
    request.start_async()
    while not request.wait_for(_STOP_INTERVAL):
        if stop.is_set():
            request.cancel()
            with suppress(RuntimeError):  # what it raises for a cancelled request
                request.wait()
            stop.raise_if_set()
    return torch.from_numpy(np.array(request.get_output_tensor(0).data, np.float32, copy=True))


def _dtype_of(module: torch.nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
