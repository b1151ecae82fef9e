"""The configurations that single files of control networks lack: that of the UNet beside which they work, as far as the file's
tensors do not say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.checkpoints.control.layouts import map_adapter, map_controlnet
from engine.checkpoints.control.purposes import find_purpose
from engine.checkpoints.control.recognition import split_picture_channels
from engine.checkpoints.control.shape import ControlShape
from engine.checkpoints.families.key_mapping import KeyMapping
from engine.checkpoints.files.tensors import TensorStore
from engine.json_values import JsonObject, JsonValue

_COPIED = (
    "act_fn", "addition_embed_type", "addition_embed_type_num_heads", "addition_time_embed_dim", "attention_head_dim",
    "block_out_channels", "class_embed_type", "cross_attention_dim", "down_block_types", "downsample_padding", "encoder_hid_dim",
    "encoder_hid_dim_type", "flip_sin_to_cos", "freq_shift", "layers_per_block", "mid_block_scale_factor", "mid_block_type",
    "norm_eps", "norm_num_groups", "num_attention_heads", "num_class_embeds", "only_cross_attention",
    "projection_class_embeddings_input_dim", "resnet_time_scale_shift", "transformer_layers_per_block", "upcast_attention",
    "use_linear_projection",
)  # fmt: skip
"""What a ControlNet has as the UNet that it was copied from, as diffusers' ``ControlNetModel.from_unet``."""

_MOST_LAYERS = 64
"""More transformer blocks than any published network has in one place."""

_UNION_HEAD = 40
"""Channels of an attention head in a union's own transformer: xinsir's have 8 heads for 320 channels."""

_MOST_HEADS = 8


def find_controlnet_config(path: Path, unet: Mapping[str, JsonValue], store: TensorStore) -> JsonObject:
    """The configuration of a ControlNet in a single file."""
    config = find_lora_config(path, unet, store)
    return config | _find_transformers(store, config)


def find_lora_config(path: Path, unet: Mapping[str, JsonValue], store: TensorStore) -> JsonObject:
    """The configuration of the ControlNet that a Control-LoRA makes of a UNet."""
    config: JsonObject = {name: _use_lists(unet[name]) for name in _COPIED if name in unet}
    first = _find_shape(store, "conv_in.weight", config)
    widths = _list_hint_widths(store, config)
    picture = _find_shape(store, "controlnet_cond_embedding.conv_in.weight", config)
    config |= {
        "in_channels": first[1] if len(first) > 1 else 4,
        "conditioning_channels": picture[1] if len(picture) > 1 else 3,
        "conditioning_embedding_out_channels": [*widths],
        "global_pool_conditions": find_purpose(path) == "shuffle",
    }
    return config


def find_union_config(path: Path, unet: Mapping[str, JsonValue], store: TensorStore) -> JsonObject:
    """The configuration of a union in a single file, whose own transformer is as wide as the UNet's first level."""
    config = find_controlnet_config(path, unet, store)
    tasks = _find_shape(store, "task_embedding", config)
    width = tasks[1] if len(tasks) > 1 else 320
    layers = (_has(store, f"transformer_layes.{index}.ln_1.weight", config) for index in range(_MOST_LAYERS))
    return config | {
        "num_control_type": tasks[0] if tasks else 6, "num_trans_channel": width, "num_proj_channel": width,
        "num_trans_head": max(1, min(_MOST_HEADS, width // _UNION_HEAD)), "num_trans_layer": sum(layers),
    }  # fmt: skip


def find_adapter_config(shape: ControlShape, scale: int, store: TensorStore) -> JsonObject:
    """The configuration of a T2I-Adapter in a single file. ``scale``: pixels along a side of a latent."""
    light = _find_shape(store, "adapter.body.0.in_conv.weight", {"adapter_type": "light_adapter"}, map_adapter)
    first = light or _find_shape(store, "adapter.conv_in.weight", {}, map_adapter)
    colours, _ = split_picture_channels(first[1])
    kind = "light_adapter" if light else "full_adapter_xl" if shape.patch > scale else "full_adapter"
    config: JsonObject = {"adapter_type": kind, "num_res_blocks": 2}
    if light:
        config["num_res_blocks"] = sum(
            map_adapter(f"adapter.body.0.resnets.{index}.block1.weight", config).find(store) is not None
            for index in range(_MOST_LAYERS)
        )
    # A light adapter's last stage has the width of the one before it, which diffusers does not list.
    channels = shape.widths[:-1] if light else shape.widths
    config |= {"in_channels": colours, "channels": [*channels], "downscale_factor": shape.patch}
    return config


def _find_transformers(store: TensorStore, config: JsonObject) -> JsonObject:
    """Where the network has transformer blocks, and how many: some have fewer than the UNet, or none."""
    types = config.get("down_block_types")
    levels = len(types) if isinstance(types, list) else 0
    depths = [_count_layers(store, f"down_blocks.{level}.attentions.0", config) for level in range(levels)]
    middle = _count_layers(store, "mid_block.attentions.0", config)
    if middle and levels and not depths[-1]:
        depths[-1] = middle  # the middle takes the depth of the last level
    has_attention = [_has(store, f"down_blocks.{level}.attentions.0.norm.weight", config) for level in range(levels)]
    return {
        "down_block_types": ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in has_attention],
        "transformer_layers_per_block": [depth or 1 for depth in depths],
        "mid_block_type": "UNetMidBlock2DCrossAttn" if middle else "UNetMidBlock2D",
    }


def _count_layers(store: TensorStore, place: str, config: JsonObject) -> int:
    """The transformer blocks at one place of the network."""
    names = (f"{place}.transformer_blocks.{index}.norm1.weight" for index in range(_MOST_LAYERS))
    return next((index for index, name in enumerate(names) if not _has(store, name, config)), _MOST_LAYERS)


def _list_hint_widths(store: TensorStore, config: JsonObject) -> tuple[int, ...]:
    """The channels of the layers that embed the picture, one more for each halving of its sides."""
    blocks = _list_widths(store, "controlnet_cond_embedding.blocks.")
    for prefix in ("control_model.input_hint_block.", "input_hint_block."):
        blocks = blocks or _list_widths(store, prefix)[1:-1]  # without the first and the last layer
    start = _find_shape(store, "controlnet_cond_embedding.conv_in.weight", config)
    return (start[0] if start else 16, *blocks[1::2])


def _list_widths(store: TensorStore, prefix: str) -> list[int]:
    """The output channels of the numbered layers under ``prefix``, in their order."""
    numbered = {int(number): name for name in store.names() if (number := _read_number(name, prefix)) is not None}
    return [store.shape(numbered[number])[0] for number in sorted(numbered)]


def _read_number(name: str, prefix: str) -> int | None:
    """The number of the layer whose weight is called ``name``; None for other tensors."""
    number = name.removeprefix(prefix).removesuffix(".weight")
    return int(number) if name.startswith(prefix) and name.endswith(".weight") and number.isdecimal() else None


def _has(store: TensorStore, name: str, config: JsonObject) -> bool:
    return map_controlnet(name, config).find(store) is not None


def _find_shape(store: TensorStore, name: str, config: JsonObject, naming: KeyMapping = map_controlnet) -> tuple[int, ...]:
    """The shape of a tensor by diffusers' name; empty if there is none."""
    found = naming(name, config).find(store)
    return store.shape(found[0]) if found else ()


def _use_lists(value: JsonValue | tuple[JsonValue, ...]) -> JsonValue:
    return list(value) if isinstance(value, tuple) else value
