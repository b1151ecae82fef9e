"""XL checkpoints whose noise schedule is not XL's: by the marker keys of a single file and by the schedulers of a folder, each
against diffusers' pipeline with its scheduler set by hand.

The keys and what they hold are those that ComfyUI reads and writes: github.com/comfyanonymous/ComfyUI,
``comfy/supported_models.py`` (``SDXL.model_type``) and ``comfy_extras/nodes_model_merging.py`` (``save_checkpoint``:
``v_pred`` and ``ztsnr`` are empty tensors).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.leftovers import count_tensors
from engine.errors import CheckpointError
from engine.events import Notice
from engine.generate.denoise import draw_noise
from engine.generate.samplers import SCHEDULERS, create, find
from engine.local import Local
from engine.records import metadata
from engine.requests import ExecutionPlan, TextToImage
from engine.stopping import Stop
from tests.engine.checkpoints import tiny

EMPTY = torch.tensor([])
MEAN, DEVIATION = [-1.6574, 1.886, -1.383, 2.5155], [8.4927, 5.9022, 6.5498, 5.2299]
"""playgroundai/playground-v2.5-1024px-aesthetic, vae/config.json."""


def zero_snr(config: Mapping[str, Any]) -> Any:
    changes = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    own = {name: value for name, value in config.items() if not name.startswith("_")}  # "_use_default_values" undoes changes
    return diffusers.EulerDiscreteScheduler.from_config({**own, **changes})


@dataclasses.dataclass(frozen=True)
class Case:
    """Marker keys, the scheduler set by hand, the sampler that is the default, and what is changed in the VAE's configuration."""

    keys: Mapping[str, torch.Tensor]
    schedule: str
    scheduler: Any
    sampler: str
    guidance_rescale: float = 0.0
    vae: Mapping[str, Any] = dataclasses.field(default_factory=dict)


CASES = {
    "NoobAI": Case({"v_pred": EMPTY, "ztsnr": EMPTY}, "zero_terminal_snr", zero_snr, "Euler", guidance_rescale=0.7),
    "Playground 2.5": Case(
        {"edm_mean": torch.tensor(MEAN).view(1, 4, 1, 1), "edm_std": torch.tensor(DEVIATION).view(1, 4, 1, 1)}, "edm",
        lambda config: diffusers.EDMDPMSolverMultistepScheduler(sigma_data=0.5), "DPM++ 2M",
        vae={"latents_mean": MEAN, "latents_std": DEVIATION, "scaling_factor": 0.5},
    ),
    "CosXL": Case(
        {"edm_vpred.sigma_max": torch.tensor(120.0), "edm_vpred.sigma_min": torch.tensor(0.002)}, "edm_v_prediction",
        lambda config: diffusers.EDMDPMSolverMultistepScheduler(
            sigma_max=120.0, sigma_data=1.0, prediction_type="v_prediction", sigma_schedule="exponential",
        ), "DPM++ 2M",
    ),
    "v-prediction alone": Case(
        {"v_pred": EMPTY}, "",
        lambda config: diffusers.DPMSolverMultistepScheduler.from_config(
            {**config, "prediction_type": "v_prediction", "use_karras_sigmas": True}
        ), "DPM++ 2M",
    ),
}  # fmt: skip
STEPS, SIDE = 3, 32


def referee(case: Case) -> Any:
    made = tiny.pipeline("xl")
    made.register_modules(scheduler=case.scheduler(made.scheduler.config))
    made.vae.register_to_config(**case.vae)
    return made


def draw_by_hand(case: Case, made: Any, guidance_scale: float) -> np.ndarray:
    noise, _ = draw_noise(7, (1, 4, SIDE // 2, SIDE // 2))
    with torch.inference_mode():
        return made(
            prompt="a cat", num_inference_steps=STEPS, guidance_scale=guidance_scale, latents=noise, height=SIDE, width=SIDE,
            guidance_rescale=case.guidance_rescale, output_type="np",
        ).images[0]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form"), [*((name, "single file") for name in CASES), ("NoobAI", "folder"), ("CosXL", "folder")]
)
def test_a_checkpoint_draws_as_diffusers_with_its_scheduler_set_by_hand(
    name: str, form: str, xl_engine: Local, tmp_path: Path
) -> None:
    case, path = CASES[name], tmp_path / "models" / ("x.safetensors" if form == "single file" else "x")
    if form == "folder":
        referee(case).save_pretrained(path)
    else:
        save_file({**tiny.in_original_layout("xl", tiny.pipeline("xl")), **case.keys}, path)
    entry = entry_for(path)
    assert entry.identity.noise_schedule == case.schedule
    (result,) = xl_engine.make(TextToImage(prompt="a cat", checkpoint="x", seed=7, width=SIDE, height=SIDE, steps=STEPS))
    record = metadata.read(result.path)
    assert record is not None
    request = record.resolved.request
    assert request.scheduler == case.sampler and request.guidance_scale is not None
    with Image.open(result.path) as image:
        drawn = np.asarray(image.convert("RGB"), dtype=float) / 255
    wanted = draw_by_hand(case, referee(case), request.guidance_scale)
    assert np.isfinite(wanted).all() and wanted.std() > 0.01
    assert np.abs(drawn - wanted).max() < 0.01


@pytest.mark.parametrize("name", ["NoobAI", "CosXL"])
def test_marker_keys_are_counted_as_tensors_are(name: str, xl_engine: Local, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({**tiny.in_original_layout("xl", tiny.pipeline("xl")), **CASES[name].keys, "edm_vpred.sigma_min": EMPTY}, path)
    entry = entry_for(path)
    loaded = load_checkpoint(entry, ExecutionPlan(channels_last=False))
    left = count_tensors(loaded.originals.values(), entry.identity.markers).left.get("", ())
    assert set(CASES[name].keys) <= set(entry.identity.markers)
    assert left == (() if name == "CosXL" else ("edm_vpred.sigma_min",))
    assert bool(loaded.notices) == bool(left)


def test_a_sampler_that_does_not_fit_continuous_noise_levels_is_replaced_and_said(xl_engine: Local, tmp_path: Path) -> None:
    referee(CASES["Playground 2.5"]).save_pretrained(tmp_path / "models" / "x")
    asked = TextToImage(prompt="a cat", checkpoint="x", seed=7, width=SIDE, height=SIDE, steps=2, scheduler="Heun")
    events = list(xl_engine.run("job", asked, Stop()))
    said = [event.text for event in events if isinstance(event, Notice)]
    assert any("The sampler is DPM++ 2M Karras instead of Heun" in text for text in said)
    tiny.pipeline("xl_refiner").save_pretrained(tmp_path / "models" / "refiner")
    with pytest.raises(CheckpointError, match="other noise levels"):
        xl_engine.make(dataclasses.replace(asked, refiner="refiner"))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_has_the_rescaled_noise_levels(name: str) -> None:
    """The last training step is noise alone, whether the scheduler can rescale its betas or not."""
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    config = {**betas, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    scheduler: Any = create(find(name), config)
    reference: Any = diffusers.EulerDiscreteScheduler.from_config(config)
    wanted = reference.alphas_cumprod.double()
    assert torch.allclose(scheduler.alphas_cumprod.double()[:-1], wanted[:-1], rtol=1e-3, atol=1e-6)
    assert scheduler.alphas_cumprod[-1] < 1e-6
