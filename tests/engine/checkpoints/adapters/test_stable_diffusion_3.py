"""LoRAs of Stable Diffusion 3: the weights are those of a checkpoint in which they were merged by hand, or by diffusers.

kohya's names are those of github.com/kohya-ss/sd-scripts, ``networks/lora_sd3.py``, for the original layers, in which query, key
and value are one. diffusers and PEFT name diffusers' layers.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import diffusers
import peft
import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.adapters.merge import Lora, MergedLoras
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.components import never_cancelled
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny_sd3

FULL = ExecutionPlan(channels_last=False)
KIND, RANK, ALPHA = "sd35_medium", 4, 2.0

# Query, key and value; a layer with a second attention; layers whose halves diffusers swaps; embedders; text encoders.
LAYERS = (
    "joint_blocks.0.x_block.attn.qkv", "joint_blocks.0.x_block.attn2.qkv", "joint_blocks.1.context_block.attn.qkv",
    "joint_blocks.2.x_block.attn.proj", "joint_blocks.3.x_block.mlp.fc1", "joint_blocks.9.context_block.adaLN_modulation.1",
    "final_layer.adaLN_modulation.1", "t_embedder.mlp.0", "context_embedder",
)  # fmt: skip
ENCODERS = {
    "text_encoders.clip_l.transformer.text_model.encoder.layers.0.self_attn.q_proj": "lora_te1_",
    "text_encoders.clip_g.transformer.text_model.encoder.layers.1.mlp.fc1": "lora_te2_",
    "text_encoders.t5xxl.transformer.encoder.block.1.layer.0.SelfAttention.v": "lora_te3_",
}  # fmt: skip


def kohya_name(layer: str) -> str:
    if layer in ENCODERS:
        return ENCODERS[layer] + layer.split(".transformer.")[1].replace(".", "_")
    return "lora_unet_" + layer.replace(".", "_")


def comfyui_name(layer: str) -> str:
    return layer if layer in ENCODERS else f"diffusion_model.{layer}"


def place(layer: str) -> str:
    """The weight in the original single file."""
    return f"{layer}.weight" if layer in ENCODERS else f"model.diffusion_model.{layer}.weight"


def merge(path: Path, loaded: LoadedCheckpoint, strength: float) -> MergedLoras:
    merged = MergedLoras(loaded)
    merged.set((Lora(entry=entry_for(path), text_strength=strength, unet_strength=strength),), never_cancelled)
    return merged


def weights(loaded: LoadedCheckpoint) -> dict[str, torch.Tensor]:
    return {f"{part}.{name}": w.clone() for part, module in loaded.modules.items() for name, w in module.state_dict().items()}


@pytest.mark.parametrize("name", [kohya_name, comfyui_name])
@pytest.mark.parametrize("dora", [False, True])
def test_the_original_layers_are_what_a_checkpoint_with_the_merged_weights_has(
    name: Any, dora: bool, sd3_folders: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    tensors = tiny_sd3.in_original_layout(KIND)
    (tmp_path / "tokenizer.json").write_bytes((sd3_folders / KIND / "tokenizer_3" / "tokenizer.json").read_bytes())
    lora: dict[str, torch.Tensor] = {}
    merged_by_hand = {strength: dict(tensors) for strength in (-1.0, 0.35, 1.0)}
    for layer in (*LAYERS, *ENCODERS):
        weight = tensors[place(layer)]
        down, up = torch.randn(RANK, weight.shape[1]) / 8, torch.randn(weight.shape[0], RANK) / 8
        lora |= {f"{name(layer)}.lora_down.weight": down, f"{name(layer)}.lora_up.weight": up}
        lora[f"{name(layer)}.alpha"] = torch.tensor(ALPHA)
        whole = weight + ALPHA / RANK * (up @ down)
        if dora:
            lora[f"{name(layer)}.dora_scale"] = magnitude = torch.rand(weight.shape[0], 1) + 0.5
            whole = magnitude * whole / (whole.norm(dim=1, keepdim=True) + torch.finfo(torch.float32).eps)
        for strength, into in merged_by_hand.items():
            into[place(layer)] = weight + strength * (whole - weight)
    save_file(lora, tmp_path / "lora.safetensors")
    save_file(tensors, tmp_path / "x.safetensors")
    loaded = load_checkpoint(entry_for(tmp_path / "x.safetensors", configs=sd3_folders / KIND), FULL)
    before = weights(loaded)
    assert entry_for(tmp_path / "lora.safetensors").identity.family == "sd3"
    for strength, by_hand in merged_by_hand.items():
        made = merge(tmp_path / "lora.safetensors", loaded, strength)
        assert made.notices == ()
        save_file({key: w.contiguous() for key, w in by_hand.items()}, tmp_path / "merged.safetensors")
        wanted = weights(load_checkpoint(entry_for(tmp_path / "merged.safetensors", configs=sd3_folders / KIND), FULL))
        found = weights(loaded)
        assert [key for key in wanted if not torch.allclose(found[key], wanted[key], atol=1e-6)] == []
        assert sum(not torch.equal(found[key], before[key]) for key in before) >= len(LAYERS) + len(ENCODERS)
        made.set((), never_cancelled)
        assert all(torch.equal(w, before[key]) for key, w in weights(loaded).items())


def test_what_diffusers_saves_is_what_diffusers_merges(sd3_folders: Path, tmp_path: Path) -> None:
    torch.manual_seed(4)
    transformer = copy.deepcopy(tiny_sd3.pipeline(KIND).transformer)
    targets = ["attn.add_k_proj", "attn.to_q", "attn.to_out.0", "attn2.to_v", "ff.net.2"]
    transformer.add_adapter(peft.LoraConfig(r=RANK, lora_alpha=8, target_modules=targets, init_lora_weights=False))
    layers = peft.get_peft_model_state_dict(transformer)
    diffusers.StableDiffusion3Pipeline.save_lora_weights(
        tmp_path, transformer_lora_layers=layers, transformer_lora_adapter_metadata={"r": RANK, "lora_alpha": 8}
    )
    transformer.fuse_lora(lora_scale=0.35)
    transformer.unload_lora()
    loaded = load_checkpoint(entry_for(sd3_folders / KIND), FULL)
    before = weights(loaded)
    merge(tmp_path / "pytorch_lora_weights.safetensors", loaded, 0.35)
    found, wanted = loaded.denoiser.state_dict(), transformer.state_dict()
    assert [key for key in wanted if not torch.allclose(found[key], wanted[key], atol=1e-6)] == []
    assert any(not torch.equal(found[key], before[f"transformer.{key}"]) for key in wanted)
