"""The settings of the first pass of a ComfyUI image."""

from __future__ import annotations

import re

from engine.json_values import JsonValue
from engine.records.foreign.comfyui.graph import Graph
from engine.records.foreign.comfyui.lora_nodes import find_loras
from engine.records.foreign.comfyui.words import Words
from engine.records.foreign.comfyui.workflow import to_prompt
from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.sampler_names import read_sampler
from engine.records.foreign.values import number, text, whole

KNOWN = KnownFields(
    settings={
        "node (controlnet|acn_|apply ?controlnet|t2i|ipadapter|ip-adapter|instantid|pulid|reactor|facedetailer).*": "",
        "node (ksampler|samplercustom|ultimatesdupscale|imageupscale|imagescale|latentupscale).*": "",
        "node (upscale|detailer|hires|high-?res).*": "",
        "node (freeu|pag|perturbed|selfattention|sag|tome|hypertile|rescalecfg).*": "",
        "node (modelsampling|differential|patchmodel|deepcache).*": "",
        "node (load ?image|vaeencode|image|latent|mask|crop|resize).*": "",
        "node (gligen|regional|conditioning|hypernetwork|vaeloader).*": "",
        "add_noise|start_at_step|end_at_step|return_with_leftover_noise": "",
        "refine_at_step|start_step|last_step|force_full_denoise": "",
        "(target_|crop_|original_)?(width|height|w|h|x|y)|ascore|(positive|negative)_ascore|aspect_ratio|size_cond_factor": "",
        "(positive_|negative_)?token_normalization|(positive_|negative_)?weight_interpretation|parser|mean_normalization": "",
        "style.*|log_prompt|prompt_style|a1111_prompt_style|text_(positive|negative)_?.*|select_styles|use_.*": "",
        "strength|start_percent|end_percent|set_cond_area|conditioning_to_strength|weight|start|end|scale.*|multiplier|ratio": "",
        "guidance|shift|max_shift|base_shift|sigma.*|eta|s_noise|rho|beta.*|noise.*|zsnr|sampling|polar_bias|gits_coeff": "",
        "batch_size|number|refiner_.*|config_name|model_name": "",
        "control_net_name|upscale_method|upscale_by|image|upload|rescale.*": "",
        "vae_name|tile_size|overlap|temporal_.*|vae_decode|tiling|tiled.*|crop|method|mask_.*|channel|invert|feather.*": "",
        "clip_name\\d?|type|device|weight_dtype|b1|b2|s1|s2|seed_.*|variation.*|subseed.*|pattern|replace|find|mode_.*": "",
        "unet_weight|lora_syntax|clip_layer|denoise|steps|cfg|sampler_name|scheduler|seed|noise_seed|resolution": "",
    },
    facts={
        "workflow": "the drawing of the graph",
        "filename_prefix|filename|path|extension|quality.*|save_.*": "",
        "embed_.*|metadata.*|image_output|link_id|preview_method|output.*": "",
        "control_after_generate|wildcard_text|select to add .*|mode": "",
        "populate.*|autorefresh|seed|note|label|text|action|tidy_tags": "",
        "clean_whitespace|inputcount|return_list|speak_and_recognation": "",
        "boolean|anything|display_as|node note|node markdownnote": "",
        "extra|extrametadata|resource-stack|version|extra_pnginfo|user_metadata|parameters|generation_data|prompt": "",
        "toggle_trigger_words|trigger_words|default_active|group_mode": "",
        "case|trim_type|optional_.*|script|send_to|comfyui_version": "",
    },
    neutral={
        "batch_size|number|upscale_by|unet_weight|strength|denoise|scale.*|multiplier|conditioning_to_strength": (1,),
        "start_percent|start|start_at_step|start_step|crop_.*|x|y|variation.*|mask_.*": (0, "none", "disabled"),
        "end_percent|end": (1,),
        "end_at_step|last_step": (10_000, -1),
        "add_noise": ("enable", "enabled"),
        "return_with_leftover_noise|force_full_denoise": ("disable", "disabled"),
        "(positive_|negative_)?token_normalization": ("none",),
        "(positive_|negative_)?weight_interpretation": ("comfy", "A1111"),
        "config_name|type|device|weight_dtype": ("Default", "default", "stable_diffusion"),
        "vae_name": ("Baked VAE",),
        "lora_syntax|vae_decode": (True, "true"),
        "refiner_.*": (-2, -1),
        "style.*": ("base", "No Style", "none"),
    },
)

_SILENT = (
    "VAEDecode",
    "VAEDecodeTiled",
    "SaveImage",
    "PreviewImage",
    "Reroute",
    "PrimitiveNode",
    "CLIPLoader",
    "DualCLIPLoader",
    "easy kSampler",
)
"""Nodes that are part of every image; only their unread inputs are reported."""

_CHECKPOINTS = ("ckpt_name", "base_ckpt_name", "unet_name", "checkpoint", "checkpoint_name", "model_name")
_WIDTHS, _HEIGHTS = ("width", "empty_latent_width"), ("height", "empty_latent_height")


def read_comfyui(fields: Fields) -> ForeignRecord | None:
    """The settings of the first pass. None if there is no graph or no sampler in it."""
    for keyword in ("prompt", "workflow", "parameters"):
        written = to_prompt(fields.look(keyword))
        if written and (record := _read_graph(fields, keyword, Graph(fields.open(keyword, written, "")))) is not None:
            return record
    return None


def _read_graph(fields: Fields, keyword: str, graph: Graph) -> ForeignRecord | None:
    start = graph.first_sampler()
    if start is None:
        return None
    words = Words(graph)
    latent = next(iter(graph.latents(start)), None)
    last_layer = graph.checkpoint_value(start, whole, "stop_at_clip_layer", "clip_skip", "base_clip_skip")
    found = read_sampler(
        graph.value(start, text, "sampler_name", "sampler"), graph.value(start, text, "scheduler", "scheduler_name")
    )
    width, height = _take_size(graph, latent)
    raw = fields.look(keyword)
    record = ForeignRecord(
        program="ComfyUI",
        raw=raw if isinstance(raw, str) else "",
        prompt=words.read(start, "positive"),
        negative_prompt=words.read(start, "negative"),
        steps=graph.value(start, whole, "steps"),
        guidance_scale=graph.value(start, number, "cfg"),
        scheduler=found.name,
        schedule=found.schedule,
        seed=graph.value(start, whole, "seed", "noise_seed"),
        width=width,
        height=height,
        checkpoint=graph.checkpoint_value(start, text, *_CHECKPOINTS),
        clip_skip=-last_layer if last_layer and last_layer < 0 else None,
        strength=graph.value(start, number, "denoise"),
        loras=find_loras(graph, start),
        vae=_take_vae(graph),
    )
    for key, node in graph.nodes.items():
        if node.inputs.is_untouched(node.arrows) and key not in words.walked and node.name not in _SILENT:
            node.whole.fold(f"node {node.name}")
    return record


def _take_size(graph: Graph, latent: str | None) -> tuple[int | None, int | None]:
    """Width and height of the empty latent; Easy-Use and others have a list of sizes, which applies unless it says "custom"."""
    listed = graph.value(latent, _read_resolution, "resolution")
    width, height = graph.value(latent, whole, *_WIDTHS), graph.value(latent, whole, *_HEIGHTS)
    return listed or (width, height)


def _read_resolution(value: JsonValue) -> tuple[int, int] | None:
    sides = re.match(r"\s*(\d{2,5})\s*[x×]\s*(\d{2,5})", value) if isinstance(value, str) else None
    return (int(sides[1]), int(sides[2])) if sides else None


def _take_vae(graph: Graph) -> str | None:
    """The separate VAE; None if there is none or more than one."""
    names = {
        name: node for node in graph.nodes.values() if (name := text(node.inputs.look("vae_name"))) not in (None, "Baked VAE")
    }
    if len(names) != 1:
        return None
    name, node = next(iter(names.items()))
    return node.inputs.text("vae_name") if name else None
