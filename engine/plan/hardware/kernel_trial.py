"""Measures on the processor what a denoising step consists of, by library, precision and layout: what the plan then goes by.

Measured once, in under ten seconds while the engine is idle, and kept with the processor, its threads and the libraries'
versions. Imports torch.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import conv2d, scaled_dot_product_attention

from engine.plan.hardware.facts import Hardware
from engine.plan.learned import LearnedFacts, read_numbers
from engine.plan.precision import CHANNELS_LAST, MUST_GAIN
from engine.plan.precision_table import find_row
from engine.stopping import Stop

BATCH, CHANNELS, SIDE, WIDTH, HEADS = 2, 320, 32, 1280, 8
"""Shapes from Stable Diffusion 1's UNet in a guided step of half the native size."""

ROWS = BATCH * SIDE**2

SHARES: Mapping[str, float] = {"convolution": 0.55, "matrix product": 0.29, "attention": 0.16}
"""Computation -> its share of the floating-point operations of Stable Diffusion 1's UNet at 512 x 512."""

LEAST_ROUNDS, SECONDS = 2, 3.0
"""Each kernel runs so often at least, and all together for so long."""

UNDISTURBED = 0.75
"""A call counts only if its threads computed for this share of the time: other programs keep the cores busy otherwise."""

TORCH, CONTIGUOUS, LAST = "torch", "contiguous", "channels-last"

Call = Callable[[], torch.Tensor | np.ndarray]


@dataclass(frozen=True)
class Kernel:
    """One computation by one ``library`` in one precision; ``operations`` are floating-point operations a call. ``layout`` is
    that of torch's convolutions."""

    library: str
    precision: str
    computation: str
    operations: int
    call: Call
    layout: str = ""

    @property
    def name(self) -> str:
        """What its rate is kept under."""
        return " ".join(filter(None, (self.library, self.precision, self.computation, self.layout)))


def read_rates(hardware: Hardware, path: Path) -> dict[str, float]:
    """Name of a kernel -> GFLOP/s, as measured on this processor with these libraries and kept in ``path``; empty if not yet."""
    return read_numbers(LearnedFacts(path).get(_describe(hardware)))


def measure_rates(hardware: Hardware, path: Path, stop: Stop) -> dict[str, float]:
    """Measure and keep the rates; empty, and nothing kept, while other programs are busy. Raises CancelledError soon after
    ``stop`` is set."""
    rates = measure_kernels(list(list_kernels(hardware)), stop)
    if rates:
        LearnedFacts(path).put(_describe(hardware), rates)
    return rates


def compute_gains(rates: Mapping[str, float]) -> dict[str, float]:
    """What plans go by: how many times as fast as float32 bfloat16 is, by the best library each; how many times as fast torch's
    convolutions are in channels-last order as in contiguous order; and how many times as fast as torch another library is, in the
    precision that is then used. What was not measured is left out."""
    if not rates:
        return {}
    seconds = {(library, precision): _seconds(rates, library, precision) for library, precision in _list_ways(rates)}
    best = {p: min(s for (_, each), s in seconds.items() if each == p) for p in {precision for _, precision in seconds}}
    gains = {p: best["float32"] / s for p, s in best.items() if p != "float32"}
    used = next((p for p, gain in gains.items() if gain >= MUST_GAIN), "float32")
    libraries = {library for library, _ in seconds} - {TORCH}
    compared = {each: seconds[TORCH, used] / seconds[each, used] for each in libraries if (each, used) in seconds}
    one, other = (rates.get(f"{TORCH} {used} convolution {layout}", 0.0) for layout in (CONTIGUOUS, LAST))
    layouts = {CHANNELS_LAST: other / one} if one and other else {}
    return {name: round(gain, 2) for name, gain in {**gains, **layouts, **compared}.items()}


def _list_ways(rates: Mapping[str, float]) -> set[tuple[str, str]]:
    """The libraries and precisions of which all three computations were measured."""
    ways = {(library, precision) for library, precision, *_ in (name.split(" ") for name in rates)}
    return {way for way in ways if all(_find_rate(rates, *way, computation) for computation in SHARES)}


def _find_rate(rates: Mapping[str, float], library: str, precision: str, computation: str) -> float:
    """The best rate of a computation, of its layouts; 0 if it was not measured."""
    return max((rate for name, rate in rates.items() if name.startswith(f"{library} {precision} {computation}")), default=0.0)


def _seconds(rates: Mapping[str, float], library: str, precision: str) -> float:
    """Seconds of 10**9 operations of a step, in their shares."""
    return sum(share / _find_rate(rates, library, precision, computation) for computation, share in SHARES.items())


def _describe(hardware: Hardware) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in (TORCH, *sorted(hardware.extras)))
    return f"kernels of {hardware.cpu.name}, {torch.get_num_threads()} threads, {versions}"


def measure_kernels(kernels: list[Kernel], stop: Stop, undisturbed: float = UNDISTURBED) -> dict[str, float]:
    """GFLOP/s of each by its fastest call. They take turns, so that all of them meet what else the machine does; one that does
    not run here is left out. Empty if one had no undisturbed call. Raises CancelledError soon after ``stop`` is set."""
    fastest: dict[str, float] = {}
    began, rounds = time.perf_counter(), 0
    with torch.inference_mode():
        kernels = [kernel for kernel in kernels if _runs(kernel)]
        while rounds < LEAST_ROUNDS or time.perf_counter() - began < SECONDS:
            for kernel in kernels:
                stop.raise_if_set()
                seconds, share = _time_call(kernel.call)
                if share >= undisturbed:
                    fastest[kernel.name] = min(seconds, fastest.get(kernel.name, seconds))
            rounds += 1
    rates = {each.name: round(each.operations / fastest[each.name] / 1e9, 1) for each in kernels if each.name in fastest}
    return rates if len(rates) == len(kernels) else {}


def _runs(kernel: Kernel) -> bool:
    try:
        kernel.call()
    except (RuntimeError, NotImplementedError):
        return False
    return True


def _time_call(call: Call) -> tuple[float, float]:
    """Seconds of a call, and for which share of them its threads computed."""
    began, busy = time.perf_counter(), time.process_time()
    call()
    seconds = time.perf_counter() - began
    return seconds, (time.process_time() - busy) / seconds / torch.get_num_threads()


def list_kernels(hardware: Hardware) -> Iterator[Kernel]:
    """Those that a plan for the processor chooses from, in the precisions of its row of the table."""
    row = find_row(hardware.on_cpu)
    for precision in row.dtypes:
        yield from list_torch_kernels(precision)
    if row.compiler in hardware.extras:
        for precision in row.dtypes:
            yield from list_openvino_kernels(precision)


def list_torch_kernels(precision: str) -> Iterator[Kernel]:
    """Torch's, with convolutions in both layouts."""
    dtype: torch.dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    one = Kernel(TORCH, precision, "", 0, lambda: torch.empty(0))
    left, right = torch.randn(ROWS, CHANNELS, dtype=dtype), torch.randn(CHANNELS, WIDTH, dtype=dtype)
    yield dataclasses.replace(one, computation="matrix product", operations=_PRODUCT, call=lambda: left @ right)
    image, kernel = torch.randn(BATCH, CHANNELS, SIDE, SIDE, dtype=dtype), torch.randn(CHANNELS, CHANNELS, 3, 3, dtype=dtype)
    one = dataclasses.replace(one, computation="convolution", operations=_CONVOLUTION)
    yield dataclasses.replace(one, layout=CONTIGUOUS, call=lambda: conv2d(image, kernel, padding=1))
    last, own = image.to(memory_format=torch.channels_last), kernel.to(memory_format=torch.channels_last)
    yield dataclasses.replace(one, layout=LAST, call=lambda: conv2d(last, own, padding=1))
    query = torch.randn(BATCH, HEADS, SIDE**2, CHANNELS // HEADS, dtype=dtype)
    yield Kernel(TORCH, precision, "attention", _ATTENTION, lambda: scaled_dot_product_attention(query, query, query))


_PRODUCT = 2 * ROWS * CHANNELS * WIDTH
_CONVOLUTION = 2 * ROWS * CHANNELS**2 * 9
_ATTENTION = 4 * BATCH * SIDE**4 * CHANNELS


def list_openvino_kernels(precision: str) -> Iterator[Kernel]:
    """OpenVINO's."""
    import openvino  # type: ignore[import-not-found]
    from openvino import opset13  # type: ignore[import-not-found]

    def compile_node(inputs: list[openvino.op.Parameter], node: openvino.Node) -> Call:
        model = openvino.Model([node], inputs)  # pyright: ignore[reportGeneralTypeIssues]  # its stubs know two Models
        hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
        options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
        given = [np.random.randn(*each.shape).astype(np.float32) for each in inputs]
        return lambda: request.infer(given, share_inputs=True, share_outputs=True)[0]

    def create_constant(*shape: int) -> openvino.op.Constant:
        return openvino.op.Constant(np.random.randn(*shape).astype(np.float32))

    left = opset13.parameter([ROWS, CHANNELS], np.float32)
    product = opset13.matmul(left, create_constant(CHANNELS, WIDTH), False, False)
    yield Kernel("openvino", precision, "matrix product", _PRODUCT, compile_node([left], product))
    image = opset13.parameter([BATCH, CHANNELS, SIDE, SIDE], np.float32)
    convolved = opset13.convolution(image, create_constant(CHANNELS, CHANNELS, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    yield Kernel("openvino", precision, "convolution", _CONVOLUTION, compile_node([image], convolved))
    heads = [opset13.parameter([BATCH, HEADS, SIDE**2, CHANNELS // HEADS], np.float32) for _ in range(3)]
    attended = opset13.scaled_dot_product_attention(*heads)
    yield Kernel("openvino", precision, "attention", _ATTENTION, compile_node(heads, attended))
