"""Images that are upscaled once they are made, through the engine as a user of the library meets it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact

from engine.errors import CheckpointError
from engine.events import ImageSaved, Step
from engine.local import Local
from engine.records import metadata, outputs
from engine.records.blobs import Blobs
from engine.requests import ImageToImage, TextToImage
from engine.settings import Settings
from engine.stopping import Stop

ASKED = TextToImage(prompt="a cat", seed=5, steps=2, width=16, height=16, count=2, upscaler="mine")


@pytest.fixture
def settings(tmp_path: Path, checkpoint: Callable[[str, str], Path]) -> Settings:
    """A models folder with a checkpoint and an upscaler."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "tiny").symlink_to(checkpoint("sd1", "folder"))
    torch.manual_seed(1)
    weights = Compact(num_feat=8, num_conv=1, upscale=4).state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, models / "mine.safetensors")
    return Settings(models=models, outputs=tmp_path / "outputs", data=tmp_path / "data", device="cpu", precision="float32")


@pytest.fixture
def engine(settings: Settings) -> Iterator[Local]:
    with Local(settings) as local:
        yield local


def test_both_sizes_are_kept_and_counted_as_one_job(engine: Local) -> None:
    events = list(engine.run("both", ASKED, Stop()))
    saved = [event for event in events if isinstance(event, ImageSaved)]
    assert [event.index for event in saved] == [0, 1, 2, 3]
    assert [event.result.width for event in saved] == [16, 16, 64, 64]
    steps = [event for event in events if isinstance(event, Step)]
    shares = [(each.index + each.step / each.steps) / each.count for each in steps]
    assert shares == sorted(shares) and shares[-1] == 1
    assert {each.unit for each in steps} == {"step", "tile"} and {each.job for each in events} == {"both"}


def test_the_large_one_says_how_the_small_one_came_to_be(engine: Local) -> None:
    small, _, large, _ = engine.make(ASKED)
    kept, record = metadata.read(small.path), metadata.read(large.path)
    assert kept is not None and record is not None
    assert kept.resolved.request.upscaler == "mine"
    assert metadata.from_text(record.source[metadata.KEY]) == kept
    with Image.open(large.path) as opened, Image.open(small.path) as source:
        assert opened.text["parameters"] == source.text["parameters"]


def test_a_job_that_runs_again_makes_nothing_twice(engine: Local, settings: Settings) -> None:
    first = list(engine.run("again", ASKED, Stop()))[-1].results
    first[3].path.unlink()
    again = list(engine.run("again", ASKED, Stop()))[-1].results
    assert [each.path for each in again[:3]] == [each.path for each in first[:3]]
    assert len(outputs.find_saved(settings.outputs, "again")) == 2 and again[3].path.exists()


def test_an_upscaler_that_is_missing_is_said_before_anything_is_made(engine: Local, settings: Settings) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint called"):
        engine.make(dataclasses.replace(ASKED, upscaler="gone"))
    assert not list(settings.outputs.rglob("*.png"))


def test_the_diffusion_upscaler_reads_the_prompt(engine: Local, settings: Settings, checkpoint: Callable) -> None:
    (settings.models / "x4").symlink_to(checkpoint("x4_upscaler", "folder"))
    asked = dataclasses.replace(ASKED, count=1, upscaler="x4", negative_prompt="fog")
    made_with = metadata.read(engine.make(asked)[1].path)
    assert made_with is not None
    request = made_with.resolved.request
    assert (request.prompt, request.negative_prompt, request.seed) == ("a cat", "fog", 5)


def test_drafts_stay_small(engine: Local, settings: Settings) -> None:
    sketch = Blobs(settings.data / "blobs").put(Image.new("RGB", (16, 16), "red"))
    words = {field.name: getattr(ASKED, field.name) for field in dataclasses.fields(ASKED)}
    asked = ImageToImage(**{**words, "count": 1}, init_image=sketch)
    assert [each.width for each in engine.make(asked)] == [16, 64]
    assert [each.width for each in engine.make(dataclasses.replace(asked, draft=True))] == [16]
