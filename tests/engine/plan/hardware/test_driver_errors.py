"""The words in which drivers and libraries say that memory is full."""

from __future__ import annotations

import pytest

from engine.plan.hardware.driver_errors import is_lost, is_out_of_memory

FULL = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB",
    "CUDA error: out of memory",
    "HIP out of memory. Tried to allocate 20.00 MiB",
    "MPS backend out of memory (MPS allocated: 9.05 GiB, other allocations: 1.2 GiB, max allowed: 9.07 GiB)",
    "Invalid buffer size: 24.00 GiB",
    "XPU out of memory. Tried to allocate 1.25 GiB",
    "Native API failed. Native API returns: 40 (UR_RESULT_ERROR_OUT_OF_RESOURCES)",
    "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "Unable to find a valid cuDNN algorithm to run convolution",
    "GET was unable to find an engine to execute this computation",
    "FIND was unable to find an engine to execute this computation",
    "miopenStatusAllocFailed",
    "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: not enough memory: you tried to allocate 8589934592 bytes.",
    "bad allocation",
    "std::bad_alloc",
)


@pytest.mark.parametrize("message", FULL)
def test_drivers_say_in_many_words_that_memory_is_full(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message)) and not is_lost(RuntimeError(message))


@pytest.mark.parametrize(
    "message",
    [
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "CUDA error: no kernel image is available for execution on the device",
        "CUDA error: unspecified launch failure",
        "mat1 and mat2 shapes cannot be multiplied",
    ],
)
def test_other_troubles_are_none_of_memory(message: str) -> None:
    assert not is_out_of_memory(RuntimeError(message))
