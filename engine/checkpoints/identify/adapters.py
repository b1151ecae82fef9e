"""Identifies adapters, LoRAs and related methods: by which method they change a network, and the family that they are for."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from engine.checkpoints.families import BASE_MODELS
from engine.checkpoints.families.stable_diffusion_3 import SD3
from engine.checkpoints.files.headers import Header, Tensor
from engine.checkpoints.identify.adapter_names import find_methods, group_layers
from engine.checkpoints.identify.identity import Identity, Part
from engine.json_values import parse_object

_PREFIX = r"^(transformer[._]|lora_transformer_|lora_unet_|diffusion_model\.|base_model\.model\.)?"

_OURS = (
    "input_blocks|middle_block|output_blocks|down_blocks|mid_block|up_blocks|conv_in|conv_out|conv_norm_out|out[._]|time_embed|label_emb"
    "|add_embedding|encoder_hid_proj|joint_blocks|transformer_blocks|context_embedder|[xty]_embedder|final_layer|pos_embed|norm_out"
    "|proj_out"
)
"""How the names of layers of the denoisers begin that Easel draws with, in their original layouts and diffusers'."""

OTHER_FAMILIES: Mapping[str, str] = {
    "Qwen-Image": r"transformer_blocks[._]\d+[._](img|txt)_(mod|mlp)",
    "Stable Cascade": r"^lora_prior_(unet|te)_|(down|up)_blocks[._]\d+[._]\d+[._]attention[._]",
    "AnimateDiff": r"motion_modules[._]\d",
    "AuraFlow": r"joint_transformer_blocks[._]\d",
    "HiDream": r"(double|single)_stream_blocks[._]\d",
    "Chroma": r"distilled_guidance_layer",
    "HunyuanVideo": r"double_blocks[._]\d+[._](img|txt)_mlp[._]fc\d|double_blocks\.\d+\.(img|txt)_attn_(qkv|proj)",
    "Flux": r"(^|[._])(double|single)_blocks[._]\d|single_transformer_blocks[._]\d",
    "Wan": r"(^|[._])blocks[._]\d+[._](self|cross)_attn[._][qkvo]($|[._])",
    "Cosmos": r"(^|[._])blocks[._]block\d+[._]",
    "Z-Image or Lumina": r"(noise|context)_refiner[._]\d"
                         r"|(^|[._])layers[._]\d+[._](attention|feed_forward|adaLN_modulation)[._]",
    "Kandinsky": r"(down|up)_blocks[._]\d+[._]attentions[._]\d+[._](to_[qkv]|add_[kv]_proj)",
    "a transformer such as PixArt or Sana": _PREFIX + r"transformer_blocks[._]\d",
    "another family": rf"^(transformer\.|diffusion_model\.)(?!{_OURS})",
}  # fmt: skip
"""Family that Easel does not support -> regular expression for names of its layers; the first match wins.

The names are those of diffusers' transformers and of the families' own code, as kohya-ss/sd-scripts and diffusers write them.
"""

_SD3 = re.compile(
    r"joint_blocks[._]\d|^(transformer[._]|lora_transformer_|lora_unet_|lycoris_|diffusion_model\.|base_model\.model\.)?"
    r"transformer_blocks[._]\d+[._](attn[._]|norm1_context|ff_context)"
)
"""Layers of Stable Diffusion 3, as kohya-ss/sd-scripts (``networks/lora_sd3.py``), diffusers and OneTrainer write them. Flux and
Qwen-Image have some of the same names, and are wider."""

_FLUX_WIDTH = 3072

_WIDTHS: Mapping[str, tuple[str, ...]] = {
    "LoRA": ("lora_down.weight",), "LoHa": ("hada_w1_b",), "full difference": ("diff",), "GLoRA": ("a2.weight",),
    "LoKr": ("lokr_w1", "lokr_w1_b", "lokr_w2", "lokr_w2_b"),
}  # fmt: skip
"""Method -> the tensors whose second dimensions, multiplied, are the width of the layer's input."""

_CROSS_ATTENTION = re.compile(r"attn2[._]to_[kv]$")
_TEXT_ENCODER = re.compile(r"text_model[._]encoder[._]layers[._]\d+[._]self_attn[._][qkv]_proj$")
_DEEP = re.compile(r"(attentions|blocks)[._]\d+[._]\d*[._]?transformer_blocks[._][1-9]")
"""More than one transformer block at one position, which only UNets with three levels have."""


def identify_adapter(names: Mapping[str, Tensor], header: Header) -> Identity | None:
    """The identity of an adapter file, of kind ``"unknown"`` if its family is not supported; None if it is not an adapter."""
    layers, _ = group_layers(names)
    methods = find_methods(layers)
    if not methods or methods == ["bias"]:
        return None
    other = find_other_family(layers)
    if _names_sd3(layers):
        other = _find_wider_family(layers, names)
    if other:
        reason = f"it is a LoRA for {other}, which Easel does not draw with"
        return Identity(kind="unknown", container=header.container, digest=header.digest, reason=reason)
    kind = "a LoRA" if methods[0] == "LoRA" else f"a LyCORIS adapter ({methods[0]})"
    if any({"dora_scale", "lora_magnitude_vector"} & set(found) for found in layers.values()):
        kind += " with magnitudes (DoRA)"
    return Identity(
        kind="lora",
        family=base_model(layers, names, header),
        parts={"lora": Part.sum(list(names.values()))},
        container=header.container,
        digest=header.digest,
        weights_sha256=header.metadata.get("sshs_model_hash", "").lower(),
        description=read_description(header.metadata),
        reason=kind,
    )


DESCRIPTION = ("modelspec.title", "modelspec.description", "modelspec.trigger_phrase", "modelspec.usage_hint")
"""Keys of a header's metadata that are for its users, in the names of Stability AI's ModelSpec."""

THUMBNAIL, TRAINING_TAGS = "modelspec.thumbnail", "training tags"
_TAG_FREQUENCY = "ss_tag_frequency"
_LONGEST, _LONGEST_JSON, _MOST_TAGS = 20_000, 2**22, 12


def read_description(metadata: Mapping[str, str]) -> dict[str, str]:
    """What a header says for the users of the file: :data:`DESCRIPTION`; under :data:`TRAINING_TAGS` the most frequent tags of
    the training images; under :data:`THUMBNAIL` something if it holds a preview."""
    found = {key: metadata[key][:_LONGEST] for key in DESCRIPTION if metadata.get(key)}
    if metadata.get(THUMBNAIL, "").startswith("data:image/"):
        found[THUMBNAIL] = "yes"
    if tags := _count_tags(metadata.get(_TAG_FREQUENCY, "")[:_LONGEST_JSON]):
        found[TRAINING_TAGS] = ", ".join(tag for tag, _ in tags.most_common(_MOST_TAGS))
    return found


def _count_tags(text: str) -> Counter[str]:
    """kohya-ss/sd-scripts' ``{folder: {tag: count}}``; nothing for anything else."""
    counts: Counter[str] = Counter()
    with suppress(ValueError):
        for folder in parse_object(text).values():
            for tag, count in (folder if isinstance(folder, dict) else {}).items():
                counts[tag.strip()[:200]] += count if isinstance(count, int) else 0
    return counts


def find_other_family(layers: Iterable[str]) -> str:
    """The family that Easel does not draw with to which layers of these names belong; "" if there is none."""
    names = list(layers)
    for family, pattern in OTHER_FAMILIES.items():
        if any(re.search(pattern, name) for name in names):
            return family
    return ""


def _names_sd3(layers: Iterable[str]) -> bool:
    """Whether layers have names of Stable Diffusion 3's, and none of those that only others have."""
    names = list(layers)
    others = (pattern for family, pattern in OTHER_FAMILIES.items() if family in ("Flux", "Qwen-Image"))
    return any(_SD3.search(name) for name in names) and not any(re.search(p, name) for p in others for name in names)


def _find_wider_family(layers: Mapping[str, Mapping[str, str]], names: Mapping[str, Tensor]) -> str:
    return "Flux or Qwen-Image" if _FLUX_WIDTH in _widths(layers, names, re.compile(r"attn[._](to|add)_[qkv]")) else ""


def base_model(layers: Mapping[str, Mapping[str, str]], names: Mapping[str, Tensor], header: Header) -> str:
    """The base model that an adapter was trained for, if it can be determined, else ""."""
    if _names_sd3(layers):
        return SD3.name
    said = (header.metadata.get("ss_base_model_version", "") + header.metadata.get("modelspec.architecture", "")).lower()
    for base in BASE_MODELS.values():
        if (base.metadata_word and base.metadata_word in said) or any(n.startswith(base.key_prefixes) for n in names):
            return base.name
    if any(_DEEP.search(layer) for layer in layers):
        return next(base.name for base in BASE_MODELS.values() if base.unet_levels == 3)
    for base in BASE_MODELS.values():
        widths = set(_widths(layers, names, _CROSS_ATTENTION)) or set(_widths(layers, names, _TEXT_ENCODER))
        if widths and widths <= {base.context_width}:
            return base.name
    return ""


def _widths(layers: Mapping[str, Mapping[str, str]], names: Mapping[str, Tensor], place: re.Pattern[str]) -> Iterator[int]:
    """The input widths of the layers whose names match ``place``, as far as their tensors show them."""
    for layer, found in layers.items():
        if place.search(layer):
            for leaves in _WIDTHS.values():
                sides = [names[found[leaf]].shape[1] for leaf in leaves if leaf in found and len(names[found[leaf]].shape) > 1]
                if sides:
                    yield math.prod(sides)
