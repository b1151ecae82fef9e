"""Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv 2403.03206): transformers trained by flow matching.

The configurations are those of Stability-AI/sd3.5 (``sd3_infer.py``) in diffusers' words; sizes, steps and guidance are those of
the published model cards.
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
    SkipLayers,
    TextLayout,
)
from engine.checkpoints.families.mmdit_keys import map_clip_g, map_clip_l, map_t5

THREE = TextLayout(
    name="sd3", description="up to three text encoders, T5 among them", context_width=4096,
    prefixes={
        "text_encoder": ("text_encoders.clip_l.",), "text_encoder_2": ("text_encoders.clip_g.",),
        "text_encoder_3": ("text_encoders.t5xxl.",),
    },
    key_mapping={"text_encoder": map_clip_l, "text_encoder_2": map_clip_g, "text_encoder_3": map_t5},
)  # fmt: skip

SD3 = BaseModel(
    name="sd3", label="Stable Diffusion 3", context_width=4096, embedding_width=0, token_width=768 + 1280, unet_levels=0,
    latent_channels=16,
)  # fmt: skip

MMDIT, MMDIT_NORMALISED, MMDIT_X = "mmdit", "mmdit_normalised", "mmdit_x"
"""The transformer of 3; of 3.5 Large, which normalises queries and keys; of 3.5 Medium, whose first blocks also attend twice."""

PREVIEW = LatentPreview(
    factors=(
        (-0.052, 0.033, 0.075), (-0.058, 0.008, 0.057), (0.161, 0.013, -0.038), (0.144, 0.085, 0.159), (0.049, 0.006, -0.067),
        (0.052, 0.192, 0.063), (0.154, 0.048, 0.071), (-0.086, 0.090, 0.109), (-0.124, -0.068, 0.003), (-0.044, 0.078, 0.023),
        (0.031, 0.064, 0.078), (-0.013, 0.086, -0.088), (0.065, 0.059, 0.133), (-0.079, -0.023, -0.128), (-0.099, -0.080, -0.063),
        (-0.034, -0.080, -0.061),
    ),
    latents="sd3",
)  # fmt: skip
"""Measured for InvokeAI (``invokeai/app/util/step_callback.py``), here to three places."""

_PIPELINES = {
    TEXT: "StableDiffusion3Pipeline", IMAGE: "StableDiffusion3Img2ImgPipeline", INPAINT: "StableDiffusion3InpaintPipeline",
}  # fmt: skip
_CLASSES = {
    "transformer": "SD3Transformer2DModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection", "text_encoder_3": "T5EncoderModel",
}  # fmt: skip
_DTYPES = {"transformer": ANY, "vae": ANY, "text_encoder": ANY, "text_encoder_2": ANY, "text_encoder_3": NOT_HALF}
"""T5 overflows in float16."""
_TOKENIZERS = {"tokenizer": CLIP_TOKENIZER, "tokenizer_2": OPENCLIP_TOKENIZER}


def _family(
    name: str, label: str, network: str, *, transformer: int, steps: int, guidance_scale: float, few_steps: bool = False,
    skip_layers: SkipLayers | None = None,
) -> Family:  # fmt: skip
    config = "transformer_sd35_large" if name == "sd35_large_turbo" else f"transformer_{name}"
    return Family(
        name=name, label=label, signature=Signature(text=THREE, channels=16, network=network, few_steps=few_steps),
        pipelines=_PIPELINES, classes=_CLASSES, dtypes=_DTYPES, tokenizers=_TOKENIZERS, scheduler_overrides={}, preview=PREVIEW,
        configs={
            "transformer": config, "vae": "vae_sd3", "text_encoder": "text_clip_l", "text_encoder_2": "text_openclip_bigg",
            "text_encoder_3": "text_t5_xxl", "scheduler": "scheduler_sd3",
        },
        optional=frozenset({"text_encoder_3"}), base=SD3,
        parameters={
            "transformer": transformer, "vae": 84_000_000, "text_encoder": 123_000_000, "text_encoder_2": 695_000_000,
            "text_encoder_3": 4_762_000_000,
        },
        native_size=1024, size_multiple=16, prediction_type="flow_prediction", prediction_type_varies=False, steps=steps,
        guidance_scale=guidance_scale, scheduler="Euler", guidance_free=few_steps, skip_layers=skip_layers,
    )  # fmt: skip


FAMILIES = (
    _family(
        "sd3_medium", "Stable Diffusion 3 Medium", MMDIT, transformer=2_085_000_000, steps=28, guidance_scale=7.0,
    ),
    _family(
        "sd35_medium", "Stable Diffusion 3.5 Medium", MMDIT_X, transformer=2_470_000_000, steps=40, guidance_scale=4.5,
        skip_layers=SkipLayers(layers=(7, 8, 9), scale=2.8, start=0.01, stop=0.2),
    ),
    _family(
        "sd35_large", "Stable Diffusion 3.5 Large", MMDIT_NORMALISED, transformer=8_146_000_000, steps=28, guidance_scale=3.5,
    ),
    _family(
        "sd35_large_turbo", "Stable Diffusion 3.5 Large, few steps", MMDIT_NORMALISED, transformer=8_146_000_000, steps=4,
        guidance_scale=1.0, few_steps=True,
    ),
)  # fmt: skip
