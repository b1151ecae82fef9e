"""Settings out of an image's file, as a request that can be made here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.records import outputs
from engine.records.recall import EARLIER_SPEED, recall
from engine.requests import ExecutionPlan, Resolved, TextToImage

DRAWN = {"prompt_template": "", "negative_template": ""}
"""A record's prompts are not drawn again."""

HERE: dict[str, Any] = {"samplers": ("Euler a", "DPM++ 2M"), "checkpoints": ("starter", "dreamy_v8")}


def test_easels_own_settings_come_back_equal(tmp_path: Path) -> None:
    request = TextToImage(prompt="a cat", seed=3, steps=9, scheduler="Euler a", checkpoint="starter", width=64, height=64)
    resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
    path = outputs.save(Image.new("RGB", (64, 64)), resolved, outputs=tmp_path, job="job", index=0)
    found = recall(path, **HERE)
    assert (
        found and found.request == dataclasses.replace(request, **DRAWN) and not found.notes and found.program.startswith("Easel")
    )


@pytest.mark.parametrize(
    ("speed", "steps", "extrapolates", "differs"),
    [
        ("balanced", 20, False, True), ("draft", 20, False, True), ("draft", 20, True, False), ("draft", 9, False, False),
        ("exact", 20, False, False), ("few_steps", 4, False, False), ("gone", 20, False, False),
    ],
)  # fmt: skip
def test_a_speed_that_leaves_out_other_work_now_is_said(
    speed: str, steps: int, extrapolates: bool, differs: bool, tmp_path: Path
) -> None:
    request = TextToImage(prompt="a cat", seed=3, steps=steps, checkpoint="starter", width=64, height=64, speed=speed)
    resolved = Resolved(request=request, plan=ExecutionPlan(extrapolates=extrapolates), threads=1)
    path = outputs.save(Image.new("RGB", (64, 64)), resolved, outputs=tmp_path, job="job", index=0)
    found = recall(path, **HERE)
    assert found and found.request == dataclasses.replace(request, **DRAWN)
    assert found.notes == ((EARLIER_SPEED.format(speed=speed.capitalize()),) if differs else ())


def test_a_lora_of_easels_own_that_is_gone_is_said(tmp_path: Path) -> None:
    request = TextToImage(prompt=" a cat <lora:ink:0.5:0.8>", checkpoint="starter", seed=1, width=64, height=64)
    resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
    path = outputs.save(Image.new("RGB", (64, 64)), resolved, outputs=tmp_path, job="job", index=0)
    found = recall(path, **HERE, loras=("styles/Ink",))
    assert found and found.request.prompt == " a cat <lora:styles/Ink:0.5:0.8>" and not found.notes
    gone = recall(path, **HERE, loras=())
    assert (
        gone and gone.request == dataclasses.replace(request, **DRAWN) and "“ink” is not in your models folder" in gone.notes[0]
    )


def test_what_is_not_here_is_said_with_the_nearest(tmp_path: Path) -> None:
    request = TextToImage(prompt="a cat", scheduler="DPM++ 3M", checkpoint="dreamy_v7", seed=1, width=64, height=64)
    resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
    path = outputs.save(Image.new("RGB", (64, 64)), resolved, outputs=tmp_path, job="job", index=0)
    found = recall(path.read_bytes(), **HERE)
    assert found and (found.request.scheduler, vars(found.request)["checkpoint"]) == ("DPM++ 2M", "dreamy_v8")
    assert any("dreamy_v7" in note for note in found.notes) and any("sampler" in note for note in found.notes)


def test_another_programs_settings_and_none(tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "a dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64, Model: starter")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=texts)
    found = recall(tmp_path / "a.png", **HERE)
    assert found and (found.request.prompt, found.request.seed, vars(found.request)["checkpoint"]) == ("a dog", 5, "starter")
    Image.new("RGB", (64, 64)).save(tmp_path / "b.png")
    assert recall(tmp_path / "b.png", **HERE) is None


@pytest.mark.parametrize(
    ("written", "found"), [("0123456789", "dreamy_v8"), ("0123456789ABCDEF", "dreamy_v8"), ("0123", "starter"), ("", "starter")]
)
def test_a_checkpoint_is_found_by_its_hash_whatever_it_is_called_here(written: str, found: str, tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("parameters", f"a dog\nSteps: 20, Seed: 5, Size: 64x64, Model hash: {written}, Model: starter")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=texts)
    recalled = recall(tmp_path / "a.png", **HERE, hashes={"f" * 64: "starter", "0123456789abcdef" * 4: "dreamy_v8"})
    assert recalled and isinstance(recalled.request, TextToImage) and recalled.request.checkpoint == found


# "Template" lines: adieyal/sd-dynamic-prompts, sd_dynamic_prompts/pnginfo_saving.py; "Wildcard prompt" among the settings:
# AUTOMATIC1111/stable-diffusion-webui-wildcards, scripts/wildcards.py.
@pytest.mark.parametrize(
    "written",
    [
        "\nTemplate: a {cat|dog}, x: y\nNegative Template: __fog__",
        ', Wildcard prompt: "a {cat|dog}, x: y", Wildcard negative prompt: __fog__',
        ', Template: "a {cat|dog}, x: y", Negative Template: __fog__, Version: Easel 1',
    ],
)
def test_the_templates_of_another_programs_prompts_come_along(written: str, tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("parameters", f"a dog\nNegative prompt: mist\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 64x64{written}")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=texts)
    found = recall(tmp_path / "a.png", **HERE)
    assert found and (found.request.prompt, found.request.negative_prompt) == ("a dog", "mist")
    assert (found.request.prompt_template, found.request.negative_template) == ("a {cat|dog}, x: y", "__fog__")
    assert not any("emplate" in note or "ildcard" in note for note in found.notes)
