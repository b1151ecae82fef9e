"""The upscaler's two stages for a few steps, and the images that they learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from training import dead_leaves, upscaler
from training.common import Clock
from training.upscaler import Reservoir, UpscalerTraining, export


@pytest.fixture
def speckles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that take no time to draw."""

    def draw_noise(seed: int, side: int) -> Image.Image:
        return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))

    torch.set_num_threads(1)
    monkeypatch.setattr(upscaler, "draw_image", draw_noise)


def trained(stage: str, run: Path, steps: int, resume: bool = False) -> UpscalerTraining:
    training = UpscalerTraining(stage, run, Clock(1, steps=steps))
    if resume:
        training.resume()
    training.train(Reservoir(2, 0, 128))
    return training


def test_both_stages_go_on_and_are_exported(speckles: None, tmp_path: Path) -> None:
    assert trained("clean", tmp_path, 2).step == 2
    clean = trained("clean", tmp_path, 4, resume=True)
    assert clean.step == clean.average.steps == 4
    cleaning = trained("cleaning", tmp_path, 2)
    export(tmp_path, tmp_path / "x4")
    for training in (clean, cleaning):
        kept = load_file(tmp_path / "x4" / f"{training.stage}.safetensors")
        assert set(kept) == set(training.network.state_dict())
        for name, value in training.average.weights().items():
            assert torch.allclose(kept[name].float(), value, atol=1e-3)


def test_scenes_are_a_picture_to_learn_from() -> None:
    first, again = (dead_leaves.draw_scenes(352, np.random.default_rng(3)) for _ in range(2))
    assert first.size == (352, 352) and first.tobytes() == again.tobytes()
    corners = [np.asarray(first.crop((x, y, x + 176, y + 176)), int) for x in (0, 176) for y in (0, 176)]
    assert all(np.abs(corners[0] - other).mean() > 8 for other in corners[1:])
