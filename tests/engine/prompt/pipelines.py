"""Tiny real pipelines in the layouts of Stable Diffusion 1, 2, XL and XL's refiner, with random weights and CLIP's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from engine.prompt.tokenizer import LearnedWords
from tests.engine.prompt.conftest import CLIP

WIDTH, PROJECTED = 16, 8


def tokenizer(pad_token: str = "<|endoftext|>") -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(str(CLIP), local_files_only=True, pad_token=pad_token)


def text_encoder(layers: int = 3, *, projected: bool = False, act: str = "quick_gelu", end_id: int = 49407) -> Any:
    """XL's own folders give an end token id of 2, which stands for an older way to find the end; so may ``end_id``."""
    config = CLIPTextConfig(
        hidden_size=WIDTH, intermediate_size=32, num_attention_heads=2, num_hidden_layers=layers, projection_dim=PROJECTED,
        hidden_act=act, eos_token_id=end_id, bos_token_id=49406,
    )  # fmt: skip
    torch.manual_seed(layers + projected)
    encoder = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()
    for layer in encoder.modules():
        if isinstance(layer, torch.nn.LayerNorm):  # trained ones are not 1 and 0, and a mean of 0 hides what weights do
            torch.nn.init.normal_(layer.bias, 0.3, 0.3)
            torch.nn.init.normal_(layer.weight, 1.0, 0.3)
    return encoder


def _unet(width: int, *, xl_inputs: int = 0) -> UNet2DConditionModel:
    extra: dict[str, Any] = {}
    if xl_inputs:
        extra = {
            "addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": xl_inputs,
        }  # fmt: skip
    torch.manual_seed(7)
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(16, 32), norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=width, attention_head_dim=8, **extra,
    ).eval()  # fmt: skip


def _vae() -> AutoencoderKL:
    return AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4).eval()


def _scheduler(prediction: str = "epsilon") -> DDIMScheduler:
    return DDIMScheduler(prediction_type=prediction, steps_offset=1, clip_sample=False)


def _sd(encoder: Any, pad_token: str, prediction: str) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=_vae(), unet=_unet(WIDTH), scheduler=_scheduler(prediction), text_encoder=encoder, tokenizer=tokenizer(pad_token),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def _xl() -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline(
        vae=_vae(), unet=_unet(2 * WIDTH, xl_inputs=6 * 8 + PROJECTED), scheduler=_scheduler(), add_watermarker=False,
        text_encoder=text_encoder(), tokenizer=tokenizer(),
        text_encoder_2=text_encoder(4, projected=True, act="gelu"), tokenizer_2=tokenizer("!"),
    )  # fmt: skip


def _refiner() -> StableDiffusionXLImg2ImgPipeline:
    return StableDiffusionXLImg2ImgPipeline(
        vae=_vae(), unet=_unet(WIDTH, xl_inputs=5 * 8 + PROJECTED), scheduler=_scheduler(), add_watermarker=False,
        text_encoder=None, tokenizer=None, text_encoder_2=text_encoder(4, projected=True, act="gelu"), tokenizer_2=tokenizer("!"),
        requires_aesthetics_score=True, force_zeros_for_empty_prompt=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Encoders:
    """The text encoders of a pipeline."""

    text_encoder: CLIPTextModel | None
    tokenizer: CLIPTokenizer | None
    text_encoder_2: CLIPTextModelWithProjection | None
    tokenizer_2: CLIPTokenizer | None
    force_zeros_for_empty_prompt: bool
    merged: str = ""
    learned: Mapping[str, LearnedWords] = field(default_factory=dict)
    text_encoder_3: None = None
    tokenizer_3: None = None
    joint_width: None = None


def encoders_of(made: Any) -> Encoders:
    """What a pipeline reads prompts with."""
    names = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    zeros = made.config.get("force_zeros_for_empty_prompt", False)
    return Encoders(*(getattr(made, name, None) for name in names), force_zeros_for_empty_prompt=zeros)


MAKERS = {
    "sd1": lambda: _sd(text_encoder(), "<|endoftext|>", "epsilon"),
    "sd2": lambda: _sd(text_encoder(23, act="gelu"), "!", "v_prediction"),
    "xl": _xl,
    "refiner": _refiner,
}


@cache
def pipeline(layout: str) -> Any:
    """The pipeline of a layout, the same object each time: tests must leave it as it was."""
    made = MAKERS[layout]()
    made.set_progress_bar_config(disable=True)
    return made
