"""Every kind of checkpoint from every form of it: the same weights, the same image, in the precision that the plan says."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.families import FAMILIES, Family, bundled_config
from engine.checkpoints.library import overrides
from engine.checkpoints.library.catalogue import CheckpointEntry, entry_for
from engine.checkpoints.library.overrides import Override
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.components import build
from engine.errors import CheckpointError
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
        found = told(entry(checkpoint, kind, form), kind)
        assert found.family.name == kind
        assert found.identity.prediction_type == original.scheduler.config.prediction_type
        with CheckpointCache(2**30).lease(found, FULL, task=use) as pipe:
            loaded = weights(pipe.modules)
            assert loaded.keys() == wanted.keys()
            assert all(torch.equal(loaded[name], wanted[name]) for name in wanted), form
            assert torch.allclose(tiny.picture(pipe, use), picture, atol=1e-4), form


def told(found: CheckpointEntry, kind: str) -> CheckpointEntry:
    """``found`` as the user says it is, where it does not say so itself: a pickle of a turbo kind looks like its family."""
    base = tiny.KINDS[kind].base
    if not base or found.identity.container in ("folder", "safetensors"):
        return found
    assert found.family.name == base and kind in overrides.alternatives(base)
    return dataclasses.replace(found, identity=overrides.apply(found.identity, Override(family=kind)))


def test_a_depth_file_without_its_estimator_takes_the_folder_beside_it(checkpoint: Maker, tmp_path: Path) -> None:
    original = tiny.pipeline("sd2_depth")
    weights = tiny.in_original_layout("sd2_depth", original)
    bare = {name: tensor for name, tensor in weights.items() if not name.startswith("depth_model.")}
    folder = checkpoint("sd2_depth", "folder")
    save_file(bare, tmp_path / "bare.safetensors")
    torch.save({"state_dict": bare}, tmp_path / "bare.ckpt")
    for name in ("bare.safetensors", "bare.ckpt"):
        found = entry_for(tmp_path / name, configs=folder)
        assert found.family.name == "sd2_depth"
        shutil.rmtree(tmp_path / "dpt", ignore_errors=True)
        with pytest.raises(CheckpointError, match="Put the folder of a DPT depth estimator"):
            load_checkpoint(found, FULL)
        shutil.copytree(folder / "depth_estimator", tmp_path / "dpt")
        with CheckpointCache(2**30).lease(found, FULL, task="depth") as pipe:
            wanted = tiny.picture(original, "depth")
            assert torch.allclose(tiny.picture(pipe, "depth"), wanted, atol=1e-4)


FULL_SIZE: dict[tuple[str, str], float] = {
    ("sd1", "unet"): 859.52, ("sd1", "text_encoder"): 123.06, ("sd1", "vae"): 83.65, ("sd2_base", "unet"): 865.91,
    ("xl", "unet"): 2567.46,
}  # fmt: skip
"""Millions of parameters that the original programs print when they start (CompVis/stable-diffusion,
Stability-AI/stablediffusion and generative-models: "DiffusionWrapper has 859.52 M params." and the like)."""


@pytest.mark.parametrize("family", [a for a in FAMILIES if a.configs])
def test_the_bundled_configuration_of_every_family_is_whole(family: Family) -> None:
    for component, naming in family.key_mapping.items():
        config = bundled_config(family, component)
        shapes = {name: tensor.shape for name, tensor in build(family.classes[component], config).state_dict().items()}
        places = [(source.names[0], source.third) for source in (naming(name, config) for name in shapes)]
        assert len(set(places)) == len(shapes), "two tensors would be read from one place"
        millions = sum(shape.numel() for shape in shapes.values()) / 1e6
        expected = FULL_SIZE.get((family.name, component))
        assert expected is None or millions == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("kind", ["sd1", "sd2_base", "x4_upscaler"])
def test_diffusers_own_conversion_agrees(checkpoint: Maker, kind: str) -> None:
    pipeline = {"x4_upscaler": diffusers.StableDiffusionUpscalePipeline}.get(kind, diffusers.StableDiffusionPipeline)
    theirs = pipeline.from_single_file(
        str(checkpoint(kind, "safetensors")), config=str(checkpoint(kind, "folder")), local_files_only=True
    )
    ours = weights(load_checkpoint(entry(checkpoint, kind, "safetensors"), FULL).modules)
    for name, tensor in weights(theirs.components).items():
        assert torch.equal(ours[name], tensor), name
