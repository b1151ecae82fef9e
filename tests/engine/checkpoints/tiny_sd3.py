"""Tiny checkpoints of Stable Diffusion 3 with random weights: as diffusers folders and in the original single file.

The single file's layout is written down here as Stability-AI/sd3.5 builds it (``mmditx.py``: ``MMDiTX``, ``JointBlock``,
``DismantledBlock``), and not with the loader's rules.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import sentencepiece
import torch
import transformers

from engine.checkpoints.files.tensors import TensorStore
from tests.engine.checkpoints import originals, tiny

WIDTH = tiny.WIDTH
Weights = dict[str, torch.Tensor]

NETWORKS: Mapping[str, dict[str, Any]] = {
    "sd3_medium": {},
    "sd35_medium": {"qk_norm": "rms_norm", "dual_attention_layers": (0, 1)},
    "sd35_large": {"qk_norm": "rms_norm"},
}

LAYERS = {"sd3_medium": 3, "sd35_medium": 10, "sd35_large": 3}
"""3.5 Medium's skip-layer guidance names its layers 7 to 9."""

WORDS = ("▁a", "▁cat", "▁dog", "▁red", "▁on", "▁grass", ",", "▁")


def t5_tokenizer() -> Any:
    """T5's kind of tokenizer with a small vocabulary: a few words, and all letters."""
    letters = [(letter, -9.0) for letter in "abcdefghijklmnopqrstuvwxyz.0123456789()[]:"]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return transformers.T5Tokenizer(vocab=[*special, *((word, -3.0) for word in WORDS), *letters], extra_ids=0)


@cache
def sentencepiece_model() -> bytes:
    """What a ``spiece.model`` of T5's kind holds, trained on a few words."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a cat on grass", "a red dog on grass", "red cat, a dog"] * 20), model_writer=written,
        model_type="unigram", vocab_size=40, hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    return written.getvalue()


def t5() -> Any:
    config = transformers.T5Config(
        vocab_size=80, d_model=2 * WIDTH, d_kv=16, d_ff=40, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        is_encoder_decoder=False, use_cache=False,
    )  # fmt: skip
    return transformers.T5EncoderModel(config).eval()


def _first_text_encoder() -> Any:
    """Published ones do not project: their projection is the identity."""
    encoder = tiny.text_encoder(projected=True)
    encoder.text_projection.weight.data = torch.eye(WIDTH)
    return encoder


def transformer(kind: str, places: int = 24) -> Any:
    """The denoiser of a kind, which knows ``places`` x ``places`` patches of latents."""
    return diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=16, out_channels=16, num_layers=LAYERS[kind],
        attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=2 * WIDTH, caption_projection_dim=32, pooled_projection_dim=2 * WIDTH, pos_embed_max_size=places,
        **NETWORKS[kind],
    ).eval()  # fmt: skip


def vae() -> Any:
    settings: dict[str, Any] = {
        "block_out_channels": (32, 32), "latent_channels": 16, "sample_size": 16, "norm_num_groups": 32,
        "scaling_factor": 1.5305, "shift_factor": 0.0609, "use_quant_conv": False, "use_post_quant_conv": False,
        "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
    }  # fmt: skip
    return diffusers.AutoencoderKL(**settings).eval()


@cache
def pipeline(kind: str) -> Any:
    """The tiny pipeline of a kind; norms are moved away from 1 and 0, so that a mix-up of two shows."""
    torch.manual_seed(len(kind))
    made = diffusers.StableDiffusion3Pipeline(
        transformer=transformer(kind), vae=vae(), text_encoder=_first_text_encoder(), tokenizer=tiny.tokenizer("<|endoftext|>"),
        text_encoder_2=tiny.text_encoder(openclip=True, projected=True), tokenizer_2=tiny.tokenizer("!"), text_encoder_3=t5(),
        tokenizer_3=t5_tokenizer(), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )  # fmt: skip
    for part in made.components.values():
        for name, weight in part.named_parameters() if isinstance(part, torch.nn.Module) else ():
            if "norm" in name or weight.dim() == 1:
                torch.nn.init.normal_(weight, 1.0 if name.endswith("weight") else 0.0, 0.1)
    made.set_progress_bar_config(disable=True)
    return made


def in_original_layout(kind: str, *, encoders: tuple[str, ...] = ("clip_l", "clip_g", "t5xxl"), prefix: bool = True) -> Weights:
    """What the published single file of ``kind`` holds, with those text encoders."""
    made = pipeline(kind)
    weights = {("model.diffusion_model." if prefix else "") + name: w for name, w in _mmdit(made.transformer).items()}
    weights |= originals.vae(made.vae)
    for name in encoders:
        weights |= {f"text_encoders.{name}.transformer.{key}": w for key, w in encoder_alone(kind, name).items()}
    return {name: weight.detach().clone().contiguous() for name, weight in weights.items()}


def encoder_alone(kind: str, name: str) -> Weights:
    """What the published file of a text encoder holds."""
    made = pipeline(kind)
    part = {"clip_l": made.text_encoder, "clip_g": made.text_encoder_2, "t5xxl": made.text_encoder_3}[name]
    weights = {key: weight.detach().clone() for key, weight in part.state_dict().items()}
    left_out = {"clip_l": "text_projection.weight", "t5xxl": "encoder.embed_tokens.weight"}.get(name)
    wrapped = {_with_text_model(key): weight for key, weight in weights.items()} if name != "t5xxl" else weights
    return {key: weight for key, weight in wrapped.items() if key != left_out}


def _with_text_model(key: str) -> str:
    return key if key.startswith(("text_model.", "text_projection.")) else f"text_model.{key}"


def _mmdit(network: Any) -> Weights:
    out: Weights = {"pos_embed": network.pos_embed.pos_embed}
    originals._copy(out, "x_embedder.proj", network.pos_embed.proj)
    originals._copy(out, "t_embedder.mlp.0", network.time_text_embed.timestep_embedder.linear_1)
    originals._copy(out, "t_embedder.mlp.2", network.time_text_embed.timestep_embedder.linear_2)
    originals._copy(out, "y_embedder.mlp.0", network.time_text_embed.text_embedder.linear_1)
    originals._copy(out, "y_embedder.mlp.2", network.time_text_embed.text_embedder.linear_2)
    originals._copy(out, "context_embedder", network.context_embedder)
    originals._copy(out, "final_layer.linear", network.proj_out)
    _modulation(out, "final_layer.adaLN_modulation.1", network.norm_out.linear, scale_first=True)
    for index, block in enumerate(network.transformer_blocks):
        last = index + 1 == len(network.transformer_blocks)
        _block(out, f"joint_blocks.{index}", block, last=last)
    return out


def _block(out: Weights, name: str, block: Any, *, last: bool) -> None:
    image, text, attention = f"{name}.x_block", f"{name}.context_block", block.attn
    _qkv(out, f"{image}.attn", attention.to_q, attention.to_k, attention.to_v)
    _qkv(out, f"{text}.attn", attention.add_q_proj, attention.add_k_proj, attention.add_v_proj)
    originals._copy(out, f"{image}.attn.proj", attention.to_out[0])
    _modulation(out, f"{image}.adaLN_modulation.1", block.norm1.linear)
    _modulation(out, f"{text}.adaLN_modulation.1", block.norm1_context.linear, scale_first=last)
    originals._copy(out, f"{image}.mlp.fc1", block.ff.net[0].proj)
    originals._copy(out, f"{image}.mlp.fc2", block.ff.net[2])
    if not last:
        originals._copy(out, f"{text}.attn.proj", attention.to_add_out)
        originals._copy(out, f"{text}.mlp.fc1", block.ff_context.net[0].proj)
        originals._copy(out, f"{text}.mlp.fc2", block.ff_context.net[2])
    if attention.norm_q is not None:
        originals._copy(out, f"{image}.attn.ln_q", attention.norm_q)
        originals._copy(out, f"{image}.attn.ln_k", attention.norm_k)
        originals._copy(out, f"{text}.attn.ln_q", attention.norm_added_q)
        originals._copy(out, f"{text}.attn.ln_k", attention.norm_added_k)
    if block.attn2 is not None:
        _qkv(out, f"{image}.attn2", block.attn2.to_q, block.attn2.to_k, block.attn2.to_v)
        originals._copy(out, f"{image}.attn2.proj", block.attn2.to_out[0])
        originals._copy(out, f"{image}.attn2.ln_q", block.attn2.norm_q)
        originals._copy(out, f"{image}.attn2.ln_k", block.attn2.norm_k)


def _qkv(out: Weights, name: str, *layers: Any) -> None:
    out[f"{name}.qkv.weight"] = torch.cat([layer.weight for layer in layers])
    out[f"{name}.qkv.bias"] = torch.cat([layer.bias for layer in layers])


def _modulation(out: Weights, name: str, layer: Any, *, scale_first: bool = False) -> None:
    """The original's order is shift, then scale; diffusers' final layers have it the other way round."""
    for kind in ("weight", "bias"):
        value = getattr(layer, kind)
        out[f"{name}.{kind}"] = torch.cat(value.chunk(2)[::-1]) if scale_first else value


def read(path: Path) -> Weights:
    """All tensors of a file."""
    store = TensorStore([path])
    return {name: store.read(name).clone() for name in store.names()}
