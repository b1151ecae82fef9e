"""Machines written down by hand: what a driver and a system would have answered."""

from __future__ import annotations

from engine.plan.hardware.facts import Cpu, Device, Hardware

GIB = 2**30


def card(kind: str = "cuda", **facts: object) -> Hardware:
    """A machine with one accelerator in it, chosen."""
    device = Device(kind=kind, **{"name": "a card", "total_bytes": 8 * GIB, "free_bytes": 8 * GIB, **facts})  # type: ignore[arg-type]
    return Hardware(device=device, devices=(device, Device(name="a CPU")), ram_total=16 * GIB, ram_available=12 * GIB)


def cpu(arch: str = "x86_64", *features: str, ram: int = 12 * GIB) -> Hardware:
    """A machine without an accelerator."""
    processor = Cpu(name="a CPU", arch=arch, features=frozenset(features), physical_cores=4, usable_cores=4)
    device = Device(name="a CPU", total_bytes=16 * GIB, free_bytes=ram)
    return Hardware(device=device, devices=(device,), cpu=processor, ram_total=16 * GIB, ram_available=ram)


def mac(*version: int) -> Hardware:
    """An Apple computer by its version of macOS."""
    device = Device(kind="mps", name="Apple GPU", total_bytes=11 * GIB, free_bytes=10 * GIB)
    return Hardware(
        device=device,
        devices=(device, Device(name="Apple M2")),
        cpu=Cpu(name="Apple M2", arch="arm64"),
        system="Darwin",
        system_version=version,
        ram_total=16 * GIB,
        ram_available=12 * GIB,
    )


XE = frozenset({"fp16", "bf16", "matrix"})

MACHINES: dict[str, Hardware] = {
    "NVIDIA Blackwell": card(capability=(12, 0), name="NVIDIA GeForce RTX 5090"),
    "NVIDIA Hopper": card(capability=(9, 0), name="NVIDIA H100 80GB HBM3"),
    "NVIDIA Ada": card(capability=(8, 9), name="NVIDIA GeForce RTX 4090"),
    "NVIDIA Ampere": card(capability=(8, 6), name="NVIDIA GeForce RTX 3060"),
    "NVIDIA GTX 16xx and related": card(capability=(7, 5), name="NVIDIA GeForce GTX 1650"),
    "NVIDIA Turing RTX": card(capability=(7, 5), name="NVIDIA GeForce RTX 2060"),
    "NVIDIA Volta": card(capability=(7, 0), name="Tesla V100-SXM2-16GB"),
    "NVIDIA Pascal P100": card(capability=(6, 0), name="Tesla P100-PCIE-16GB"),
    "NVIDIA Pascal": card(capability=(6, 1), name="NVIDIA GeForce GTX 1080"),
    "NVIDIA before Pascal": card(capability=(5, 2), name="NVIDIA GeForce GTX 970"),
    "AMD CDNA 2 and later": card("rocm", capability=(9, 4), architecture="gfx942"),
    "AMD CDNA 1": card("rocm", capability=(9, 0), architecture="gfx908"),
    "AMD RDNA 4": card("rocm", capability=(12, 0), architecture="gfx1201"),
    "AMD RDNA 3": card("rocm", capability=(11, 0), architecture="gfx1100"),
    "AMD RDNA 2": card("rocm", capability=(10, 3), architecture="gfx1030"),
    "AMD RDNA 1": card("rocm", capability=(10, 1), architecture="gfx1010"),
    "AMD Vega": card("rocm", capability=(9, 0), architecture="gfx906"),
    "other AMD": card("rocm", capability=(8, 0), architecture="gfx803"),
    "Intel Arc and Data Center with XMX": card("xpu", features=XE, name="Intel Arc B580"),
    "Intel graphics without XMX": card("xpu", features=frozenset({"fp16", "bf16"})),
    "other Intel graphics": card("xpu"),
    "Apple, macOS 14.5 or later": mac(15, 1),
    "Apple, macOS 14.0 to 14.4": mac(14, 2),
    "Apple, macOS 13 or earlier": mac(13, 6),
    "x86 CPU with AMX": cpu("x86_64", "avx2", "avx512_bf16", "amx_bf16"),
    "x86 CPU with AVX-512 BF16": cpu("x86_64", "avx2", "avx512_bf16"),
    "x86 CPU without bfloat16": cpu("x86_64", "avx2"),
    "ARM CPU with bfloat16": cpu("arm64", "neon", "bf16"),
    "ARM CPU without bfloat16": cpu("arm64", "neon"),
    "anything else": cpu("riscv64"),
}
"""Row of the precision table -> a machine that it is meant for."""
