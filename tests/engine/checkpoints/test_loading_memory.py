"""How much memory loading takes beside the weights themselves."""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.errors import CancelledError
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is read from /proc")

MOST = 1.15
"""Peak of anonymous memory while loading, in weights."""


def anonymous() -> int:
    """Bytes of this process's memory that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


@pytest.mark.parametrize(("form", "dtype"), [("safetensors", "bfloat16"), ("safetensors", "float32"), ("zip", "float32")])
def test_no_second_copy_exists_while_weights_load(form: str, dtype: str, tmp_path: Path) -> None:
    made = tiny.pipeline("sd1")
    made.unet = tiny.unet(block_out_channels=(256, 512))
    made.save_pretrained(tmp_path / "folder")
    weights = {name: tensor.half() for name, tensor in tiny.in_original_layout("sd1", made).items()}
    path = tmp_path / f"thing.{form}"
    save_file(weights, path) if form == "safetensors" else torch.save({"state_dict": weights}, path)
    del made, weights
    entry = entry_for(path, configs=tmp_path / "folder")
    plan = ExecutionPlan(dtypes=dict.fromkeys(("unet", "vae", "text_encoder"), dtype))
    with contextlib.suppress(CancelledError):
        load_checkpoint(entry, plan, lambda: True)  # what the libraries import late is imported
    gc.collect()
    before, peak = anonymous(), 0

    def watch() -> bool:
        nonlocal peak
        peak = max(peak, anonymous())
        return False

    loaded = load_checkpoint(entry, plan, watch)
    assert loaded.bytes > 40e6
    assert max(peak, anonymous()) - before <= MOST * loaded.bytes
