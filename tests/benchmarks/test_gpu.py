"""The benchmark for graphics cards: every part once on the CPU with tiny checkpoints, and what it is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from benchmarks.full_size import CONFIGURED, write_checkpoint
from benchmarks.gpu_loops import Loop, compute_rate, find_misplaced, find_plateau
from engine.checkpoints.identify.identify import identify
from engine.events import Event, Step
from tests.engine.checkpoints import tiny


def step(picture: int, number: int) -> Event:
    return Step(job="job", index=picture, count=2, step=number, steps=3, seconds_left=0.0, preview=None)


def test_the_rate_is_that_between_the_steps_of_one_picture() -> None:
    times = [(0.0, step(0, 1)), (0.5, step(0, 2)), (1.0, step(0, 3)), (9.0, step(1, 1)), (9.5, step(1, 2)), (10.0, step(1, 3))]
    assert compute_rate(times) == 2.0


def test_the_plateau_begins_at_the_smallest_batch_that_is_near_the_best() -> None:
    assert find_plateau({1: 50.0, 2: 96.0, 4: 100.0}) == (2, 0.5)


def test_what_is_in_another_precision_or_place_is_named() -> None:
    layer = torch.nn.Linear(2, 2)
    assert find_misplaced({"unet": layer}, "cpu", {"unet": "float32"}) == (2, [])
    assert find_misplaced({"unet": layer}, "cpu", {"unet": "float16"})[1] == ["unet.weight", "unet.bias"]
    assert find_misplaced({"unet": layer}, "cuda:0", {"unet": "float32"})[1] == ["unet.weight", "unet.bias"]


@pytest.mark.parametrize("pictures", [1, 3])
def test_the_bare_loops_run(pictures: int) -> None:
    pipeline = tiny.pipeline("sd1")
    loop = Loop(
        unet=pipeline.unet, sampler=gpu.SAMPLER, schedule=gpu.SCHEDULE, config=pipeline.scheduler.config, side=8, images=pictures
    )
    assert loop.rate(loop.unet_alone, 2) > 0 and loop.rate(loop.with_sampler, 3) > 0


def test_without_a_card_each_part_is_tried_in_a_process_of_its_own(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``python -m benchmarks gpu`` does, with one of the parts."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(gpu, "SCALE", gpu.CPU)
    monkeypatch.setattr(
        gpu, "PARTS", {"numbers": gpu.PARTS["numbers"], "speed": replace(gpu.PARTS["speed"], seconds=gpu.SECONDS + 1)}
    )
    gpu.main()
    said = capfd.readouterr().out
    assert said.startswith(gpu.NO_CARD) and "-- speed: left out" in said
    assert "tensors on cpu" in said and "FAILED" not in said and "ended with" not in said


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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the checkpoints that the parts share were written."""
    folder = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "SCALE", gpu.CPU)
        for family in CONFIGURED:
            gpu.write_once(folder, family)
            assert identify(folder / "models" / family).family == family
    return folder


@pytest.mark.long
@pytest.mark.parametrize("part", gpu.PARTS)
def test_every_part_runs_to_its_end(
    part: str, written: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "SCALE", gpu.CPU)
    gpu.run_part(part, written)
    said = capsys.readouterr().out
    assert said and "FAILED" not in said, said
