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
from engine.checkpoints.families import FAMILIES, Family, TextLayout, bundled_config
from engine.checkpoints.library import overrides
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
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
            assert not pipe.notices, "a tensor that Easel does not know"


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


Respell = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]


def _rename(before: str, after: str) -> Respell:
    return lambda tensors: {name.replace(before, after): tensor for name, tensor in tensors.items()}


def _as_linear_layer(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The projection as transformers stores it: a linear layer's weight, not transposed."""
    name = "conditioner.embedders.1.model.text_projection"
    return {**{n: t for n, t in tensors.items() if n != name}, f"{name}.weight": tensors[name].t().contiguous()}


def _new_attention(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """diffusers' names of the attention inside the VAE's original blocks."""
    for part in ("encoder", "decoder"):
        block = f"first_stage_model.{part}.mid.attn_1."
        for before, after in {
            "q.": "to_q.",
            "k.": "to_k.",
            "v.": "to_v.",
            "proj_out.": "to_out.0.",
            "norm.": "group_norm.",
        }.items():
            tensors = {n.replace(block + before, block + after): t for n, t in tensors.items()}
    return tensors


SPELLINGS: dict[str, tuple[str, Respell]] = {
    "Turbo saved by generative-models": ("sd_turbo", _rename("cond_stage_model.model.", "conditioner.embedders.0.model.")),
    "a projection that is not transposed": ("xl", _as_linear_layer),
    "a VAE with diffusers' attention": ("sd1", _new_attention),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_other_spellings_of_a_file_load_the_same(name: str, checkpoint: Maker, tmp_path: Path, monkeypatch: Any) -> None:
    kind, respell = SPELLINGS[name]
    original = tiny.pipeline(kind)
    tensors = respell(tiny.in_original_layout(kind, original))
    save_file({n: t.contiguous() for n, t in tensors.items()}, tmp_path / "x.safetensors", dict(tiny.KINDS[kind].metadata or {}))
    # The tiny Turbo is as narrow as the tiny refiner, which real ones are not.
    monkeypatch.setattr("engine.checkpoints.identify.single_file.TEXT_LAYOUTS", _layouts_of(kind))
    found = entry_for(tmp_path / "x.safetensors", configs=checkpoint(kind, "folder"))
    assert found.family.name == kind
    loaded, wanted = weights(load_checkpoint(found, FULL).modules), weights(original.components)
    assert loaded.keys() == wanted.keys() and all(torch.equal(loaded[n], wanted[n]) for n in wanted)


def _layouts_of(kind: str) -> dict[str, TextLayout]:
    signature = next(family.signature for family in FAMILIES if family.name == kind)
    return {signature.text.name: signature.text} if signature else {}


@pytest.mark.parametrize("wrapper", ["model", "module", "state_dict"])
def test_a_pickle_in_a_wrapper_loads_the_same(wrapper: str, checkpoint: Maker, tmp_path: Path) -> None:
    original = tiny.pipeline("sd1")
    torch.save({wrapper: tiny.in_original_layout("sd1", original), "epoch": 3}, tmp_path / "x.ckpt")
    found = entry_for(tmp_path / "x.ckpt", configs=checkpoint("sd1", "folder"))
    loaded, wanted = weights(load_checkpoint(found, FULL).modules), weights(original.components)
    assert found.family.name == "sd1" and all(torch.equal(loaded[n], wanted[n]) for n in wanted)


@pytest.mark.parametrize("sharded", [False, True])
def test_a_folder_of_half_precision_alone_loads(sharded: bool, tmp_path: Path) -> None:
    """diffusers' save_pretrained with ``variant="fp16"``."""
    size = {"max_shard_size": "200KB"} if sharded else {}
    tiny.pipeline("sd1").save_pretrained(tmp_path / "x", variant="fp16", safe_serialization=True, **size)
    assert sharded == any((tmp_path / "x").rglob("*.index.fp16.json"))
    loaded, wanted = weights(load_checkpoint(entry_for(tmp_path / "x"), FULL).modules), weights(tiny.pipeline("sd1").components)
    assert all(torch.equal(loaded[n], wanted[n]) for n in wanted)


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
