"""Files that PEFT itself saves, with its configuration beside them, mean what PEFT merges."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft import BOFTConfig, IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PeftConfig
from peft.tuners.boft import layer as boft
from safetensors.torch import load_file

from engine.checkpoints.adapters import peft_config
from engine.checkpoints.adapters.weight_changes import change_of_bias, change_weight, find_method
from engine.checkpoints.identify.adapter_names import group_layers

LAYERS: Mapping[str, Callable[[], torch.nn.Module]] = {
    "linear": lambda: torch.nn.Linear(16, 32),
    "square": lambda: torch.nn.Linear(16, 16),
    "convolution": lambda: torch.nn.Conv2d(16, 32, 3),
    "square convolution": lambda: torch.nn.Conv2d(16, 16, 1),
}

TO_K: dict[str, Any] = {"target_modules": ["to_k"]}
LORA: dict[str, Any] = {"r": 4, "lora_alpha": 12, "init_lora_weights": False, **TO_K}
LYCORIS: dict[str, Any] = {"alpha": 12, "init_weights": False, **TO_K}
OFT: dict[str, Any] = {"r": 0, "oft_block_size": 4, "init_weights": False, **TO_K}
IA3: dict[str, Any] = {"init_ia3_weights": False, **TO_K}

CONFIGS: Mapping[str, PeftConfig] = {
    "LoRA": LoraConfig(**LORA),
    "LoRA, rank stabilised": LoraConfig(**LORA, use_rslora=True),
    "LoRA with a bias": LoraConfig(**LORA, lora_bias=True),
    "LoRA with patterns": LoraConfig(**LORA, rank_pattern={"to_k": 2}, alpha_pattern={"to_k": 5}),
    "DoRA": LoraConfig(**LORA, use_dora=True),
    "LoHa": LoHaConfig(r=4, **LYCORIS),
    "LoHa, effective convolutions": LoHaConfig(r=4, use_effective_conv2d=True, **LYCORIS),
    "LoKr": LoKrConfig(r=2, **LYCORIS),
    "LoKr, effective convolutions": LoKrConfig(r=2, use_effective_conv2d=True, decompose_factor=4, **LYCORIS),
    "LoKr of low rank": LoKrConfig(r=1, decompose_both=True, decompose_factor=4, **LYCORIS),
    "LoKr of whole matrices": LoKrConfig(r=64, **LYCORIS),
    "LoKr of whole matrices with a pattern": LoKrConfig(r=64, rank_pattern={"to_k": 32}, alpha_pattern={"to_k": 7}, **LYCORIS),
    "OFT": OFTConfig(**OFT),
    "OFT, exact": OFTConfig(use_cayley_neumann=False, **OFT),
    "OFT, two terms": OFTConfig(num_cayley_neumann_terms=2, **OFT),
    "OFT, three terms": OFTConfig(num_cayley_neumann_terms=3, **OFT),
    "OFT, seven terms": OFTConfig(num_cayley_neumann_terms=7, **OFT),
    "OFT, one block for all": OFTConfig(block_share=True, **OFT),
    "OFT, constrained": OFTConfig(coft=True, eps=0.3, **OFT),
    "BOFT": BOFTConfig(boft_block_size=4, init_weights=False, **TO_K),
    "IA3 of outputs": IA3Config(feedforward_modules=[], **IA3),
    "IA3 of inputs": IA3Config(feedforward_modules=["to_k"], **IA3),
}


@pytest.fixture(autouse=True)
def without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """PEFT would compile an extension for BOFT, in a folder of the user's, and does without where that fails."""
    monkeypatch.setattr(boft, "get_fbd_cuda", lambda: None)


def change(tensors: Mapping[str, torch.Tensor], path: Path, layer: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The layer's weight and what is added to its bias, by Easel, from a file of one layer."""
    (names,), others = group_layers(tensors)[0].values(), group_layers(tensors)[1]
    assert not others
    method = find_method(frozenset(names))
    assert method is not None, f"nobody knows {sorted(names)}"
    found = {leaf: tensors[name].float() for leaf, name in names.items()}
    config = peft_config.PeftConfig.read(path)
    found |= config.values(names, found) if config else {}
    weight, bias = (layer.get_parameter(name).detach() for name in ("weight", "bias"))
    return change_weight(method, weight, found), change_of_bias(found, weight, bias)


@pytest.mark.parametrize("layer_name", LAYERS)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_file_means_what_peft_merges(name: str, layer_name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    layer = LAYERS[layer_name]()
    before = {leaf: tensor.clone() for leaf, tensor in layer.state_dict().items()}
    model: Any = torch.nn.Sequential()
    model.add_module("to_k", layer)
    wrapped: Any = peft.get_peft_model(model, CONFIGS[name])
    with torch.no_grad():
        for key, parameter in wrapped.named_parameters():
            if "base_layer" not in key:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    wrapped.save_pretrained(tmp_path)
    wrapped.merge_adapter()
    merged = wrapped.base_model.model.to_k.base_layer
    plain = LAYERS[layer_name]()
    plain.load_state_dict(before)
    path = tmp_path / "adapter_model.safetensors"
    weight, more = change(load_file(path), path, plain)
    assert torch.allclose(weight, merged.weight, atol=1e-5), (weight - merged.weight).abs().max()
    bias = before["bias"] if more is None else before["bias"] + more
    assert torch.allclose(bias, merged.bias, atol=1e-5)
    assert not torch.allclose(weight, before["weight"], atol=1e-3), "a change that changes nothing proves nothing"


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_butterflies_mix_blocks_as_peft_lays_them_out(stages: int, tmp_path: Path) -> None:
    """More than one stage needs a card in PEFT, so its parts, which do not, are put together here."""
    torch.manual_seed(1)
    plain, model = torch.nn.Linear(16, 32), torch.nn.Sequential()
    model.add_module("to_k", torch.nn.Linear(16, 32))
    wrapped: Any = peft.get_peft_model(model, CONFIGS["BOFT"])
    layer = wrapped.base_model.model.to_k
    blocks, scale = torch.randn(stages, 4, 4, 4), torch.rand(32, 1)
    rotation = torch.eye(16)
    for stage in range(stages):
        order = layer.perm2mat(layer.block_butterfly_perm(16, 4 // 2**stage, 2, stages - 1))
        rotation = order @ torch.block_diag(*layer.cayley_batch(blocks[stage])) @ order.T @ rotation
    weight, _ = change({"to_k.boft_R": blocks, "to_k.boft_s": scale}, save_empty(tmp_path), plain)
    assert torch.allclose(weight, (rotation @ plain.weight.T).T * scale, atol=1e-5)


@pytest.mark.parametrize(
    ("factor", "on_input"), [((1, 16), True), ((32, 1), False), ((1, 16, 1, 1), True), ((1, 32, 1, 1), False)]
)
def test_a_file_without_a_configuration_says_by_its_shapes_what_it_scales(
    factor: tuple[int, ...], on_input: bool, tmp_path: Path
) -> None:
    layer = torch.nn.Linear(16, 32) if len(factor) == 2 else torch.nn.Conv2d(16, 32, 3)
    weight, more = change({"to_k.ia3_l": torch.full(factor, 2.0)}, save_empty(tmp_path), layer)
    assert torch.equal(weight, 2 * layer.weight) and (more is None) == on_input


@pytest.mark.parametrize("text", ["[1]", "{", json.dumps({"r": "four", "lora_alpha": None, "rank_pattern": [1], "eps": True})])
def test_a_configuration_that_says_nothing_useful_changes_nothing(text: str, tmp_path: Path) -> None:
    layer, path = torch.nn.Linear(16, 32), save_empty(tmp_path)
    (tmp_path / "adapter_config.json").write_text(text)
    down, up = torch.randn(4, 16), torch.randn(32, 4)
    weight, _ = change({"to_k.lora_A.weight": down, "to_k.lora_B.weight": up}, path, layer)
    assert torch.allclose(weight, layer.weight + up @ down, atol=1e-5)


@pytest.mark.parametrize(
    ("modules", "on_input"), [(".*to_k", True), ("to_v", False), (["to_k"], True), ([], False), ("(t+)+_", False), ("(", False)]
)
def test_the_configuration_says_which_layers_are_scaled_at_their_inputs(
    modules: str | list[str], on_input: bool, tmp_path: Path
) -> None:
    layer, path = torch.nn.Linear(16, 16), save_empty(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "IA3", "feedforward_modules": modules}))
    factor = torch.arange(1.0, 17)
    weight, _ = change({"base_model.model.attn.to_k.ia3_l": factor.view(1, 16)}, path, layer)
    assert torch.equal(weight, layer.weight * (factor if on_input else factor[:, None]))


def save_empty(folder: Path) -> Path:
    """A file without tensors, beside which a configuration may lie."""
    path = folder / "adapter_model.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    return path
