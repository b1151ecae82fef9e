"""The parts of the starter, untrained: autoencoder, text encoder and UNet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.machine import memory_format
from training.scenes import NATIVE_SIZE
from training.tokenizer import MAX_LENGTH

LATENT_CHANNELS = 16


@dataclass(frozen=True)
class Sizes:
    """How large the parts are. The side of the latents is that of the image halved once a level but the first."""

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
        """From what `write` made; lists are tuples again."""
        told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
        return cls(**told)

    def write(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def new_autoencoder(sizes: Sizes) -> Any:
    """An untrained AutoencoderKL without attention, so that it can be trained on pieces of images.

    One group to normalise: each further one would take one more mean from the image, and the decoder would miss it.
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


def new_unet(sizes: Sizes) -> Any:
    """An untrained UNet2DConditionModel that reads the words on every level; each block adds nothing at first."""
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
    start_from_nothing(unet)
    return unet


def start_from_nothing(unet: UNet2DConditionModel) -> None:
    """Each block adds nothing at first, as in Ho et al. 2020: the gradient is clean from the first step on."""
    for name, part in unet.named_modules():
        if name.endswith(("conv2", "proj_out", "conv_out")):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)


def new_text_encoder(tokenizer: CLIPTokenizer, sizes: Sizes) -> Any:
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


def new_networks(sizes: Sizes, tokenizer: CLIPTokenizer, device: str = "cpu") -> tuple[Any, Any]:
    """UNet and text encoder, untrained, on the device.

    On a CPU attention is a plain product of matrices: the backward pass of PyTorch's fused one took a third of a step there.
    """
    text_encoder = new_text_encoder(tokenizer, sizes)
    unet = new_unet(sizes).to(device, memory_format=memory_format(device))
    if device == "cpu":
        unet.set_attn_processor(AttnProcessor())
    return unet, text_encoder.to(device)
