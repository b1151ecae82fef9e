"""Converts the editor's form of a graph to the form that ComfyUI executes.

A workflow is ``{"nodes": [{"id", "type", "mode", "inputs": [{"name", "link", "widget"}], "outputs", "widgets_values"}],
"links": [[id, from node, from slot, to node, to slot, type]]}``. The values of a node have names only if a newer editor listed
a widget for each; for common nodes of older ones the order is known: ComfyUI ``nodes.py``, Efficiency Nodes
``efficiency_nodes.py``, Easy-Use.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign.comfyui.drawing import BYPASSED, MUTED, Drawing, list_objects, read_drawing
from engine.records.foreign.values import as_object, json_object

_CONTROLS = ("fixed", "increment", "decrement", "randomize")
"""What the editor adds after a seed: how to change it before the next run."""

_OF_WORKFLOW = (
    "nodes", "links", "groups", "config", "extra", "version", "last_node_id", "last_link_id", "id", "revision",
    "definitions", "state",
    "floatingLinks", "reroutes", "models",
)  # fmt: skip
_OF_NODE = (
    "id", "type", "pos", "size", "flags", "order", "mode", "inputs", "outputs", "properties", "widgets_values", "title", "color",
    "bgcolor", "shape", "showAdvanced",
)  # fmt: skip
"""Keys that the editor writes and this module reads; all others are passed on."""


_WIDGETS = {
    "KSampler": "seed steps cfg sampler_name scheduler denoise",
    "KSamplerAdvanced": (
        "add_noise noise_seed steps cfg sampler_name scheduler start_at_step end_at_step return_with_leftover_noise"
    ),
    "KSampler (Efficient)": "seed steps cfg sampler_name scheduler denoise preview_method vae_decode",
    "Efficient Loader": (
        "ckpt_name vae_name clip_skip lora_name lora_model_strength lora_clip_strength positive negative token_normalization"
        " weight_interpretation empty_latent_width empty_latent_height batch_size"
    ),
    "easy fullLoader": (
        "ckpt_name config_name vae_name clip_skip lora_name lora_model_strength lora_clip_strength resolution empty_latent_width"
        " empty_latent_height positive positive_token_normalization positive_weight_interpretation negative"
        " negative_token_normalization negative_weight_interpretation batch_size a1111_prompt_style"
    ),
    "CheckpointLoaderSimple": "ckpt_name",
    "UNETLoader": "unet_name weight_dtype",
    "VAELoader": "vae_name",
    "LoraLoader": "lora_name strength_model strength_clip",
    "LoraLoaderModelOnly": "lora_name strength_model",
    "CLIPSetLastLayer": "stop_at_clip_layer",
    "CLIPTextEncode": "text",
    "CLIPTextEncodeSDXL": "width height crop_w crop_h target_width target_height text_g text_l",
    "EmptyLatentImage": "width height batch_size",
    "EmptySD3LatentImage": "width height batch_size",
    "RandomNoise": "noise_seed",
    "KSamplerSelect": "sampler_name",
    "BasicScheduler": "scheduler steps denoise",
    "CFGGuider": "cfg",
    "StringConcatenate": "string_a string_b delimiter",
    "ShowText|pysssss": "text_0",
    "SDXLPromptStyler": "text_positive text_negative style log_prompt",
    "ImpactWildcardProcessor": "wildcard_text populated_text mode seed",
    "PrimitiveNode": "value",
    "SaveImage": "filename_prefix",
    "LoadImage": "image upload",
    "LatentUpscaleBy": "upscale_method scale_by",
    "LatentUpscale": "upscale_method width height crop",
}
"""Class -> its widgets in the order of their values."""


def to_prompt(written: JsonValue) -> JsonObject:
    """The graph in ``written``, parsed or as JSON text, in the form that is executed; empty if there is none."""
    found = json_object(written) if isinstance(written, str) else as_object(written)
    if isinstance(found.get("nodes"), list):
        return _convert(found)
    return found if any("class_type" in as_object(node) for node in found.values()) else {}


def _convert(written: JsonObject) -> JsonObject:
    drawing = read_drawing(written, _name_values)
    running = {key: node for key, node in drawing.nodes.items() if node.get("mode") not in (MUTED, BYPASSED)}
    graph: JsonObject = {
        key: {
            **_list_others(node, _OF_NODE),
            "class_type": node["type"],
            "inputs": {**_name_values(node), **dict(_read_inputs(node, drawing))},
        }
        for key, node in running.items()
    }
    return {**_list_others(written, _OF_WORKFLOW), **graph}


def _read_inputs(node: JsonObject, drawing: Drawing) -> Iterator[tuple[str, JsonValue]]:
    for slot in list_objects(node.get("inputs")):
        name, link = slot.get("name"), slot.get("link")
        if isinstance(name, str) and isinstance(link, str):
            match drawing.follow(link):
                case (key, place):
                    yield name, [key, place]
                case None:
                    continue
                case value:
                    yield name, value


def _list_others(written: JsonObject, known: tuple[str, ...]) -> JsonObject:
    return {key: value for key, value in written.items() if key not in known}


def _name_values(node: JsonObject) -> JsonObject:
    """The values of a node's widgets by name, or by number if the names are not known."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return values
    if not isinstance(values, list):
        return {}
    listed = [slot["name"] for slot in list_objects(node.get("inputs")) if "widget" in slot and isinstance(slot.get("name"), str)]
    names = _WIDGETS.get(str(node.get("type")), "").split()
    if len(listed) >= len(names):
        names = [name for name in listed if isinstance(name, str)]
    if not names and [isinstance(value, str) for value in values].count(True) == 1 == len(values):
        names = ["text"]
    return dict(_pair(names, values))


def _pair(names: list[str], values: list[JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    waiting = iter(names)
    before = ""
    for index, value in enumerate(values):
        if before in ("seed", "noise_seed") and value in _CONTROLS:
            before = ""
            yield "control_after_generate", value
            continue
        before = next(waiting, f"widget {index + 1}")
        yield before, value
