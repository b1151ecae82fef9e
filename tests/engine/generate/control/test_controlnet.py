"""ControlNet from a request to an image: every layout draws what diffusers' own pipeline draws; spans and modes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from PIL import Image

from engine.errors import CheckpointError, RequestError
from engine.generate.control.residuals import ControlInputs
from engine.generate.control.running import Controls, RunningControl
from engine.local import Local
from engine.records import metadata
from engine.requests import Control, GenerationRequest, ImageToImage
from tests.engine.checkpoints import controls as tiny_controls
from tests.engine.checkpoints import tiny
from tests.engine.generate.control.drawing import SIDE, STEPS, Studio, ask, draw, picture, store

Networks = Mapping[str, Mapping[str, ControlNetModel]]

PIPELINES = {
    "sd1": "StableDiffusionControlNetPipeline", "sd2_base": "StableDiffusionControlNetPipeline",
    "xl": "StableDiffusionXLControlNetPipeline",
}  # fmt: skip
LAYOUTS = ("folder", "plain", "original", "pth")


@pytest.fixture(scope="module")
def networks(studio: Studio) -> Networks:
    """The tiny networks of each family, which lie in the studio's models folder."""
    return {family: tiny_controls.write_controls(studio[1].models / "controlnet", family) for family in PIPELINES}


def draw_by_diffusers(
    family: str, networks: Sequence[ControlNetModel], images: Sequence[Image.Image], **options: Any
) -> np.ndarray:
    own = tiny.pipeline(family)
    parts = {
        **own.components,
        "controlnet": list(networks),
        "scheduler": diffusers.DDIMScheduler.from_config(own.scheduler.config),
    }
    made = getattr(diffusers, PIPELINES[family])(**parts, **({} if family == "xl" else {"requires_safety_checker": False}))
    made.set_progress_bar_config(disable=True)
    found = made(
        prompt="a cat", negative_prompt="a dog", image=list(images), num_inference_steps=STEPS, guidance_scale=4.0, width=SIDE,
        height=SIDE, generator=torch.Generator("cpu").manual_seed(3), **options,
    )  # fmt: skip
    return np.asarray(found.images[0], dtype=np.int16)


@pytest.mark.parametrize("family", PIPELINES)
def test_every_layout_draws_what_diffusers_own_pipeline_draws(family: str, studio: Studio, networks: Networks) -> None:
    image = store(studio)
    wanted = draw_by_diffusers(family, [networks[family]["first"]], [picture()])
    plain, _ = draw(studio, ask(family))
    for layout in LAYOUTS:
        made, _ = draw(studio, ask(family, Control(model=f"{family} {layout}", image=image)))
        assert np.abs(made - wanted).max() <= 1, layout
        assert np.abs(made - plain).max() > 1


def test_two_controls_with_spans_and_weights_draw_what_diffusers_draws(studio: Studio, networks: Networks) -> None:
    first = Control(model="sd1 folder", image=store(studio), weight=0.7, end=0.67)
    second = Control(model="sd1 second", image=store(studio, 1), weight=1.3, start=0.3)
    wanted = draw_by_diffusers(
        "sd1", [networks["sd1"]["first"], networks["sd1"]["second"]], [picture(), picture(1)],
        controlnet_conditioning_scale=[0.7, 1.3], control_guidance_start=[0.0, 0.3], control_guidance_end=[0.67, 1.0],
    )  # fmt: skip
    assert np.abs(draw(studio, ask("sd1", first, second))[0] - wanted).max() <= 1


@pytest.mark.parametrize(("change", "word"), [({"weight": 0.0}, "weight 0"), ({"start": 0.6, "end": 0.6}, "0.6")])
def test_a_control_without_weight_or_steps_is_not_run_and_that_is_said(
    change: dict[str, float], word: str, studio: Studio, networks: Networks
) -> None:
    control = Control(model="sd1 folder", image=store(studio))
    made, notices = draw(studio, ask("sd1", dataclasses.replace(control, **change)))
    assert (made == draw(studio, ask("sd1"))[0]).all()
    assert [text for text in notices if "Control 1" in text and word in text and "not run" in text]


@pytest.mark.parametrize("mode", ["balanced", "prompt", "control"])
def test_each_mode_weighs_the_layers_as_the_extension_does(mode: str, networks: Networks) -> None:
    network = networks["sd1"]["first"]
    running = RunningControl(control=Control(model="x", mode=mode, weight=0.8), network=network, image=torch.rand(1, 3, 16, 16))
    torch.manual_seed(1)
    inputs = ControlInputs(
        sample=torch.randn(4, 4, 8, 8), timestep=torch.tensor(500), encoder_hidden_states=torch.randn(4, 77, tiny.WIDTH),
        added_cond_kwargs=None, negatives=2,
    )  # fmt: skip
    with torch.inference_mode():
        down, middle = network(
            inputs.sample, 500, inputs.encoder_hidden_states, running.image.expand(4, -1, -1, -1), return_dict=False
        )
        found = running.predict(inputs)
    for index, (layer, made) in enumerate(zip((*down, middle), (*found.down, found.middle), strict=True)):
        wanted = layer * 0.8 * (1.0 if mode == "balanced" else 0.825 ** (12 - index))
        if mode == "control":
            wanted[:2] = 0
        torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-5)


def test_the_passes_of_a_step_share_what_the_controls_add(networks: Networks) -> None:
    network = networks["sd1"]["first"]
    running = RunningControl(control=Control(model="x"), network=network, image=torch.rand(1, 3, 16, 16))
    controls = Controls((running,), 4)
    inputs = ControlInputs(
        sample=torch.randn(1, 4, 8, 8), timestep=torch.tensor(500), encoder_hidden_states=torch.randn(1, 77, tiny.WIDTH),
        added_cond_kwargs=None, negatives=0,
    )  # fmt: skip
    with torch.inference_mode():
        first, again, next_step = (controls.find_residuals(step, inputs) for step in (0, 0, 1))
    assert first is again is not next_step is not None


@pytest.mark.parametrize("more", [{"speed": "balanced"}, {"guidance": "pag"}, {"count": 2}])
def test_controls_run_with_skipped_steps_perturbed_attention_and_batches(
    more: dict[str, Any], studio: Studio, networks: Networks
) -> None:
    control = Control(model="sd1 folder", image=store(studio))
    with_control, without = draw(studio, ask("sd1", control, **more))[0], draw(studio, ask("sd1", **more))[0]
    assert np.abs(with_control - without).max() > 1


def test_the_input_image_is_the_map_of_a_control_without_a_picture(studio: Studio, networks: Networks) -> None:
    words = vars(ask("sd1"))
    image = store(studio)
    asked = ImageToImage(**words, init_image=image, strength=0.7)
    own, named = (dataclasses.replace(asked, controls=(Control(model="sd1 folder", image=each),)) for each in ("", image))
    assert (draw(studio, own)[0] == draw(studio, named)[0]).all()
    with pytest.raises(Exception, match="Control 1 has no picture"):
        draw(studio, ask("sd1", Control(model="sd1 folder")))


def test_the_same_request_gives_the_same_picture_whatever_ran_between(studio: Studio, networks: Networks) -> None:
    one = ask("sd1", Control(model="sd1 folder", image=store(studio)))
    two = ask("sd1", Control(model="sd1 second", image=store(studio, 1), mode="control", weight=0.5))
    a1, b1, a2, b2 = (draw(studio, each)[0] for each in (one, two, one, two))
    with Local(studio[1]) as fresh:
        b3 = draw((fresh, studio[1]), two)[0]
    assert (a1 == a2).all() and (b1 == b2).all() and (b1 == b3).all() and (a1 != b1).any()


def test_the_record_holds_the_controls_and_the_networks(studio: Studio, networks: Networks) -> None:
    control = Control(model="xl original", image=store(studio), weight=0.6, mode="prompt")
    result = studio[0].make(ask("xl", control))[0]
    record = metadata.read(result.path)
    assert record is not None and isinstance(record.resolved.request, GenerationRequest)
    assert record.resolved.request.controls == (control,)
    assert "controlnet xl original" in record.resolved.environment


def test_a_network_of_another_family_is_refused_with_the_names_of_those_that_fit(studio: Studio, networks: Networks) -> None:
    with pytest.raises(CheckpointError, match=r"“xl folder”.*These fit “sd1”: .*“sd1 "):
        draw(studio, ask("sd1", Control(model="xl folder", image=store(studio))))
    with pytest.raises(CheckpointError, match=r"no ControlNet called “nothing”.*These fit"):
        draw(studio, ask("sd1", Control(model="nothing", image=store(studio))))


def test_a_fifth_control_and_impossible_values_are_refused() -> None:
    control = Control(model="x", image="y")
    from engine.requests import check

    with pytest.raises(RequestError, match="up to 4"):
        check(ask("sd1", *[control] * 5))
    for change in (
        {"weight": 9.0},
        {"weight": float("nan")},
        {"start": -1.0},
        {"mode": "x"},
        {"preprocessor": "x"},
        {"model": ""},
    ):
        with pytest.raises(RequestError, match="Control 1"):
            check(ask("sd1", dataclasses.replace(control, **change)))


def test_both_passes_of_a_large_picture_are_controlled(studio: Studio, networks: Networks) -> None:
    plain = ask("sd1", hires=True, first_width=SIDE, first_height=SIDE, hires_upscaler="latent", hires_strength=0.7)
    large = dataclasses.replace(plain, width=2 * SIDE, height=2 * SIDE)
    controlled = dataclasses.replace(large, controls=(Control(model="sd1 folder", image=store(studio)),))
    assert draw(studio, controlled)[0].shape == (2 * SIDE, 2 * SIDE, 3)
    assert (draw(studio, controlled)[0] != draw(studio, large)[0]).any()
