"""A network compiled by OpenVINO for the processor, one static shape after the other, straight from torch's module in memory."""

from __future__ import annotations

import copy
import gc
import inspect
import warnings
import weakref
from collections import OrderedDict
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from engine.stopping import Stop

KEPT = 2
"""Shapes that are kept for a network: guided and not. Each holds a copy of its weights."""

_GLANCE = 50
"""Milliseconds between two looks at Stop."""


class OpenVino:
    """A compiled forward pass. Takes what the network takes, by name or in order; scalars and tensors, a dict of tensors too.

    Answers in float32 as the network does with ``return_dict=False``.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = weakref.ref(module)
        self._names = tuple(inspect.signature(type(module).forward).parameters)[1:]
        self._requests: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def __call__(self, stop: Stop, *given: Any, **named: Any) -> Any:
        arguments = {**dict(zip(self._names, given, strict=False)), **named}
        arguments.pop("return_dict", None)
        tensors = dict(_tensors(arguments))
        rest = {name: value for name, value in arguments.items() if value is not None and name not in _first_parts(tensors)}
        try:
            request = self._request(tensors, rest)
        except Exception:
            stop.raise_if_set()  # heard by the network's own hooks while it was traced, and wrapped by the tracer
            raise
        answer = _run(request, tuple(tensors.values()), stop)
        return (answer,) if "return_dict" in self._names else answer

    def _request(self, tensors: dict[str, torch.Tensor], rest: dict[str, Any]) -> Any:
        key = tuple((name, tuple(tensor.shape)) for name, tensor in tensors.items())
        if key not in self._requests:
            while len(self._requests) >= KEPT:
                self._requests.popitem(last=False)
            gc.collect()
            module = self._module()
            assert module is not None, "it is the network that is running"
            self._requests[key] = _compile(_Flat(module, tuple(tensors), rest, self._names), tensors, _dtype_of(module))
            gc.collect()
        self._requests.move_to_end(key)
        return self._requests[key]


class _Flat(torch.nn.Module):
    """A forward pass that takes tensors in order and nothing else, and gives one: what can be traced."""

    def __init__(self, module: torch.nn.Module, paths: tuple[str, ...], rest: dict[str, Any], names: tuple[str, ...]) -> None:
        super().__init__()
        # Of weights in 16 bits or in channels-last order the converter reads past their end: it gets a plain copy.
        plain = copy.deepcopy(module).float().eval()
        self.network = plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._own = type(module).forward.__get__(self.network)
        self._paths, self._rest = paths, rest
        self._closing = {"return_dict": False} if "return_dict" in names else {}

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        arguments: dict[str, Any] = {**self._rest, **self._closing}
        for path, tensor in zip(self._paths, tensors, strict=True):
            name, _, part = path.partition("/")
            if part:
                arguments.setdefault(name, {})[part] = tensor
            else:
                arguments[name] = tensor
        answer = self._own(**arguments)
        return answer[0] if isinstance(answer, tuple) else answer


def _tensors(arguments: dict[str, Any]) -> list[tuple[str, torch.Tensor]]:
    """Every tensor by its path, in float32. A timestep, whatever it came as, is one of one number."""
    found: list[tuple[str, torch.Tensor]] = []
    for name, value in arguments.items():
        if name == "timestep":
            found.append((name, torch.as_tensor(value, dtype=torch.float32).reshape(-1)))
        elif isinstance(value, torch.Tensor):
            found.append((name, value.float()))
        elif isinstance(value, dict):
            found.extend((f"{name}/{part}", each.float()) for part, each in value.items() if isinstance(each, torch.Tensor))
    return found


def _first_parts(paths: dict[str, torch.Tensor]) -> set[str]:
    return {path.partition("/")[0] for path in paths}


def _compile(flat: _Flat, tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
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


def _run(request: Any, tensors: tuple[torch.Tensor, ...], stop: Stop) -> torch.Tensor:
    """The answer in float32. Raises Cancelled soon after ``stop`` is set."""
    import openvino  # type: ignore[import-not-found]

    stop.raise_if_set()
    for port, tensor in zip(request.model_inputs, tensors, strict=True):
        request.set_tensor(port, openvino.Tensor(tensor.contiguous().numpy()))  # a copy
    request.start_async()
    while not request.wait_for(_GLANCE):
        if stop.is_set():
            request.cancel()
            with suppress(RuntimeError):  # its word for "cancelled"
                request.wait()
            stop.raise_if_set()
    return torch.from_numpy(np.array(request.get_output_tensor(0).data, np.float32, copy=True))


def _dtype_of(module: torch.nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
