"""The names that tensors had in the programs that trained them, for each of diffusers' names.

The original layouts are those of CompVis/latent-diffusion (``ldm/modules/diffusionmodules/openaimodel.py`` and ``model.py``),
Stability-AI/stablediffusion, Stability-AI/generative-models (XL) and mlfoundations/open_clip. A loader walks over the tensors
that a component needs and looks each up here, so that what is missing in a file is found before anything is loaded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.json_values import JsonValue


@dataclass(frozen=True)
class TensorSource:
    """Where a tensor comes from: the first of ``names`` that the file has. ``third`` takes a third of its rows (0, 1, 2: query,
    key, value in one), ``transposed`` its transpose, ``swapped`` its second half of rows before the first. ``otherwise``: another
    source, for files that have none of the names."""

    names: tuple[str, ...]
    third: int | None = None
    transposed: bool = False
    swapped: bool = False
    otherwise: TensorSource | None = None

    def find(self, there: Container[str]) -> tuple[str, TensorSource] | None:
        """The name of the tensor among those that are ``there``, and the source that it comes by; None if it has none."""
        name = next((name for name in self.names if name in there), None)
        if name is not None:
            return name, self
        return self.otherwise.find(there) if self.otherwise else None


Config = Mapping[str, JsonValue]
KeyMapping = Callable[[str, Config], TensorSource]
"""(diffusers' name, the component's configuration) -> where it comes from."""

UNET, VAE = "model.diffusion_model.", ("first_stage_model.", "vae.", "")

_RESNET = (
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("norm2", "out_layers.0"), ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"), ("conv_shortcut", "skip_connection"),
)  # fmt: skip

_UNET_ENDS: Mapping[str, str] = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj", "class_embedding": "label_emb",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip

_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


def map_unet(name: str, config: Config) -> TensorSource:
    """A tensor of a UNet2DConditionModel."""
    stem, _, kind = name.rpartition(".")
    if stem in _UNET_ENDS:
        return TensorSource((f"{UNET}{_UNET_ENDS[stem]}.{kind}",))
    if match := _MIDDLE.fullmatch(name):
        part, index, rest = match.groups()
        place = 1 if part == "attentions" else 2 * int(index)
        return TensorSource((f"{UNET}middle_block.{place}.{_in_unet_block(part, rest)}",))
    if match := _BLOCK.fullmatch(name):
        side, block, part, index, rest = match.groups()
        return TensorSource((UNET + _unet_block(side, block, part, index, rest, config),))
    return TensorSource((UNET + name,))


def or_in_diffusers_layout(original: KeyMapping) -> KeyMapping:
    """Where a denoiser's tensors are: under ``original`` names, or under those of ``diffusion_pytorch_model.safetensors``."""

    def map_tensor(name: str, config: Config) -> TensorSource:
        own = TensorSource((*map_folder(name, config).names, f"unet.{name}"))
        return dataclasses.replace(original(name, config), otherwise=own)

    return map_tensor


def rename_to_original(names: Sequence[str]) -> dict[str, str]:
    """Names of a UNet in diffusers' layout -> those in the original one. The network's layout is read from the names."""
    levels = {match[1] for name in names if (match := re.match(r"up_blocks\.(\d+)\.", name))}
    resnets = {match[1] for name in names if (match := re.match(r"down_blocks\.0\.resnets\.(\d+)\.", name))}
    attends = {match[1] for name in names if (match := re.match(r"up_blocks\.(\d+)\.attentions\.", name))}
    config: Config = {
        "layers_per_block": len(resnets),
        "up_block_types": ["CrossAttn" if str(level) in attends else "" for level in range(len(levels))],
    }
    return {name: map_unet(name, config).names[0] for name in names}


def _unet_block(side: str, block: str, part: str, index: str, rest: str, config: Config) -> str:
    """The original numbers every layer in one row: down blocks from 1 on (0 is the first convolution), up blocks from 0 on."""
    layers = _read_int(config, "layers_per_block") + 1
    row, place = int(block) * layers, 0
    if part == "downsamplers":
        return f"input_blocks.{row + layers}.0.op.{rest.removeprefix('conv.')}"
    if part == "upsamplers":
        place = 2 if "CrossAttn" in _read_names(config, "up_block_types")[int(block)] else 1
        return f"output_blocks.{row + layers - 1}.{place}.{rest}"
    row += int(index) + (1 if side == "down" else 0)
    return f"{'input' if side == 'down' else 'output'}_blocks.{row}.{int(part == 'attentions')}.{_in_unet_block(part, rest)}"


def _in_unet_block(part: str, rest: str) -> str:
    return rest if part == "attentions" else _replace_parts(rest, _RESNET)


_VAE = (
    ("conv_norm_out", "norm_out"), ("mid_block.resnets.0", "mid.block_1"), ("mid_block.resnets.1", "mid.block_2"),
    ("mid_block.attentions.0", "mid.attn_1"), ("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_q", "q"), ("to_k", "k"),
    ("to_v", "v"), ("conv_shortcut", "nin_shortcut"), ("resnets", "block"), ("downsamplers.0", "downsample"),
    ("upsamplers.0", "upsample"), ("down_blocks", "down"),
)  # fmt: skip


_VAE_WITH_NEW_ATTENTION = tuple(pair for pair in _VAE if pair[0] not in ("group_norm", "to_out.0", "to_q", "to_k", "to_v"))
"""Files whose attention keeps diffusers' names inside the original blocks: ``mid.attn_1.to_q``."""


def map_vae(name: str, config: Config) -> TensorSource:
    """A tensor of an AutoencoderKL. The original counts its up blocks from the last."""
    blocks = len(_read_names(config, "up_block_types"))
    counted = re.sub(r"up_blocks\.(\d+)", lambda m: f"up.{blocks - 1 - int(m[1])}", name)
    names = (_replace_parts(counted, _VAE), _replace_parts(counted, _VAE_WITH_NEW_ATTENTION))
    return TensorSource(tuple(prefix + name for name in dict.fromkeys(names) for prefix in VAE))


def find_vae_mapping(names: Iterable[str]) -> KeyMapping:
    """Where the tensors of a VAE alone are, in the original layout or diffusers'."""
    return map_folder if any("down_blocks" in name for name in names) else map_vae


def _read_int(config: Config, name: str) -> int:
    value = config[name]
    if not isinstance(value, int):
        raise ValueError(f"{name} is not a whole number")
    return value


def _read_names(config: Config, name: str) -> list[str]:
    value = config[name]
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return [str(each) for each in value]


def _replace_parts(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """``name`` with whole dotted parts replaced."""
    dotted = f".{name}."
    for diffusers_name, original in pairs:
        dotted = dotted.replace(f".{diffusers_name}.", f".{original}.")
    return dotted.strip(".")


def map_clip(prefix: str) -> KeyMapping:
    """OpenAI's text encoder as transformers names it; some fine-tunes lost the ``text_model.`` in between."""

    def map_tensor(name: str, config: Config) -> TensorSource:
        bare = name.removeprefix("text_model.")
        return TensorSource((f"{prefix}text_model.{bare}", prefix + bare))

    return map_tensor


_OPENCLIP: Mapping[str, str] = {
    "embeddings.position_embedding.weight": "positional_embedding", "embeddings.token_embedding.weight": "token_embedding.weight",
    "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias",
}  # fmt: skip
_OPENCLIP_LAYER = (("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("fc1", "c_fc"), ("fc2", "c_proj"), ("self_attn", "attn"))
THIRDS = ("q_proj", "k_proj", "v_proj")
_OPENCLIP_IN = re.compile(r"encoder\.layers\.(\d+)\.self_attn\.(q_proj|k_proj|v_proj)\.(weight|bias)")
_OPENCLIP_REST = re.compile(r"encoder\.layers\.(\d+)\.(.+)")


def map_openclip(*prefixes: str) -> KeyMapping:
    """Maps OpenCLIP's text encoder: query, key and value are one matrix, and the projection is stored transposed; by some savers
    it is a linear layer's weight."""

    def map_tensor(name: str, config: Config) -> TensorSource:
        bare = name.removeprefix("text_model.")
        if bare == "text_projection.weight":
            linear = TensorSource(tuple(f"{prefix}text_projection.weight" for prefix in prefixes))
            return TensorSource(tuple(f"{prefix}text_projection" for prefix in prefixes), transposed=True, otherwise=linear)
        if bare in _OPENCLIP:
            return TensorSource(tuple(prefix + _OPENCLIP[bare] for prefix in prefixes))
        if match := _OPENCLIP_IN.fullmatch(bare):
            layer, which, kind = match.groups()
            attention = f"transformer.resblocks.{layer}.attn.in_proj_{kind}"
            return TensorSource(tuple(prefix + attention for prefix in prefixes), third=THIRDS.index(which))
        match = _OPENCLIP_REST.fullmatch(bare)
        layer, rest = match.groups() if match else ("", bare)
        block = f"transformer.resblocks.{layer}.{_replace_parts(rest, _OPENCLIP_LAYER)}"
        return TensorSource(tuple(prefix + block for prefix in prefixes))

    return map_tensor


_OLD_ATTENTION = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))


def map_folder(name: str, config: Config) -> TensorSource:
    """A tensor of a diffusers folder: its own name, or one that older versions of diffusers and transformers wrote."""
    bare = name.removeprefix("text_model.")
    return TensorSource((name, f"text_model.{bare}", bare, _replace_parts(name, _OLD_ATTENTION)))
