"""LoRAs, and an overflow, in networks whose weights are kept in fewer bits or are moved layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.checkpoints.adapters.additions import Additions
from engine.checkpoints.adapters.merge import Lora
from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.generate.precision_guard import PrecisionGuard
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import additions, tiny

HALF = {"unet": "bfloat16"}
PLANS = {
    "8 bits": ExecutionPlan(dtypes=HALF, storage={"unet": "float8_e4m3fn"}),
    "layer by layer": ExecutionPlan(dtypes=HALF, measures=("unet_offload",)),
    "8 bits, layer by layer": ExecutionPlan(dtypes=HALF, storage={"unet": "float8_e4m3fn"}, measures=("unet_offload",)),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint, and one that has the LoRA ``one`` of strength 0.5 in its weights."""
    folder = tmp_path_factory.mktemp("models")
    additions.write(folder)
    tiny.pipeline("sd1").save_pretrained(folder / "plain")
    merged = tiny.pipeline("sd1")
    additions.merge(merged, 1, 0.5, 0.5)
    merged.save_pretrained(folder / "merged")
    return folder


def entry(path: Path) -> CheckpointEntry:
    return entry_for(path)


def predicted(loaded: LoadedCheckpoint) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(1, 4, 8, 8, generator=generator).to(loaded.unet.dtype)
    words = torch.randn(1, 7, tiny.WIDTH, generator=generator).to(loaded.unet.dtype)
    with torch.inference_mode():
        return loaded.unet(sample, torch.tensor(500), words, return_dict=False)[0].float()


def dtypes(loaded: LoadedCheckpoint) -> dict[str, torch.dtype]:
    return {name: parameter.dtype for name, parameter in loaded.unet.named_parameters()}


@pytest.mark.parametrize("kept", PLANS)
def test_a_lora_is_what_a_checkpoint_with_its_weights_is(kept: str, models: Path) -> None:
    plan, cache = PLANS[kept], CheckpointCache(10**9)
    plain, merged = (load_checkpoint(entry(models / name), plan) for name in ("plain", "merged"))
    lora = Lora(entry=entry(models / "loras" / "one.safetensors"), text_strength=0.5, unet_strength=0.5)
    with cache.lease(entry(models / "plain"), plan, additions=Additions(loras=(lora,))) as loaded:
        torch.testing.assert_close(predicted(loaded), predicted(merged), rtol=1e-4, atol=1e-5)
        assert dtypes(loaded) == dtypes(merged)
    with cache.lease(entry(models / "plain"), plan) as loaded:
        assert torch.equal(predicted(loaded), predicted(plain)) and dtypes(loaded) == dtypes(plain)


@pytest.mark.parametrize("kept", PLANS)
def test_after_an_overflow_a_network_computes_in_a_safer_precision_and_goes_back(kept: str, models: Path) -> None:
    loaded = load_checkpoint(entry(models / "plain"), PLANS[kept])
    before, usual = dtypes(loaded), loaded.unet.dtype
    first = predicted(loaded)

    def call(dtype: torch.dtype) -> torch.Tensor:
        return predicted(loaded) if dtype != usual else torch.full((1,), torch.inf)

    with PrecisionGuard(lambda _name, _dtype: "float32") as guard:
        result: Any = guard.run("unet", loaded.unet, call)
        torch.testing.assert_close(result, first, rtol=0.05, atol=0.05)
        narrow = {name for name, dtype in dtypes(loaded).items() if dtype == before[name]}
        assert bool(narrow) == bool(PLANS[kept].storage)
    assert dtypes(loaded) == before and torch.equal(predicted(loaded), first)
