"""A control network in memory, in the precision and the place of the denoiser that it works beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from engine.checkpoints.control.layouts import map_controlnet
from engine.checkpoints.control.purposes import find_purpose
from engine.checkpoints.control.recognition import CONTROLNET
from engine.checkpoints.files.headers import create_refusal
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify import folders
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.components import IsCancelled, make_component, never_cancelled
from engine.checkpoints.loaded import bytes_of
from engine.json_values import JsonObject, JsonValue
from engine.requests import ExecutionPlan

ControlNetwork = ControlNetModel

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


@dataclass(frozen=True)
class LoadedControl:
    """A control network that is ready to run."""

    network: ControlNetwork

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """The components that have weights, by name."""
        return {CONTROLNET: self.network}

    @property
    def bytes(self) -> int:
        """What the weights take where they lie."""
        return bytes_of(self.modules.values())


def plan_for_control(plan: ExecutionPlan) -> ExecutionPlan:
    """How a control network runs beside a denoiser under ``plan``: like it, but it never waits for its turn in RAM."""
    measures = tuple(measure for measure in plan.measures if measure != "experts_in_turn")
    return dataclasses.replace(
        plan, measures=measures, dtypes={**plan.dtypes, CONTROLNET: plan.dtype(plan.denoiser)}, compiler=""
    )


def load_control(
    entry: CheckpointEntry, unet: UNet2DConditionModel, plan: ExecutionPlan, cancelled: IsCancelled = never_cancelled
) -> LoadedControl:
    """The control network ``entry`` beside ``unet``, for :func:`plan_for_control`'s plan.

    A single file does not say its configuration: it is that of the UNet, as far as the file's tensors do not say otherwise.
    Raises CheckpointError, a sentence, for a file that is damaged or incomplete, and CancelledError soon after ``cancelled``
    says so.
    """
    store = TensorStore(folders.weight_files(entry.path) if entry.is_folder else [entry.path])
    config = folders.read_json(entry.path / "config.json") if entry.is_folder else _find_config(entry, dict(unet.config), store)
    module = make_component("ControlNetModel", plan.denoiser, config, store, map_controlnet, entry, plan, cancelled)
    if not isinstance(module, ControlNetModel):
        raise create_refusal(entry.path, "its weights are not those of a ControlNet")
    return LoadedControl(module)


def _find_config(entry: CheckpointEntry, unet: Mapping[str, JsonValue], store: TensorStore) -> JsonObject:
    """The configuration of a ControlNet in a single file."""
    config: JsonObject = {name: _use_lists(unet[name]) for name in _COPIED if name in unet}
    first = _find_shape(store, "conv_in.weight", config)
    widths = _list_hint_widths(store, config)
    picture = _find_shape(store, "controlnet_cond_embedding.conv_in.weight", config)
    config |= {
        "in_channels": first[1] if len(first) > 1 else 4,
        "conditioning_channels": picture[1] if len(picture) > 1 else 3,
        "conditioning_embedding_out_channels": [*widths],
        "global_pool_conditions": find_purpose(entry.path) == "shuffle",
    }
    return config | _find_transformers(store, config)


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


def _find_shape(store: TensorStore, name: str, config: JsonObject) -> tuple[int, ...]:
    """The shape of a tensor by diffusers' name; empty if there is none."""
    found = map_controlnet(name, config).find(store)
    return store.shape(found[0]) if found else ()


def _use_lists(value: JsonValue | tuple[JsonValue, ...]) -> JsonValue:
    return list(value) if isinstance(value, tuple) else value
