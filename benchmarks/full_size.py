"""A checkpoint of Stable Diffusion 1.5's full size with random weights: as slow as a real one, and made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.checkpoints.architectures import CONFIGS


def write_checkpoint(folder: Path, dtype: str = "float16") -> None:
    """Makes ``folder`` a diffusers pipeline of Stable Diffusion 1.5's shapes with random weights: 2 GB of float16."""
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    parts: dict[str, Any] = {
        "unet": UNet2DConditionModel.from_config(shape("unet_sd1")),
        "vae": AutoencoderKL.from_config(shape("vae_sd")),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**shape("text_clip_l"))),
    }
    tokenizer = CLIPTokenizer.from_pretrained(str(CONFIGS / "clip_tokenizer"), local_files_only=True)
    rest: dict[str, Any] = {
        "scheduler": PNDMScheduler.from_config(shape("scheduler_sd1")),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    pipeline = StableDiffusionPipeline(
        **{name: network.to(getattr(torch, dtype)) for name, network in parts.items()},
        tokenizer=tokenizer,
        **rest,
    )
    pipeline.save_pretrained(folder)


def shape(name: str) -> dict[str, Any]:
    """One of the configurations that Easel ships."""
    return json.loads((CONFIGS / f"{name}.json").read_text("utf-8"))
