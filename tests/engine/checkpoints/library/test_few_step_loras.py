"""LoRAs for few steps: how each method is used, and which of the files fits a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.library.few_step_loras import find_few_step_lora, find_method
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.settings import Settings
from tests.engine.checkpoints import additions, tiny

BASES = {"sd1": "sd_v1", "xl": "sdxl_base_v1-0"}

# Names as they are published: by ByteDance, tianweiy, latent-consistency, h1t and stabilityai.
METHODS = {
    "Hyper-SD15-4steps-lora": (4, 1.0, "DDIM", "SGM Uniform"),
    "Hyper-SDXL-8steps-lora": (8, 1.0, "DDIM", "SGM Uniform"),
    "Hyper-SD15-12steps-CFG-lora": (12, 5.0, "DDIM", "SGM Uniform"),
    "Hyper-SDXL-1step-lora": (1, 1.0, "TCD", "Default"),
    "sdxl_lightning_4step_lora": (4, 1.0, "Euler", "SGM Uniform"),
    "sdxl_lightning_2step_lora": (2, 1.0, "Euler", "SGM Uniform"),
    "dmd2_sdxl_4step_lora": (4, 1.0, "LCM", "Default"),
    "lcm-lora-sdv1-5": (4, 1.0, "LCM", "Default"),
    "TCD-SDXL-LoRA": (4, 1.0, "TCD", "Default"),
    "sd_xl_turbo_lora_v1": (4, 1.0, "Euler a", "SGM Uniform"),
}


def write(folder: Path, name: str, base: str = "sd1", seed: int = 1) -> Path:
    path = folder / f"{name}.safetensors"
    folder.mkdir(exist_ok=True, parents=True)
    save_file(additions.kohya(seed), path, {"ss_base_model_version": BASES[base]})
    return path


@pytest.mark.parametrize("name", METHODS)
def test_a_lora_is_used_as_its_card_says(name: str, tmp_path: Path) -> None:
    method = find_method(entry_for(write(tmp_path, name)))
    assert method is not None
    assert (method.steps, method.guidance_scale, method.scheduler, method.schedule) == METHODS[name]
    assert method.scheduler in SCHEDULERS and method.schedule in SCHEDULES


def test_other_loras_are_for_no_few_steps(tmp_path: Path) -> None:
    assert find_method(entry_for(write(tmp_path, "film_noir_20steps"))) is None


def find_best(tmp_path: Path, *names: str, others: tuple[str, ...] = ()) -> str | None:
    entries = [entry_for(write(tmp_path, name, seed=seed)) for seed, name in enumerate(names)]
    entries += [entry_for(write(tmp_path, name, "xl")) for name in others]
    inventory = Inventory(settings=Settings(models=tmp_path), entries=tuple(entries), refused={})
    tiny.pipeline("sd1").save_pretrained(tmp_path / "sd1")
    found = find_few_step_lora(entry_for(tmp_path / "sd1"), inventory)
    return found.name if found else None


def test_the_lora_that_fits_best_is_found_without_guidance_and_for_about_four_steps(tmp_path: Path) -> None:
    names = ("lcm-lora", "Hyper-SD15-8steps-lora", "Hyper-SD15-4steps-lora", "Hyper-SD15-8steps-CFG-lora", "film noir")
    assert find_best(tmp_path / "a", *names, others=("sdxl_lightning_4step_lora",)) == "Hyper-SD15-4steps-lora"
    assert find_best(tmp_path / "b", "Hyper-SD15-8steps-CFG-lora", "Hyper-SD15-8steps-lora") == "Hyper-SD15-8steps-lora"
    assert find_best(tmp_path / "c", "film noir", others=("sdxl_lightning_4step_lora",)) is None
