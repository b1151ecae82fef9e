"""Stable Diffusion XL (Podell et al. 2023, arXiv 2307.01952): base, inpainting, refiner, and models of few steps.

The configurations are those of Stability-AI/generative-models: ``sd_xl_base.yaml`` and ``sd_xl_refiner.yaml``.
"""

from __future__ import annotations

from engine.checkpoints.families.family import (
    ANY,
    CLIP_TOKENIZER,
    IMAGE,
    INPAINT,
    NOT_HALF,
    OPENCLIP_TOKENIZER,
    TEXT,
    BaseModel,
    Family,
    LatentPreview,
    Signature,
    TextLayout,
)
from engine.checkpoints.families.key_mapping import map_clip, map_openclip

XL = BaseModel(
    name="xl", label="Stable Diffusion XL", context_width=2048, embedding_width=1280, token_width=768 + 1280,
    metadata_word="xl", unet_levels=3, key_prefixes=("lora_te1_", "lora_te2_", "text_encoder_2.", "clip_g"),
    aligned_steps="StableDiffusionXLSigmas",
)  # fmt: skip

BOTH = TextLayout(
    name="xl", description="XL's two text encoders", context_width=2048,
    prefixes={"text_encoder": ("conditioner.embedders.0.transformer.",), "text_encoder_2": ("conditioner.embedders.1.model.",)},
    key_mapping={
        "text_encoder": map_clip("conditioner.embedders.0.transformer."),
        "text_encoder_2": map_openclip("conditioner.embedders.1.model."),
    },
)  # fmt: skip
SECOND_ALONE = TextLayout(
    name="refiner", description="the refiner's text encoder", context_width=1280, hidden_act="gelu",
    prefixes={"text_encoder_2": ("conditioner.embedders.0.model.",)},
    key_mapping={"text_encoder_2": map_openclip("conditioner.embedders.0.model.")},
)  # fmt: skip

PREVIEW = LatentPreview(
    factors=((0.4706, 0.4706, 0.4706), (-0.4706, -0.0392, 0.0784), (0.1961, 0.1176, -0.0392), (-0.5490, -0.3922, -0.2745)),
    bias=(0.1765, 0.0980, 0.0196),
    scaling_factor=0.13025,
    latents="xl",
)
"""From diffusers' documentation ("Display image after each generation step"), after Timothy Alexis Vass."""

_PIPELINES = {
    TEXT: "StableDiffusionXLPipeline", IMAGE: "StableDiffusionXLImg2ImgPipeline", INPAINT: "StableDiffusionXLInpaintPipeline",
}  # fmt: skip
_TOKENIZERS = {"tokenizer": CLIP_TOKENIZER, "tokenizer_2": OPENCLIP_TOKENIZER}
_DTYPES = {"unet": ANY, "vae": NOT_HALF, "text_encoder": ANY, "text_encoder_2": ANY}
"""XL's own VAE overflows in float16."""


def _configs(unet: str = "unet_xl", scheduler: str = "scheduler_xl") -> dict[str, str]:
    encoders = {"text_encoder": "text_clip_l", "text_encoder_2": "text_openclip_bigg"}
    return {"unet": unet, "vae": "vae_xl", **encoders, "scheduler": scheduler}


FAMILIES = (
    Family(
        name="xl", label="Stable Diffusion XL", signature=Signature(text=BOTH), base=XL, preview=PREVIEW, pipelines=_PIPELINES,
        configs=_configs(), tokenizers=_TOKENIZERS, scheduler_overrides={}, dtypes=_DTYPES, native_size=1024, guidance_scale=6.0,
        force_zeros_for_empty_prompt=True,
        parameters={"unet": 2_567_000_000, "vae": 84_000_000, "text_encoder": 123_000_000, "text_encoder_2": 695_000_000},
    ),
    Family(
        name="xl_inpainting", label="Stable Diffusion XL inpainting", signature=Signature(text=BOTH, channels=9), base=XL,
        preview=PREVIEW, pipelines=_PIPELINES, configs=_configs("unet_xl_inpainting"), tokenizers=_TOKENIZERS,
        scheduler_overrides={}, dtypes=_DTYPES, native_size=1024, guidance_scale=6.0, force_zeros_for_empty_prompt=True,
    ),
    Family(
        name="xl_refiner", label="Stable Diffusion XL refiner", signature=Signature(text=SECOND_ALONE), base=XL,
        preview=PREVIEW, pipelines={task: name for task, name in _PIPELINES.items() if task != TEXT}, is_refiner=True,
        configs={"unet": "unet_xl_refiner", "vae": "vae_xl", "text_encoder_2": "text_openclip_bigg", "scheduler": "scheduler_xl"},
        tokenizers={"tokenizer_2": OPENCLIP_TOKENIZER}, scheduler_overrides={}, requires_aesthetics_score=True,
        pipeline_options={"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False},
        dtypes={"unet": ANY, "vae": NOT_HALF, "text_encoder_2": ANY}, native_size=1024, guidance_scale=6.0,
    ),
    Family(
        name="xl_turbo", label="Stable Diffusion XL, few steps", signature=Signature(text=BOTH, few_steps=True), base=XL,
        preview=PREVIEW, pipelines=_PIPELINES, configs=_configs(scheduler="scheduler_turbo"), tokenizers=_TOKENIZERS,
        scheduler_overrides={}, dtypes=_DTYPES, native_size=512, steps=4, guidance_scale=1.0, scheduler="Euler a",
        guidance_free=True, force_zeros_for_empty_prompt=True,
    ),
    Family(
        name="lcm_xl", label="Stable Diffusion XL latent consistency, few steps",
        signature=Signature(text=BOTH, guidance_embedding=True), base=XL, preview=PREVIEW, pipelines=_PIPELINES,
        configs=_configs("unet_lcm_xl", "scheduler_lcm"), tokenizers=_TOKENIZERS, scheduler_overrides={}, dtypes=_DTYPES,
        native_size=1024, steps=4, guidance_scale=8.0, scheduler="LCM", guidance_free=True, force_zeros_for_empty_prompt=True,
    ),
)  # fmt: skip
