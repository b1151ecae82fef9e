"""Canaries: each names what Easel relies on inside torch, diffusers and transformers, and fails when an upgrade changes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers import UNet2DConditionModel

from engine.compat.diffusers_pipelines import call_pipeline
from engine.compat.dynamo import REPEATED_BLOCKS, CompilerError, allow_recompiles
from engine.compat.forward import own_forward, replace_forward
from engine.compat.schedulers import begin_at, takes_generator
from engine.compat.stop_hooks import BLOCKS, raise_on_stop
from engine.compat.vae_tiling import tile_vae
from engine.errors import CancelledError
from engine.generate.samplers import SCHEDULERS, create
from engine.stopping import Stop
from tests.engine.checkpoints import tiny

FAMILIES = ("sd1", "sd1_inpainting", "sd2_base", "sd2_depth", "sd2_v", "xl", "lcm")


@pytest.mark.parametrize("family", FAMILIES)
def test_stop_finds_blocks_in_every_network_of_a_family(family: str) -> None:
    """transformers or diffusers renamed or split the blocks that Stop is heard between."""
    for name, network in tiny.loaded(family).modules.items():
        if name != "depth_estimator":
            blocks = [module for module in network.modules() if isinstance(module, BLOCKS)]
            assert len(blocks) >= 2, f"{name} has no blocks of the kinds in engine.compat.stop_hooks"


def test_a_hook_before_a_block_may_raise_and_goes_away() -> None:
    """torch no longer passes on what a forward pre-hook raises."""
    vae, stop = tiny.loaded("sd1").vae, Stop()
    stop.set()
    latents = torch.zeros(1, 4, 4, 4)
    with raise_on_stop(stop, vae), pytest.raises(CancelledError):
        vae.decode(latents)
    vae.decode(latents)


def test_a_vae_decodes_in_tiles_of_the_size_that_is_set() -> None:
    """diffusers renamed the attributes of tiling, so that setting them no longer makes it tile."""
    vae = tiny.loaded("sd1").vae
    scale = 2 ** (len(vae.config["block_out_channels"]) - 1)
    seen: list[torch.Size] = []
    vae.decoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].shape))
    latents = torch.zeros(1, 4, 32, 32)
    with tile_vae(vae, 8 * scale), torch.inference_mode():
        tiled = vae.decode(latents, return_dict=False)[0]
    assert len(seen) > 1 and max(shape[-1] for shape in seen) == 8
    seen.clear()
    with torch.inference_mode():
        whole = vae.decode(latents, return_dict=False)[0]
    assert len(seen) == 1 and tiled.shape == whole.shape


def test_a_replaced_forward_is_called_and_the_own_one_comes_back() -> None:
    """torch no longer calls the forward that it finds on the instance."""
    layer = torch.nn.Linear(2, 2)
    given = torch.ones(1, 2)
    own = layer(given)
    with replace_forward(layer, lambda inputs: inputs + 1):
        assert torch.equal(layer(given), given + 1) and torch.equal(own_forward(layer)(given), own)
    assert torch.equal(layer(given), own) and "forward" not in layer.__dict__


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_has_what_its_type_says(name: str) -> None:
    """diffusers renamed or dropped something that all its schedulers had."""
    scheduler = create(name, {})
    scheduler.set_timesteps(4)
    assert scheduler.num_inference_steps == 4 and scheduler.order >= 1 and len(scheduler.timesteps) >= 4
    assert scheduler.init_noise_sigma > 0 and scheduler.config["num_train_timesteps"] == 1000
    begin_at(scheduler, 0)
    sample, timestep = torch.zeros(1, 4, 4, 4), scheduler.timesteps[0]
    generator = {"generator": torch.Generator().manual_seed(1)} if takes_generator(scheduler) else {}
    scaled = scheduler.scale_model_input(sample, timestep)
    assert scheduler.step(scaled, timestep, sample, return_dict=False, **generator)[0].shape == sample.shape
    assert scheduler.add_noise(sample, sample, scheduler.timesteps[:1]).shape == sample.shape


def test_an_unknown_pipeline_is_asked_for_what_it_takes_and_tells_its_steps() -> None:
    """diffusers' pipelines changed their callback or their arguments."""
    pipeline, steps = tiny.pipeline("sd1"), []
    pipeline.set_progress_bar_config(disable=True)
    image = call_pipeline(
        pipeline, steps.append, prompt="a cat", width=32, height=32, num_inference_steps=2, guidance_scale=1.0, unheard_of=1
    )
    assert image.size == (32, 32) and steps == [0, 1]


def test_the_blocks_that_are_compiled_are_those_that_diffusers_names() -> None:
    """diffusers names other blocks of a UNet as worth compiling."""
    assert {*UNet2DConditionModel._repeated_blocks} <= {block.__name__ for block in REPEATED_BLOCKS}


@pytest.mark.skipif(torch.version.cuda is None, reason="torch's CUDA build alone has page-locked memory to give back")
def test_torch_can_be_asked_for_page_locked_memory_back() -> None:
    """torch renamed the function that empties its allocator of page-locked memory."""
    assert callable(vars(torch._C)["_host_emptyCache"])


def test_torchs_compiler_has_a_limit_and_an_error_of_its_own() -> None:
    """torch moved its private limit on recompilations, or raises something else where it cannot compile."""
    before = torch._dynamo.config.recompile_limit
    try:
        allow_recompiles(before + 1)
        assert torch._dynamo.config.recompile_limit == before + 1
    finally:
        allow_recompiles(before)

    def fail(*_: Callable[..., torch.Tensor]) -> None:
        raise RuntimeError("no compiler")

    with pytest.raises(CompilerError):
        torch.compile(lambda given: given + 1, backend=fail)(torch.ones(1))
