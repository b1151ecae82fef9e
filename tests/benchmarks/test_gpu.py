"""The benchmark for graphics cards: every part once on the CPU with tiny checkpoints, and what it is made of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from benchmarks.full_size import CONFIGURED, write_checkpoint
from benchmarks.gpu_loops import Loop, misplaced, plateau, rate_of
from engine.checkpoints.identify.identify import identify
from engine.events import Event, Step
from tests.engine.checkpoints import tiny


def step(picture: int, number: int) -> Event:
    return Step(job="job", index=picture, count=2, step=number, steps=3, seconds_left=0.0, preview=None)


def test_the_rate_is_that_between_the_steps_of_one_picture() -> None:
    times = [(0.0, step(0, 1)), (0.5, step(0, 2)), (1.0, step(0, 3)), (9.0, step(1, 1)), (9.5, step(1, 2)), (10.0, step(1, 3))]
    assert rate_of(times) == 2.0


def test_the_plateau_begins_at_the_smallest_batch_that_is_near_the_best() -> None:
    assert plateau({1: 50.0, 2: 96.0, 4: 100.0}) == (2, 0.5)


def test_what_is_in_another_precision_or_place_is_named() -> None:
    layer = torch.nn.Linear(2, 2)
    assert misplaced({"unet": layer}, "cpu", {"unet": "float32"}) == (2, [])
    assert misplaced({"unet": layer}, "cpu", {"unet": "float16"})[1] == ["unet.weight", "unet.bias"]
    assert misplaced({"unet": layer}, "cuda:0", {"unet": "float32"})[1] == ["unet.weight", "unet.bias"]


@pytest.mark.parametrize("pictures", [1, 3])
def test_the_bare_loops_run(pictures: int) -> None:
    pipeline = tiny.pipeline("sd1")
    loop = Loop(unet=pipeline.unet, sampler=gpu.SAMPLER, config=pipeline.scheduler.config, side=8, images=pictures)
    assert loop.rate(loop.unet_alone, 2) > 0 and loop.rate(loop.with_sampler, 3) > 0


def test_a_computer_without_a_card_is_told_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main()
    assert capsys.readouterr().out.strip() == gpu.NO_CARD


@pytest.mark.parametrize("family", CONFIGURED)
def test_checkpoints_of_full_size_are_what_they_are_called(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their shapes alone, without their weights."""
    saved: dict[str, Any] = {}
    for cls in ("StableDiffusionPipeline", "StableDiffusionXLPipeline"):
        monkeypatch.setattr(f"diffusers.{cls}.save_pretrained", lambda self, folder: saved.update({folder.name: self}))
    write_checkpoint(tmp_path / family, family=family, device="meta")
    unet = saved[family].unet
    assert sum(weights.numel() for weights in unet.parameters()) > {"sd1": 8.5e8, "xl": 2.5e9}[family]
    assert all(getattr(saved[family], name).dtype == torch.float16 for name in CONFIGURED[family])


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benchmark as on a card, with tiny checkpoints on the CPU."""

    def write(folder: Path, family: str, **_: Any) -> None:
        tiny.pipeline(family).save_pretrained(folder)
        assert identify(folder).family == family

    monkeypatch.setattr(gpu, "write_checkpoint", write)
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(gpu, "ASKED", dataclasses.replace(gpu.ASKED, width=32, height=32, steps=4, count=2))
    monkeypatch.setattr(gpu, "BATCHES", (1, 2))
    monkeypatch.setattr(gpu, "WIDE", 64)
    monkeypatch.setattr(gpu, "LATENTS", 8)
    write(tmp_path / "models" / "sd1", "sd1")
    return tmp_path


@pytest.mark.parametrize("part", gpu.PARTS)
def test_every_part_runs_to_its_end(part: str, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    getattr(gpu, part)(small)
    said = capsys.readouterr().out
    assert said and "FAILED" not in said, said
