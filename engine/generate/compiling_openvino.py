"""A network compiled by OpenVINO for the processor, one static shape after the other, straight from torch's module in memory."""

from __future__ import annotations

import gc
import inspect
import warnings
from collections import OrderedDict
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

    Answers as the network does with ``return_dict=False``.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self._own = type(module).forward.__get__(module)
        self._names = tuple(inspect.signature(self._own).parameters)
        self._dtype = next(module.parameters()).dtype
        self._requests: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def __call__(self, stop: Stop, *given: Any, **named: Any) -> Any:
        arguments = {**dict(zip(self._names, given, strict=False)), **named}
        arguments.pop("return_dict", None)
        tensors = dict(_tensors(arguments))
        rest = {name: value for name, value in arguments.items() if value is not None and name not in _first_parts(tensors)}
        request = self._request(tensors, rest)
        answer = _run(request, tuple(tensors.values()), stop)
        return (answer,) if "return_dict" in self._names else answer

    def _request(self, tensors: dict[str, torch.Tensor], rest: dict[str, Any]) -> Any:
        key = tuple((name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items())
        if key not in self._requests:
            while len(self._requests) >= KEPT:
                self._requests.popitem(last=False)
            gc.collect()
            self._requests[key] = _compile(_Flat(self._own, tuple(tensors), rest, self._names), tensors, self._dtype)
        self._requests.move_to_end(key)
        return self._requests[key]


class _Flat(torch.nn.Module):
    """A forward pass that takes tensors in order and nothing else, and gives one: what can be traced."""

    def __init__(self, own: Any, paths: tuple[str, ...], rest: dict[str, Any], names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = own.__self__
        self._own, self._paths, self._rest = own, paths, rest
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
    """Every tensor by its path. A timestep, whatever it came as, is a number in float32."""
    found: list[tuple[str, torch.Tensor]] = []
    for name, value in arguments.items():
        if name == "timestep":
            found.append((name, torch.as_tensor(value, dtype=torch.float32).reshape(-1)))
        elif isinstance(value, torch.Tensor):
            found.append((name, value))
        elif isinstance(value, dict):
            found.extend((f"{name}/{part}", each) for part, each in value.items() if isinstance(each, torch.Tensor))
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
    stop.raise_if_set()
    ports = request.model_inputs
    for port, tensor in zip(ports, tensors, strict=True):
        request.set_tensor(port, _shared(tensor))
    request.start_async()
    while not request.wait_for(_GLANCE):
        if stop.is_set():
            request.cancel()
            stop.raise_if_set()
    return _read(request.get_output_tensor(0))


def _shared(tensor: torch.Tensor) -> Any:
    """A tensor of OpenVINO's with the same numbers."""
    import openvino  # type: ignore[import-not-found]

    tensor = tensor.contiguous()
    if tensor.dtype == torch.bfloat16:
        return openvino.Tensor(tensor.view(torch.int16).numpy(), tuple(tensor.shape), openvino.Type.bf16)
    return openvino.Tensor(tensor.numpy())


def _read(answer: Any) -> torch.Tensor:
    numbers = np.array(answer.data, copy=True)
    if numbers.dtype.itemsize == 2:
        return torch.from_numpy(numbers.view(np.int16)).view(torch.bfloat16).float()
    return torch.from_numpy(numbers)
