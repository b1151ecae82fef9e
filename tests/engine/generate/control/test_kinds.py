"""T2I-Adapter, union and Control-LoRA from a request to an image: every layout draws what diffusers' own pipeline draws."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import T2IAdapter
from safetensors.torch import save_file

from engine.checkpoints.control.layouts import map_adapter
from engine.checkpoints.control.purposes import PURPOSES, UNION_TASKS
from engine.checkpoints.control.shape import DenoiserShape
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.control_networks import fits
from engine.errors import CheckpointError, RequestError
from engine.requests import Control
from engine.requests.control_settings import SHOWN
from tests.engine.checkpoints import controls as tiny_controls
from tests.engine.checkpoints import originals, tiny
from tests.engine.generate.control.drawing import SIDE, STEPS, Studio, ask, draw, picture, store

_CHECKER: dict[str, Any] = {"requires_safety_checker": False}
PIPELINES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sd1": ("StableDiffusionAdapterPipeline", "StableDiffusionControlNetPipeline", _CHECKER),
    "xl": ("StableDiffusionXLAdapterPipeline", "StableDiffusionXLControlNetPipeline", {}),
}
"""diffusers' own pipelines of each family for T2I-Adapters and for ControlNets, and what they are made with."""


@pytest.fixture(scope="module")
def folder(studio: Studio) -> Path:
    return studio[1].models / "controlnet"


def draw_by_diffusers(name: str, family: str, options: dict[str, Any], **parts: Any) -> np.ndarray:
    own = tiny.pipeline(family)
    components = {**own.components, "scheduler": diffusers.DDIMScheduler.from_config(own.scheduler.config), **parts}
    pipeline = getattr(diffusers, name)
    taken = inspect.signature(pipeline.__init__).parameters
    made = pipeline(**{name: part for name, part in components.items() if name in taken})
    made.set_progress_bar_config(disable=True)
    found = made(
        prompt="a cat", negative_prompt="a dog", num_inference_steps=STEPS, guidance_scale=4.0, width=SIDE, height=SIDE,
        generator=torch.Generator("cpu").manual_seed(3), **options,
    )  # fmt: skip
    return np.asarray(found.images[0], dtype=np.int16)


@pytest.mark.parametrize("family", PIPELINES)
def test_every_layout_of_a_t2i_adapter_draws_what_diffusers_draws(family: str, studio: Studio, folder: Path) -> None:
    networks, (name, _, more) = tiny_controls.write_adapters(folder, family), PIPELINES[family]
    image = store(studio)
    end = 0.67 if family == "xl" else 1.0  # diffusers' other pipeline runs the adapter in all steps
    options = {"image": picture(), "adapter_conditioning_scale": 0.8}
    options |= {"adapter_conditioning_factor": end} if family == "xl" else {}
    wanted = draw_by_diffusers(name, family, options, adapter=networks["first"], **more)
    plain, _ = draw(studio, ask(family))
    for layout in ("folder", "plain", "original", "pth"):
        control = Control(model=f"{family} t2i {layout}", image=image, weight=0.8, end=end)
        made, _ = draw(studio, ask(family, control))
        assert np.abs(made - wanted).max() <= 1, layout
        assert np.abs(made - plain).max() > 1
    grey = draw(studio, ask(family, Control(model=f"{family} t2i grey", image=image)))[0]
    assert np.abs(grey - plain).max() > 1


def test_a_t2i_adapter_and_a_controlnet_add_up_and_each_mode_differs(studio: Studio, folder: Path) -> None:
    tiny_controls.write_adapters(folder, "sd1")
    tiny_controls.write_controls(folder, "sd1")
    image = store(studio)
    adapter, net = Control(model="sd1 t2i folder", image=image), Control(model="sd1 folder", image=image)
    both, one, other = (draw(studio, ask("sd1", *each))[0] for each in ((adapter, net), (adapter,), (net,)))
    assert (both != one).any() and (both != other).any()
    assert (both == draw(studio, ask("sd1", net, adapter))[0]).all()
    modes = [draw(studio, ask("sd1", dataclasses.replace(adapter, mode=mode)))[0] for mode in ("balanced", "prompt", "control")]
    assert (modes[0] != modes[1]).any() and (modes[1] != modes[2]).any()


@pytest.mark.parametrize("size", [(24, 16), (18, 22)])
def test_a_t2i_adapter_takes_sizes_that_its_patches_do_not_divide(size: tuple[int, int], studio: Studio, folder: Path) -> None:
    tiny_controls.write_adapters(folder, "xl")
    request = dataclasses.replace(ask("xl", Control(model="xl t2i folder", image=store(studio))), width=size[0], height=size[1])
    assert draw(studio, request)[0].shape[:2] == draw(studio, dataclasses.replace(request, controls=()))[0].shape[:2]


def test_a_light_t2i_adapter_is_found_in_the_original_layout() -> None:
    network = T2IAdapter(channels=[8, 16, 32], num_res_blocks=4, adapter_type="light_adapter")
    written = originals.adapter(network)
    for name, tensor in network.state_dict().items():
        place, _ = map_adapter(name, dict(network.config)).find(written) or ("", None)
        assert torch.equal(written[place], tensor), name


@pytest.mark.parametrize("family", PIPELINES)
def test_a_control_lora_draws_what_its_controlnet_draws(family: str, studio: Studio, folder: Path) -> None:
    network, (_, name, more) = tiny_controls.write_control_lora(folder, family), PIPELINES[family]
    wanted = draw_by_diffusers(name, family, {"image": picture()}, controlnet=network, **more)
    control = Control(model=f"{family} control lora", image=store(studio))
    if family == "sd1":  # it is loaded while a LoRA is merged into the checkpoint, which must not change it
        draw(studio, dataclasses.replace(ask(family, control), prompt="a cat <lora:one:1>"))
    assert np.abs(draw(studio, ask(family, control))[0] - wanted).max() <= 1


def test_every_layout_of_a_union_draws_what_diffusers_draws(studio: Studio, folder: Path) -> None:
    network, image = tiny_controls.write_union(folder, "xl"), store(studio)
    name = "StableDiffusionXLControlNetUnionPipeline"
    wanted = draw_by_diffusers(name, "xl", {"control_image": [picture()], "control_mode": [1]}, controlnet=network)
    for layout in ("folder", "plain"):
        control = Control(model=f"xl union {layout}", image=image, shows="depth")
        assert np.abs(draw(studio, ask("xl", control))[0] - wanted).max() <= 1, layout
    edges = Control(model="xl union folder", image=image, preprocessor="canny")
    assert (draw(studio, ask("xl", edges))[0] == draw(studio, ask("xl", dataclasses.replace(edges, shows="line_art")))[0]).all()


@pytest.mark.parametrize("change", [{}, {"shows": "shuffle"}, {"preprocessor": "tile"}])
def test_a_union_that_is_not_told_what_the_map_shows_is_a_sentence(
    change: dict[str, Any], studio: Studio, folder: Path
) -> None:  # fmt: skip
    tiny_controls.write_union(folder, "xl")
    with pytest.raises(RequestError, match=r"Control 1.*what the map shows: .*depth"):
        draw(studio, ask("xl", Control(model="xl union folder", image=store(studio), **change)))


def test_each_kind_is_listed_with_what_it_is_and_fits_its_family_alone(studio: Studio, folder: Path) -> None:
    for family in PIPELINES:
        tiny_controls.write_adapters(folder, family)
        tiny_controls.write_control_lora(folder, family)
    tiny_controls.write_union(folder, "xl")
    inventory = Catalogue(studio[1]).scan()
    found = {entry.name: entry for entry in inventory.of_kind("controlnet")}
    for name, entry in found.items():
        family = name.split()[0]
        if family in PIPELINES and " t2i " not in name:  # the tiny UNets have the same levels
            fitting = {each: fits(entry, inventory.find(each)) for each in PIPELINES}
            assert fitting == {each: each == family for each in PIPELINES}, name
        word = "T2I-Adapter" if " t2i " in name else "Control-LoRA" if "lora" in name else "union" if "union" in name else ""
        assert word in entry.identity.reason
    with pytest.raises(CheckpointError, match=r"Control-LoRA “xl control lora” is for.*These fit “sd1”"):
        draw(studio, ask("sd1", Control(model="xl control lora", image=store(studio))))


@pytest.mark.parametrize(("patch", "family"), [(8, "sd1"), (16, "xl")])
@pytest.mark.parametrize("layout", ["folder", "original"])
def test_a_published_t2i_adapter_is_for_one_family(
    patch: int, family: str, layout: str, tmp_path: Path
) -> None:  # fmt: skip
    stages = ("adapter.body.{}.resnets.0.block1.weight", "body.{}.block1.weight")[layout == "original"]
    widths = (320, 640, 1280, 1280)
    numbers = range(4) if layout == "folder" else range(0, 8, 2)
    prefix = "adapter." if layout == "folder" else ""
    tensors = {stages.format(number): torch.zeros(width, 1, 1, 1) for number, width in zip(numbers, widths, strict=True)}
    tensors[f"{prefix}conv_in.weight"] = torch.zeros(1, 3 * patch**2, 1, 1)
    path = tmp_path / "t2iadapter_sketch.safetensors"
    save_file(tensors, path)
    found = identify(path)
    assert (found.kind, found.family) == ("controlnet", family) and "scribbles" in found.reason
    levels = {"sd1": widths, "xl": widths[:3], "sd2": widths}
    contexts = {"sd1": 768, "xl": 2048, "sd2": 1024}
    for name in levels:
        unet = DenoiserShape(skips=(), levels=levels[name], latent_channels=4, context_width=contexts[name])
        assert found.control is not None and found.control.fits(unet) == (name == family)


def test_the_names_of_what_maps_show_are_those_of_the_purposes() -> None:
    assert tuple(PURPOSES) == SHOWN and UNION_TASKS.keys() <= PURPOSES.keys()
