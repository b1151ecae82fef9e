"""Networks of XL's kind that are smaller than XL, and its latent consistency model: from a single file as from a folder.

Where their transformer blocks are is compared with ComfyUI's table, and the names in single files are those of its UNetModel for
these layouts. The width of the guidance embedding of latent consistency models is that of diffusers' training script
(github.com/huggingface/diffusers, ``examples/consistency_distillation/train_lcm_distill_sdxl_wds.py``,
``--unet_time_cond_proj_dim``). Only the layers' widths are smaller here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.families import FAMILIES
from engine.checkpoints.identify.unet_layouts import SMALL_UNETS, UnetLayout
from engine.checkpoints.library import entry as entries
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny

WIDTHS: dict[str, Any] = {
    "block_out_channels": (32, 32, 32), "layers_per_block": 2, "attention_head_dim": (2, 2, 2),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "transformer_layers_per_block": [1, 2, 10],
    "addition_embed_type": "text_time", "addition_time_embed_dim": 8, "cross_attention_dim": 2 * tiny.WIDTH,
    "projection_class_embeddings_input_dim": 8 * 6 + tiny.WIDTH,
}  # fmt: skip

PUBLISHED: dict[str, dict[str, Any]] = {
    "SSD-1B": {
        "mid_block_type": "UNetMidBlock2D", "transformer_layers_per_block": [1, 2, 4],
        "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
    },
    "Segmind-Vega": {"mid_block_type": "UNetMidBlock2D", "transformer_layers_per_block": [1, 1, 2]},
    "KOALA-700M": {"mid_block_type": None, "layers_per_block": 1, "transformer_layers_per_block": [1, 2, 5]},
    "KOALA-1B": {"layers_per_block": 1, "transformer_layers_per_block": [1, 2, 6]},
    "LCM-XL": {"time_cond_proj_dim": 16},
}  # fmt: skip


COMFY: dict[str, tuple[list[int], int, list[int]]] = {
    "SSD-1B": ([0, 0, 2, 2, 4, 4], -1, [0, 0, 0, 1, 1, 2, 10, 4, 4]),
    "Segmind-Vega": ([0, 0, 1, 1, 2, 2], -1, [0, 0, 0, 1, 1, 1, 2, 2, 2]),
    "KOALA-700M": ([0, 2, 5], -2, [0, 0, 2, 2, 5, 5]),
    "KOALA-1B": ([0, 2, 6], 6, [0, 0, 2, 2, 6, 6]),
}
"""``transformer_depth``, ``transformer_depth_middle`` and ``transformer_depth_output``, which is read from its end, in
github.com/comfyanonymous/ComfyUI/blob/006dd0ae6cf66f66ea0d2ad7db73dea920de9936/comfy/model_detection.py
(``unet_config_from_diffusers_unet``)."""


def test_the_layouts_are_those_of_comfyui() -> None:
    layouts = {small.name: small.layout for small in SMALL_UNETS}
    assert layouts == {name: UnetLayout(tuple(down), middle, tuple(up[::-1])) for name, (down, middle, up) in COMFY.items()}


def test_the_guidance_embedding_has_the_width_of_the_training_script() -> None:
    family = next(family for family in FAMILIES if family.name == "lcm_xl")
    assert entries.bundled_config(family, "unet")["time_cond_proj_dim"] == 256


@pytest.fixture(scope="module")
def plain() -> Any:
    return tiny.pipeline("xl")


def load(entry: CheckpointEntry) -> torch.nn.Module:
    return load_checkpoint(entry, ExecutionPlan(channels_last=False)).unet


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_small_network_of_xls_kind_loads(name: str, plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.register_modules(unet=tiny.unet(linear=True, **{**WIDTHS, **PUBLISHED[name]}))
    plain.save_pretrained(tmp_path / "folder")
    save_file(tiny.in_original_layout("xl", plain), tmp_path / "x.safetensors")
    configs = {file.parent.name: json.loads(file.read_text()) for file in (tmp_path / "folder").glob("*/*config.json")}
    published = {**configs["unet"], **json.loads(json.dumps(WIDTHS))}
    for only_here in ("mid_block_type", "reverse_transformer_layers_per_block"):
        published.pop(only_here, None)
    monkeypatch.setattr(
        entries, "bundled_config", lambda family, part: published if part == "unet" else configs[part]
    )  # fmt: skip
    wanted = plain.unet.state_dict()
    for path in (tmp_path / "folder", tmp_path / "x.safetensors"):
        entry = entry_for(path)
        assert entry.family.name == ("lcm_xl" if name == "LCM-XL" else "xl")
        loaded = load(entry).state_dict()
        assert loaded.keys() == wanted.keys() and all(torch.equal(loaded[key], wanted[key]) for key in wanted)
    assert name == "LCM-XL" or name in entry.identity.reason
