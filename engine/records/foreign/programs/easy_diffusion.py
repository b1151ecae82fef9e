"""Easy Diffusion: ``ui/easydiffusion/utils/save_utils.py`` and sdkit ``file_utils.py``."""

from __future__ import annotations

import json
import re

from engine.json_values import JsonValue
from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignLora, ForeignRecord
from engine.records.foreign.sampler_names import read_sampler
from engine.records.foreign.values import number

KNOWN = KnownFields(
    settings={
        "use_controlnet_model|controlnet model|control_filter_to_apply|controlnet filter|control_alpha": "ControlNet",
        "use_hypernetwork_model|hypernetwork model|hypernetwork_strength|hypernetwork strength": "hypernetwork",
        "use_embeddings_model|embedding models": "embeddings",
        "tiling|seamless tiling": "seamless tiling",
        "use_face_correction|use face correction|codeformer.*": "face correction",
        "use_upscale|use upscaling|upscale_amount|upscale by|latent_upscaler_steps|latent upscaler steps": "upscaling",
        "scheduler_name|scheduler": "noise schedule",
        "init_image.*|mask.*|preserve_init_image_color_profile|strict_mask_border|distilled_guidance_scale": "",
    },
    facts={
        "parameters": "the same settings in another layout",
        "num_outputs|vram_usage_level|output_.*|block_nsfw|session_id|stream_.*|show_only_.*|original_prompt|active_tags": "",
    },
    neutral={"hypernetwork_strength|hypernetwork strength": (0,)},
)
_KEYS = {
    "prompt": "Prompt",
    "negative_prompt": "Negative Prompt",
    "seed": "Seed",
    "sampler_name": "Sampler",
    "width": "Width",
    "height": "Height",
    "use_stable_diffusion_model": "Stable Diffusion model",
    "use_vae_model": "VAE model",
    "use_lora_model": "LoRA model",
    "lora_alpha": "LoRA Strength",
    "clip_skip": "Clip Skip",
    "num_inference_steps": "Steps",
    "guidance_scale": "Guidance Scale",
    "prompt_strength": "Prompt Strength",
}
"""Easy Diffusion's keys in code -> those on its page, which some files use."""


def read_easy_diffusion(fields: Fields) -> ForeignRecord | None:
    """The record: a text per setting in PNG, one JSON object in JPEG and WebP."""
    names = {key: (key, label) for key, label in _KEYS.items()}
    if not all(any(name in fields for name in names[key]) for key in ("use_stable_diffusion_model", "num_inference_steps")):
        return None
    raw = json.dumps({key: fields.look(key) for key in fields.names() if any(key in pair for pair in names.values())})
    found = read_sampler(fields.text(*names["sampler_name"]), fields.text("scheduler_name"))
    return ForeignRecord(
        program="Easy Diffusion",
        raw=raw,
        prompt=fields.text(*names["prompt"]) or "",
        negative_prompt=fields.text(*names["negative_prompt"]) or "",
        steps=fields.whole(*names["num_inference_steps"]),
        scheduler=found.name,
        schedule=found.schedule,
        guidance_scale=fields.number(*names["guidance_scale"]),
        seed=fields.whole(*names["seed"]),
        width=fields.whole(*names["width"]),
        height=fields.whole(*names["height"]),
        checkpoint=fields.text(*names["use_stable_diffusion_model"]),
        clip_skip=2 if str(fields.take(*names["clip_skip"])).casefold() == "true" else None,
        strength=fields.number(*names["prompt_strength"]),
        loras=_take_loras(fields.take(*names["use_lora_model"]), fields.take(*names["lora_alpha"])),
        vae=fields.text(*names["use_vae_model"]),
    )


def _take_loras(names: JsonValue, weights: JsonValue) -> tuple[ForeignLora, ...]:
    """One LoRA or several: as a list, as Python's list syntax, or separated by commas."""
    files, strengths = _as_list(names), [number(each) for each in _as_list(weights)]
    strengths += [None] * (len(files) - len(strengths))
    return tuple(
        ForeignLora(file, 1.0 if weight is None else weight)
        for file, weight in zip(files, strengths, strict=False)
        if file != "None"
    )


def _as_list(value: JsonValue) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value if isinstance(item, str | int | float)]
    if isinstance(value, str):
        return [part.strip(" '\"") for part in re.sub(r"^\[|\]$", "", value.strip()).split(",") if part.strip(" '\"")]
    return [str(value)] if isinstance(value, int | float) else []
