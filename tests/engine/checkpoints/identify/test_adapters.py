"""Adapters are identified by the names and shapes of their tensors: method and family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.checkpoints.files.headers import Header, Tensor
from engine.checkpoints.identify.adapter_names import METHODS
from engine.checkpoints.identify.identify import identify_header

BLOCK = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_{deep}_attn2_to_k"


def identify(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> tuple[str, str, str]:
    tensors = {name: Tensor(dtype="float16", shape=shape, offset=0) for name, shape in shapes.items()}
    found = identify_header(Header("safetensors", tensors, metadata or {}), Path("x.safetensors"))
    return found.kind, found.family, found.reason


@pytest.mark.parametrize("method", [name for name in METHODS if name != "bias"])
def test_every_method_is_an_adapter(method: str) -> None:
    for names in METHODS[method]:
        kind, _, reason = identify({f"{BLOCK.format(deep=0)}.{name}": (4, 4) for name in names})
        assert kind == "lora" and (method in reason or reason == "a LoRA")


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "xl")])
def test_the_width_of_cross_attention_tells_the_family(width: int, family: str) -> None:
    for leaves in (
        {"lora_down.weight": (4, width), "lora_up.weight": (320, 4)},
        {"hada_w1_a": (320, 4), "hada_w1_b": (4, width), "hada_w2_a": (320, 4), "hada_w2_b": (4, width)},
        {"lokr_w1": (8, 8), "lokr_w2": (40, width // 8)},
        {"lokr_w1": (8, 8), "lokr_w2_a": (40, 4), "lokr_w2_b": (4, width // 8)},
        {"diff": (320, width)},
    ):
        assert identify({f"{BLOCK.format(deep=0)}.{leaf}": shape for leaf, shape in leaves.items()})[1] == family


def test_only_xl_has_several_transformer_blocks_in_a_place() -> None:
    assert identify({f"{BLOCK.format(deep=1)}.oft_blocks": (4, 4, 4)})[1] == "xl"


OTHERS = {
    # kohya-ss/sd-scripts networks/lora_flux.py, lora_sd3.py; diffusers' save_lora_weights; the families' own code
    "lora_prior_unet_down_blocks_0_1_attention_attn_in_proj": "Stable Cascade",
    "lora_unet_double_blocks_0_img_attn_qkv": "Flux",
    "lora_unet_single_blocks_37_linear1": "Flux",
    "transformer.single_transformer_blocks.3.attn.to_q": "Flux",
    "diffusion_model.double_blocks.7.txt_mlp.0": "Flux",
    "transformer.transformer_blocks.0.img_mlp.net.2": "Qwen-Image",
    "diffusion_model.layers.3.attention.to_q": "Z-Image or Lumina",
    "lora_unet_layers_3_attention_qkv": "Z-Image or Lumina",
    "diffusion_model.blocks.0.cross_attn.k": "Wan",
    "transformer.transformer_blocks.4.attn1.to_q": "a transformer such as PixArt or Sana",
    "lora_unet_transformer_blocks_4_attn1_to_q": "a transformer such as PixArt or Sana",
    "lora_unet_down_blocks_0_4_attention_attn_in_proj": "Stable Cascade",
    "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q": "AnimateDiff",
    "lora_transformer_joint_transformer_blocks_0_attn_to_q": "AuraFlow",
    "diffusion_model.double_stream_blocks.0.block.attn1.to_q": "HiDream",
    "diffusion_model.distilled_guidance_layer.layers.0.in_layer": "Chroma",
    "transformer.double_blocks.0.img_attn_qkv": "HunyuanVideo",
    "lora_unet_double_blocks_0_txt_mlp_fc1": "HunyuanVideo",
    "diffusion_model.blocks.block0.blocks.0.block.attn.to_q.0": "Cosmos",
    "unet.down_blocks.0.attentions.0.to_q": "Kandinsky",
    "transformer.layers.0.attn.to_q": "another family",
}


# kohya-ss/sd-scripts networks/lora_sd3.py; diffusers' train_dreambooth_lora_sd3.py; OneTrainer; ComfyUI comfy/lora.py
SD3 = (
    "lora_unet_joint_blocks_0_context_block_attn_qkv", "transformer.transformer_blocks.0.attn.add_k_proj",
    "transformer.transformer_blocks.3.attn.to_q", "lora_transformer_transformer_blocks_0_attn_to_out_0",
    "diffusion_model.joint_blocks.4.x_block.mlp.fc1", "base_model.model.transformer_blocks.0.ff_context.net.2",
)  # fmt: skip


@pytest.mark.parametrize("layer", SD3)
@pytest.mark.parametrize("width", [1536, 2432, 3072])
def test_stable_diffusion_3_is_told_from_the_wider_flux(layer: str, width: int) -> None:
    shapes = {f"{layer}.lora_down.weight": (4, width), f"{layer}.lora_up.weight": (width, 4)}
    attends = ("to_q", "add_k_proj")
    if width == 3072 and layer.endswith(attends):
        assert identify(shapes)[0] == "unknown" and "Flux" in identify(shapes)[2]
    else:
        assert identify(shapes)[:2] == ("lora", "sd3")


@pytest.mark.parametrize("layer", OTHERS)
def test_other_families_are_named(layer: str) -> None:
    encoder = "lora_te1_text_model_encoder_layers_0_mlp_fc1"
    shapes = {f"{name}.lora_down.weight": (4, 768) for name in (layer, encoder)}
    shapes |= {f"{name}.lora_up.weight": (3072, 4) for name in (layer, encoder)}
    kind, _, reason = identify(shapes)
    assert (kind, reason) == ("unknown", f"it is a LoRA for {OTHERS[layer]}, which Easel does not draw with")


@pytest.mark.parametrize(
    "layer",
    [
        "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_out_0",
        "lora_unet_input_blocks_4_1_transformer_blocks_0_ff_net_0_proj",
        "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
        "lora_te_text_model_encoder_layers_3_self_attn_k_proj",
        "text_encoder.text_model.encoder.layers.3.mlp.fc1",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q",
    ],
)
def test_stable_diffusions_own_layers_are_no_other_familys(layer: str) -> None:
    assert identify({f"{layer}.lora_down.weight": (4, 320), f"{layer}.lora_up.weight": (320, 4)})[0] == "lora"
