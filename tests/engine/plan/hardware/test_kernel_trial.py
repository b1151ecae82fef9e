"""What is measured on a processor, what plans make of it, and when nothing is kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from engine.errors import CancelledError
from engine.plan.hardware import kernel_trial
from engine.plan.hardware.kernel_trial import (
    SHARES,
    Kernel,
    compute_gains,
    list_kernels,
    measure_kernels,
    measure_rates,
    read_rates,
)
from engine.plan.precision import Tolerance, choose
from engine.stopping import Stop
from tests.engine.plan.conftest import MACHINES

ANYTHING = Tolerance(name="anything", dtypes={"unet": ("float16", "bfloat16", "float32")})
EQUIPPED = {name: dataclasses.replace(machine, extras=frozenset({"openvino"})) for name, machine in MACHINES.items()}
AVX2, AVX512 = EQUIPPED["x86 CPU without bfloat16"], EQUIPPED["x86 CPU with AVX-512 BF16"]


def create_rates(**rates: float) -> dict[str, float]:
    """The same rate for all computations of a library in a precision, named ``library_precision``; torch's in both layouts."""
    ways = {tuple(way.split("_")): rate for way, rate in rates.items()}
    named = {f"{library} {precision} {each}": rate for (library, precision), rate in ways.items() for each in SHARES}
    torchs = {name: rate for name, rate in named.items() if name.startswith("torch") and name.endswith("convolution")}
    layouts = {f"{name} {layout}": rate for name, rate in torchs.items() for layout in ("contiguous", "channels-last")}
    return {**{name: rate for name, rate in named.items() if name not in torchs}, **layouts}


@pytest.mark.parametrize(
    ("rates", "gains"),
    [
        ({}, {}),
        ({"torch_float32": 100}, {"channels_last": 1}),
        ({"torch_float32": 100, "openvino_float32": 120}, {"channels_last": 1, "openvino": 1.2}),
        ({"torch_float32": 100, "torch_bfloat16": 50}, {"channels_last": 1, "bfloat16": 0.5}),
        (
            {"torch_float32": 100, "torch_bfloat16": 50, "openvino_float32": 120, "openvino_bfloat16": 240},
            {"channels_last": 1, "bfloat16": 2, "openvino": 4.8},
        ),
        (
            {"torch_float32": 100, "torch_bfloat16": 200, "openvino_float32": 120, "openvino_bfloat16": 160},
            {"channels_last": 1, "bfloat16": 1.67, "openvino": 0.8},
        ),
    ],
)
def test_gains_by_the_best_library_of_each_precision(rates: dict[str, float], gains: dict[str, float]) -> None:
    assert compute_gains(create_rates(**rates)) == gains


def test_the_plan_goes_by_what_was_measured() -> None:
    assert choose(AVX2, ANYTHING).compiler == "openvino", "before it was measured"
    slower = choose(AVX2, ANYTHING, measured={"openvino": 0.9, "channels_last": 0.8})
    assert slower.compiler == "" and not slower.channels_last and "0.90 times as fast as torch" in slower.reasons[-1]
    faster = choose(AVX2, ANYTHING, measured={"openvino": 1.2, "channels_last": 1.1})
    assert faster.compiler == "openvino" and faster.channels_last
    assert choose(AVX512, ANYTHING, measured={"bfloat16": 0.9, "openvino": 1.1}).dtype("unet") == "float32"
    plain = dataclasses.replace(AVX2, extras=frozenset())
    assert choose(plain, ANYTHING, measured={"openvino": 9.0}).compiler == "", "it is not installed any more"


def create_kernel(name: str, fails: bool = False) -> Kernel:
    ones = torch.ones(64, 64)

    def call() -> torch.Tensor:
        if fails:
            raise RuntimeError("not implemented for this type")
        return ones @ ones

    return Kernel("torch", name, "attention", 2 * 64**3, call)


def test_what_does_not_run_is_left_out_and_what_was_disturbed_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_trial, "SECONDS", 0.0)
    both = [create_kernel("float32"), create_kernel("bfloat16", fails=True)]
    assert list(measure_kernels(both, Stop(), undisturbed=0.0)) == ["torch float32 attention"]
    assert measure_kernels(both, Stop(), undisturbed=1000.0) == {}, "no call had its cores for itself"
    monkeypatch.setattr(kernel_trial, "list_kernels", lambda hardware: both)
    path, plain = tmp_path / "measured.json", MACHINES["x86 CPU without bfloat16"]
    for busy, rates in ((True, {}), (False, {"torch float32 attention": 5.2})):
        monkeypatch.setattr(kernel_trial, "_time_call", lambda call, busy=busy: (1e-4, 0.1 if busy else 0.9))
        assert measure_rates(plain, path, Stop()) == read_rates(plain, path) == rates
    other = dataclasses.replace(plain, cpu=dataclasses.replace(plain.cpu, name="another processor"))
    assert read_rates(other, path) == {}


def test_a_job_that_arrives_ends_it_and_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_trial, "list_kernels", lambda hardware: [create_kernel("float32")])
    stop, path = Stop(), tmp_path / "measured.json"
    stop.set()
    with pytest.raises(CancelledError):
        measure_rates(MACHINES["x86 CPU without bfloat16"], path, stop)
    assert not path.exists()


def test_the_kernels_are_those_that_the_plan_chooses_from() -> None:
    plain = [kernel.name for kernel in list_kernels(MACHINES["x86 CPU without bfloat16"])]
    assert plain == [
        "torch float32 matrix product", "torch float32 convolution contiguous", "torch float32 convolution channels-last",
        "torch float32 attention",
    ]  # fmt: skip


def test_openvinos_kernels_run() -> None:
    pytest.importorskip("openvino")
    for kernel in kernel_trial.list_openvino_kernels("float32"):
        assert kernel.call() is not None
