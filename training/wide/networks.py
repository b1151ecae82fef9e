"""The parts of the wide starter, untrained: autoencoder, text encoder and UNet; and its tokenizer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTokenizer

from training.diffusion import new_text_encoder, start_from_nothing
from training.tokenizer import load_tokenizer, write_tokenizer
from training.wide.captions import known_words
from training.wide.machine import memory_format
from training.wide.scenes import NATIVE_SIZE

LATENT_CHANNELS = 16
MAX_LENGTH = 40
"""Tokens of a caption, the marks of its start and end included."""


@dataclass(frozen=True)
class Sizes:
    """How large the parts are. The side of the latents is that of the picture halved once a level but the first."""

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
    """An untrained AutoencoderKL without attention, so that it can be trained on pieces of pictures.

    One group to normalise: each further one would take one more mean from the picture, and the decoder would miss it.
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


def new_networks(sizes: Sizes, tokenizer: CLIPTokenizer, device: str = "cpu") -> tuple[Any, Any]:
    """UNet and text encoder, untrained, on the device.

    On a CPU attention is a plain product of matrices: the backward pass of PyTorch's fused one took a third of a step there.
    """
    text_encoder: Any = new_text_encoder(tokenizer, sizes.text_width, sizes.text_layers, MAX_LENGTH)
    unet = new_unet(sizes).to(device, memory_format=memory_format(device))
    if device == "cpu":
        unet.set_attn_processor(AttnProcessor())
    return unet, text_encoder.to(device)


def own_tokenizer(run: Path) -> CLIPTokenizer:
    """The tokenizer of a run, written at its start: each known word is one token."""
    folder = run / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        write_tokenizer(folder, known_words(), MAX_LENGTH)
    return load_tokenizer(folder)


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """int64 (n, MAX_LENGTH), padded as the pipeline pads."""
    return tokenizer(texts, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt").input_ids
