"""One set of weights for all uses, the least recently used out first, what is in use never, and nothing left behind."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.adapters.additions import Additions
from engine.checkpoints.adapters.merge import Lora
from engine.checkpoints.cache import CheckpointCache, _key
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.errors import CancelledError, CheckpointError
from engine.plan.ladder import RUNGS, apply
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import additions, tiny

Maker = Callable[[str, str], Path]
PLAN = ExecutionPlan()
GENEROUS = 2**30


@pytest.fixture
def folder(checkpoint: Maker) -> Callable[[str], CheckpointEntry]:
    return lambda kind: entry_for(checkpoint(kind, "folder"))


Folder = Callable[[str], CheckpointEntry]


def size_of(entry: CheckpointEntry) -> int:
    cache = CheckpointCache(GENEROUS)
    with cache.lease(entry, PLAN):
        return cache.held_bytes


def test_all_uses_share_one_set_of_weights(folder: Folder) -> None:
    cache = CheckpointCache(GENEROUS)
    parts = set()
    for kind in ("text_to_image", "image_to_image", "inpaint", "text_to_image"):
        with cache.lease(folder("sd1"), PLAN, kind) as pipeline:
            parts.add((id(pipeline.unet), id(pipeline.vae), id(pipeline.text_encoder)))
    assert len(parts) == 1
    assert [event.kind for event in cache.events] == ["loaded"]
    held = cache.held_bytes
    with cache.lease(folder("sd1"), PLAN) as pipeline:
        modules = (pipeline.unet, pipeline.vae, pipeline.text_encoder)
        assert held == sum(t.nbytes for m in modules for t in (*m.parameters(), *m.buffers()))


KEEPING = {"not_compiled", "vae_tiles", "vae_small_tiles", "batch_split", "repaint_tiles"}
"""Measures that change nothing of the weights and where they are."""


def test_weights_are_loaded_again_only_by_a_measure_that_changes_them(folder: Folder) -> None:
    plan, entry = ExecutionPlan(dtypes={"unet": "float32", "vae": "float32", "text_encoder": "float32"}), folder("sd1")
    on_cpu = dataclasses.replace(plan, device="another")
    serving = {rung.name for rung in RUNGS if _key(entry, apply(plan, rung, on_cpu)) == _key(entry, plan)}
    assert serving == KEEPING
    cache = CheckpointCache(GENEROUS)
    for rung in (None, *(rung for rung in RUNGS if rung.name in KEEPING)):
        plan = apply(plan, rung) if rung else plan
        cache.load(entry, plan)
    assert [event.kind for event in cache.events] == ["loaded"]


def test_two_that_alternate_in_all_uses_load_once_each(folder: Folder) -> None:
    cache = CheckpointCache(GENEROUS)
    for kind in ("text_to_image", "image_to_image", "inpaint"):
        for name in ("sd1", "sd2_base"):
            with cache.lease(folder(name), PLAN, kind):
                pass
    assert [event.kind for event in cache.events] == ["loaded", "loaded"]


def test_the_least_recently_used_goes_first_and_the_reason_is_said(folder: Folder) -> None:
    first, second, third = (folder(kind) for kind in ("sd1", "sd2_base", "sd2_v"))
    cache = CheckpointCache(int(size_of(first) + size_of(second) + size_of(third) * 0.5))
    for entry in (first, second, first, third):
        with cache.lease(entry, PLAN):
            pass
    assert [event.kind for event in cache.events] == ["loaded", "loaded", "evicted", "loaded"]
    assert "room is needed" in cache.events[2].reason
    assert cache.held_bytes <= cache.budget_bytes and len(cache.names) == 2


def test_what_is_in_use_is_never_dropped(folder: Folder) -> None:
    cache = CheckpointCache(1)
    with cache.lease(folder("sd1"), PLAN) as one, cache.lease(folder("sd2_base"), PLAN) as other:
        cache.release()
        assert len(cache.names) == 2
        assert torch.isfinite(tiny.picture(one, "text_to_image")).all()
        assert torch.isfinite(tiny.picture(other, "text_to_image")).all()
    cache.release()
    assert cache.names == () and cache.held_bytes == 0


def test_a_failed_load_leaves_the_old_one_usable(folder: Folder, tmp_path: Path) -> None:
    cache = CheckpointCache(GENEROUS)
    with cache.lease(folder("sd1"), PLAN):
        pass
    weights = tiny.in_original_layout("sd1", tiny.pipeline("sd1"))
    broken = {name: tensor for name, tensor in weights.items() if not name.startswith("first_stage_model.")}
    save_file(broken, tmp_path / "broken.safetensors")
    entry = dataclasses.replace(entry_for(tmp_path / "broken.safetensors"), configs=folder("sd1").path)
    with pytest.raises(CheckpointError, match=r"broken\.safetensors” has no decoder \(VAE\)"), cache.lease(entry, PLAN):
        pass
    with cache.lease(folder("sd1"), PLAN) as pipeline:
        assert torch.isfinite(tiny.picture(pipeline, "text_to_image")).all()
    assert [event.kind for event in cache.events] == ["loaded", "failed"]


def test_stop_is_heard_while_a_checkpoint_loads(folder: Folder) -> None:
    cache, asked = CheckpointCache(GENEROUS), iter(range(10))
    with pytest.raises(CancelledError), cache.lease(folder("sd1"), PLAN, cancelled=lambda: next(asked) == 5):
        pass
    assert cache.names == ()


def test_a_use_that_a_checkpoint_has_not_is_said(folder: Folder) -> None:
    cache = CheckpointCache(GENEROUS)
    with pytest.raises(CheckpointError, match="cannot do this"), cache.lease(folder("x4_upscaler"), PLAN):
        pass


def test_ten_switches_leave_nothing_behind(folder: Folder, tmp_path: Path) -> None:
    additions.write(tmp_path)
    lora, vae = (entry_for(tmp_path / name) for name in ("loras/one.safetensors", "vae/another.safetensors"))
    added = {"sd1": Additions(loras=(Lora(entry=lora, text_strength=1.0, unet_strength=1.0),), vae=vae), "sd2_base": Additions()}
    dropped: list[weakref.ref[torch.nn.Module]] = []
    cache = CheckpointCache(1)
    alive = []
    for turn in range(10):
        kind = ("sd1", "sd2_base")[turn % 2]
        with cache.lease(folder(kind), PLAN, additions=added[kind]) as pipeline:
            tiny.picture(pipeline, "text_to_image")
            dropped += [weakref.ref(part) for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder)]
        del pipeline
        alive.append(live_bytes())
    held = {id(part) for held in cache._held.values() for part in held.loaded.modules.values()}
    assert {id(part) for ref in dropped if (part := ref()) is not None} <= held
    assert alive[-1] <= 1.1 * alive[1]


def live_bytes() -> int:
    """What all tensors of this process take."""
    gc.collect()
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in gc.get_objects() if type(t) in _TENSORS}
    return sum(storages.values())


_TENSORS = (torch.Tensor, torch.nn.Parameter)
