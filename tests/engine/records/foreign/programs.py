"""A record of every program in full, written by hand after the layout that its source documents.

Each has a LoRA "ink" at 0.8, a schedule, and what the program has of variation seeds, second passes, styles and characters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from engine.json_values import JsonObject, JsonValue

WORDS = "a fox, ink drawing"
NOT = "blurry, lowres"


@dataclass(frozen=True)
class Program:
    """``source``: where the layout is documented. ``texts`` by keyword. ``said``: what the sentences must name."""

    name: str
    source: str
    texts: JsonObject
    scheduler: str | None
    said: tuple[str, ...] = ()
    schedule: str | None = None
    seed: int = 1234567
    size: tuple[int, int] = (832, 1216)
    prompt: str = WORDS
    negative_prompt: str = NOT
    lora_hash: str = ""
    checkpoint: str = "dreamy_v8"
    expected: JsonObject = field(default_factory=dict[str, JsonValue])


def infotext(settings: str, prompt: str = f"{WORDS} <lora:ink:0.8>") -> JsonObject:
    return {"parameters": f"{prompt}\nNegative prompt: {NOT}\nSteps: 28, {settings}"}


A1111 = (
    "Sampler: DPM++ 2M SDE, Schedule type: Exponential, CFG scale: 6.5, Seed: 1234567, Size: 832x1216, Model hash: 6ce0161689, "
    "Model: dreamy_v8, VAE hash: 735e4c3a44, VAE: clear.safetensors, Variation seed: 99, Variation seed strength: 0.25, "
    "Seed resize from: 512x512, Denoising strength: 0.4, Clip skip: 2, ENSD: 31337, Token merging ratio: 0.3, RNG: CPU, "
    'Hires upscale: 2, Hires steps: 15, Hires upscaler: 4x-UltraSharp, Hires prompt: "sharp, detailed", '
    'Lora hashes: "ink: 1a2b3c4d5e6f", TI hashes: "bad: 7f3a1c", Refiner: polish [7440042bbd], Refiner switch at: 0.8, '
    'ControlNet 0: "Module: canny, Weight: 1", Version: v1.10.1'
)
CIVITAI = (
    "Sampler: Euler a, CFG scale: 6.5, Seed: 1234567, Size: 832x1216, Clip skip: 2, Created Date: 2025-11-28T09:18:43.5269343Z, "
    'Civitai resources: [{"type":"checkpoint","modelVersionId":2442439,"modelName":"dreamy_v8","modelVersionName":"v8, final"},'
    '{"type":"lora","weight":0.8,"modelVersionId":7,"modelName":"ink","modelVersionName":"a: b"}], '
    'Civitai metadata: {"remixOfId": 5}'
)
FOOOCUS_TEXT = (
    'Sampler: DPM++ 2M SDE Karras, Seed: 1234567, Size: 832x1216, CFG scale: 6.5, Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", '
    "Model: dreamy_v8, Model hash: 6ce0161689, Performance: Speed, Scheduler: karras, VAE: Default (model), "
    f'Raw prompt: "{WORDS}", Raw negative prompt: "{NOT}", Lora hashes: "ink: aabbccddee", Lora weights: "ink: 0.8", '
    "Version: Fooocus v2.5.5"
)
FOOOCUS: JsonObject = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "dreamy_v8", "base_model_hash": "6ce0161689", "clip_skip": 2,
    "full_prompt": [WORDS, "cinematic"], "full_negative_prompt": [NOT], "guidance_scale": 6.5, "lora_combined_1": "ink : 0.8",
    "loras": [["ink", 0.8, "aabbccddee"]], "metadata_scheme": "fooocus", "negative_prompt": NOT, "performance": "Speed",
    "prompt": WORDS, "resolution": "(832, 1216)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "1234567",
    "sharpness": 2.0, "steps": 28, "styles": "['Fooocus V2', 'SAI Anime']", "vae": "Default (model)", "version": "Fooocus v2.5.5",
}  # fmt: skip
OLD_FOOOCUS: JsonObject = {
    "Prompt": WORDS, "Negative Prompt": NOT, "Fooocus V2 Expansion": f"{WORDS}, intricate", "Styles": "['Fooocus V2']",
    "Performance": "Speed", "Resolution": "(832, 1216)",
    "Sharpness": 2.0, "Guidance Scale": 6.5, "ADM Guidance": "(1.5, 0.8, 0.3)",
    "Base Model": "dreamy_v8", "Refiner Model": "None", "Refiner Switch": 0.5, "Sampler": "dpmpp_2m_sde_gpu",
    "Scheduler": "karras", "Seed": 1234567, "Steps": 28, "LoRA 1": "ink.safetensors : 0.8", "Version": "v2.1.865",
}  # fmt: skip
RUINED: JsonObject = {
    "Prompt": WORDS, "Negative": NOT, "steps": 28, "cfg": 6.5, "width": 832, "height": 1216, "seed": 1234567,
    "sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras", "base_model_name": "dreamy_v8.safetensors",
    "base_model_hash": "6ce01616", "loras": [["AABBCCDDEE", "0.8 - styles\\ink.safetensors"]], "start_step": 3, "denoise": None,
    "clip_skip": 2, "software": "RuinedFooocus",
}  # fmt: skip
OLD_RUINED: JsonObject = {
    **{key: value for key, value in RUINED.items() if key not in ("clip_skip", "base_model_hash", "start_step")},
    "loras": "Loras:<ink.safetensors:0.8>", "refiner_model_name": "None", "switch": 20,
}  # fmt: skip
INVOKE: JsonObject = {
    "generation_mode": "sdxl_txt2img", "positive_prompt": WORDS, "negative_prompt": NOT, "positive_style_prompt": "dreamlike",
    "width": 832, "height": 1216, "seed": 1234567, "rand_device": "cuda", "cfg_scale": 6.5, "cfg_rescale_multiplier": 0.5,
    "steps": 28, "scheduler": "dpmpp_2m_sde_k", "clip_skip": 1, "seamless_x": True, "hrf_enabled": True, "hrf_strength": 0.45,
    "model": {"key": "c3f0", "hash": "blake3:9a2f", "name": "dreamy_v8", "base": "sdxl", "type": "main"},
    "loras": [{"model": {"key": "a", "hash": "blake3:77", "name": "ink", "base": "sdxl", "type": "lora"}, "weight": 0.8}],
    "controlnets": [{"image": {"image_name": "a.png"}, "control_model": {"name": "canny"}, "control_weight": 0.7}],
    "app_version": "5.4.0",
}  # fmt: skip
OLD_INVOKE: JsonObject = {
    "model": "stable diffusion", "model_weights": "dreamy_v8", "model_hash": "6ce0161689", "app_id": "invoke-ai/InvokeAI",
    "app_version": "2.2.5",
    "image": {
        "prompt": [{"prompt": f"{WORDS} <lora:ink:0.8> [{NOT}]", "weight": 1.0}], "steps": 28, "cfg_scale": 6.5, "seed": 1234567,
        "sampler": "k_dpmpp_2", "width": 832, "height": 1216, "type": "txt2img", "threshold": 0, "perlin": 0.1,
        "variations": [[99, 0.2]], "postprocessing": None, "hires_fix": True, "seamless": False,
    },
}  # fmt: skip
NOVELAI: JsonObject = {
    "Title": "NovelAI generated image", "Description": WORDS, "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4.5 4BDE2A90", "Generation time": "5.1",
    "Comment": json.dumps({
        "prompt": WORDS, "uc": NOT, "steps": 28, "height": 1216, "width": 832, "scale": 6.5, "uncond_scale": 0.0,
        "cfg_rescale": 0.2, "seed": 1234567, "n_samples": 1, "noise_schedule": "exponential", "legacy_v3_extend": False,
        "sampler": "k_dpmpp_2m_sde", "sm": True, "dynamic_thresholding": True, "version": 1, "lora_unet_weights": {"ink": 0.8},
        "v4_prompt": {
            "caption": {
                "base_caption": WORDS,
                "char_captions": [
                    {"char_caption": "girl, red hair", "centers": [{"x": 0.3, "y": 0.5}]},
                    {"char_caption": "boy, hat", "centers": [{"x": 0.5, "y": 0.5}]},
                ],
            },
            "use_coords": True, "use_order": True, "legacy_uc": False,
        },
        "v4_negative_prompt": {
            "caption": {"base_caption": NOT, "char_captions": [{"char_caption": "green", "centers": [{"x": 0.5, "y": 0.5}]}]},
            "use_coords": False, "use_order": False, "legacy_uc": False,
        },
        "request_type": "PromptGenerateRequest", "signed_hash": "abc==",
    }),
}  # fmt: skip
SWARM: JsonObject = {
    "sui_image_params": {
        "prompt": WORDS, "negativeprompt": NOT, "model": "folder/dreamy_v8", "seed": 1234567, "steps": 28, "cfgscale": "6.5",
        "width": 832, "height": 1216, "aspectratio": "Custom", "sampler": "dpmpp_2m_sde", "scheduler": "exponential",
        "clipstopatlayer": -2, "loras": ["styles/ink"], "loraweights": ["0.8"], "variationseed": 99,
        "variationseedstrength": 0.25, "refinerupscale": 2,
        "refinerupscalemethod": "pixel-lanczos", "refinercontrolpercentage": 0.2,
        "automaticvae": True, "swarm_version": "0.9.6.2",
    },
    "sui_extra_data": {"date": "2025-06-01", "generation_time": "5 sec", "used_wildcards": ["hair"]},
    "sui_models": [
        {"name": "folder/dreamy_v8.safetensors", "param": "model", "hash": "0x6ce0161689b3853acaa03779ec93eafe"},
        {"name": "styles/ink.safetensors", "param": "loras", "hash": "0xaabbccddee11"},
    ],
}  # fmt: skip
DRAW_THINGS: JsonObject = {
    "c": WORDS, "uc": NOT, "steps": 28, "sampler": "DPM++ SDE AYS", "scale": 6.5, "seed": 1234567, "size": "832x1216",
    "model": "dreamy_v8.ckpt", "strength": 1, "seed_mode": "Torch CPU Compatible", "shift": 1, "hires_fix": True,
    "second_stage_strength": 0.6, "lora": [{"model": "ink.ckpt", "weight": 0.8}], "control": [], "mask_blur": 1.5,
    "profile": {"timings": []},
    "v2": {
        "steps": 28, "sampler": 14, "guidanceScale": 6.5,
        "seed": 1234567, "width": 832, "height": 1216, "model": "dreamy_v8.ckpt",
        "loras": [{"file": "ink.ckpt", "weight": 0.8, "mode": "all"}], "clipSkip": 2, "strength": 1, "seedMode": 2,
        "hiresFix": True, "batchSize": 1, "controls": [],
    },
}  # fmt: skip
EASY: JsonObject = {
    "prompt": WORDS, "negative_prompt": NOT, "seed": "1234567", "use_stable_diffusion_model": "dreamy_v8", "clip_skip": "True",
    "use_vae_model": "clear", "sampler_name": "dpmpp_sde", "width": "832", "height": "1216", "num_inference_steps": "28",
    "guidance_scale": "6.5", "use_lora_model": "['ink']", "lora_alpha": "[0.8]", "tiling": "xy",
    "use_embeddings_model": "['bad']", "use_upscale": "RealESRGAN_x4plus", "upscale_amount": "4",
}  # fmt: skip

PROGRAMS = (
    Program(
        "AUTOMATIC1111",
        "AUTOMATIC1111/stable-diffusion-webui modules/processing.py, create_infotext",
        infotext(A1111),
        "DPM++ 2M SDE",
        schedule="Exponential",
        lora_hash="1a2b3c4d5e6f",
        prompt=f"{WORDS} <lora:ink:0.8>",
        said=(
            "Seed resize from",
            "ENSD",
            "Token merging ratio",
            "RNG",
            "Hires prompt (sharp, detailed)",
            "ControlNet 0",
            "TI hashes",
        ),
        expected={
            "variation": (99, 0.25),
            "vae": "clear.safetensors",
            "refiner": "polish",
            "refiner_start": 0.8,
            "clip_skip": 2,
            "strength": 0.4,
            "hires": {
                "factor": 2.0,
                "width": None,
                "height": None,
                "upscaler": "4x-UltraSharp",
                "steps": 15,
                "guidance_scale": None,
                "scheduler": None,
                "schedule": None,
            },
        },
    ),
    Program(
        "Forge",
        "lllyasviel/stable-diffusion-webui-forge modules/processing.py",
        infotext(A1111.replace("v1.10.1", "f2.0.1v1.10.1-previous-659-gc055f2d4") + ", Distilled CFG Scale: 3.5, Module 1: ae"),
        "DPM++ 2M SDE",
        schedule="Exponential",
        lora_hash="1a2b3c4d5e6f",
        prompt=f"{WORDS} <lora:ink:0.8>",
        said=("Distilled CFG Scale (3.5)", "Module 1 (ae)"),
    ),
    Program(
        "SD.Next",
        "vladmandic/sdnext modules/processing_info.py",
        infotext(
            "Sampler: DPM++ 2M SDE, Seed: 1234567, CFG scale: 6.5, Size: 832x1216, Parser: Full parser, Model: dreamy_v8, "
            "Model hash: 6ce0161689, Clip skip: 2, Backend: Diffusers, App: SD.Next, Version: 9e5b1a2, "
            "Operations: txt2img; hires, "
            "Variation seed: 99, Variation strength: 0.2, Hires steps: 10, Styles: dream, Pipeline: StableDiffusionXLPipeline"
        ),
        "DPM++ 2M SDE",
        schedule="Normal",
        prompt=f"{WORDS} <lora:ink:0.8>",
        said=("Hires steps (10)", "Styles (dream)", "Operations", "Parser"),
    ),
    Program(
        "Civitai",
        "civitai/civitai src/utils/metadata/automatic.metadata.ts",
        infotext(CIVITAI, WORDS),
        "Euler a",
        schedule="Normal",
        said=("Created Date", "Civitai metadata"),
    ),
    Program(
        "Civitai",
        "the same, in one line as its older generator writes it",
        {"parameters": f"{WORDS} Negative prompt: {NOT} Steps: 28, {CIVITAI}"},
        "Euler a",
        schedule="Normal",
        said=("Created Date",),
    ),
    Program(
        "AUTOMATIC1111",
        "Acly/krita-ai-diffusion ai_diffusion/text.py, create_img_metadata",
        infotext("Sampler: dpmpp_2m_sde, CFG scale: 6.5, Seed: 1234567, Size: 832x1216, Model hash: unknown, Model: dreamy_v8"),
        "DPM++ 2M SDE",
        schedule="Normal",
        prompt=f"{WORDS} <lora:ink:0.8>",
    ),
    Program(
        "Fooocus",
        "lllyasviel/Fooocus modules/meta_parser.py, A1111MetadataParser",
        {**infotext(FOOOCUS_TEXT, f"{WORDS}, cinematic"), "fooocus_scheme": "a1111"},
        "DPM++ 2M SDE",
        schedule="Karras",
        lora_hash="aabbccddee",
        said=("Sharpness", "ADM Guidance", "Performance (Speed)"),
    ),
    Program(
        "Fooocus",
        "lllyasviel/Fooocus modules/meta_parser.py, FooocusMetadataParser",
        {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"},
        "DPM++ 2M SDE",
        schedule="Karras",
        lora_hash="aabbccddee",
        said=("styles (['Fooocus V2', 'SAI Anime'])", "sharpness", "ADM guidance", "performance (Speed)", "styles written out"),
    ),
    Program(
        "Fooocus",
        "lllyasviel/Fooocus v2.1.865 modules/private_logger.py",
        {"parameters": json.dumps(OLD_FOOOCUS)},
        "DPM++ 2M SDE",
        schedule="Karras",
        said=("styles (['Fooocus V2'])", "sharpness", "styles written out"),
    ),
    Program(
        "RuinedFooocus",
        "runew0lf/RuinedFooocus modules/imagesaver.py",
        {"parameters": json.dumps(RUINED)},
        "DPM++ 2M SDE",
        schedule="Karras",
        lora_hash="AABBCCDDEE",
        said=("start_step (3)",),
    ),
    Program(
        "RuinedFooocus",
        "runew0lf/RuinedFooocus modules/async_worker.py",
        {"parameters": json.dumps(OLD_RUINED)},
        "DPM++ 2M SDE",
        schedule="Karras",
        said=("switch (20)",),
    ),
    Program(
        "InvokeAI",
        "invoke-ai/InvokeAI invokeai/app/invocations/metadata.py",
        {"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"},
        "DPM++ 2M SDE",
        schedule="Karras",
        lora_hash="blake3:77",
        said=(
            "positive_style_prompt (dreamlike)",
            "seamless tiling",
            "hrf_enabled",
            "hrf_strength (0.45)",
            "ControlNets",
            "control_weight",
            "random numbers came from (cuda)",
        ),
        expected={"guidance_rescale": 0.5},
    ),
    Program(
        "InvokeAI",
        "invoke-ai/InvokeAI v2.2.5 ldm/invoke/pngwriter.py",
        {"sd-metadata": json.dumps(OLD_INVOKE)},
        "dpmpp_2",
        schedule="Default",
        prompt=f"{WORDS} <lora:ink:0.8>",
        said=("variations", "hires_fix", "perlin (0.1)"),
    ),
    Program(
        "NovelAI",
        "NovelAI/novelai-image-metadata nai_meta.py",
        NOVELAI,
        "DPM++ 2M SDE",
        schedule="Exponential",
        prompt=f"{WORDS}\ngirl, red hair\nboy, hat",
        negative_prompt=f"{NOT}\ngreen",
        checkpoint="NovelAI Diffusion V4.5",
        said=(
            "SMEA",
            "dynamic thresholding",
            "places of the characters",
            "Generation time",
            "uncond_scale (0.0)",
        ),
        lora_hash="no LoRAs there",
        expected={"guidance_rescale": 0.2},
    ),
    Program(
        "SwarmUI",
        "mcmonkeyprojects/SwarmUI docs/Image Metadata Format.md",
        {"parameters": json.dumps(SWARM)},
        "DPM++ 2M SDE",
        schedule="Exponential",
        lora_hash="0xaabbccddee11",
        said=("variationseed (99)", "variationseedstrength (0.25)", "refinerupscale (2)", "used_wildcards", "generation_time"),
        expected={"clip_skip": 2, "refiner_start": 0.8},
    ),
    Program(
        "Draw Things",
        "DrawThings records as kcjerrell/dtm and DrawThingsStudio read them",
        {"parameters": json.dumps(DRAW_THINGS)},
        "DPM++ SDE",
        schedule="Align Your Steps",
        said=("noise from a seed (Torch CPU Compatible)", "hires_fix", "second_stage_strength (0.6)", "mask_blur"),
        expected={"clip_skip": 2},
    ),
    Program(
        "Easy Diffusion",
        "easydiffusion/easydiffusion ui/easydiffusion/utils/save_utils.py",
        EASY,
        "DPM++ SDE",
        schedule="Normal",
        said=("seamless tiling (xy)", "embeddings", "upscaling (RealESRGAN_x4plus)"),
        expected={"clip_skip": 2, "vae": "clear"},
    ),
)
