"""The families of checkpoints, one row each: what they are called, made of, best run with, and which precision they bear.

The configurations under ``configs/`` are facts of the published checkpoints: CompVis/stable-diffusion ``v1-inference.yaml``,
Stability-AI/stablediffusion ``v2-inference(-v|-inpainting|-midas)-inference.yaml`` and ``x4-upscaling.yaml``,
Stability-AI/generative-models ``sd_xl_base.yaml`` and ``sd_xl_refiner.yaml``, LCM (Luo et al. 2023, arXiv 2310.04378).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).parent / "configs"

ANY = ("float16", "bfloat16", "float32")
NOT_HALF = ("bfloat16", "float32")
FULL_ONLY = ("float32",)

TEXT, IMAGE, PAINT, UPSCALE, DEPTH = "text_to_image", "image_to_image", "inpaint", "upscale", "depth"

SD_PIPELINES: Mapping[str, str] = {
    TEXT: "StableDiffusionPipeline", IMAGE: "StableDiffusionImg2ImgPipeline", PAINT: "StableDiffusionInpaintPipeline",
}  # fmt: skip
XL_PIPELINES: Mapping[str, str] = {
    TEXT: "StableDiffusionXLPipeline", IMAGE: "StableDiffusionXLImg2ImgPipeline", PAINT: "StableDiffusionXLInpaintPipeline",
}  # fmt: skip

CLIP = ("clip_tokenizer", "<|endoftext|>")
OPENCLIP = ("clip_tokenizer", "!")
"""Tokenizer folder under ``configs/`` and the token that fills a prompt up: OpenCLIP pads with number 0, which is "!"."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A family of checkpoints.

    ``pipelines``: kind of use -> diffusers class. ``configs``: component -> file in ``configs/``, for single files.
    ``native_size`` is pixels a side, ``dtypes`` the precisions that a component gives right pictures in, ``guidance_free``
    whether guidance was distilled into the weights, so that a scale of 1 or less is right. ``sketch_guidance_scale`` is for
    painting over a picture, ``negative_guidance_scale`` for looking at what a negative prompt does, where another one is best.
    ``scheduler_overrides`` and ``vae_overrides`` replace values of a checkpoint's configurations, as diffusers' pipelines of the
    family do; ``pipeline_options`` are further arguments of those. ``scheduler`` is a name
    of :data:`engine.generate.samplers.SCHEDULERS`.
    """

    name: str
    label: str
    pipelines: Mapping[str, str] = field(default_factory=lambda: SD_PIPELINES)
    configs: Mapping[str, str] = field(default_factory=dict)
    tokenizers: Mapping[str, tuple[str, str]] = field(default_factory=lambda: {"tokenizer": CLIP})
    pipeline_options: Mapping[str, bool | int] = field(default_factory=dict)
    scheduler_overrides: Mapping[str, bool | int] = field(default_factory=lambda: {"steps_offset": 1, "clip_sample": False})
    vae_overrides: Mapping[str, float] = field(default_factory=dict)
    force_zeros_for_empty_prompt: bool = False
    requires_aesthetics_score: bool = False
    native_size: int = 512
    size_multiple: int = 8
    prediction_type: str = "epsilon"
    dtypes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"unet": ANY, "vae": ANY, "text_encoder": ANY})
    attention_upcast_in_fp16: bool = False
    steps: int = 25
    guidance_scale: float = 7.5
    sketch_guidance_scale: float | None = None
    negative_guidance_scale: float | None = None
    scheduler: str = "DPM++ 2M Karras"
    guidance_free: bool = False

    @property
    def over_a_picture(self) -> Architecture:
        """The same with what is best where it paints over a picture."""
        return dataclasses.replace(self, guidance_scale=self.sketch_guidance_scale or self.guidance_scale)

    @property
    def against_a_negative(self) -> Architecture:
        """The same with what is best where a picture is compared with and without its negative prompt."""
        return dataclasses.replace(self, guidance_scale=self.negative_guidance_scale or self.guidance_scale)


def _sd1(unet: str = "unet_sd1", scheduler: str = "scheduler_sd1") -> dict[str, str]:
    return {"unet": unet, "vae": "vae_sd", "text_encoder": "text_clip_l", "scheduler": scheduler}


def _sd2(unet: str, vae: str = "vae_sd", scheduler: str = "scheduler_sd1") -> dict[str, str]:
    return {"unet": unet, "vae": vae, "text_encoder": "text_openclip_h", "scheduler": scheduler}


def _xl(unet: str = "unet_xl", scheduler: str = "scheduler_xl") -> dict[str, str]:
    return {
        "unet": unet, "vae": "vae_xl", "text_encoder": "text_clip_l", "text_encoder_2": "text_openclip_bigg",
        "scheduler": scheduler,
    }  # fmt: skip


_XL_TOKENIZERS = {"tokenizer": CLIP, "tokenizer_2": OPENCLIP}
_XL_DTYPES = {"unet": ANY, "vae": NOT_HALF, "text_encoder": ANY, "text_encoder_2": ANY}
"""XL's own VAE overflows in float16."""

ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(name="sd1", label="Stable Diffusion 1", configs=_sd1()),
    Architecture(name="sd1_inpainting", label="Stable Diffusion 1 inpainting", configs=_sd1("unet_sd1_inpainting")),
    Architecture(
        name="sd2_base", label="Stable Diffusion 2, 512", configs=_sd2("unet_sd2_base"), tokenizers={"tokenizer": OPENCLIP},
    ),
    Architecture(
        name="sd2_v", label="Stable Diffusion 2, 768", configs=_sd2("unet_sd2_v", "vae_sd2_v", "scheduler_sd2_v"),
        tokenizers={"tokenizer": OPENCLIP}, native_size=768, prediction_type="v_prediction", attention_upcast_in_fp16=True,
    ),
    Architecture(
        name="sd2_inpainting", label="Stable Diffusion 2 inpainting", configs=_sd2("unet_sd2_inpainting"),
        tokenizers={"tokenizer": OPENCLIP},
    ),
    Architecture(
        name="sd2_depth", label="Stable Diffusion 2 depth", configs=_sd2("unet_sd2_depth") | {"depth_estimator": "depth_midas"},
        tokenizers={"tokenizer": OPENCLIP},
        pipelines={k: "StableDiffusionDepth2ImgPipeline" for k in (TEXT, IMAGE, PAINT, DEPTH)},
        dtypes={"unet": ANY, "vae": ANY, "text_encoder": ANY, "depth_estimator": FULL_ONLY}, scheduler_overrides={},
    ),
    Architecture(
        name="x4_upscaler", label="Stable Diffusion x4 upscaler", pipelines={UPSCALE: "StableDiffusionUpscalePipeline"},
        configs=_sd2("unet_x4", "vae_x4", "scheduler_x4") | {"low_res_scheduler": "scheduler_x4_low_res"},
        tokenizers={"tokenizer": OPENCLIP}, pipeline_options={"max_noise_level": 350}, scheduler_overrides={},
        vae_overrides={"scaling_factor": 0.08333},
        prediction_type="v_prediction",
        dtypes={"unet": ANY, "vae": NOT_HALF, "text_encoder": ANY}, guidance_scale=9.0, scheduler="DDIM",
    ),
    Architecture(
        name="xl", label="Stable Diffusion XL", pipelines=XL_PIPELINES, configs=_xl(), tokenizers=_XL_TOKENIZERS,
        native_size=1024, dtypes=_XL_DTYPES, scheduler_overrides={}, force_zeros_for_empty_prompt=True, guidance_scale=6.0,
    ),
    Architecture(
        name="xl_inpainting", label="Stable Diffusion XL inpainting", pipelines=XL_PIPELINES, configs=_xl("unet_xl_inpainting"),
        tokenizers=_XL_TOKENIZERS, native_size=1024, dtypes=_XL_DTYPES, guidance_scale=6.0,
    ),
    Architecture(
        name="xl_refiner", label="Stable Diffusion XL refiner", pipelines={k: v for k, v in XL_PIPELINES.items() if k != TEXT},
        configs={"unet": "unet_xl_refiner", "vae": "vae_xl", "text_encoder_2": "text_openclip_bigg", "scheduler": "scheduler_xl"},
        tokenizers={"tokenizer_2": OPENCLIP}, scheduler_overrides={}, requires_aesthetics_score=True,
        pipeline_options={"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False},
        native_size=1024, dtypes={"unet": ANY, "vae": NOT_HALF, "text_encoder_2": ANY}, guidance_scale=6.0,
    ),
    Architecture(
        name="xl_turbo", label="Stable Diffusion XL, few steps", pipelines=XL_PIPELINES, configs=_xl(scheduler="scheduler_turbo"),
        tokenizers=_XL_TOKENIZERS, native_size=512, dtypes=_XL_DTYPES, steps=4, guidance_scale=1.0, scheduler="Euler a",
        guidance_free=True, scheduler_overrides={}, force_zeros_for_empty_prompt=True,
    ),
    Architecture(
        name="sd_turbo", label="Stable Diffusion 2, few steps", configs=_sd2("unet_sd2_base", scheduler="scheduler_turbo"),
        tokenizers={"tokenizer": OPENCLIP}, steps=4, guidance_scale=1.0, scheduler="Euler a", guidance_free=True,
    ),
    Architecture(
        name="lcm", label="Latent consistency, few steps", configs=_sd1("unet_lcm", "scheduler_lcm"), steps=4,
        guidance_scale=8.0, scheduler="LCM", guidance_free=True,
    ),
    Architecture(name="starter", label="Easel starter", native_size=256, size_multiple=16),
    Architecture(
        name="other", label="another pipeline (best effort)", pipelines={TEXT: "AutoPipelineForText2Image"},
        dtypes={"unet": ANY, "transformer": NOT_HALF, "vae": NOT_HALF, "text_encoder": NOT_HALF, "text_encoder_2": NOT_HALF,
                "text_encoder_3": NOT_HALF},
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Architecture] = {a.name: a for a in ARCHITECTURES}


@cache
def _read(name: str) -> str:
    return (CONFIGS / f"{name}.json").read_text("utf-8")


def bundled_config(architecture: Architecture, component: str) -> dict[str, Any]:
    """The published configuration of a component of a family, as diffusers or transformers writes it. KeyError if it has none."""
    return json.loads(_read(architecture.configs[component]))
