"""Every method gives the weight that the library which writes its files gives: LyCORIS, PEFT."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from peft import LoraConfig, OFTConfig

from engine.checkpoints.adapters.weight_changes import change_of_bias, change_weight, find_method
from tests.engine.checkpoints.adapters import writers

LAYERS = {
    "linear": lambda: torch.nn.Linear(16, 32),
    "convolution": lambda: torch.nn.Conv2d(16, 32, 3),
    "pointwise convolution": lambda: torch.nn.Conv2d(16, 32, 1),
    "square": lambda: torch.nn.Linear(16, 16, bias=False),
}


@pytest.mark.parametrize("layer_name", LAYERS)
@pytest.mark.parametrize("name", writers.LINEAR_AND_CONVOLUTION)
def test_a_method_gives_the_weight_that_its_library_merges(name: str, layer_name: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[layer_name]()
    made = writers.LINEAR_AND_CONVOLUTION[name](layer, torch.Generator().manual_seed(2))
    method = find_method(frozenset(made.tensors))
    assert method is not None, f"nobody knows {sorted(made.tensors)}"
    tensors = {leaf: tensor.float() for leaf, tensor in made.tensors.items()}
    weight = layer.weight.detach()
    changed = change_weight(method, weight, tensors)
    assert torch.allclose(changed, made.weight, atol=1e-5), (changed - made.weight).abs().max()
    assert not torch.allclose(changed, weight, atol=1e-4), "a change that changes nothing proves nothing"
    bias = change_of_bias(tensors)
    if made.bias is not None and layer.bias is not None:
        assert bias is not None and torch.allclose(layer.bias + bias, made.bias, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: torch.nn.LayerNorm(16), lambda: torch.nn.GroupNorm(4, 16)])
def test_norms_are_changed(make: object) -> None:
    layer = make()  # type: ignore[operator]
    made = writers.NORM(layer, torch.Generator().manual_seed(2))
    method = find_method(frozenset(made.tensors))
    assert method is not None
    bias = change_of_bias(made.tensors)
    assert torch.allclose(change_weight(method, layer.weight.detach(), made.tensors), made.weight)
    assert bias is not None and made.bias is not None and torch.allclose(layer.bias + bias, made.bias)


@pytest.mark.parametrize("layer_name", ["linear", "convolution", "square"])
@pytest.mark.parametrize("options", [{"use_dora": True}, {"use_rslora": True}, {}])
def test_pefts_lora_is_what_peft_merges(layer_name: str, options: dict[str, bool]) -> None:
    torch.manual_seed(1)
    model = torch.nn.Sequential(LAYERS[layer_name]())
    weight = model[0].weight.detach().clone()
    config = LoraConfig(r=4, lora_alpha=4, target_modules=["0"], init_lora_weights=False, **options)
    wrapped = peft.get_peft_model(model, config)
    layer: Any = wrapped.base_model.model[0]  # type: ignore[index]
    tensors = {"lora_down.weight": layer.lora_A["default"].weight, "lora_up.weight": layer.lora_B["default"].weight}
    if "use_rslora" in options:
        tensors["alpha"] = torch.tensor(4 * 4 / 4**0.5)
    if "use_dora" in options:
        tensors["lora_magnitude_vector"] = layer.lora_magnitude_vector["default"].weight * 1.3
        layer.lora_magnitude_vector["default"].weight.data *= 1.3
    tensors = {leaf: tensor.detach().clone() for leaf, tensor in tensors.items()}
    layer.merge()
    method = find_method(frozenset(tensors))
    assert method is not None
    changed = change_weight(method, weight, tensors)
    assert torch.allclose(changed, layer.base_layer.weight, atol=1e-5)


def test_pefts_oft_is_what_peft_merges() -> None:
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(16, 32))
    weight = model[0].weight.detach().clone()
    wrapped = peft.get_peft_model(model, OFTConfig(oft_block_size=4, target_modules=["0"]))
    layer: Any = wrapped.base_model.model[0]  # type: ignore[index]
    torch.nn.init.normal_(layer.oft_R["default"].weight, std=0.05)
    tensors = {"oft_R.weight": layer.oft_R["default"].weight.detach().clone()}
    layer.merge()
    method = find_method(frozenset(tensors))
    assert method is not None
    assert torch.allclose(change_weight(method, weight, tensors), layer.base_layer.weight, atol=1e-5)


def test_a_layer_with_tensors_of_no_method_has_none() -> None:
    assert find_method(frozenset({"lora_down.weight", "lora_up.weight", "mystery"})) is None
    assert find_method(frozenset({"lora_down.weight"})) is None


def test_shapes_that_do_not_fit_are_said() -> None:
    method = find_method(frozenset({"diff"}))
    assert method is not None
    with pytest.raises(ValueError):
        change_weight(method, torch.zeros(4, 4), {"diff": torch.zeros(3, 3)})
