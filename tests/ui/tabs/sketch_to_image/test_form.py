"""What Live asks for: few steps, by the checkpoint's own version for them where it brings one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from engine.errors import RequestError
from engine.requests import Control
from engine.settings import Settings
from tests.engine.checkpoints import tiny
from ui.common.checkpoint_options import Checkpoint, CheckpointOptions
from ui.tabs.sketch_to_image import form

HANDED = form.Drawing(sketch="0" * 64, width=32, height=32)
WRITTEN = {**form.BLANK, "prompt": "a cat"}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    """A checkpoint that brings a LoRA for three steps, one that only says so, and one that says nothing."""
    models = tmp_path_factory.mktemp("models")
    few = {"lora": "few.safetensors", "steps": 3, "guidance_scale": 1.0, "scheduler": "LCM"}
    card = {"defaults": {"steps": 20, "guidance_scale": 3.0, "sketch_guidance_scale": 1.5, "scheduler": "DDIM"}, "few_steps": few}
    for name, told in (("both", card), ("lost", card), ("plain", {"defaults": card["defaults"]})):
        tiny.pipeline("sd1").save_pretrained(models / name)
        Path(models / name / "starter.json").write_text(json.dumps(told))
    (models / "both" / "few.safetensors").touch()
    return CheckpointOptions(Settings(models=models)).checkpoints


@pytest.mark.parametrize(
    ("name", "made_with"),
    [("both", (3, 1.0, "LCM")), ("lost", (8, 1.5, "DDIM")), ("plain", (8, 1.5, "DDIM"))],
)
def test_live_takes_what_is_enough(name: str, made_with: tuple[int, float, str], known: dict[str, Checkpoint]) -> None:
    asked = form.create_live_request(WRITTEN, known[name], HANDED)
    assert asked.draft and (asked.steps, asked.guidance_scale, asked.scheduler) == made_with
    assert form.count_live_steps(known[name]) == made_with[0]


def test_somebody_may_say_otherwise(known: dict[str, Checkpoint]) -> None:
    assert form.create_live_request({**WRITTEN, "live_steps": "7"}, known["both"], HANDED).steps == 7


def test_kept_lines_are_a_control_with_or_without_the_colours(known: dict[str, Checkpoint]) -> None:
    checkpoint = dataclasses.replace(known["plain"], line_controls=("scribble", "canny"))
    drawing = dataclasses.replace(HANDED, lines="1" * 64)
    both = form.create_request({**WRITTEN, "keep_lines": True, "lines_weight": 0.8}, checkpoint, drawing)
    alone = form.create_request(
        {**WRITTEN, "keep_lines": True, "keep_colours": False, "lines_model": "canny"}, checkpoint, drawing
    )
    assert both.controls == (Control(model="scribble", image="1" * 64, preprocessor="lines", weight=0.8),)
    assert (both.strength, alone.strength, alone.controls[0].model) == (0.6, 1.0, "canny")
    assert form.create_request(WRITTEN, checkpoint, drawing).controls == ()
    filled = form.fill_form(alone, checkpoint)
    assert form.create_request(filled, checkpoint, drawing).controls == alone.controls and not filled["keep_colours"]
    assert json.loads(form.describe_drawing(alone))["lines"] == "1" * 64
    with pytest.raises(RequestError, match="Nothing in your folders reads lines"):
        form.create_request({**WRITTEN, "keep_lines": True}, known["plain"], drawing)
