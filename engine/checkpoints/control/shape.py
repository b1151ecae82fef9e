"""What a control network fits: the shape of the denoiser that it was trained beside. Does not import torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.checkpoints.families import BASE_MODELS
from engine.json_values import JsonObject, JsonValue

CONTROLNET, UNION, CONTROL_LORA, T2I_ADAPTER = "controlnet", "union", "control_lora", "t2i_adapter"

METHODS: Mapping[str, str] = {
    CONTROLNET: "ControlNet", UNION: "ControlNet for many kinds of maps (union)", CONTROL_LORA: "Control-LoRA",
    T2I_ADAPTER: "T2I-Adapter",
}  # fmt: skip
"""How a control network works -> its name in sentences."""

SCALE = 8
"""Pixels along a side that a latent stands for in all published checkpoints."""


@dataclass(frozen=True, kw_only=True)
class DenoiserShape:
    """A UNet beside which controls work: the channels of its skip connections, from the outermost on, and of its ``levels``; the
    channels of its latents; the numbers of a token that its cross-attention reads; pixels along a side of a latent."""

    skips: tuple[int, ...]
    levels: tuple[int, ...]
    latent_channels: int
    context_width: int
    scale: int = SCALE


@dataclass(frozen=True, kw_only=True)
class ControlShape:
    """The denoisers that a control network works beside.

    ``method`` is a key of :data:`METHODS`. ``widths`` are the channels of what it adds to the skip connections of a UNet, from
    the outermost on, without the middle; of a T2I-Adapter, to its levels. ``latent_channels`` are those of the latents that it
    reads, ``context_width`` the numbers of a token that its cross-attention reads; 0 for a network that reads neither. ``patch``
    is how many pixels along a side of the map it reads as one, 0 if that is not known, ``tasks`` how many kinds of maps a union
    knows.
    """

    widths: tuple[int, ...]
    latent_channels: int = 0
    context_width: int = 0
    method: str = CONTROLNET
    patch: int = 0
    tasks: int = 0

    def fits(self, unet: DenoiserShape) -> bool:
        """Whether it works beside a denoiser of the shape ``unet``."""
        if self.method == T2I_ADAPTER:
            fits = self._fits_levels(unet)
        else:
            fits = self.widths == unet.skips and self.patch in (0, unet.scale)
        return (
            fits
            and self.latent_channels in (0, unet.latent_channels)
            and self.context_width in (0, unet.context_width)
        )  # fmt: skip

    def _fits_levels(self, unet: DenoiserShape) -> bool:
        """Whether a T2I-Adapter has a feature for each level; those for XL begin one halving deeper and have one for the
        middle."""
        return (self.widths, self.patch) in (
            (unet.levels, unet.scale),
            ((*unet.levels, *unet.levels[-1:]), 2 * unet.scale),
        )

    @property
    def family(self) -> str:
        """The base model whose denoiser has this context, a key of :data:`~engine.checkpoints.families.BASE_MODELS`; "" for
        none."""
        return next((base.name for base in BASE_MODELS.values() if base.context_width == self.context_width), "")


def shape_of_unet(config: JsonObject, scale: int = SCALE) -> DenoiserShape:
    """The shape of a UNet2DConditionModel, from its configuration. ``scale``: pixels along a side of a latent."""
    channels = _read_numbers(config.get("block_out_channels"))
    layers = _read_numbers(config.get("layers_per_block", 2)) or (2,)
    counts = layers if len(layers) == len(channels) else layers[:1] * len(channels)
    skips = [*channels[:1]]
    for level, (width, count) in enumerate(zip(channels, counts, strict=True)):
        skips += [width] * (count + (level < len(channels) - 1))
    latents, context = (_read_numbers(config.get(name)) for name in ("out_channels", "cross_attention_dim"))
    return DenoiserShape(
        skips=tuple(skips), levels=channels, latent_channels=_first(latents, 4), context_width=_first(context, 0), scale=scale
    )


def scale_of_vae(config: JsonObject) -> int:
    """Pixels along a side that a latent stands for, from the configuration of an autoencoder."""
    channels = _read_numbers(config.get("decoder_block_out_channels") or config.get("block_out_channels"))
    return 2 ** (len(channels) - 1) if channels else SCALE


def _read_numbers(value: JsonValue) -> tuple[int, ...]:
    """The whole numbers in ``value``, a number or a list."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(each for each in values if isinstance(each, int))


def _first(values: Sequence[int], otherwise: int) -> int:
    return values[0] if values else otherwise
