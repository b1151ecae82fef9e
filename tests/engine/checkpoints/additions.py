"""Tiny LoRAs, embeddings and VAEs for the tiny checkpoints, in the layouts that people have.

LoRA names are those of kohya-ss/sd-scripts (``networks/lora.py``) and of diffusers' and peft's savers; embeddings those of
AUTOMATIC1111's program (``string_to_param``), of diffusers (the word itself) and of XL trainers (``clip_l``, ``clip_g``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.engine.checkpoints import originals, tiny

RANK, ALPHA = 2, 4.0
TARGETS = {
    "unet": "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
    "text_encoder": "text_model.encoder.layers.0.self_attn.out_proj",
}
"""Component -> the layer that the tiny LoRAs change."""

_KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te_"}


def matrices(seed: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Component -> the LoRA's two matrices, down and up."""
    generator = torch.Generator().manual_seed(seed)
    return {
        component: (torch.randn(RANK, tiny.WIDTH, generator=generator), torch.randn(tiny.WIDTH, RANK, generator=generator))
        for component in TARGETS
    }


def kohya(seed: int) -> dict[str, torch.Tensor]:
    """The LoRA of ``seed`` as kohya's trainer writes it."""
    out: dict[str, torch.Tensor] = {}
    for component, (down, up) in matrices(seed).items():
        name = _KOHYA[component] + TARGETS[component].replace(".", "_")
        out |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(ALPHA)}
    return out


def peft(seed: int) -> dict[str, torch.Tensor]:
    """The same as diffusers writes it; it has no alpha, so that the second matrix holds it."""
    out: dict[str, torch.Tensor] = {}
    for component, (down, up) in matrices(seed).items():
        name = f"{component}.{TARGETS[component]}"
        out |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up * (ALPHA / RANK)}
    return out


def merge(pipeline: Any, seed: int, words: float, unet: float) -> None:
    """Add the LoRA of ``seed`` into the weights themselves."""
    for component, (down, up) in matrices(seed).items():
        weight = unet if component == "unet" else words
        part = getattr(pipeline, component)
        name = TARGETS[component] if component == "unet" else TARGETS[component].removeprefix("text_model.")
        inner = part if component == "unet" else getattr(part, "text_model", part)
        with torch.no_grad():
            inner.get_submodule(name).weight += weight * (ALPHA / RANK) * up @ down


def vae() -> Any:
    """Another VAE for the tiny checkpoints."""
    torch.manual_seed(99)
    return tiny.vae()


def write(models: Path) -> None:
    """Everything into sub-folders of ``models``."""
    for folder in ("loras", "embeddings", "vae"):
        (models / folder).mkdir(parents=True)
    save_file(kohya(1), models / "loras" / "one.safetensors", {"ss_base_model_version": "sd_v1-5"})
    save_file(peft(1), models / "loras" / "one peft.safetensors")
    save_file(kohya(2), models / "loras" / "two.safetensors")
    save_file(kohya(3), models / "loras" / "for xl.safetensors", {"ss_base_model_version": "sdxl_base_v1-0"})
    vectors = torch.randn(2, tiny.WIDTH, generator=torch.Generator().manual_seed(4))
    torch.save({"string_to_param": {"*": vectors}, "name": "zorble", "step": 100}, models / "embeddings" / "zorble.pt")
    save_file({"emb_params": vectors}, models / "embeddings" / "zorble-st.safetensors")
    save_file({"clip_l": vectors, "clip_g": vectors.clone()}, models / "embeddings" / "zorblexl.safetensors")
    bare = {name.removeprefix("first_stage_model."): t.clone().contiguous() for name, t in originals.vae(vae()).items()}
    save_file(bare, models / "vae" / "another.safetensors")
