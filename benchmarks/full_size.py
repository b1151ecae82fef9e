"""Stable Diffusion 1.5 and XL checkpoints with random weights: of full size, so as slow as real ones, or tiny."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.checkpoints.families import CONFIGS
from engine.checkpoints.families.family import CLIP_TOKENIZER, OPENCLIP_TOKENIZER

CONFIGURED: dict[str, dict[str, str]] = {
    "sd1": {"unet": "unet_sd1", "vae": "vae_sd", "text_encoder": "text_clip_l"},
    "xl": {"unet": "unet_xl", "vae": "vae_xl", "text_encoder": "text_clip_l", "text_encoder_2": "text_openclip_bigg"},
}
"""Family -> network -> the configuration that Easel ships."""

_TINY_VAE: dict[str, Any] = {"block_out_channels": [32] * 4, "layers_per_block": 1}
_TINY_TEXT: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "projection_dim": 32,
}  # fmt: skip
TINY: dict[str, dict[str, Any]] = {
    "unet_sd1": {"block_out_channels": [32] * 4, "layers_per_block": 1, "cross_attention_dim": 32},
    "unet_xl": {
        "block_out_channels": [32] * 3, "layers_per_block": 1, "cross_attention_dim": 64, "attention_head_dim": 8,
        "transformer_layers_per_block": 1, "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + 32,
    },
    "vae_sd": _TINY_VAE, "vae_xl": _TINY_VAE, "text_clip_l": _TINY_TEXT, "text_openclip_bigg": _TINY_TEXT,
}  # fmt: skip
"""Configuration -> the values that differ for a tiny network."""


def write_checkpoint(
    folder: Path, dtype: str = "float16", family: str = "sd1", device: str = "cpu", *, tiny: bool = False
) -> None:
    """Write a diffusers pipeline with a family's shapes and random weights: 2 GB in float16, 7 GB for XL, 5 MB if ``tiny``.

    The weights are generated on ``device``.
    """
    import torch

    with torch.device(device):
        parts = {
            name: _create_network(name, {**load_config(config), **(TINY[config] if tiny else {})})
            for name, config in CONFIGURED[family].items()
        }
    _create_pipeline(family, {name: network.to(getattr(torch, dtype)) for name, network in parts.items()}).save_pretrained(folder)


def load_config(name: str) -> dict[str, Any]:
    """One of the configurations that Easel ships."""
    return json.loads((CONFIGS / f"{name}.json").read_text("utf-8"))


def _create_network(name: str, config: dict[str, Any]) -> Any:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    if name.startswith("text_encoder"):
        kind = CLIPTextModelWithProjection if name.endswith("2") else CLIPTextModel
        return kind(CLIPTextConfig(**config))
    return {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[name].from_config(config)


def _create_pipeline(family: str, parts: dict[str, Any]) -> Any:
    import diffusers

    if family == "xl":
        scheduler: Any = diffusers.EulerDiscreteScheduler.from_config(load_config("scheduler_xl"))
        words: dict[str, Any] = {
            "tokenizer": _create_tokenizer(*CLIP_TOKENIZER),
            "tokenizer_2": _create_tokenizer(*OPENCLIP_TOKENIZER),
        }
        return diffusers.StableDiffusionXLPipeline(**parts, **words, scheduler=scheduler)
    rest: dict[str, Any] = {
        "tokenizer": _create_tokenizer(*CLIP_TOKENIZER),
        "scheduler": diffusers.PNDMScheduler.from_config(load_config("scheduler_sd1")),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    return diffusers.StableDiffusionPipeline(**parts, **rest)


def _create_tokenizer(folder: str, pad: str) -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(CONFIGS / folder), pad_token=pad, local_files_only=True)
