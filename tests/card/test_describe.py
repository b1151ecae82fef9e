"""Captioners on the card: they run there beside a checkpoint, and leave nothing there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.events import Described
from engine.records.blobs import Blobs
from engine.requests import DescribeImage, TextToImage
from engine.stopping import Stop
from tests.card.exercise import start_engine
from tests.card.stand_in import Card, read_counts
from tests.engine.tiny_captioners import create_blip, create_florence

WRITERS = {"blip": create_blip, "florence": create_florence}
ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=64, height=64, steps=1, seed=1)


def describe(models: Path, captioners: Path, name: str) -> tuple[str, int, int]:
    """The device of a description between two pictures, how much the copies to the card came to, and what torch held of it after
    freeing all."""
    with start_engine(models, extra_models=(captioners,)) as (local, settings):
        local.make(ASKED)
        image = Blobs(settings.data / "blobs").put(Image.radial_gradient("L").convert("RGB"))
        before = read_counts()["bytes_to_card"]
        events = list(local.run("described", DescribeImage(image=image, captioner=name), Stop()))
        copied = read_counts()["bytes_to_card"] - before
        (described,) = (event for event in events if isinstance(event, Described))
        local.make(dataclasses.replace(ASKED, seed=2))
        local.free_memory()
        return described.resolved.plan.device, copied, torch.cuda.memory_reserved()


@pytest.mark.parametrize("name", WRITERS)
def test_a_captioner_runs_on_the_card_beside_a_checkpoint(card: Card, card_models: Path, tmp_path: Path, name: str) -> None:
    weights = WRITERS[name](tmp_path / name)
    device, copied, held = card.run(describe, card_models, tmp_path, name)
    assert device == "cuda" and held == 0
    assert copied > 0.5 * sum(file.stat().st_size for file in weights.rglob("*.safetensors")), "its weights come to the card"
