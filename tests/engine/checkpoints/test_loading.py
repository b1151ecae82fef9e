"""Every kind of checkpoint from every form of it: the same weights, the same picture, in the precision that the plan says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from engine.checkpoints.cache import PipelineCache
from engine.checkpoints.catalogue import CheckpointEntry, entry_for
from engine.checkpoints.loading import load_components
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny
from tests.engine.conftest import FORMS

Maker = Callable[[str, str], Path]
FULL = ExecutionPlan(channels_last=False)


def entry(checkpoint: Maker, kind: str, form: str) -> CheckpointEntry:
    return entry_for(checkpoint(kind, form), configs=None if form == "folder" else checkpoint(kind, "folder"))


def weights(parts: Any) -> dict[str, torch.Tensor]:
    modules = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
    return {f"{name}.{k}": v for name, part in modules.items() for k, v in part.state_dict().items()}


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_every_form_gives_the_same_weights_and_picture(checkpoint: Maker, kind: str) -> None:
    use, original = tiny.KINDS[kind].use, tiny.pipeline(kind)
    wanted, picture = weights(original.components), tiny.picture(original, use)
    for form in FORMS:
        found = entry(checkpoint, kind, form)
        assert found.architecture.name == kind
        assert found.identity.prediction_type == original.scheduler.config.prediction_type
        with PipelineCache(2**30).lease(found, FULL, kind=use) as pipe:
            loaded = weights(pipe.components)
            assert loaded.keys() == wanted.keys()
            assert all(torch.equal(loaded[name], wanted[name]) for name in wanted), form
            assert torch.allclose(tiny.picture(pipe, use), picture, atol=1e-4), form


@pytest.mark.parametrize("kind", ["sd1", "sd2_base", "x4_upscaler"])
def test_diffusers_own_conversion_agrees(checkpoint: Maker, kind: str) -> None:
    pipeline = {"x4_upscaler": diffusers.StableDiffusionUpscalePipeline}.get(kind, diffusers.StableDiffusionPipeline)
    theirs = pipeline.from_single_file(
        str(checkpoint(kind, "safetensors")), config=str(checkpoint(kind, "folder")), local_files_only=True
    )
    ours = weights(load_components(entry(checkpoint, kind, "safetensors"), FULL).parts)
    for name, tensor in weights(theirs.components).items():
        assert torch.equal(ours[name], tensor), name
