"""PAG, APG and CFG rescale: as diffusers' own pipelines and guiders compute them, and on the whole road of a request."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.guiders import AdaptiveProjectedGuidance, ClassifierFreeZeroStarGuidance
from PIL import Image

from engine.errors import RequestError
from engine.events import Notice
from engine.generate.denoise import draw_noise
from engine.generate.estimate import course_of
from engine.generate.guidance import GUIDANCES, Guidance
from engine.records import metadata
from engine.records.recall import recall
from engine.requests import GUIDANCES as NAMES
from engine.requests import ResolvedGeneration, TextToImage
from tests.engine.generate.conftest import Engine

UNETS = tuple(name for name in NAMES if not (GUIDANCES[name].zero_star or GUIDANCES[name].skips_layers))
"""The kinds for UNets."""

SIDE, STEPS = 32, 3
ASKED = TextToImage(
    prompt="a cat", negative_prompt="a dog", checkpoint="sd1", width=SIDE, height=SIDE, steps=STEPS, seed=7,
    scheduler="DDIM", precision="float32", guidance_scale=6.0,
)  # fmt: skip


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float) / 255


def draw_by_diffusers(models: Path, name: str, **options: Any) -> np.ndarray:
    """What a pipeline of diffusers draws of :data:`ASKED`."""
    made = getattr(diffusers, name).from_pretrained(models / "sd1", local_files_only=True, safety_checker=None)
    config = {**made.scheduler.config, "clip_sample": False, "steps_offset": 1}
    made.scheduler = diffusers.DDIMScheduler.from_config(config)
    made.set_progress_bar_config(disable=True)
    noise, _ = draw_noise(7, (1, 4, SIDE // made.vae_scale_factor, SIDE // made.vae_scale_factor))
    with torch.inference_mode():
        return made(
            prompt="a cat", negative_prompt="a dog", num_inference_steps=STEPS, guidance_scale=6.0, latents=noise, height=SIDE,
            width=SIDE, output_type="np", **options,
        ).images[0]  # fmt: skip


@pytest.mark.parametrize(
    ("pipeline", "options", "changes"),
    [
        ("StableDiffusionPipeline", {"guidance_rescale": 0.7}, {"guidance_rescale": 0.7}),
        ("StableDiffusionPAGPipeline", {"pag_scale": 3.0}, {"guidance": "pag"}),
        ("StableDiffusionPAGPipeline", {"pag_scale": 3.0, "guidance_rescale": 0.5}, {"guidance": "pag", "guidance_rescale": 0.5}),
    ],
)
def test_an_image_is_that_of_diffusers_pipeline(
    pipeline: str, options: dict[str, Any], changes: dict[str, Any], engine: Engine, tiny_models: Path
) -> None:
    (result,) = engine.local.make(dataclasses.replace(ASKED, **changes))
    wanted = draw_by_diffusers(tiny_models, pipeline, **options)
    assert np.abs(read(result.path) - wanted).max() < 0.004
    (usual,) = engine.local.make(ASKED)
    assert np.abs(read(usual.path) - wanted).max() > 0.004, "the setting changes the image"


def test_apg_is_that_of_diffusers_guider() -> None:
    ours = Guidance(GUIDANCES["apg"])
    theirs = AdaptiveProjectedGuidance(
        guidance_scale=6.0, adaptive_projected_guidance_momentum=-0.5, adaptive_projected_guidance_rescale=15.0, eta=0.0
    )
    torch.manual_seed(0)
    for step in range(4):
        theirs.set_state(step=step, num_inference_steps=4, timestep=torch.tensor(1))
        theirs.prepare_inputs({"latents": (torch.zeros(1), torch.zeros(1))})
        prompt, negative = torch.randn(2, 4, 8, 8) * 9, torch.randn(2, 4, 8, 8)
        wanted = theirs.forward(pred_cond=prompt, pred_uncond=negative).pred
        assert torch.allclose(ours.guide(step, torch.zeros(1), prompt, negative, 6.0), wanted)


def test_cfg_zero_star_is_that_of_diffusers_guider() -> None:
    ours, theirs = Guidance(GUIDANCES["cfg_zero"]), ClassifierFreeZeroStarGuidance(guidance_scale=4.5)
    torch.manual_seed(0)
    for step in range(3):
        theirs.set_state(step=step, num_inference_steps=3, timestep=torch.tensor(1))
        prompt, negative = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
        wanted = theirs.forward(pred_cond=prompt, pred_uncond=negative).pred
        assert torch.allclose(ours.guide(step, torch.zeros(1), prompt, negative, 4.5), wanted)


def test_a_kind_that_a_checkpoint_cannot_run_is_replaced_and_said(engine: Engine) -> None:
    _, events = engine.run(dataclasses.replace(ASKED, guidance="cfg_zero"), "zero")
    assert any("so the usual guidance runs" in event.text for event in events if isinstance(event, Notice))


@pytest.mark.parametrize("name", UNETS)
def test_every_kind_is_resolved_recorded_and_recalled(name: str, engine: Engine) -> None:
    (result,) = engine.local.make(dataclasses.replace(ASKED, guidance=name, guidance_rescale=0.3))
    record = metadata.read(result.path)
    assert record is not None
    request = record.resolved.request
    assert isinstance(request, ResolvedGeneration)
    assert (request.guidance, request.guidance_rescale) == (name, 0.3)
    recalled = recall(result.path, ("DDIM",), ("sd1",))
    assert recalled is not None and isinstance(recalled.request, TextToImage)
    assert recalled.request.guidance == name and not recalled.notes
    (again,) = engine.local.make(recalled.request)
    assert np.array_equal(read(again.path), read(result.path))
    assert course_of(request).work == pytest.approx(STEPS * (1.5 if name == "pag" else 1.0))


def test_a_composed_prompt_and_no_guidance_go_with_every_kind(engine: Engine) -> None:
    for name in UNETS:
        for changes in ({"prompt": "a cat AND a boat:0.5"}, {"guidance_scale": 1.0}):
            (result,) = engine.local.make(dataclasses.replace(ASKED, guidance=name, **changes))
            assert np.isfinite(read(result.path)).all()


@pytest.mark.parametrize("name", UNETS)
def test_skipped_steps_go_with_every_kind(engine: Engine, name: str) -> None:
    exact, skipping = (
        read(engine.local.make(dataclasses.replace(ASKED, guidance=name, steps=12, speed=speed))[0].path)
        for speed in ("exact", "balanced")
    )
    assert 0 < np.abs(exact - skipping).mean() < 0.05


def test_an_unknown_kind_is_refused_in_a_sentence(engine: Engine) -> None:
    with pytest.raises(RequestError, match="Guidance can be cfg, pag, apg, cfg_zero"):
        engine.local.make(dataclasses.replace(ASKED, guidance="sag"))
