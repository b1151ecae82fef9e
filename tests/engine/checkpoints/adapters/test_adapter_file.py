"""Every tensor of an adapter file is taken, or left with a reason that is said, or the file is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.adapters.merge import Lora, MergedLoras
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.components import never_cancelled
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import CancelledError, CheckpointError
from engine.requests import ExecutionPlan
from tests.attack.mutations import SPECIAL, write_sparse
from tests.engine.checkpoints import tiny

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
KEY = "lora_unet_" + LAYER.replace(".", "_")
WIDTH = tiny.WIDTH
KOHYA, PEFT = ("lora_down.weight", "lora_up.weight"), ("lora_A.weight", "lora_B.weight")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    folder = tmp_path_factory.mktemp("sd1") / "sd1"
    tiny.pipeline("sd1").save_pretrained(folder)
    return load_checkpoint(entry_for(folder), ExecutionPlan())


def matrices(rank: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rank)
    return torch.randn(rank, WIDTH, generator=generator), torch.randn(WIDTH, rank, generator=generator)


def pair(key: str = KEY, rank: int = 2, ends: tuple[str, str] = KOHYA) -> dict[str, torch.Tensor]:
    down, up = matrices(rank)
    return {f"{key}.{ends[0]}": down, f"{key}.{ends[1]}": up}


def low_rank(rank: int = 2, scale: float = 1.0) -> torch.Tensor:
    down, up = matrices(rank)
    return scale * up @ down


def change(
    loaded: LoadedCheckpoint, path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None
) -> tuple[torch.Tensor, tuple[str, ...]]:
    """What a file of ``tensors`` adds to the layer, and what is said about it."""
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    else:
        torch.save(tensors, path)
    weight = loaded.unet.get_submodule(LAYER).get_parameter("weight")
    before, merged = weight.detach().clone(), MergedLoras(loaded)
    try:
        merged.set((Lora(entry=entry_for(path), text_strength=1.0, unet_strength=1.0),), never_cancelled)
        return weight.detach() - before, merged.notices
    finally:
        merged.set((), never_cancelled)
        assert torch.equal(weight, before)


def test_tensors_that_the_checkpoint_has_no_layer_for_are_said(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    more = {**pair("lora_te2_text_model_encoder_layers_0_mlp_fc1"), **pair("lora_unet_up_blocks_9_attentions_0_proj_in")}
    tensors = {**pair(), **more, "lora_unet_mid_block_x.alpha": torch.tensor(1.0)}
    added, notices = change(loaded, tmp_path / "x.safetensors", tensors)
    assert torch.allclose(added, low_rank(), atol=1e-5)
    assert notices == (
        "“x” is used without 2 tensors for a text encoder that this checkpoint does not have and 3 tensors for layers that this "
        "checkpoint does not have.",
    )


@pytest.mark.parametrize("name", [f"{KEY}.mystery", f"{KEY}.lora_sideways.weight", "something.else"])
def test_tensors_of_no_known_method_refuse_the_file(loaded: LoadedCheckpoint, tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="of a method that Easel does not know"):
        change(loaded, tmp_path / "x.safetensors", {**pair(), name: torch.zeros(2)})


def test_a_file_that_changes_nothing_is_refused(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no effect on this checkpoint"):
        change(loaded, tmp_path / "x.safetensors", pair("lora_unet_nowhere"))


def test_other_shapes_are_said_and_leave_nothing_behind(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not fit this checkpoint"):
        change(loaded, tmp_path / "x.safetensors", {f"{KEY}.{KOHYA[0]}": torch.ones(2, 7), f"{KEY}.{KOHYA[1]}": torch.ones(9, 2)})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_said_and_leave_nothing_behind(
    loaded: LoadedCheckpoint, tmp_path: Path, number: float
) -> None:
    tensors = pair()
    tensors[f"{KEY}.{KOHYA[1]}"][0, 0] = number
    with pytest.raises(CheckpointError, match="“x” has numbers that are no finite ones"):
        change(loaded, tmp_path / "x.safetensors", tensors)


def test_ranks_that_differ_by_layer_have_each_their_own_strength(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    other = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_v"
    for rank in (1, 3, 8):
        tensors = {**pair(rank=rank), f"{KEY}.alpha": torch.tensor(4.0), f"{other}.diff": torch.zeros(64, WIDTH)}
        added, _ = change(loaded, tmp_path / f"{rank}.safetensors", tensors)
        assert torch.allclose(added, low_rank(rank, 4.0 / rank), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"unet.r": 4, "unet.lora_alpha": 8}, 2.0),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.use_rslora": True}, 4.0),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {LAYER: 2}}, 0.5),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"to_q": 2}}, 2.0),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attn2.to_k": 2}}, 0.5),
        ({"text_encoder.lora_alpha": 8}, 1.0),
        ({}, 1.0),
    ],
)
def test_strengths_in_diffusers_metadata_count(
    loaded: LoadedCheckpoint, tmp_path: Path, config: dict[str, object], scale: float
) -> None:
    """diffusers.loaders.lora_base, LORA_ADAPTER_METADATA_KEY."""
    metadata = {"lora_adapter_metadata": json.dumps(config)}
    added, _ = change(loaded, tmp_path / "x.safetensors", pair(f"unet.{LAYER}", 4, PEFT), metadata)
    assert torch.allclose(added, low_rank(4, scale), atol=1e-5)


def test_pefts_own_folder_has_its_strength_beside_it(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8, "peft_type": "LORA"}))
    added, _ = change(loaded, tmp_path / "adapter_model.safetensors", pair(f"base_model.model.{LAYER}", 4, PEFT))
    assert torch.allclose(added, low_rank(4, 2.0), atol=1e-5)


@pytest.mark.parametrize("write", (*SPECIAL.values(), write_sparse, Path.mkdir))
def test_whatever_lies_in_the_place_of_that_file_counts_as_none(
    loaded: LoadedCheckpoint, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "adapter_config.json")
    added, _ = change(loaded, tmp_path / "adapter_model.safetensors", pair(f"base_model.model.{LAYER}", 4, PEFT))
    assert torch.allclose(added, low_rank(4, 1.0), atol=1e-5)


@pytest.mark.parametrize(
    "pattern", ["(.+)+!", "(a|.)*!", ".*.*.*.*.*.*.*.*!", "(.?){99}!", "(((.*)*)*)*!", ".{0,99}" * 9, "(" * 9999]
)
def test_no_pattern_in_a_file_takes_time(loaded: LoadedCheckpoint, tmp_path: Path, pattern: str) -> None:
    metadata = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 8, "unet.alpha_pattern": {pattern: 2}})}
    added, _ = change(loaded, tmp_path / "x.safetensors", pair(f"unet.{LAYER}", 4, PEFT), metadata)
    assert torch.allclose(added, low_rank(4, 2.0), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float64])
def test_every_precision_of_a_file_is_read(loaded: LoadedCheckpoint, tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in pair().items()}
    added, _ = change(loaded, tmp_path / "x.safetensors", tensors)
    down, up = (tensor.float() for tensor in tensors.values())
    assert torch.allclose(added, up @ down, atol=1e-4)


def test_a_pickled_file_of_processors_without_the_name_of_the_unet(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    """diffusers 0.12 to 0.20: pytorch_lora_weights.bin (loaders.py, UNet2DConditionLoadersMixin.save_attn_procs)."""
    block, tensors = LAYER.removesuffix(".to_k"), {}
    for processor in ("to_k_lora", "to_out_lora"):
        tensors |= pair(f"{block}.processor.{processor}", 2, ("down.weight", "up.weight"))
    added, notices = change(loaded, tmp_path / "pytorch_lora_weights.bin", tensors)
    assert torch.allclose(added, low_rank(), atol=1e-5) and not notices


def test_stop_in_the_middle_is_mended_by_the_next_use(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    other = LAYER.replace("to_k", "to_v")
    save_file({**pair(), **pair("lora_unet_" + other.replace(".", "_"))}, tmp_path / "x.safetensors")
    weights = [loaded.unet.get_submodule(name).get_parameter("weight") for name in (LAYER, other)]
    before = [weight.detach().clone() for weight in weights]
    lora, merged = Lora(entry=entry_for(tmp_path / "x.safetensors"), text_strength=1, unet_strength=1), MergedLoras(loaded)
    heard = iter((False, True))
    with pytest.raises(CancelledError):
        merged.set((lora,), lambda: next(heard))
    assert sum(torch.equal(weight, was) for weight, was in zip(weights, before, strict=True)) == 1
    merged.set((lora,), never_cancelled)
    assert not any(torch.equal(weight, was) for weight, was in zip(weights, before, strict=True))
    merged.set((), never_cancelled)
    assert all(torch.equal(weight, was) for weight, was in zip(weights, before, strict=True))


def test_block_weights_scale_their_blocks(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    save_file({**pair(), **pair("lora_te_text_model_encoder_layers_0_self_attn_q_proj")}, tmp_path / "x.safetensors")
    entry, merged = entry_for(tmp_path / "x.safetensors"), MergedLoras(loaded)
    weight = loaded.unet.get_submodule(LAYER).get_parameter("weight")
    before = weight.detach().clone()
    for blocks, factor in ((("BASE", 1.0), ("IN01", 0.25)), 0.25), ((("BASE", 1.0), ("OUT03", 1.0)), 0.0), ((), 1.0):
        merged.set((Lora(entry=entry, text_strength=1, unet_strength=2, block_weights=blocks),), never_cancelled)
        assert torch.allclose(weight - before, low_rank(2, 2 * factor), atol=1e-5)
    merged.set((), never_cancelled)
