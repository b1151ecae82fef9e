"""What the engine's trial measures on this processor (matrix product, convolution, attention, by library and precision), beside
the arithmetic limit, and what the plan chooses by it."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable
from typing import TypeVar

import psutil
import torch

from engine.plan import count_threads
from engine.plan.hardware.facts import Hardware
from engine.plan.hardware.kernel_trial import compute_gains, list_kernels, measure_kernels
from engine.plan.hardware.probe import probe
from engine.plan.precision import choose
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS
from engine.stopping import Stop

FLOPS_PER_CYCLE = {"avx512_f": 64, "avx2": 32}
"""Instruction set -> floating-point operations in float32 of a core in a cycle: two fused multiply-adds of its width."""


CLOCK_SECONDS = 0.05
"""Between two looks at the clock."""

_T = TypeVar("_T")


def main() -> None:
    """Print GFLOP/s of each, and what the plan of this machine chooses."""
    hardware = probe("cpu")
    torch.set_num_threads(count_threads(hardware))
    print_rates(hardware)


def print_rates(hardware: Hardware) -> tuple[dict[str, float], float | None]:
    """Measure and print; returns GFLOP/s by the kernel's name, and the processor's limit, None if its clock is unknown."""
    rates, clock = watch_clock(lambda: measure_kernels(list(list_kernels(hardware)), Stop(), undisturbed=0.0))
    limit = compute_limit(hardware.cpu.features, torch.get_num_threads(), clock)
    said = "the clock is unknown" if limit is None else f"{limit:.0f} GFLOP/s in float32 at {clock:.0f} MHz, the clock under load"
    print(f"{hardware.cpu.name}, {torch.get_num_threads()} threads, torch {torch.__version__}; arithmetic limit: {said}")
    for name, rate in rates.items():
        share = "" if limit is None else f"  {rate / limit:.0%} of the limit"
        print(f"{name:45} {rate:7.0f} GFLOP/s{share}")
    gains = compute_gains(rates)
    plan = choose(hardware, REFERENCE_CHECKPOINTS[0].family, measured=gains)
    print("times as fast: " + ", ".join(f"{name} {gain:.2f}" for name, gain in gains.items()))
    layout = "channels last" if plan.channels_last else "channels first"
    print(f"chosen: {plan.dtype(plan.denoiser)}, convolutions with {layout}, networks by {plan.compiler or 'torch'}", flush=True)
    return rates, limit


def watch_clock(work: Callable[[], _T]) -> tuple[_T, float]:
    """What ``work`` returns, and the median of the processor's clock in MHz meanwhile; 0 where the system does not say."""
    seen, over = list[float](), threading.Event()

    def watch() -> None:
        while not over.wait(CLOCK_SECONDS):
            frequency = psutil.cpu_freq()
            seen.append(frequency.current if frequency is not None else 0.0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return work(), statistics.median(seen or [0.0])
    finally:
        over.set()
        watcher.join()


def compute_limit(features: frozenset[str], threads: int, clock: float) -> float | None:
    """The GFLOP/s in float32 of a processor at a clock in MHz, None for a clock of 0."""
    width = next((flops for name, flops in FLOPS_PER_CYCLE.items() if name in features), 8)
    return threads * clock / 1000 * width if clock else None


if __name__ == "__main__":
    main()
