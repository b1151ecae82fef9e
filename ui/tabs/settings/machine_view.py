"""What this computer is to Easel, in words: the device, its precision and why, and what is not used."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from engine.descriptions import EngineDescription
from engine.plan.hardware.facts import Hardware, from_text
from engine.plan.precision import find_row
from ui import messages
from ui.common import result_view


def show(described: EngineDescription | None) -> str:
    """The computer as HTML; ``described`` is what the worker says of itself, None while it starts."""
    if described is None or not described.hardware:
        return result_view.says(messages.MACHINE_UNKNOWN)
    hardware = from_text(described.hardware)
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _rows(hardware, described))
    return f'<dl class="machine">{rows}</dl>' + "".join(result_view.says(note) for note in hardware.notes)


def _rows(hardware: Hardware, described: EngineDescription) -> Iterator[tuple[str, str]]:
    device, row = hardware.device, find_row(hardware)
    yield messages.MACHINE_DEVICE, device.name or device.kind
    yield messages.MACHINE_MEMORY, messages.memory_of(device.free_bytes, device.total_bytes)
    yield messages.MACHINE_KIND, f"{row.name}. {row.reason}"
    for dtype, gain in described.measured.items():
        yield messages.MACHINE_MEASURED, messages.measured_gain(dtype, gain)
    if device.kind == "cpu":
        yield messages.MACHINE_THREADS, str(described.threads)
