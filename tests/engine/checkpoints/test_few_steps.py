"""Few steps begin where training ended: distilled checkpoints and LoRAs are told, and their steps are spaced from the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from engine.checkpoints.adapters.additions import NOTHING, Additions
from engine.checkpoints.adapters.merge import Lora
from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.library import overrides
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.library.overrides import Override
from engine.generate.prepare import complete_request
from engine.generate.samplers import create
from engine.requests import ExecutionPlan, TextToImage
from tests.engine.checkpoints import additions

FULL = ExecutionPlan(channels_last=False)


def first_step(entry: CheckpointEntry, added: Additions = NOTHING, **asked: str) -> tuple[float, float]:
    """Timestep and noise level of the first of four steps of Euler, unless another sampler is asked for."""
    request = TextToImage(scheduler="Euler", steps=4)
    request, _ = complete_request(dataclasses.replace(request, **asked), entry, lambda native, _: (native, native), added)
    with CheckpointCache(2**30).lease(entry, FULL, additions=added) as loaded:
        scheduler = create(request.scheduler, loaded.scheduler_config, request.schedule)
    scheduler.set_timesteps(4)
    return float(scheduler.timesteps[0]), float(scheduler.init_noise_sigma)


# File names on the hub: ByteDance/SDXL-Lightning and Hyper-SD, latent-consistency/lcm-lora-sdxl, tianweiy/DMD2,
# wangfuyun/PCM_Weights, and stabilityai's Turbo as a LoRA.
FEW = (
    "sdxl_lightning_4step_lora", "Hyper-SDXL-4steps-lora", "lcm-lora-sdxl", "dmd2_sdxl_4step_lora", "pcm_sdxl_smallcfg_4step",
    "sd_xl_turbo_lora_v1", "someStyleLightning", "TCD-SDXL-LoRA",
)  # fmt: skip
OTHERS = ("hyperrealism", "film_noir", "turbocharger", "Hyperion cantos", "lightnings")


@pytest.mark.parametrize("name", [*FEW, *OTHERS])
def test_a_lora_for_few_steps_is_told_by_the_words_of_its_titles(name: str, tmp_path: Path) -> None:
    save_file(additions.kohya(1), tmp_path / f"{name}.safetensors", {"ss_base_model_version": "sdxl_base_v1-0"})
    save_file(additions.kohya(1), tmp_path / "x.safetensors", {"ss_output_name": name})
    assert {entry_for(path).identity.few_steps is not None for path in tmp_path.iterdir()} == {name in FEW}


def test_steps_with_a_lora_for_few_steps_begin_at_the_most_noise(checkpoint: Callable[[str, str], Path], tmp_path: Path) -> None:
    """A LoRA by itself only says what it is; its matrices do not matter here."""
    entry = entry_for(checkpoint("sd1", "folder"))
    loras = {}
    for name in ("sdxl_lightning_4step_lora", "film_noir"):
        save_file(additions.kohya(1), tmp_path / f"{name}.safetensors")
        lora = Lora(entry=entry_for(tmp_path / f"{name}.safetensors"), text_strength=1.0, unet_strength=1.0)
        loras[name] = first_step(entry, Additions(loras=(lora,)))
        old = first_step(entry, Additions(loras=(lora,)), schedule="Default")
        assert old == (751.0, pytest.approx(4.24, abs=0.01)), "as records of earlier versions say"
    assert loras["sdxl_lightning_4step_lora"] == (999.0, pytest.approx(14.65, abs=0.1))
    assert loras["film_noir"] == first_step(entry) == (751.0, pytest.approx(4.24, abs=0.01))


def test_a_folder_that_the_user_calls_few_steps_begins_at_the_most_noise(checkpoint: Callable[[str, str], Path]) -> None:
    entry = entry_for(checkpoint("xl", "folder"))
    chosen = dataclasses.replace(entry, identity=overrides.apply(entry.identity, Override(family="xl_turbo")))
    assert first_step(chosen)[0] == 999.0 and first_step(entry)[0] == 751.0
