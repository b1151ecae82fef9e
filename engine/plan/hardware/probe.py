"""The only module that asks torch about the hardware. Imports torch: the page must not import this module.

Asking (here and in :mod:`engine.plan.hardware.system`) and deciding (:mod:`engine.plan.hardware.choose_device`) are separate,
so that every fault can be tested with prepared answers.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from engine.plan.hardware import system
from engine.plan.hardware.choose_device import choose_device
from engine.plan.hardware.facts import Answer, Device, Hardware

T = TypeVar("T")


def probe(prefer: str = "auto") -> Hardware:
    """What this machine has and which device to use; see :func:`engine.plan.hardware.choose_device.choose_device` for ``prefer``.

    Runs one small kernel on the device that is chosen, on the next one if that does not work, and so on. The others are left
    alone: whatever computes there takes some hundred megabytes of their memory. Never raises: devices that do not work are left
    out, with a sentence in ``notes``.
    """
    answers, machine, tried = list(ask_drivers()), system.read_machine(read_cpu_features()), set[str]()
    while True:
        hardware = choose_device(answers, machine, prefer)
        chosen = hardware.device
        if chosen.kind == "cpu" or chosen.torch in tried:
            return hardware
        tried.add(chosen.torch)
        answers = [_try(answer) if answer.device == chosen else answer for answer in answers]


def ask_drivers() -> Iterator[Answer]:
    """Every accelerator that torch can see, by its properties alone."""
    yield from _each("rocm" if torch.version.hip else "cuda", torch.cuda.init, torch.cuda.device_count, _cuda_device)
    yield Answer(kind="cuda" if torch.version.hip else "rocm", trouble="not compiled with support for this maker's cards")
    yield from _each("xpu", torch.xpu.init, torch.xpu.device_count, _xpu_device)
    if torch.backends.mps.is_available():
        yield from _each("mps", lambda: None, lambda: 1, _mps_device)


def read_cpu_features() -> frozenset[str]:
    """The CPU's instruction sets, by torch's names for them. The older torch for NVIDIA cards before Turing knows few of them."""
    try:
        return frozenset(name for name, has in torch.cpu.get_capabilities().items() if has is True)
    except AttributeError:
        return _OLDER_CAPABILITIES.get(torch.backends.cpu.get_cpu_capability(), frozenset())


def refresh(hardware: Hardware) -> Hardware:
    """The same hardware with the currently free memory, for a prediction right before a run."""
    device = dataclasses.replace(hardware.device, free_bytes=read_free_bytes(hardware.device))
    return dataclasses.replace(hardware, device=device, ram_available=system.read_memory()[1])


def read_free_bytes(device: Device) -> int | None:
    """Memory of ``device`` that is free at this moment, or None where the driver does not tell."""
    return _memory(device.kind, device.index)[0]


def read_reusable_bytes(device: torch.device) -> int | None:
    """Memory of ``device`` that this process can still take: what is free, and what torch's allocator holds unused. None where
    the driver does not tell."""
    return _cuda_memory(device.index or 0)[0] if device.type == "cuda" else None


def limit_memory(device: Device) -> None:
    """Let this process take no more of ``device`` than is free: Windows' drivers would go on in RAM, without a word and much
    slower, where Easel has measures that save memory."""
    if device.kind in ("cuda", "rocm") and device.free_bytes is not None and device.total_bytes:
        most = torch.cuda.memory_allocated(device.index) + device.free_bytes
        torch.cuda.set_per_process_memory_fraction(min(1.0, most / device.total_bytes), device.index)


def _each(kind: str, start: Callable[[], None], count: Callable[[], int], describe: Callable[[int], Device]) -> Iterator[Answer]:
    """One answer a device, or one for the whole kind if it does not even start."""
    trouble, found = _ask(lambda: (start(), count())[1])
    if found is None or not found:
        yield Answer(kind=kind, trouble=trouble or "no driver found")
        return
    for index in range(found):
        trouble, device = _ask(lambda index=index: describe(index))
        yield Answer(kind=kind, device=device, trouble=trouble if device is None else "")


def _ask(question: Callable[[], T]) -> tuple[str, T | None]:
    """The answer to ``question``, or the error message. Drivers raise any exception; torch warns where it should raise."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            return " ".join(str(w.message) for w in warned), question()
        except Exception as error:
            return f"{error} {' '.join(str(w.message) for w in warned)}".strip() or type(error).__name__, None


def _try(answer: Answer) -> Answer:
    """The device with its free memory, and the error from running one matrix product and one convolution on it, if any."""
    device = answer.device
    if device is None:
        return answer
    trouble, worked = _ask(lambda: _kernels(device.torch))
    free, total = _memory(device.kind, device.index)
    tried = dataclasses.replace(device, free_bytes=free, total_bytes=total or device.total_bytes)
    return Answer(kind=answer.kind, device=tried, trouble="" if worked else trouble)


def _kernels(device: str) -> bool:
    ones = torch.ones(64, 64, device=device)
    product = (ones @ ones).sum().item()
    convolved = torch.nn.functional.conv2d(ones[None, None], ones[None, None, :3, :3]).sum().item()
    if (product, convolved) != (64.0**3, 62.0**2 * 9):
        raise ArithmeticError(f"wrong result: {product}, {convolved}")
    return True


def _cuda_device(index: int) -> Device:
    properties = torch.cuda.get_device_properties(index)
    return Device(
        kind="rocm" if torch.version.hip else "cuda",
        index=index,
        name=properties.name,
        capability=(properties.major, properties.minor),
        architecture=getattr(properties, "gcnArchName", "").partition(":")[0],
        total_bytes=properties.total_memory or None,
    )


def _xpu_device(index: int) -> Device:
    properties = torch.xpu.get_device_properties(index)
    features = {
        "fp16": properties.has_fp16,
        "bf16": properties.has_bfloat16_conversions,
        "matrix": properties.has_subgroup_matrix_multiply_accumulate,
    }
    return Device(
        kind="xpu",
        index=index,
        name=properties.name,
        features=frozenset(name for name, has in features.items() if has),
        total_bytes=properties.total_memory or None,
    )


def _mps_device(index: int) -> Device:
    return Device(kind="mps", index=index, name="Apple GPU")


def _memory(kind: str, index: int) -> tuple[int | None, int | None]:
    """(free, total) bytes, None for what the driver does not tell."""
    return _ask(lambda: _MEMORY[kind](index))[1] or (None, None)


def _cuda_memory(index: int) -> tuple[int, int]:
    """What torch's allocator holds unused is as good as free."""
    free, total = torch.cuda.mem_get_info(index)
    return free + torch.cuda.memory_reserved(index) - torch.cuda.memory_allocated(index), total


def _mps_memory(_index: int) -> tuple[int | None, int | None]:
    total = torch.mps.recommended_max_memory()
    available = system.read_memory()[1]
    return min(total - torch.mps.driver_allocated_memory(), total if available is None else available), total


_OLDER_CAPABILITIES = {"AVX2": frozenset({"avx2"}), "AVX512": frozenset({"avx2", "avx512_f"})}

_MEMORY: dict[str, Callable[[int], tuple[int | None, int | None]]] = {
    "cuda": lambda index: _cuda_memory(index),
    "rocm": lambda index: _cuda_memory(index),
    "xpu": torch.xpu.mem_get_info,
    "mps": _mps_memory,
    "cpu": lambda _index: (system.read_memory()[1], system.read_memory()[0]),
}
