"""A checkpoint that brings a LoRA for few steps: drafts are painted with it in the weights, everything else without."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image

from engine.events import Step
from engine.local import Local
from engine.records import metadata
from engine.requests import ImageToImage
from engine.settings import Settings
from tests.engine.checkpoints import tiny
from tests.engine.generate.conftest import Engine

FEW = {"lora": "few_steps.safetensors", "steps": 3, "guidance_scale": 1.0, "scheduler": "LCM"}
OWN = {"steps": 5, "guidance_scale": 3.0, "sketch_guidance_scale": 1.5, "scheduler": "DDIM"}
_jobs = itertools.count()


def told(folder: Path, **card: Any) -> None:
    (folder / "starter.json").write_text(json.dumps({"format": 1, "native_size": 32, "things": [], "backgrounds": [], **card}))


def lora(pipeline: Any) -> dict[str, torch.Tensor]:
    """On linear layers and on convolutions, as the training makes it; not as weak as it is at first."""
    targets = ["to_q", "to_out.0", "conv1", "proj_in"]
    pipeline.unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=targets, init_lora_weights=False))
    return {name: value.half() for name, value in get_peft_model_state_dict(pipeline.unet).items()}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Over three checkpoints: one that brings the LoRA, one without it, and one that it was put into by diffusers."""
    folder = tmp_path_factory.mktemp("few")
    settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs", precision="float32")
    torch.manual_seed(5)
    pipeline, names = tiny.pipeline("sd1"), ("both", "plain", "fused")
    for name in names:
        pipeline.save_pretrained(settings.models / name)
    told(settings.models / "both", defaults=OWN, few_steps=FEW)
    told(settings.models / "plain", defaults=OWN)
    StableDiffusionPipeline.save_lora_weights(settings.models / "both", lora(pipeline), weight_name=FEW["lora"])
    other = StableDiffusionPipeline.from_pretrained(settings.models / "plain", local_files_only=True, safety_checker=None)
    other.load_lora_weights(str(settings.models / "both"), weight_name=FEW["lora"])
    other.fuse_lora()
    other.unload_lora_weights()
    other.save_pretrained(settings.models / "fused")
    told(settings.models / "fused", defaults={name: FEW[name] for name in ("steps", "guidance_scale", "scheduler")})
    with Local(settings) as local:
        torch.set_num_threads(1)
        yield Engine(local, settings)


def painted(engine: Engine, checkpoint: str, **changes: Any) -> np.ndarray:
    sketch = engine.blobs.put(Image.new("RGB", (32, 32), "#3366cc"))
    usual: dict[str, Any] = {"prompt": "a cat", "checkpoint": checkpoint, "seed": 3, "init_image": sketch, "strength": 1.0}
    picture, _ = engine.run(ImageToImage(**{**usual, **changes}), f"job{next(_jobs)}")
    return np.asarray(picture, np.int16)


def test_a_draft_is_painted_by_the_weights_with_the_lora_in_them(engine: Engine) -> None:
    draft, fused = painted(engine, "both", draft=True), painted(engine, "fused")
    assert np.abs(draft - fused).max() <= 1
    assert np.abs(draft - painted(engine, "plain", steps=3, guidance_scale=1.0, scheduler="LCM")).max() > 10


def test_what_is_kept_is_painted_by_the_checkpoint_as_it_is(engine: Engine) -> None:
    painted(engine, "both", draft=True)
    assert np.array_equal(painted(engine, "both"), painted(engine, "plain"))


def test_a_draft_takes_the_settings_for_few_steps(engine: Engine) -> None:
    sketch = engine.blobs.put(Image.new("RGB", (32, 32), "#3366cc"))
    asked = ImageToImage(prompt="a cat", checkpoint="both", seed=3, init_image=sketch, strength=1.0, draft=True)
    _, events = engine.run(asked, "settings")
    assert [event.steps for event in events if isinstance(event, Step)] == [3, 3, 3]
    made_with = metadata.read(events[-1].results[-1].path).resolved.request  # type: ignore[attr-defined, union-attr]
    assert (made_with.guidance_scale, made_with.scheduler) == (1.0, "LCM")


def test_both_versions_stay_in_memory_and_are_told_apart(engine: Engine) -> None:
    for draft in (True, False):
        painted(engine, "both", draft=draft)
    cache = engine.local._state.cache
    before = len(cache.events)
    for draft in (True, False, True):
        painted(engine, "both", draft=draft)
    assert [event.kind for event in cache.events[before:]] == []
    entry = engine.local._state.catalogue.find("both")
    assert entry.for_drafts.hash != entry.hash and len(entry.for_drafts.hash) == 64
    assert engine.local._state.catalogue.find("plain").for_drafts.hash == engine.local._state.catalogue.find("plain").hash


def test_the_speed_few_steps_paints_with_the_lora_that_the_checkpoint_brings(engine: Engine) -> None:
    asked = painted(engine, "both", draft=True), painted(engine, "both", speed="few_steps", steps=20, guidance_scale=5.0)
    assert np.array_equal(*asked)
