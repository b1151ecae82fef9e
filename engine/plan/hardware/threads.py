"""How many threads torch gets."""

from __future__ import annotations

from engine.plan.hardware.facts import Hardware


def threads(hardware: Hardware) -> int:
    """Physical cores, as far as the container lets this process use them: a second thread a core only costs time."""
    return max(1, min(hardware.cpu.physical_cores, hardware.cpu.usable_cores))
