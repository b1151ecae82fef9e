"""Attention in slices is the attention of the whole, whatever is cut; and what asks for float32 is computed in it."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from engine.compat.attention import attend_in_slices, bound_attention, call_output_layers
from engine.compat.unet_blocks import perturb_self_attention
from tests.engine.checkpoints import tiny, tiny_sd3


class Watch(TorchFunctionMode):
    """Counts the scores of each attention, and its dtypes."""

    def __init__(self) -> None:
        super().__init__()
        self.scores: list[int] = []
        self.dtypes: set[torch.dtype] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is scaled_dot_product_attention:
            query, key = args[0], args[1]
            self.scores.append(query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2])
            self.dtypes.add(query.dtype)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("most", [10**9, 64 * 77 * 8, 64 * 77 * 3, 64 * 77, 1000, 77, 1])
@pytest.mark.parametrize("keys", [64, 77])
def test_slices_are_the_whole(most: int, keys: int) -> None:
    query, key, value = torch.randn(2, 8, 64, 16), torch.randn(2, 8, keys, 16), torch.randn(2, 8, keys, 16)
    with Watch() as watch:
        sliced = attend_in_slices(query, key, value, most)
    torch.testing.assert_close(sliced, scaled_dot_product_attention(query, key, value), rtol=1e-5, atol=1e-5)
    assert max(watch.scores) <= max(most, keys)


def test_float32_is_for_scores_that_overflow() -> None:
    query, key = torch.full((1, 1, 8, 64), 200.0, dtype=torch.float16), torch.full((1, 1, 8, 64), 200.0, dtype=torch.float16)
    with Watch() as watch:
        result = attend_in_slices(query, key, key, 2**26, upcast=True)
    assert result.dtype == torch.float16 and torch.equal(result, key) and watch.dtypes == {torch.float32}


def run(network: torch.nn.Module) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.inference_mode():
        if isinstance(network, AutoencoderKL):
            return network.decode(torch.randn(1, 4, 8, 8), return_dict=False)[0]
        if isinstance(network, UNet2DConditionModel):
            states = torch.randn(2, 77, network.config["cross_attention_dim"])
            return network(torch.randn(2, 4, 16, 16), 5, states, return_dict=False)[0]
        assert isinstance(network, SD3Transformer2DModel)
        config = network.config
        states, pooled = torch.randn(2, 90, config["joint_attention_dim"]), torch.randn(2, config["pooled_projection_dim"])
        sample = torch.randn(2, config["in_channels"], 16, 16)
        return network(sample, states, pooled, torch.tensor([5.0, 5.0]), return_dict=False)[0]


@pytest.mark.parametrize("network", ["unet", "vae", "transformer"])
@pytest.mark.parametrize("upcast", [False, True])
def test_networks_draw_the_same_in_slices(network: str, upcast: bool) -> None:
    made = tiny_sd3.pipeline("sd3_medium") if network == "transformer" else tiny.pipeline("sd1")
    module = made.components[network].float()
    whole = run(module)
    bound_attention(module, 500, upcast=upcast)
    with Watch() as watch:
        sliced = run(module)
    torch.testing.assert_close(sliced, whole, rtol=1e-3, atol=1e-4)
    assert watch.scores and max(watch.scores) <= 500


def test_perturbed_attention_and_slices_work_together() -> None:
    unet = tiny.loaded("sd1").unet.float()
    with perturb_self_attention(unet):
        whole = run(unet)
    bound_attention(unet, 256 * 256, upcast=False)  # all queries of a head at once: perturbing gives each its own value
    with perturb_self_attention(unet):
        torch.testing.assert_close(run(unet), whole, rtol=1e-3, atol=1e-4)
    assert any(isinstance(module, Attention) for module in unet.modules())


def test_torchs_attention_answers_the_same_when_it_calls_its_output_layer() -> None:
    """The hooks that widen weights, or bring them to a device, are heard; torch reads the weights past them."""
    torch.manual_seed(0)
    attention, tokens, heard = torch.nn.MultiheadAttention(16, 4).eval(), torch.randn(3, 5, 16), list[bool]()
    attention.out_proj.register_forward_hook(lambda *_: heard.append(True))
    with torch.inference_mode():
        wanted, _ = attention(tokens, tokens, tokens, need_weights=False)
        assert not heard
        call_output_layers(torch.nn.Sequential(attention))
        found, _ = attention(tokens, tokens, tokens, need_weights=False)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert heard
