"""What a control network fits: the shape of the denoiser that it was trained beside. Does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.checkpoints.families import BASE_MODELS
from engine.json_values import JsonObject, JsonValue


@dataclass(frozen=True, kw_only=True)
class ControlShape:
    """The denoisers that a control network works beside.

    ``widths`` are the channels of what it adds to the skip connections of a UNet, from the outermost on, without the middle.
    ``latent_channels`` are those of the latents that it reads, ``context_width`` the numbers of a token that its cross-attention
    reads; 0 for a network that reads neither.
    """

    widths: tuple[int, ...]
    latent_channels: int = 0
    context_width: int = 0

    def fits(self, other: ControlShape) -> bool:
        """Whether it works beside a denoiser of the shape ``other``."""
        return (
            self.widths == other.widths
            and self.latent_channels in (0, other.latent_channels)
            and self.context_width in (0, other.context_width)
        )

    @property
    def family(self) -> str:
        """The base model whose denoiser has this context, a key of :data:`~engine.checkpoints.families.BASE_MODELS`; "" for
        none."""
        return next((base.name for base in BASE_MODELS.values() if base.context_width == self.context_width), "")


def shape_of_unet(config: JsonObject) -> ControlShape:
    """The shape of a UNet2DConditionModel, from its configuration."""
    channels = _read_numbers(config.get("block_out_channels"))
    layers = _read_numbers(config.get("layers_per_block", 2)) or (2,)
    counts = layers if len(layers) == len(channels) else layers[:1] * len(channels)
    widths = [*channels[:1]]
    for level, (width, count) in enumerate(zip(channels, counts, strict=True)):
        widths += [width] * (count + (level < len(channels) - 1))
    latents, context = (_read_numbers(config.get(name)) for name in ("out_channels", "cross_attention_dim"))
    return ControlShape(widths=tuple(widths), latent_channels=_first(latents, 4), context_width=_first(context, 0))


def _read_numbers(value: JsonValue) -> tuple[int, ...]:
    """The whole numbers in ``value``, a number or a list."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(each for each in values if isinstance(each, int))


def _first(values: Sequence[int], otherwise: int) -> int:
    return values[0] if values else otherwise
