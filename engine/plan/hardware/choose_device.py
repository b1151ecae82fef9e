"""Turns the answers of drivers and system into one Hardware. Pure: the same answers always give the same device and sentences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from engine.plan.hardware.driver_errors import read_fault
from engine.plan.hardware.facts import Answer, Device, Hardware, Machine

KINDS: tuple[str, ...] = ("cuda", "rocm", "xpu", "mps", "cpu")
"""Which kind of device is taken first when the user does not choose."""

MAKERS: dict[str, str] = {"cuda": "nvidia", "rocm": "amd"}
"""The makers of a kind's cards. Intel is left out, because most of its processors have graphics that cannot compute."""

CARDS: dict[str, str] = {"cuda": "The NVIDIA card", "rocm": "The AMD card", "xpu": "The Intel card", "mps": "Apple's GPU"}

QUIET: frozenset[str] = frozenset({"not_built", "driver_missing"})
"""Faults that are the normal case where no card of that maker is plugged in, or where another one works."""


def choose_device(answers: Sequence[Answer], machine: Machine, prefer: str = "auto") -> Hardware:
    """The device to use, and a sentence for each device that was plugged in or requested and is not used.

    ``prefer`` is ``"auto"``, a torch device string (``"cuda"``, ``"cuda:1"``, ``"cpu"``) or a kind (``"rocm"``).
    """
    cpu = Device(name=machine.cpu.name, total_bytes=machine.ram_total, free_bytes=machine.ram_available)
    working = [a.device for a in answers if a.device is not None and not a.trouble]
    devices = (*sorted(working, key=_rank), cpu)
    asked = next((d for d in devices if _is_asked(d, prefer)), None)
    device = asked or devices[0]
    troubles = [] if device is cpu and asked else list(_find_troubles(answers, machine, device))
    notes = [*troubles, *_unmet(prefer, asked, device), *_instead(troubles, device), *_unknown_memory(device)]
    return Hardware(
        device=device,
        devices=devices,
        cpu=machine.cpu,
        ram_total=machine.ram_total,
        ram_available=machine.ram_available,
        system=machine.system,
        system_version=machine.system_version,
        notes=tuple(notes),
        extras=machine.extras,
    )


def drop_device(hardware: Hardware, lost: Device, message: str) -> Hardware:
    """The machine after ``lost`` stopped answering in the middle of a run; ``message`` is what its driver said."""
    left = tuple(d for d in hardware.devices if (d.kind, d.index) != (lost.kind, lost.index))
    device = next((d for d in left if d.kind == "cpu"), Device(name=hardware.cpu.name, free_bytes=hardware.ram_available))
    note = _trouble(Answer(kind=lost.kind, device=lost, trouble=message))
    notes = (*hardware.notes, note, *_instead([note], device))
    return dataclasses.replace(hardware, device=device, devices=left or (device,), notes=notes)


def _rank(device: Device) -> tuple[int, int, int]:
    """Kinds in order; among equals the largest memory, then the lowest number."""
    return KINDS.index(device.kind), -(device.total_bytes or 0), device.index


def _is_asked(device: Device, prefer: str) -> bool:
    return prefer in (device.torch, device.torch.partition(":")[0], device.kind)


def _worth_saying(answer: Answer, machine: Machine, device: Device) -> bool:
    if not answer.trouble:
        return False
    missed = MAKERS.get(answer.kind) in machine.cards and device.kind == "cpu"
    return missed or answer.device is not None or read_fault(answer.trouble).name not in QUIET


def _find_troubles(answers: Sequence[Answer], machine: Machine, device: Device) -> Iterator[str]:
    """The set-up knows better than torch why no build for the card is there, and of cards that torch knows nothing of."""
    known = machine.setup_note if device.kind == "cpu" else ""
    if known:
        yield known
    for answer in answers:
        if _worth_saying(answer, machine, device) and not (known and answer.device is None):
            yield _trouble(answer)


def _trouble(answer: Answer) -> str:
    name = (answer.device and answer.device.name) or CARDS.get(answer.kind, answer.kind)
    return f"{name} cannot be used: {read_fault(answer.trouble).words}."


def _unmet(prefer: str, asked: Device | None, device: Device) -> list[str]:
    if prefer == "auto" or asked:
        return []
    return [f"The device {prefer!r} was asked for, and this machine has none of that name that works; {_name(device)} is used."]


def _instead(troubles: Sequence[str], device: Device) -> list[str]:
    if not troubles:
        return []
    slower = ", which is much slower" if device.kind == "cpu" else ""
    return [f"Easel uses {_name(device)} instead{slower}."]


def _unknown_memory(device: Device) -> list[str]:
    if device.free_bytes is not None:
        return []
    whose = "This computer" if device.kind == "cpu" else _name(device)
    return [f"{whose} does not say how much memory is free, so Easel assumes little and refuses no size in advance."]


def _name(device: Device) -> str:
    return "the CPU" if device.kind == "cpu" else device.name or CARDS[device.kind]
