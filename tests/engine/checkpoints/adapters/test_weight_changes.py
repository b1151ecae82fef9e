"""Every method gives the weight that the library which writes its files gives: LyCORIS."""

from __future__ import annotations

import pytest
import torch

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
    bias = change_of_bias(tensors, weight, layer.bias)
    if made.bias is not None and layer.bias is not None:
        assert bias is not None and torch.allclose(layer.bias + bias, made.bias, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: torch.nn.LayerNorm(16), lambda: torch.nn.GroupNorm(4, 16)])
def test_norms_are_changed(make: object) -> None:
    layer = make()  # type: ignore[operator]
    made = writers.NORM(layer, torch.Generator().manual_seed(2))
    method = find_method(frozenset(made.tensors))
    assert method is not None
    bias = change_of_bias(made.tensors, layer.weight, layer.bias)
    assert torch.allclose(change_weight(method, layer.weight.detach(), made.tensors), made.weight)
    assert bias is not None and made.bias is not None and torch.allclose(layer.bias + bias, made.bias)


@pytest.mark.parametrize("layer_name", LAYERS)
def test_the_older_layout_of_glora_is_read(layer_name: str) -> None:
    """LyCORIS until 2: a2 and b2 come before a1 and b1 (github.com/comfyanonymous/ComfyUI, comfy/weight_adapter/glora.py)."""
    torch.manual_seed(1)
    layer = LAYERS[layer_name]()
    made = writers.LINEAR_AND_CONVOLUTION["GLoRA"](layer, torch.Generator().manual_seed(2))
    swapped = {"a1": "a2", "a2": "a1", "b1": "b2", "b2": "b1"}
    older = {swapped.get(name[:2], name[:2]) + name[2:]: tensor for name, tensor in made.tensors.items()}
    method = find_method(frozenset(older))
    assert method is not None
    assert torch.allclose(change_weight(method, layer.weight.detach(), older), made.weight, atol=1e-5)


def test_a_layer_of_rank_0_is_left_as_it_is() -> None:
    tensors = {"lora_down.weight": torch.zeros(0, 16), "lora_up.weight": torch.zeros(32, 0), "alpha": torch.tensor(4.0)}
    method = find_method(frozenset(tensors))
    assert method is not None
    assert torch.equal(change_weight(method, torch.ones(32, 16), tensors), torch.ones(32, 16))


def test_a_layer_with_tensors_of_no_method_has_none() -> None:
    assert find_method(frozenset({"lora_down.weight", "lora_up.weight", "mystery"})) is None
    assert find_method(frozenset({"lora_down.weight"})) is None


def test_shapes_that_do_not_fit_are_said() -> None:
    method = find_method(frozenset({"diff"}))
    assert method is not None
    with pytest.raises(ValueError):
        change_weight(method, torch.zeros(4, 4), {"diff": torch.zeros(3, 3)})
