"""The names of Stable Diffusion 3's tensors in single files, for each of diffusers' and transformers' names.

The transformer's are those of Stability-AI/sd3.5 (``mmditx.py``), the text encoders' those of transformers after a prefix, or
without one in a file of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.checkpoints.families.key_mapping import THIRDS, UNET, Config, TensorSource, map_clip, map_openclip

_PREFIXES = (UNET, "")
"""The transformer alone is often saved without the prefix."""

_ENDS: Mapping[str, str] = {
    "pos_embed.pos_embed": "pos_embed", "pos_embed.proj": "x_embedder.proj", "context_embedder": "context_embedder",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0", "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "proj_out": "final_layer.linear", "norm_out.linear": "final_layer.adaLN_modulation.1",
}  # fmt: skip

_IMAGE, _TEXT = "x_block", "context_block"
_IN_BLOCK: Mapping[str, str] = {
    "attn.to_out.0": f"{_IMAGE}.attn.proj", "attn.to_add_out": f"{_TEXT}.attn.proj", "attn2.to_out.0": f"{_IMAGE}.attn2.proj",
    "attn.norm_q": f"{_IMAGE}.attn.ln_q", "attn.norm_k": f"{_IMAGE}.attn.ln_k",
    "attn.norm_added_q": f"{_TEXT}.attn.ln_q", "attn.norm_added_k": f"{_TEXT}.attn.ln_k",
    "attn2.norm_q": f"{_IMAGE}.attn2.ln_q", "attn2.norm_k": f"{_IMAGE}.attn2.ln_k",
    "norm1.linear": f"{_IMAGE}.adaLN_modulation.1", "norm1_context.linear": f"{_TEXT}.adaLN_modulation.1",
    "ff.net.0.proj": f"{_IMAGE}.mlp.fc1", "ff.net.2": f"{_IMAGE}.mlp.fc2",
    "ff_context.net.0.proj": f"{_TEXT}.mlp.fc1", "ff_context.net.2": f"{_TEXT}.mlp.fc2",
}  # fmt: skip
_QUERY_KEY_VALUE: Mapping[str, tuple[str, str]] = {
    **{
        f"{attention}.to_{letter}": (f"{_IMAGE}.{attention}", f"{letter}_proj")
        for attention in ("attn", "attn2")
        for letter in "qkv"
    },
    **{f"attn.add_{letter}_proj": (f"{_TEXT}.attn", f"{letter}_proj") for letter in "qkv"},
}
"""diffusers' layer -> the original one, and which third of it."""
_BLOCK = re.compile(r"transformer_blocks\.(\d+)\.(.+)\.(weight|bias)")


def map_mmdit(name: str, config: Config) -> TensorSource:
    """A tensor of an SD3Transformer2DModel. The original stores query, key and value as one, and its last norms give shift and
    scale in the other order than diffusers'."""
    match = _BLOCK.fullmatch(name)
    if match is None:
        stem, _, kind = name.rpartition(".")
        original = _ENDS.get(name) or f"{_ENDS.get(stem, stem)}.{kind}"
        return _in_file(original, swapped=stem == "norm_out.linear")
    index, layer, kind = match.groups()
    if layer in _QUERY_KEY_VALUE:
        place, which = _QUERY_KEY_VALUE[layer]
        return _in_file(f"joint_blocks.{index}.{place}.qkv.{kind}", third=THIRDS.index(which))
    last = int(index) + 1 == config.get("num_layers")
    original = f"joint_blocks.{index}.{_IN_BLOCK.get(layer, layer)}.{kind}"
    return _in_file(original, swapped=last and layer == "norm1_context.linear")


def _in_file(original: str, *, third: int | None = None, swapped: bool = False) -> TensorSource:
    return TensorSource(tuple(prefix + original for prefix in _PREFIXES), third=third, swapped=swapped)


_CLIP_L, _CLIP_G, _T5 = (
    "text_encoders.clip_l.transformer.",
    "text_encoders.clip_g.transformer.",
    "text_encoders.t5xxl.transformer.",
)


def map_clip_l(name: str, config: Config) -> TensorSource:
    """The first text encoder, whose pooled state is not projected."""
    return _or_alone(map_clip(_CLIP_L)(name, config), map_clip("")(name, config))


def map_clip_g(name: str, config: Config) -> TensorSource:
    """The second text encoder, in transformers' layout or OpenCLIP's."""
    alone = _or_alone(map_clip("")(name, config), map_openclip("")(name, config))
    return _or_alone(map_clip(_CLIP_G)(name, config), alone)


def map_t5(name: str, config: Config) -> TensorSource:
    """T5's encoder. Its table of tokens has two names and is stored under either or both."""
    same = {"shared.weight": "encoder.embed_tokens.weight", "encoder.embed_tokens.weight": "shared.weight"}
    names = (name, same[name]) if name in same else (name,)
    return TensorSource(tuple(prefix + each for prefix in (_T5, "") for each in names))


def _or_alone(source: TensorSource, otherwise: TensorSource) -> TensorSource:
    return TensorSource(source.names, otherwise=otherwise)
