"""The names of tensors in adapter files: LoRAs and related methods. Does not import torch.

Known formats: kohya-ss/sd-scripts (``networks/lora.py``, ``oft.py``), LyCORIS, OneTrainer, diffusers in its older and newer
formats, and PEFT. Names are mapped to those of LyCORIS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_ENDS: Mapping[str, str] = {
    r"_lora\.down\.weight": "lora_down.weight", r"_lora\.up\.weight": "lora_up.weight",
    r"\.lora_linear_layer\.down\.weight": "lora_down.weight", r"\.lora_linear_layer\.up\.weight": "lora_up.weight",
    r"\.lora\.down\.weight": "lora_down.weight", r"\.lora\.up\.weight": "lora_up.weight",
    r"\.lora_A(\.\w+)?\.weight": "lora_down.weight", r"\.lora_B(\.\w+)?\.weight": "lora_up.weight",
    r"\.lora_B(\.\w+)?\.bias": "lora_up.bias", r"\.lora_magnitude_vector(\.\w+)?(\.weight)?": "lora_magnitude_vector",
    r"\.(lora_down|lora_up|lora_mid)\.weight": ".weight",
    r"\.(alpha|dora_scale|diff|diff_b|w_norm|b_norm|rescale|on_input)": "",
    r"\.(hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t[12])|oft_blocks|ia3_l|boft_[Rs])(\.default)?": "",
    r"\.(a1|a2|b1|b2|bm|oft_R)(\.default)?\.weight": ".weight", r"\.ia3_l\.weight": "ia3_l", r"\.weight": "weight",
}  # fmt: skip
"""End of a name, a regular expression -> the tensor's name in LyCORIS. "" is the first group; a suffix begins with a dot."""

_PATTERNS = tuple((re.compile(f"(.+?){end}"), leaf) for end, leaf in _ENDS.items())

BUNDLED = "bundle_emb."
"""OneTrainer's prefix for embeddings that were trained with a LoRA."""


@dataclass(frozen=True)
class AdapterKey:
    """The parts of a tensor's name: ``layer`` as in the file, ``leaf`` as in LyCORIS."""

    layer: str
    leaf: str


def split_key(name: str) -> AdapterKey | None:
    """The parts of ``name``; None if it is not the name of an adapter's tensor."""
    for end, leaf in _PATTERNS:
        if match := end.fullmatch(name):
            found = match[2] + leaf if leaf == "" or leaf.startswith(".") else leaf
            return AdapterKey(_plain_layer(match[1]), found)
    return None


def _plain_layer(layer: str) -> str:
    """Older attention processors held the layers' matrices: ``attn1.processor.to_out`` is ``attn1.to_out.0``."""
    plain = layer.replace(".processor.", ".")
    return plain + ".0" if plain != layer and plain.endswith(".to_out") else plain


METHODS: Mapping[str, tuple[frozenset[str], ...]] = {
    "LoRA": (frozenset({"lora_down.weight", "lora_up.weight"}),),
    "LoHa": (frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}),),
    "LoKr": tuple(
        frozenset((*first, *second))
        for first in (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
        for second in (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"))
    ),
    "GLoRA": (frozenset({"a1.weight", "a2.weight", "b1.weight", "b2.weight"}),),
    "full difference": (frozenset({"diff"}),),
    "norm": (frozenset({"w_norm"}),),
    "IA3": (frozenset({"weight", "on_input"}),),
    "IA3 (PEFT)": (frozenset({"ia3_l"}),),
    "OFT (PEFT)": (frozenset({"oft_R.weight"}),),
    "BOFT (PEFT)": (frozenset({"boft_R", "boft_s"}),),
    "OFT": (frozenset({"oft_blocks"}),),
    "bias": (frozenset({"diff_b"}), frozenset({"b_norm"})),
}
"""Method -> the tensors that a layer must have; alternatives if there are several sets."""


def group_layers(names: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Layer as in the file -> its tensors' names by their LyCORIS names; and the names of tensors that are not an adapter's."""
    layers: dict[str, dict[str, str]] = {}
    others: list[str] = []
    for name in names:
        key = None if name.startswith(BUNDLED) else split_key(name)
        if key is not None:
            layers.setdefault(key.layer, {})[key.leaf] = name
        elif not name.startswith(BUNDLED):
            others.append(name)
    return layers, others


def find_methods(layers: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The methods for which any of a file's layers has a tensor, in the order of :data:`METHODS`."""
    leaves = {leaf for names in layers.values() for leaf in names} - {"weight"}
    return [method for method, sets in METHODS.items() if any(needed & leaves for needed in sets)]
