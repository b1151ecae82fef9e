"""Graphics cards that people have, as plain values: for the printed plan of each, and for tests."""

from __future__ import annotations

from engine.plan.hardware.facts import Device, Hardware

GIB = 2**30

OTHERS = int(0.6 * GIB)
"""Bytes of a card that the desktop and other programs hold."""

RAM = 16 * GIB


def _create(name: str, memory: float, *, kind: str = "cuda", capability: tuple[int, int] = (0, 0), chip: str = "") -> Hardware:
    total = int(memory * GIB)
    device = Device(
        kind=kind, name=name, capability=capability, architecture=chip, total_bytes=total, free_bytes=total - OTHERS
    )  # fmt: skip
    cpu = Device(name="CPU", total_bytes=RAM, free_bytes=RAM - 4 * GIB)
    return Hardware(device=device, devices=(device, cpu), ram_total=RAM, ram_available=RAM - 4 * GIB)


REFERENCE_CARDS = (
    _create("GeForce GTX 1060, 6 GB", 6, capability=(6, 1)),
    _create("GeForce GTX 1080 Ti, 11 GB", 11, capability=(6, 1)),
    _create("GeForce GTX 1650, 4 GB", 4, capability=(7, 5)),
    _create("GeForce GTX 1660 SUPER, 6 GB", 6, capability=(7, 5)),
    _create("GeForce RTX 2060, 6 GB", 6, capability=(7, 5)),
    _create("GeForce RTX 2080 Ti, 11 GB", 11, capability=(7, 5)),
    _create("GeForce RTX 3050 Laptop, 4 GB", 4, capability=(8, 6)),
    _create("GeForce RTX 3060 Laptop, 6 GB", 6, capability=(8, 6)),
    _create("GeForce RTX 3070, 8 GB", 8, capability=(8, 6)),
    _create("GeForce RTX 3060, 12 GB", 12, capability=(8, 6)),
    _create("GeForce RTX 3090, 24 GB", 24, capability=(8, 6)),
    _create("GeForce RTX 4060, 8 GB", 8, capability=(8, 9)),
    _create("GeForce RTX 4070, 12 GB", 12, capability=(8, 9)),
    _create("GeForce RTX 4090, 24 GB", 24, capability=(8, 9)),
    _create("GeForce RTX 5060 Ti, 16 GB", 16, capability=(12, 0)),
    _create("Radeon RX 6600, 8 GB", 8, kind="rocm", chip="gfx1032"),
    _create("Radeon RX 7600, 8 GB", 8, kind="rocm", chip="gfx1102"),
    _create("Radeon RX 7900 XTX, 24 GB", 24, kind="rocm", chip="gfx1100"),
)
"""By maker and age."""
