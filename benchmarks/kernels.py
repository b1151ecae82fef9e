"""The rates of the three computations that a step consists of, by library and precision, beside the processor's arithmetic limit.

Sizes are those of Stable Diffusion 1 at 512 x 512 in a guided step.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import psutil
import torch
from torch.nn.functional import conv2d, scaled_dot_product_attention

from engine.plan import count_threads
from engine.plan.hardware.probe import probe
from engine.plan.precision_table import find_row

ROUNDS, SECONDS = 5, 1.0
"""How often each is measured at most, and for how long."""

FLOPS_PER_CYCLE = {"avx512_f": 64, "avx2": 32}
"""Instruction set -> floating-point operations in float32 of a core in a cycle: two fused multiply-adds of its width."""

BATCH, CHANNELS, SIDE, WIDTH, HEADS, TOKENS = 2, 320, 64, 1280, 8, 4096

Call = Callable[[], torch.Tensor | np.ndarray]


def main() -> None:
    """Print GFLOP/s of each, the median of up to :data:`ROUNDS`, and what the plan of this machine chose."""
    hardware = probe("cpu")
    torch.set_num_threads(count_threads(hardware))
    limit = compute_limit(hardware.cpu.features, torch.get_num_threads())
    clock = "the clock is unknown" if limit is None else f"{limit:.0f} GFLOP/s in float32 at the clock that the system reports"
    print(f"{hardware.cpu.name}, {torch.get_num_threads()} threads, torch {torch.__version__}; arithmetic limit: {clock}")
    for name, flops, call in list_kernels(find_row(hardware).dtypes):
        rate = flops / measure_seconds(call) / 1e9
        share = "" if limit is None else f"  {rate / limit:.0%} of the limit"
        print(f"{name:52} {rate:7.0f} GFLOP/s{share}", flush=True)
    row = find_row(hardware)
    compiler = row.compiler if row.compiler in hardware.extras else "torch"
    print(f"The plan here: {row.name}; convolutions in channels-last order; large networks by {compiler}")


def compute_limit(features: frozenset[str], threads: int) -> float | None:
    """The processor's GFLOP/s in float32, None if its clock is unknown."""
    frequency = psutil.cpu_freq()
    width = next((flops for name, flops in FLOPS_PER_CYCLE.items() if name in features), 8)
    return None if frequency is None or not frequency.current else threads * frequency.current / 1000 * width


def list_kernels(precisions: tuple[str, ...]) -> Iterator[tuple[str, int, Call]]:
    """The name, floating-point operations and call of each."""
    for name in precisions:
        if name != "float16":  # processors do not compute in it
            yield from list_torch_kernels(name, getattr(torch, name))
    if find_spec("openvino"):
        yield from list_openvino_kernels()


def list_torch_kernels(name: str, dtype: torch.dtype) -> Iterator[tuple[str, int, Call]]:
    """Torch's kernels in one precision."""
    rows = BATCH * SIDE**2
    left, right = torch.randn(rows, CHANNELS, dtype=dtype), torch.randn(CHANNELS, WIDTH, dtype=dtype)
    yield f"torch {name}: matrix product", 2 * rows * CHANNELS * WIDTH, lambda: left @ right
    image, kernel = torch.randn(BATCH, CHANNELS, SIDE, SIDE, dtype=dtype), torch.randn(CHANNELS, CHANNELS, 3, 3, dtype=dtype)
    flops = 2 * rows * CHANNELS**2 * 9
    yield f"torch {name}: convolution, contiguous", flops, lambda: conv2d(image, kernel, padding=1)
    last, own = image.to(memory_format=torch.channels_last), kernel.to(memory_format=torch.channels_last)
    yield f"torch {name}: convolution, channels-last", flops, lambda: conv2d(last, own, padding=1)
    query = torch.randn(BATCH, HEADS, TOKENS, CHANNELS // HEADS, dtype=dtype)
    flops = 4 * BATCH * TOKENS**2 * CHANNELS
    yield f"torch {name}: attention", flops, lambda: scaled_dot_product_attention(query, query, query)


def list_openvino_kernels() -> Iterator[tuple[str, int, Call]]:
    """OpenVINO's kernels in float32."""
    import openvino  # type: ignore[import-not-found]
    from openvino import opset13  # type: ignore[import-not-found]

    def compile_node(inputs: list[openvino.op.Parameter], node: openvino.Node) -> Call:
        model = openvino.Model([node], inputs)
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        compiled = openvino.Core().compile_model(model, "CPU", options)
        given = [np.random.randn(*each.shape).astype(np.float32) for each in inputs]
        return lambda: compiled(given)[0]

    def create_constant(*shape: int) -> openvino.op.Constant:
        return openvino.op.Constant(np.random.randn(*shape).astype(np.float32))

    rows = BATCH * SIDE**2
    left = opset13.parameter([rows, CHANNELS], np.float32)
    product = opset13.matmul(left, create_constant(CHANNELS, WIDTH), False, False)
    yield "OpenVINO float32: matrix product", 2 * rows * CHANNELS * WIDTH, compile_node([left], product)
    image = opset13.parameter([BATCH, CHANNELS, SIDE, SIDE], np.float32)
    kernel = create_constant(CHANNELS, CHANNELS, 3, 3)
    convolved = opset13.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    yield "OpenVINO float32: convolution", 2 * rows * CHANNELS**2 * 9, compile_node([image], convolved)
    shape = [BATCH, HEADS, TOKENS, CHANNELS // HEADS]
    heads = [opset13.parameter(shape, np.float32) for _ in range(3)]
    attended = opset13.scaled_dot_product_attention(*heads)
    yield "OpenVINO float32: attention", 4 * BATCH * TOKENS**2 * CHANNELS, compile_node(heads, attended)


def measure_seconds(call: Call) -> float:
    """The median seconds of a call, after one that is not counted."""
    with torch.inference_mode():
        call()
        seconds: list[float] = []
        while len(seconds) < ROUNDS and sum(seconds) < SECONDS:
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
