"""The networks of the starter, untrained: autoencoder, text encoder and UNet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.machine import choose_memory_format
from training.scenes import NATIVE_SIZE
from training.tokenizer import MAX_LENGTH

LATENT_CHANNELS = 16


@dataclass(frozen=True)
class Sizes:
    """The sizes of the networks. Each level of the autoencoder but the first halves the side of the latents."""

    autoencoder: tuple[int, ...] = (16, 16, 48, 96, 96)
    unet: tuple[int, ...] = (96, 128, 192)
    text_width: int = 256
    text_layers: int = 3
    side: int = NATIVE_SIZE

    @property
    def latent_side(self) -> int:
        return self.side >> (len(self.autoencoder) - 1)

    @classmethod
    def read(cls, kept: dict[str, Any]) -> Sizes:
        """The sizes from what `write` returned; JSON's lists become tuples."""
        told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
        return cls(**told)

    def write(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def create_autoencoder(sizes: Sizes) -> Any:
    """An untrained AutoencoderKL without attention, so that it can be trained on crops.

    It normalises in a single group: every further one would remove another mean, which the decoder would lack.
    """
    levels = len(sizes.autoencoder)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,  # type: ignore[arg-type]
        up_block_types=("UpDecoderBlock2D",) * levels,  # type: ignore[arg-type]
        block_out_channels=sizes.autoencoder,  # type: ignore[arg-type]
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=1,
        sample_size=sizes.side,
        mid_block_add_attention=False,
    )


def create_unet(sizes: Sizes) -> Any:
    """An untrained UNet2DConditionModel with cross-attention on every level and residual blocks initialised to zero."""
    levels = len(sizes.unet)
    unet = UNet2DConditionModel(
        sample_size=sizes.latent_side,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=sizes.unet,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        cross_attention_dim=sizes.text_width,
        attention_head_dim=tuple(max(1, width // 32) for width in sizes.unet),  # type: ignore[arg-type] the number of heads
    )
    zero_initialise(unet)
    return unet


def zero_initialise(unet: UNet2DConditionModel) -> None:
    """Initialises the last layer of each block to zero (Ho et al. 2020), so that gradients are clean from the first step on."""
    for name, part in unet.named_modules():
        if name.endswith(("conv2", "proj_out", "conv_out")):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)


def create_text_encoder(tokenizer: CLIPTokenizer, sizes: Sizes) -> Any:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.text_width,
        intermediate_size=4 * sizes.text_width,
        projection_dim=sizes.text_width,
        num_hidden_layers=sizes.text_layers,
        num_attention_heads=max(1, sizes.text_width // 64),
        max_position_embeddings=MAX_LENGTH,
        bos_token_id=tokenizer.bos_token_id,  # type: ignore[arg-type]
        eos_token_id=tokenizer.eos_token_id,  # type: ignore[arg-type]
        pad_token_id=tokenizer.pad_token_id,  # type: ignore[arg-type]
    )
    return CLIPTextModel(config)


def create_networks(sizes: Sizes, tokenizer: CLIPTokenizer, device: str = "cpu") -> tuple[Any, Any]:
    """UNet and text encoder, untrained, on the device.

    On a CPU attention is explicit matrix products: the backward pass of PyTorch's fused kernel took a third of a step there.
    """
    text_encoder = create_text_encoder(tokenizer, sizes)
    unet = create_unet(sizes).to(device, memory_format=choose_memory_format(device))
    if device == "cpu":
        unet.set_attn_processor(AttnProcessor())
    return unet, text_encoder.to(device)
