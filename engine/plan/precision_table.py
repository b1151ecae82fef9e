"""Kinds of hardware, and the precisions that are worth using on each: a table in order, the first match wins, with reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.plan.hardware.facts import Hardware

FULL, BRAIN, HALF = "float32", "bfloat16", "float16"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of hardware. A field that is left empty matches everything; all that are given must match.

    ``dtypes`` are the precisions worth using, the best first; ``decoder`` the same for the VAE where it differs. ``possible``
    are further ones that work when the user insists. ``if_faster`` names a precision that leads only if it was measured to be
    faster than float32 (``unmeasured`` tells what holds before that). ``compiler`` is an optional library that compiles the
    networks where it is installed. ``fused_attention``: whether torch computes attention here without holding all its scores.
    ``channels_last``: whether convolutions are right and not slower with the channels as the innermost dimension.
    """

    name: str
    reason: str
    dtypes: tuple[str, ...]
    decoder: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    kind: str = ""
    at_least: tuple[int, int] = (0, 0)
    below: tuple[int, int] = (99, 0)
    chip: str = ""
    called: str = ""
    arch: str = ""
    features: frozenset[str] = field(default_factory=frozenset)
    system: str = ""
    system_at_least: tuple[int, ...] = ()
    upcast: bool = False
    if_faster: str = ""
    unmeasured: bool = True
    compiler: str = ""
    fused_attention: bool = True
    channels_last: bool = True

    def matches(self, hardware: Hardware) -> bool:
        """Whether ``hardware`` is of this kind."""
        device, cpu = hardware.device, hardware.cpu
        has = cpu.features if device.kind == "cpu" else device.features
        return (
            self.kind in ("", device.kind)
            and self.at_least <= device.capability < self.below
            and (not self.chip or re.match(self.chip, device.architecture) is not None)
            and (not self.called or re.search(self.called, device.name) is not None)
            and (not self.arch or (device.kind == "cpu" and self.arch == cpu.arch))
            and self.features <= has
            and self.system in ("", hardware.system)
            and self.system_at_least <= hardware.system_version
        )

    def order(self, component: str) -> tuple[str, ...]:
        """Precisions for a component, the best first."""
        return self.decoder if self.decoder and component.startswith("vae") else self.dtypes

    @property
    def works(self) -> frozenset[str]:
        """Every precision that works."""
        return frozenset({*self.dtypes, *self.decoder, *self.possible, FULL})


ROWS: tuple[Row, ...] = (
    # NVIDIA, by compute capability.
    Row(
        name="NVIDIA Blackwell",
        kind="cuda",
        at_least=(10, 0),
        dtypes=(HALF, BRAIN, FULL),
        reason="Tensor cores compute float16 at full speed, more exactly than bfloat16, which stands in where float16 overflows.",
    ),
    Row(
        name="NVIDIA Hopper",
        kind="cuda",
        at_least=(9, 0),
        dtypes=(HALF, BRAIN, FULL),
        reason="Tensor cores compute float16 at full speed, more exactly than bfloat16, which stands in where float16 overflows.",
    ),
    Row(
        name="NVIDIA Ada",
        kind="cuda",
        at_least=(8, 9),
        dtypes=(HALF, BRAIN, FULL),
        reason="Tensor cores compute float16 at full speed, more exactly than bfloat16, which stands in where float16 overflows.",
    ),
    Row(
        name="NVIDIA Ampere",
        kind="cuda",
        at_least=(8, 0),
        dtypes=(HALF, BRAIN, FULL),
        reason="The first NVIDIA cards with bfloat16: float16 where the checkpoint allows it, bfloat16 where it would overflow.",
    ),
    Row(
        name="NVIDIA GTX 16xx and related",
        kind="cuda",
        at_least=(7, 5),
        dtypes=(FULL,),
        possible=(HALF,),
        called=r"GTX 16[0-9]{2}|\bT(4|5|6|10|12|20)00\b|\bT550\b|\bMX(450|550)\b|CMP 30HX",
        reason="These chips give invalid numbers (black pictures) in float16, and bfloat16 is only emulated.",
    ),
    Row(
        name="NVIDIA Turing RTX",
        kind="cuda",
        at_least=(7, 5),
        dtypes=(HALF, FULL),
        possible=(BRAIN,),
        reason="Tensor cores compute float16; bfloat16 is only emulated, so what float16 cannot do runs in float32.",
    ),
    Row(
        name="NVIDIA Volta",
        kind="cuda",
        at_least=(7, 0),
        dtypes=(HALF, FULL),
        possible=(BRAIN,),
        reason="The first tensor cores: float16 only; what float16 cannot do runs in float32.",
    ),
    Row(
        name="NVIDIA Pascal P100",
        kind="cuda",
        at_least=(6, 0),
        below=(6, 1),
        dtypes=(HALF, FULL),
        reason="Alone among its generation this chip computes float16 at twice the speed of float32.",
    ),
    Row(
        name="NVIDIA Pascal",
        kind="cuda",
        at_least=(6, 1),
        dtypes=(HALF, FULL),
        decoder=(FULL,),
        if_faster=HALF,
        unmeasured=False,
        reason="Arithmetic in float16 is slow on this chip, but its libraries may compute in float32 behind it: float16 only "
        "if it is faster here.",
    ),
    Row(
        name="NVIDIA before Pascal",
        kind="cuda",
        dtypes=(FULL,),
        reason="These chips have no float16 arithmetic.",
    ),
    # AMD, by the chip's name.
    Row(
        name="AMD CDNA 2 and later",
        kind="rocm",
        chip=r"gfx9(0a|4|5)",
        dtypes=(HALF, BRAIN, FULL),
        reason="Matrix cores compute float16 and bfloat16 at the same speed; float16 is the more exact.",
    ),
    Row(
        name="AMD CDNA 1",
        kind="rocm",
        chip=r"gfx908",
        dtypes=(HALF, FULL),
        possible=(BRAIN,),
        reason="Matrix cores compute float16; bfloat16 runs at half its speed.",
    ),
    Row(
        name="AMD RDNA 4",
        kind="rocm",
        chip=r"gfx12",
        dtypes=(HALF, BRAIN, FULL),
        reason="Matrix instructions compute float16 and bfloat16 at the same speed; float16 is the more exact.",
        fused_attention=False,
        channels_last=False,
    ),
    Row(
        name="AMD RDNA 3",
        kind="rocm",
        chip=r"gfx11",
        dtypes=(HALF, BRAIN, FULL),
        reason="The first AMD desktop cards with matrix instructions for float16 and bfloat16.",
        fused_attention=False,
        channels_last=False,
    ),
    Row(
        name="AMD RDNA 2",
        kind="rocm",
        chip=r"gfx103",
        dtypes=(HALF, FULL),
        reason="Float16 at twice the speed of float32; no bfloat16, so what float16 cannot do runs in float32.",
        fused_attention=False,
        channels_last=False,
    ),
    Row(
        name="AMD RDNA 1",
        kind="rocm",
        chip=r"gfx101",
        dtypes=(FULL,),
        possible=(HALF,),
        reason="These chips are known for invalid numbers (black pictures) in float16.",
        fused_attention=False,
        channels_last=False,
    ),
    Row(
        name="AMD Vega",
        kind="rocm",
        chip=r"gfx90",
        dtypes=(HALF, FULL),
        decoder=(FULL,),
        reason="Float16 at twice the speed of float32; the decoder stays in float32, where older drivers are dependable.",
        fused_attention=False,
        channels_last=False,
    ),
    Row(
        name="other AMD",
        kind="rocm",
        dtypes=(FULL,),
        possible=(HALF,),
        reason="It is not known how float16 works on this chip; float32 is correct everywhere.",
        fused_attention=False,
        channels_last=False,
    ),
    # Intel.
    Row(
        name="Intel Arc and Data Center with XMX",
        kind="xpu",
        features=frozenset({"fp16", "bf16", "matrix"}),
        dtypes=(HALF, BRAIN, FULL),
        reason="Matrix engines compute float16 and bfloat16 at the same speed; float16 is the more exact.",
    ),
    Row(
        name="Intel graphics without XMX",
        kind="xpu",
        features=frozenset({"fp16"}),
        dtypes=(HALF, FULL),
        decoder=(FULL,),
        reason="Float16 at twice the speed of float32, but no matrix engines and no dependable bfloat16.",
        fused_attention=False,
    ),
    Row(
        name="other Intel graphics",
        kind="xpu",
        dtypes=(FULL,),
        reason="The driver offers no float16 on this chip.",
        fused_attention=False,
    ),
    # Apple, by macOS.
    Row(
        name="Apple, macOS 14.5 or later",
        kind="mps",
        system_at_least=(14, 5),
        dtypes=(HALF, BRAIN, FULL),
        upcast=True,
        reason="Float16 saves memory and time; since macOS 14.5 its attention gives black pictures, so that computes in float32.",
        fused_attention=False,
        channels_last=False,
    ),
    Row(
        name="Apple, macOS 14.0 to 14.4",
        kind="mps",
        system_at_least=(14, 0),
        dtypes=(HALF, BRAIN, FULL),
        reason="Float16 saves memory and time; bfloat16 came with macOS 14 and stands in where float16 overflows.",
        fused_attention=False,
        channels_last=False,
    ),
    Row(
        name="Apple, macOS 13 or earlier",
        kind="mps",
        dtypes=(HALF, FULL),
        reason="Float16 saves memory and time; there is no bfloat16 before macOS 14, so what float16 cannot do runs in float32.",
        fused_attention=False,
        channels_last=False,
    ),
    # CPUs: never float16.
    Row(
        name="x86 CPU with AMX",
        kind="cpu",
        arch="x86_64",
        features=frozenset({"amx_bf16"}),
        dtypes=(BRAIN, FULL),
        compiler="openvino",
        reason="AMX multiplies matrices in bfloat16 many times faster than in float32.",
    ),
    Row(
        name="x86 CPU with AVX-512 BF16",
        kind="cpu",
        arch="x86_64",
        features=frozenset({"avx512_bf16"}),
        dtypes=(BRAIN, FULL),
        compiler="openvino",
        if_faster=BRAIN,
        reason="This CPU has bfloat16 instructions: bfloat16 if it is faster here, else float32.",
    ),
    Row(
        name="x86 CPU without bfloat16",
        kind="cpu",
        arch="x86_64",
        dtypes=(FULL,),
        possible=(BRAIN,),
        compiler="openvino",
        reason="This CPU has no bfloat16 instructions: emulated they are slower than float32.",
    ),
    Row(
        name="ARM CPU with bfloat16",
        kind="cpu",
        arch="arm64",
        features=frozenset({"bf16"}),
        dtypes=(BRAIN, FULL),
        if_faster=BRAIN,
        unmeasured=False,
        reason="This CPU has bfloat16 instructions, but not every system's libraries use them: bfloat16 if it is faster here.",
    ),
    Row(
        name="ARM CPU without bfloat16",
        kind="cpu",
        arch="arm64",
        dtypes=(FULL,),
        possible=(BRAIN,),
        reason="This CPU has no bfloat16 instructions.",
    ),
    Row(
        name="anything else",
        dtypes=(FULL,),
        reason="This hardware is unknown; float32 is correct everywhere.",
        fused_attention=False,
    ),
)
"""The table. Kinds of device in order, within a kind from special to general; the last row matches all."""


def find_row(hardware: Hardware) -> Row:
    """The first row that matches."""
    return next(row for row in ROWS if row.matches(hardware))
