"""After every load the tensors given, taken and left are counted, and what is left is known or said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.leftovers import count_tensors
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny

Maker = Callable[[str, str], Path]


def load(path: Path, folder: Path) -> LoadedCheckpoint:
    return load_checkpoint(entry_for(path, configs=folder), ExecutionPlan(channels_last=False))


@pytest.mark.parametrize("kind", ["sd1", "sd2_base", "sd2_depth"])
def test_every_tensor_of_a_published_layout_is_used_or_known(checkpoint: Maker, kind: str) -> None:
    loaded = load(checkpoint(kind, "safetensors"), checkpoint(kind, "folder"))
    use = count_tensors(loaded.originals.values())
    assert use.given == use.taken + sum(map(len, use.left.values()))
    assert "" not in use.left and not loaded.notices
    assert use.left["averaged weights (EMA), with which only training goes on"]


def test_tensors_that_easel_does_not_know_are_said(checkpoint: Maker, tmp_path: Path) -> None:
    tensors = tiny.in_original_layout("sd1", tiny.pipeline("sd1"))
    tensors |= {f"model.diffusion_model.motion_modules.{number}.weight": torch.zeros(2) for number in range(4)}
    save_file(tensors, tmp_path / "x.safetensors")
    (notice,) = load(tmp_path / "x.safetensors", checkpoint("sd1", "folder")).notices
    assert f"4 of {len(tensors)} parts" in notice and "motion_modules.0.weight" in notice
