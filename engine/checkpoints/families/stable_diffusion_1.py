"""Stable Diffusion 1 (Rombach et al. 2022, arXiv 2112.10752), its inpainting variant, and latent consistency models made of it.

The configurations are those of CompVis/stable-diffusion ``v1-inference.yaml``; LCM: Luo et al. 2023, arXiv 2310.04378.
"""

from __future__ import annotations

from engine.checkpoints.families.family import BaseModel, Family, LatentPreview, Signature, TextLayout
from engine.checkpoints.families.key_mapping import map_clip

SD1 = BaseModel(name="sd1", label="Stable Diffusion 1", context_width=768, embedding_width=768, token_width=768)

CLIP = TextLayout(
    name="clip", description="OpenAI's CLIP text encoder", prefixes={"text_encoder": ("cond_stage_model.transformer.",)},
    key_mapping={"text_encoder": map_clip("cond_stage_model.transformer.")}, context_width=768,
)  # fmt: skip

PREVIEW = LatentPreview(
    factors=((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)),
)
"""Fitted by user keturn (discuss.huggingface.co/t/23204); Stable Diffusion 2 has the same latents."""


def _configs(unet: str = "unet_sd1", scheduler: str = "scheduler_sd1") -> dict[str, str]:
    return {"unet": unet, "vae": "vae_sd", "text_encoder": "text_clip_l", "scheduler": scheduler}


FAMILIES = (
    Family(
        name="sd1", label="Stable Diffusion 1", signature=Signature(text=CLIP), base=SD1, preview=PREVIEW, configs=_configs(),
        parameters={"unet": 860_000_000, "vae": 84_000_000, "text_encoder": 123_000_000},
    ),
    Family(
        name="sd1_inpainting", label="Stable Diffusion 1 inpainting", signature=Signature(text=CLIP, channels=9), base=SD1,
        preview=PREVIEW, configs=_configs("unet_sd1_inpainting"),
    ),
    Family(
        name="lcm", label="Latent consistency, few steps", signature=Signature(text=CLIP, guidance_embedding=True), base=SD1,
        preview=PREVIEW, configs=_configs("unet_lcm", "scheduler_lcm"), steps=4, guidance_scale=8.0, scheduler="LCM",
        guidance_free=True,
    ),
)  # fmt: skip
