"""Stable Diffusion 2 and 2.1: for 512 and 768 pixels, inpainting, depth, Turbo, and the x4 upscaler.

The configurations are those of Stability-AI/stablediffusion: ``v2-inference.yaml``, ``v2-inference-v.yaml``,
``v2-inpainting-inference.yaml``, ``v2-midas-inference.yaml`` and ``x4-upscaling.yaml``.
"""

from __future__ import annotations

from engine.checkpoints.families.family import (
    ANY,
    DEPTH,
    FULL_ONLY,
    IMAGE,
    INPAINT,
    NOT_HALF,
    OPENCLIP_TOKENIZER,
    TEXT,
    UPSCALE,
    BaseModel,
    Family,
    Signature,
    TextLayout,
)
from engine.checkpoints.families.key_mapping import map_openclip
from engine.checkpoints.families.stable_diffusion_1 import PREVIEW

SD2 = BaseModel(name="sd2", label="Stable Diffusion 2", context_width=1024, embedding_width=1024, token_width=1024)

_PREFIXES = ("cond_stage_model.model.", "conditioner.embedders.0.model.")
"""Stability AI's own code, and the later one that it saved Turbo with (generative-models)."""

OPENCLIP = TextLayout(
    name="openclip", description="an OpenCLIP text encoder", prefixes={"text_encoder": _PREFIXES},
    key_mapping={"text_encoder": map_openclip(*_PREFIXES)}, context_width=1024,
    hidden_act="gelu",
)  # fmt: skip

_TOKENIZERS = {"tokenizer": OPENCLIP_TOKENIZER}


def _configs(unet: str, vae: str = "vae_sd", scheduler: str = "scheduler_sd1") -> dict[str, str]:
    return {"unet": unet, "vae": vae, "text_encoder": "text_openclip_h", "scheduler": scheduler}


FAMILIES = (
    Family(
        name="sd2_base", label="Stable Diffusion 2, 512", signature=Signature(text=OPENCLIP), base=SD2, preview=PREVIEW,
        configs=_configs("unet_sd2_base"), tokenizers=_TOKENIZERS,
        parameters={"unet": 866_000_000, "vae": 84_000_000, "text_encoder": 340_000_000},
    ),
    Family(
        name="sd2_v", label="Stable Diffusion 2, 768", signature=Signature(text=OPENCLIP), base=SD2, preview=PREVIEW,
        configs=_configs("unet_sd2_v", "vae_sd2_v", "scheduler_sd2_v"), tokenizers=_TOKENIZERS, native_size=768,
        prediction_type="v_prediction", attention_upcast_in_fp16=True,
        parameters={"unet": 866_000_000, "vae": 84_000_000, "text_encoder": 340_000_000},
    ),
    Family(
        name="sd2_inpainting", label="Stable Diffusion 2 inpainting", signature=Signature(text=OPENCLIP, channels=9), base=SD2,
        preview=PREVIEW, configs=_configs("unet_sd2_inpainting"), tokenizers=_TOKENIZERS,
    ),
    Family(
        name="sd2_depth", label="Stable Diffusion 2 depth", signature=Signature(text=OPENCLIP, channels=5), base=SD2,
        preview=PREVIEW, configs=_configs("unet_sd2_depth") | {"depth_estimator": "depth_midas"}, tokenizers=_TOKENIZERS,
        pipelines={task: "StableDiffusionDepth2ImgPipeline" for task in (TEXT, IMAGE, INPAINT, DEPTH)}, scheduler_overrides={},
        dtypes={"unet": ANY, "vae": ANY, "text_encoder": ANY, "depth_estimator": FULL_ONLY},
    ),
    Family(
        name="x4_upscaler", label="Stable Diffusion x4 upscaler", signature=Signature(text=OPENCLIP, channels=7), base=SD2,
        pipelines={UPSCALE: "StableDiffusionUpscalePipeline"}, tokenizers=_TOKENIZERS,
        configs=_configs("unet_x4", "vae_x4", "scheduler_x4") | {"low_res_scheduler": "scheduler_x4_low_res"},
        pipeline_options={"max_noise_level": 350}, scheduler_overrides={}, vae_overrides={"scaling_factor": 0.08333},
        prediction_type="v_prediction", prediction_type_varies=False,
        dtypes={"unet": ANY, "vae": NOT_HALF, "text_encoder": ANY}, guidance_scale=9.0, scheduler="DDIM",
        parameters={"unet": 473_000_000, "vae": 55_000_000, "text_encoder": 340_000_000},
    ),
    Family(
        name="sd_turbo", label="Stable Diffusion 2, few steps", signature=Signature(text=OPENCLIP, few_steps=True), base=SD2,
        preview=PREVIEW, configs=_configs("unet_sd2_base", scheduler="scheduler_turbo"), tokenizers=_TOKENIZERS, steps=4,
        guidance_scale=1.0, scheduler="Euler a", guidance_free=True,
    ),
)  # fmt: skip
