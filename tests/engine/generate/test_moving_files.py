"""Files and folders that vanish, move or are replaced while Easel runs: one sentence, and the next job works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.checkpoints.library.catalogue import Catalogue
from engine.errors import CheckpointError
from engine.events import Event, Finished, Loading, Notice, Step
from engine.local import Local
from engine.negative import image_difference
from engine.requests import TextToImage
from engine.settings import Settings
from engine.stopping import Stop

REQUEST = TextToImage(prompt="a cat", checkpoint="sd1", seed=1, steps=2, width=64, height=64)


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path) -> Path:
    """A models folder of this test's own."""
    shutil.copytree(tiny_models / "sd1", tmp_path / "models" / "sd1")
    return tmp_path / "models"


@pytest.fixture
def engine(models: Path, tmp_path: Path) -> Iterator[Local]:
    with Local(Settings(models=models, data=tmp_path / "data", outputs=tmp_path / "outputs", device="cpu")) as opened:
        torch.set_num_threads(1)
        yield opened


def run_until(events: Iterator[Event], kind: type[Event]) -> None:
    next(event for event in events if isinstance(event, kind))


def run(engine: Local, job: str) -> np.ndarray:
    (result,) = list(engine.run(job, REQUEST, Stop()))[-1].results  # type: ignore[attr-defined]
    with Image.open(result.path) as saved:
        return np.asarray(saved.convert("RGB"))


@pytest.mark.parametrize("kind", [Loading, Step])
def test_models_that_vanish_in_the_middle_of_a_job(kind: type[Event], engine: Local, models: Path) -> None:
    events = engine.run("one", REQUEST, Stop())
    run_until(events, kind)
    models.rename(models.with_name("away"))
    if kind is Loading:
        with pytest.raises(CheckpointError):
            list(events)
    else:
        assert isinstance(list(events)[-1], Finished), "what is in memory is enough"
    with pytest.raises(CheckpointError, match="checkpoint"):
        list(engine.run("two", REQUEST, Stop()))
    models.with_name("away").rename(models)
    assert run(engine, "three").any()


def replace_weights(path: Path, how: Callable[[Path, Path], object]) -> None:
    """Other weights under the same name, with the same size and the same time."""
    before = path.stat()
    other = path.with_suffix(".other")
    save_file({name: tensor.flip(0) + 0.01 for name, tensor in load_file(path).items()}, other, {"format": "pt"})
    assert other.stat().st_size == before.st_size
    how(other, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def write_over(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())
    source.unlink()


@pytest.mark.parametrize(
    ("part", "how"),
    [
        ("unet", os.replace),
        *(pytest.param(*each, marks=pytest.mark.long) for each in product(("unet", "vae", "text_encoder"), (write_over,))),
        *(pytest.param(part, os.replace, marks=pytest.mark.long) for part in ("vae", "text_encoder")),
    ],
)
def test_weights_that_are_replaced_under_the_same_name_size_and_time(
    part: str, how: Callable[[Path, Path], object], engine: Local, models: Path
) -> None:
    before = run(engine, "before")
    assert (run(engine, "again") == before).all()
    (weights,) = (models / "sd1" / part).glob("*.safetensors")
    known = Catalogue(Settings(models=models)).find("sd1")
    replace_weights(weights, how)
    now = Catalogue(Settings(models=models)).find("sd1")
    assert now.stamp == known.stamp and now.version != known.version and now.hash != known.hash
    assert (run(engine, "after") != before).any()


def test_pictures_that_are_replaced_under_the_same_name_size_and_time_are_measured_again(tmp_path: Path) -> None:
    for name, colour in (("one", "black"), ("other", "white")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.bmp")
    one, other = tmp_path / "one.bmp", tmp_path / "other.bmp"
    assert image_difference.measure_files(one, other) == 1
    before = other.stat()
    other.write_bytes(one.read_bytes())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert image_difference.measure_files(one, other) == 0


def test_outputs_that_are_renamed_while_a_job_runs(engine: Local, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    request = TextToImage(prompt="a cat", checkpoint="sd1", seed=1, steps=2, width=64, height=64, count=2)
    events = engine.run("one", request, Stop())
    run_until(events, Step)
    outputs.rename(tmp_path / "moved")
    rest = list(events)
    assert isinstance(rest[-1], Finished) and len(rest[-1].results) == 2
    assert all(result.path.is_file() for result in rest[-1].results)
    assert any("created again" in event.text for event in rest if isinstance(event, Notice))
