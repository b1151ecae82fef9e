"""What a full-size checkpoint of each well-known family is like: for the printed plan and the tests, where no file is at hand.

Numbers of parameters are those of the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan.memory import Layout, Work
from engine.plan.precision import Tolerance

ANY = ("float16", "bfloat16", "float32")
NOT_HALF = ("bfloat16", "float32")

XL = Layout(unet_channels=(320, 640, 1280), unet_attention=(False, True, True))
"""Stable Diffusion XL has three levels, with attention on the lower two."""

X4 = Layout(
    scale=4, unet_channels=(256, 512, 512, 1024), unet_attention=(False, True, True, True), decoder_channels=(128, 256, 512)
)
"""The x4 upscaler works on four pixels a latent."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A family, and what its work at the native size (pixels a side) asks for."""

    title: str
    family: Tolerance
    work: Work


def _known(
    title: str,
    name: str,
    side: int,
    counts: tuple[int, ...],
    *,
    vae: tuple[str, ...] = ANY,
    upcast: bool = False,
    layout: Layout | None = None,
) -> Known:
    """``counts`` are millions of parameters of U-Net, VAE and text encoders."""
    components = ("unet", "vae", "text_encoder", "text_encoder_2")[: len(counts)]
    return Known(
        title=title,
        family=Tolerance(name=name, dtypes={c: vae if c == "vae" else ANY for c in components}, attention_upcast_in_fp16=upcast),
        work=Work(
            parameters={c: n * 1_000_000 for c, n in zip(components, counts, strict=True)},
            width=side,
            height=side,
            layout=layout or Layout(),
        ),
    )


KNOWN: tuple[Known, ...] = (
    _known("Stable Diffusion 1", "sd1", 512, (860, 84, 123)),
    _known("Stable Diffusion 2, 512", "sd2_base", 512, (866, 84, 340)),
    _known("Stable Diffusion 2, 768", "sd2_v", 768, (866, 84, 340), upcast=True),
    _known("Stable Diffusion XL", "xl", 1024, (2567, 84, 123, 695), vae=NOT_HALF, layout=XL),
    _known("Stable Diffusion x4 upscaler", "x4_upscaler", 512, (473, 55, 340), vae=NOT_HALF, layout=X4),
)
