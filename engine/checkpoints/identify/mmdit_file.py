"""Single files of Stable Diffusion 3 and 3.5, and the text encoders that lie beside them in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.families import stable_diffusion_3 as sd3
from engine.checkpoints.families.key_mapping import UNET
from engine.checkpoints.files.headers import Header, Tensor
from engine.checkpoints.identify.evidence import Evidence, find_family, names_few_steps
from engine.checkpoints.identify.identity import Identity, Part
from engine.checkpoints.identify.single_file import says_few_steps

_VAE = ("first_stage_model.", "vae.")


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How the names of a transformer's tensors begin; those that tell it, its normalised queries, and its second attention."""

    prefix: str
    clues: tuple[str, ...]
    norm: str
    second_attention: str
    starts: tuple[str, ...]


def _original(prefix: str) -> _Layout:
    """Stability-AI/sd3.5, ``mmditx.py``."""
    block = "joint_blocks.0.x_block."
    return _Layout(
        prefix=prefix, clues=(f"{block}attn.qkv.weight",), norm=f"{block}attn.ln_q.weight",
        second_attention=f"{block}attn2.qkv.weight",
        starts=("joint_blocks.", "x_embedder.", "t_embedder.", "y_embedder.", "context_embedder.", "final_layer.", "pos_embed"),
    )  # fmt: skip


_LAYOUTS = (
    _original(UNET),
    _original(""),
    _Layout(
        prefix="", clues=("transformer_blocks.0.attn.add_q_proj.weight", "pos_embed.proj.weight", "norm_out.linear.weight"),
        norm="transformer_blocks.0.attn.norm_q.weight", second_attention="transformer_blocks.0.attn2.to_q.weight", starts=("",),
    ),
)  # fmt: skip
"""The last is diffusers', for ``diffusion_pytorch_model.safetensors``."""


def identify_mmdit(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """The identity of a single file of Stable Diffusion 3; None for any other."""
    layout = next((each for each in _LAYOUTS if all(f"{each.prefix}{name}" in names for name in each.clues)), None)
    if layout is None:
        return None
    network = sd3.MMDIT_NORMALISED if f"{layout.prefix}{layout.norm}" in names else sd3.MMDIT
    network = sd3.MMDIT_X if f"{layout.prefix}{layout.second_attention}" in names else network
    family = find_family(
        Evidence(text=sd3.THREE, channels=16, network=network, few_steps=says_few_steps(header) or names_few_steps(path.stem)),
        "flow_prediction",
    )
    if family is None:
        return None
    starts = {"transformer": tuple(layout.prefix + each for each in layout.starts), "vae": _VAE, **sd3.THREE.prefixes}
    parts = {component: Part.sum(t for n, t in names.items() if n.startswith(begin)) for component, begin in starts.items()}
    there = {component: part for component, part in parts.items() if part.parameters}
    alone = set(there) == {"transformer"}
    return Identity(
        kind="unet" if alone else "checkpoint",
        family=family.name,
        parts=there,
        native_size=family.native_size,
        container=header.container,
        digest=header.digest,
        reason=f"a transformer of Stable Diffusion 3{' without text encoders and VAE' if alone else ''}",
    )


_CLIP_TABLES = ("text_model.embeddings.token_embedding.weight", "embeddings.token_embedding.weight", "token_embedding.weight")
_CLIP_WIDTHS = {768: "text_encoder", 1280: "text_encoder_2"}
_T5_TABLES = ("shared.weight", "encoder.embed_tokens.weight")
_T5_WIDTH, _T5_LAST = 4096, "encoder.block.23.layer.1.DenseReluDense.wi_1.weight"
_T5_OTHERS = "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"
"""UMT5, for other families, has the same widths and this table in each block."""


def identify_text_encoder(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """The identity of a text encoder of Stable Diffusion 3 alone: CLIP-L, CLIP-G or T5-XXL; None for any other."""
    component = _find_t5(names) or _find_clip(names)
    if not component:
        return None
    return Identity(
        kind="text_encoder", parts={component: Part.sum(names.values())}, container=header.container, digest=header.digest,
        reason=TEXT_ENCODERS[component],
    )  # fmt: skip


TEXT_ENCODERS = {
    "text_encoder": "the text encoder CLIP-L",
    "text_encoder_2": "the text encoder CLIP-G",
    "text_encoder_3": "T5-XXL",
}
"""Component of Stable Diffusion 3 -> what its text encoder is called."""


def _find_t5(names: Mapping[str, Tensor]) -> str:
    widths = {names[name].shape[-1] for name in _T5_TABLES if name in names and names[name].shape}
    return "text_encoder_3" if widths == {_T5_WIDTH} and _T5_LAST in names and _T5_OTHERS not in names else ""


def _find_clip(names: Mapping[str, Tensor]) -> str:
    table = next((names[name] for name in _CLIP_TABLES if name in names and names[name].shape), None)
    images = any(name.startswith(("vision_model.", "visual.")) for name in names)
    return "" if table is None or images else _CLIP_WIDTHS.get(table.shape[-1], "")
