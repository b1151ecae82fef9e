"""Compiles a network with OpenVINO for the processor, once per static shape, directly from torch's module in memory."""

from __future__ import annotations

import copy
import gc
import inspect
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.compat.forward import Output
from engine.stopping import Stop

if TYPE_CHECKING:
    from openvino import InferRequest  # type: ignore[import-not-found]

KEPT_SHAPES = 2
"""Shapes that are kept for a network: guided and not. Each holds a copy of its weights."""

_STOP_INTERVAL = 50
"""Milliseconds between two checks of Stop."""

Argument = torch.Tensor | dict[str, torch.Tensor] | float | None
_Key = tuple[tuple[str, tuple[int, ...]], ...]


class OpenVino:
    """A compiled forward pass. Takes what the network takes, by name or in order; scalars and tensors, a dict of tensors too.

    Returns float32, as the network does with ``return_dict=False``.
    """

    trouble = ""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = weakref.ref(module)
        self._names = tuple(inspect.signature(type(module).forward).parameters)[1:]
        self._requests: OrderedDict[_Key, InferRequest] = OrderedDict()

    def __call__(self, stop: Stop, *args: Argument, **kwargs: Argument) -> Output:
        """The network's output. Raises CancelledError soon after ``stop`` is set."""
        arguments = {**dict(zip(self._names, args, strict=False)), **kwargs}
        arguments.pop("return_dict", None)
        tensors = dict(_flatten(arguments))
        constants = {name: value for name, value in arguments.items() if value is not None and name not in _roots(tensors)}
        try:
            request = self._find_request(tensors, constants)
        except Exception:
            stop.raise_if_set()  # raised by the network's own hooks while it was traced, and wrapped by the tracer
            raise
        output = _infer(request, tuple(tensors.values()), stop)
        return (output,) if "return_dict" in self._names else output

    def _find_request(self, tensors: dict[str, torch.Tensor], constants: Mapping[str, Argument]) -> InferRequest:
        """The inference request for these shapes, compiled now if need be."""
        key = tuple((name, tuple(tensor.shape)) for name, tensor in tensors.items())
        if key not in self._requests:
            while len(self._requests) >= KEPT_SHAPES:
                self._requests.popitem(last=False)
            gc.collect()
            module = self._module()
            assert module is not None, "it is the network that is running"
            self._requests[key] = _compile(_Flat(module, tuple(tensors), constants, self._names), tensors, _dtype_of(module))
            gc.collect()
        self._requests.move_to_end(key)
        return self._requests[key]


class _Flat(torch.nn.Module):
    """A forward pass that takes only positional tensors and returns one tensor, so that it can be traced."""

    def __init__(
        self, module: torch.nn.Module, paths: tuple[str, ...], constants: Mapping[str, Argument], names: tuple[str, ...]
    ) -> None:
        super().__init__()
        # The converter reads past the end of 16-bit or channels-last weights, so it gets a contiguous float32 copy.
        self.network = _plain_copy(module)
        self._own = type(module).forward.__get__(self.network)
        self._paths, self._constants = paths, constants
        self._closing: dict[str, Argument] = {"return_dict": False} if "return_dict" in names else {}

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """The first tensor of the network's output."""
        named = dict(zip(self._paths, tensors, strict=True))
        nested = {root: _children(named, root) for root in _roots(named)}
        output = self._own(**self._constants, **self._closing, **nested)
        return output[0] if isinstance(output, tuple) else output


def _plain_copy(module: torch.nn.Module) -> torch.nn.Module:
    copied = copy.deepcopy(module).float().eval()
    for tensor in (*copied.parameters(), *copied.buffers()):
        tensor.data = tensor.data.contiguous()
    return copied


def _flatten(arguments: dict[str, Argument]) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor by its path, in float32. A timestep of any type becomes a tensor with one element."""
    for name, value in arguments.items():
        if name == "timestep":
            yield name, torch.as_tensor(value, dtype=torch.float32).reshape(-1)
        elif isinstance(value, torch.Tensor):
            yield name, value.float()
        elif isinstance(value, dict):
            yield from ((f"{name}/{part}", each.float()) for part, each in value.items())


def _roots(paths: Iterable[str]) -> set[str]:
    return {path.partition("/")[0] for path in paths}


def _children(tensors: dict[str, torch.Tensor], root: str) -> Argument:
    """The argument ``root``: a tensor, or a dict of tensors."""
    return tensors[root] if root in tensors else {p.partition("/")[2]: t for p, t in tensors.items() if p.startswith(f"{root}/")}


def _compile(flat: _Flat, tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> InferRequest:
    """An inference request for exactly these shapes."""
    import openvino  # type: ignore[import-not-found]

    given = tuple(tensors.values())
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's tracer warns of every shape that it takes for fixed: they are
        example = tuple(tensor.clone() for tensor in given)
        graph = openvino.convert_model(flat, example_input=example, input=[tuple(tensor.shape) for tensor in given])
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    return openvino.Core().compile_model(graph, "CPU", options).create_infer_request()


def _infer(request: InferRequest, tensors: tuple[torch.Tensor, ...], stop: Stop) -> torch.Tensor:
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
