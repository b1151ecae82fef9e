"""What drivers say when something is wrong, and what that means for the user. A table: first match wins, the last matches all."""

from __future__ import annotations

import re
from dataclasses import dataclass

REPAIR = "then press Repair on the Settings tab, under This computer"


@dataclass(frozen=True)
class Fault:
    """``name`` is for code, ``words`` complete the sentence "... cannot be used: " and say what to do."""

    name: str
    pattern: str
    words: str

    def matches(self, message: str) -> bool:
        """Whether a driver's or torch's message is of this kind."""
        return re.search(self.pattern, message, re.IGNORECASE | re.DOTALL) is not None


FAULTS: tuple[Fault, ...] = (
    Fault(
        "not_built",
        r"not compiled with|not linked with|has no attribute '_(cuda|xpu|mps)",
        "the installed torch was built without support for it. See that its driver is new enough (580 or newer for an NVIDIA "
        f"card), {REPAIR}: the set-up then chooses another build",
    ),
    Fault(
        "driver_old",
        r"driver.{0,40}too old|driver version is insufficient|requires a newer driver|unsupported.{0,20}PTX",
        "its driver is too old for the installed torch. Update it (NVIDIA's to 580 or newer) and start Easel again",
    ),
    Fault(
        "driver_missing",
        r"found no NVIDIA driver|no.{0,20}driver.{0,20}(found|installed)",
        f"its driver is not installed. Install it (NVIDIA's in version 580 or newer), {REPAIR}",
    ),
    Fault(
        "card_unknown",
        r"no kernel image|invalid device function|not compatible with the current PyTorch|HIP error.{0,20}invalid device"
        r"|arch.{0,20}not supported",
        "the installed torch has no code for this card. If the card came after the set-up, press Repair on the Settings tab, "
        "under This computer; otherwise the card is newer than torch, and an update of Easel may help",
    ),
    Fault(
        "out_of_memory",
        r"out of (host |device )?memory|OUT_OF_(HOST_|DEVICE_)?(MEMORY|RESOURCES)|hipErrorOutOfMemory|failed to allocate"
        r"|STATUS_ALLOC_FAILED|miopenStatusAllocFailed|not enough memory|can't allocate memory|cannot allocate memory|bad.alloc"
        # Without memory for their workspaces, cuDNN finds no way to compute a convolution and cuBLAS does not start.
        r"|unable to find (a valid|an) (\w+ )?(algorithm|engine)|CUBLAS_STATUS_NOT_INITIALIZED|Invalid buffer size",
        "its memory is full. Close other programs that use it",
    ),
    Fault("busy", r"\bbusy\b|exclusive.process", "another program holds it for itself. Close that program"),
    Fault(
        "lost",
        r"device.{0,20}(lost|removed|not available|unavailable)|fallen off the bus|GPU is lost|no CUDA-capable device"
        r"|unknown error|unspecified launch failure|illegal memory access|DEVICE_LOST|invalid device ordinal"
        r"|ECC error|launch timed out",
        "it stopped responding. Restart the computer if it does not come back",
    ),
    Fault("wrong_result", r"wrong result", "it computes wrong numbers. Update the graphics driver"),
    Fault("broken", r"", "it does not start"),
)
"""In order. ``broken`` matches any other message."""


def read_fault(message: str) -> Fault:
    """What a driver's message means. Always finds one: the last row matches any other message."""
    return next(fault for fault in FAULTS if fault.matches(message))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is full, whether torch, a driver or Python itself raised it."""
    return isinstance(error, MemoryError) or read_fault(str(error)).name == "out_of_memory"


def is_lost(error: BaseException) -> bool:
    """Whether an error says that the device is gone. The process that saw it cannot use the device any more."""
    return isinstance(error, RuntimeError) and read_fault(str(error)).name == "lost"
