"""Single files of Stable Diffusion 3.5 as people cut, convert and merge them: each loads whole, or a sentence says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny_sd3

KIND = "sd35_medium"
BLOCK = "model.diffusion_model.joint_blocks"
Weights = dict[str, torch.Tensor]
Change = Callable[[Weights], Weights]


def without(*parts: str) -> Change:
    return lambda weights: {name: weight for name, weight in weights.items() if not any(part in name for part in parts)}


def renamed(old: str, new: str) -> Change:
    return lambda weights: {name.replace(old, new): weight for name, weight in weights.items()}


def added(**names: torch.Tensor) -> Change:
    return lambda weights: weights | {name.replace("__", "."): weight for name, weight in names.items()}


def in_scaled_8_bits(weights: Weights) -> Weights:
    """As ComfyUI's scaled files: a factor beside each weight, and a marker."""
    out: Weights = {"model.diffusion_model.scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, weight in weights.items():
        out[name] = weight
        if name.startswith(BLOCK) and weight.dim() == 2:
            factor = weight.abs().max() / 448
            out[name] = (weight / factor).to(torch.float8_e4m3fn)
            out[name.removesuffix("weight") + "scale_weight"] = factor.reshape(()).float()
    return out


def in_mixed_precisions(weights: Weights) -> Weights:
    dtypes = (torch.float16, torch.bfloat16, torch.float32)
    return {name: weight.to(dtypes[index % 3]) for index, (name, weight) in enumerate(weights.items())}


def with_averages(weights: Weights) -> Weights:
    """As a training saves them: each weight of the denoiser once more."""
    names = [name for name in weights if name.startswith("model.")]
    return weights | {f"model_ema.{name.removeprefix('model.').replace('.', '')}": weights[name] for name in names}


WHOLE: dict[str, Change] = {
    "8 bits": lambda weights: {k: w.to(torch.float8_e4m3fn) if w.dim() > 1 else w for k, w in weights.items()},
    "scaled 8 bits": in_scaled_8_bits,
    "mixed precisions": in_mixed_precisions,
    "averages beside the weights": with_averages,
    "a VAE under diffusers' name": renamed("first_stage_model.", "vae."),
    "temperatures of CLIP": added(
        text_encoders__clip_l__logit_scale=torch.tensor(4.6), text_encoders__clip_g__logit_scale=torch.tensor(4.6)
    ),
}  # fmt: skip

CUT: dict[str, tuple[Change, str]] = {
    "no VAE": (without("first_stage_model."), "Choose a VAE"),
    "no second text encoder": (without(".clip_g."), r"Put clip_g\.safetensors beside it"),
    "T5 alone": (without(".clip_l.", ".clip_g."), r"Put clip_l\.safetensors beside it"),
    "a block in the middle is gone": (without(f"{BLOCK}.3."), "saved incompletely"),
    "the last block is gone": (without(f"{BLOCK}.9."), "saved incompletely"),
    "no positions": (without("pos_embed"), "saved incompletely"),
    "no second attention": (without(".attn2."), "saved incompletely"),
}


def write(change: Change, folder: Path, sd3_folders: Path) -> Path:
    (folder / "tokenizer.json").write_bytes((sd3_folders / KIND / "tokenizer_3" / "tokenizer.json").read_bytes())
    weights = change(tiny_sd3.in_original_layout(KIND))
    save_file({name: weight.contiguous().clone() for name, weight in weights.items()}, folder / "x.safetensors")
    return folder / "x.safetensors"


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_loads_with_every_part(name: str, sd3_folders: Path, tmp_path: Path) -> None:
    entry = entry_for(write(WHOLE[name], tmp_path, sd3_folders), configs=sd3_folders / KIND)
    loaded = load_checkpoint(entry, ExecutionPlan(channels_last=False))
    assert entry.family.name == KIND and loaded.notices == ()
    assert {"text_encoder", "text_encoder_2", "text_encoder_3", "transformer", "vae"} <= loaded.modules.keys()
    original = tiny_sd3.pipeline(KIND).transformer.state_dict()
    found = loaded.modules["transformer"].state_dict()
    assert all(
        torch.allclose(found[key].float(), weight, atol=0.07 * float(weight.abs().max())) for key, weight in original.items()
    )


@pytest.mark.parametrize("name", CUT)
def test_what_was_cut_is_said(name: str, sd3_folders: Path, tmp_path: Path) -> None:
    change, sentence = CUT[name]
    entry = entry_for(write(change, tmp_path, sd3_folders), configs=sd3_folders / KIND)
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(entry, ExecutionPlan(channels_last=False))


def test_what_no_part_of_it_takes_is_counted(sd3_folders: Path, tmp_path: Path) -> None:
    change = added(model__diffusion_model__future__weight=torch.ones(3), optimizer__state=torch.ones(2))
    entry = entry_for(write(change, tmp_path, sd3_folders), configs=sd3_folders / KIND)
    (notice,) = load_checkpoint(entry, ExecutionPlan(channels_last=False)).notices
    assert "2 of " in notice and "future.weight" in notice and "optimizer.state" in notice
