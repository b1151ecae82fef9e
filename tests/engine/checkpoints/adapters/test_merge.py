"""Weights are merged as W + s (W1 - W) for every method, saver's naming and strength, and come out again to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.adapters.merge import Lora, MergedLoras
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.components import never_cancelled
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny
from tests.engine.checkpoints.adapters import writers

STRENGTHS = (-1.0, 0.0, 0.35, 1.0)

UNET = "down_blocks.{level}.attentions.0.transformer_blocks.0.attn2.to_k"
LAYERS = {
    "sd1": {
        "unet": (UNET.format(level=0), "down_blocks.0.resnets.0.conv1", "down_blocks.0.attentions.0.proj_in"),
        "text_encoder": ("text_model.encoder.layers.0.self_attn.out_proj",),
    },
    "xl": {
        "unet": (UNET.format(level=1), "up_blocks.0.resnets.0.conv1", "add_embedding.linear_1"),
        "text_encoder": ("text_model.encoder.layers.0.self_attn.out_proj",),
        "text_encoder_2": ("text_model.encoder.layers.1.self_attn.q_proj",),
    },
}
"""Family -> component -> the layers that the files below change, by diffusers' and transformers' names."""

ORIGINAL = {
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k": "input_blocks.3.1.transformer_blocks.0.attn2.to_k",
    "up_blocks.0.resnets.0.conv1": "output_blocks.0.0.in_layers.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k": "input_blocks.1.1.transformer_blocks.0.attn2.to_k",
    "down_blocks.0.resnets.0.conv1": "input_blocks.1.0.in_layers.2",
    "down_blocks.0.attentions.0.proj_in": "input_blocks.1.1.proj_in",
}
"""The same layers in the original UNet."""

_KOHYA = {"sd1": {"unet": "lora_unet_", "text_encoder": "lora_te_"},
          "xl": {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}}  # fmt: skip


def kohya(family: str, component: str, layer: str) -> str:
    """kohya-ss/sd-scripts, networks/lora.py."""
    return _KOHYA[family][component] + layer.replace(".", "_")


def kohya_original(family: str, component: str, layer: str) -> str:
    """The same for XL by its default, the original names of the UNet's blocks."""
    return _KOHYA[family][component] + ORIGINAL.get(layer, layer).replace(".", "_")


def dotted(family: str, component: str, layer: str) -> str:
    """diffusers' save_lora_weights."""
    return f"{component}.{layer}"


def bare(family: str, component: str, layer: str) -> str:
    """diffusers' attention processors of 2023 for the UNet, without its name."""
    return layer if component == "unet" else f"{component}.{layer}"


def comfy(family: str, component: str, layer: str) -> str:
    """ComfyUI's LoRA saver: the original UNet's names, text encoders by their kind."""
    kinds = {"text_encoder": "text_encoders.clip_l.transformer.", "text_encoder_2": "text_encoders.clip_g.transformer."}
    return f"diffusion_model.{ORIGINAL[layer]}" if component == "unet" else kinds[component] + layer


def lycoris(family: str, component: str, layer: str) -> str:
    """LyCORIS' own prefix (create_lycoris), as SimpleTuner uses it."""
    prefixes = {"unet": "lycoris_", "text_encoder": "lycoris_text_encoder_", "text_encoder_2": "lycoris_text_encoder_2_"}
    return prefixes[component] + layer.replace(".", "_")


def dotted_kohya(family: str, component: str, layer: str) -> str:
    """kohya's prefixes before dotted names."""
    return _KOHYA[family][component].rstrip("_") + f".{layer}"


def omi(family: str, component: str, layer: str) -> str:
    """OneTrainer's OMI format (github.com/Nerogar/OneTrainer, modules/util/convert/lora/convert_sdxl_lora.py)."""
    return {"unet": "unet.", "text_encoder": "clip_l.", "text_encoder_2": "clip_g."}[component] + layer


NAMINGS: dict[str, Callable[[str, str, str], str]] = {
    "kohya": kohya, "kohya, original blocks": kohya_original, "diffusers": dotted, "bare": bare, "ComfyUI": comfy,
    "LyCORIS": lycoris, "dotted kohya": dotted_kohya, "OMI": omi,
}  # fmt: skip

CHECKPOINTS: dict[str, LoadedCheckpoint] = {}


@pytest.fixture
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    """A tiny checkpoint of the family, loaded once; each test must leave its weights as they were."""
    family = request.param
    if family not in CHECKPOINTS:
        folder = tmp_path_factory.mktemp(family) / family
        tiny.pipeline(family).save_pretrained(folder)
        CHECKPOINTS[family] = load_checkpoint(entry_for(folder), ExecutionPlan())
    return CHECKPOINTS[family]


def layer_of(module: torch.nn.Module, name: str) -> torch.nn.Module:
    known = dict(module.named_modules())
    return known.get(name) or known[name.removeprefix("text_model.")]


def write(
    path: Path, loaded: LoadedCheckpoint, family: str, maker: writers.Maker, naming: str = "kohya"
) -> dict[str, writers.Made]:
    """A file that changes every layer of LAYERS by one method; what each is at strength 1."""
    generator, made, tensors = torch.Generator().manual_seed(3), {}, {}
    for component, names in LAYERS[family].items():
        for name in names:
            made[f"{component}/{name}"] = found = maker(layer_of(loaded.modules[component], name), generator)
            key = NAMINGS[naming](family, component, name)
            tensors |= {f"{key}.{leaf}": tensor.contiguous().clone() for leaf, tensor in found.tensors.items()}
    save_file(tensors, path)
    return made


def entry(path: Path) -> CheckpointEntry:
    found = entry_for(path)
    assert found.identity.kind == "lora", found.identity
    return found


def lora(path: Path, strength: float, **more: object) -> Lora:
    return Lora(entry=entry(path), text_strength=strength, unet_strength=strength, **more)  # type: ignore[arg-type]


def weights(loaded: LoadedCheckpoint) -> dict[str, torch.Tensor]:
    return {f"{c}/{n}": p.detach().clone() for c, m in loaded.modules.items() for n, p in m.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("loaded", LAYERS, indirect=True)
@pytest.mark.parametrize("method", writers.LINEAR_AND_CONVOLUTION)
def test_every_method_at_every_strength(loaded: LoadedCheckpoint, method: str, tmp_path: Path) -> None:
    family, before = loaded.family.name, weights(loaded)
    made = write(tmp_path / "a.safetensors", loaded, family, writers.LINEAR_AND_CONVOLUTION[method])
    merged = MergedLoras(loaded)
    for strength in STRENGTHS:
        merged.set((lora(tmp_path / "a.safetensors", strength),), never_cancelled)
        assert not merged.notices
        for name, found in made.items():
            component, _, layer_name = name.partition("/")
            layer = layer_of(loaded.modules[component], layer_name)
            key = next(n for n, module in loaded.modules[component].named_modules() if module is layer)
            original = before[f"{component}/{key}.weight"]
            expected = original + strength * (found.weight - original)
            assert torch.allclose(layer.weight, expected, atol=1e-5), (name, strength)
            if found.bias is not None and layer.bias is not None:
                bias = before[f"{component}/{key}.bias"]
                assert torch.allclose(layer.bias, bias + strength * (found.bias - bias), atol=1e-5)
    merged.set((), never_cancelled)
    assert same(before, weights(loaded))


@pytest.mark.parametrize("loaded", LAYERS, indirect=True)
@pytest.mark.parametrize("naming", NAMINGS)
def test_every_savers_names_mean_the_same_layers(loaded: LoadedCheckpoint, naming: str, tmp_path: Path) -> None:
    family, merged = loaded.family.name, MergedLoras(loaded)
    found = {}
    for each in ("kohya", naming):
        write(tmp_path / f"{each}.safetensors", loaded, family, writers.LINEAR_AND_CONVOLUTION["LoRA"], each)
        merged.set((lora(tmp_path / f"{each}.safetensors", 0.7),), never_cancelled)
        assert not merged.notices
        found[each] = weights(loaded)
        merged.set((), never_cancelled)
    assert same(found["kohya"], found[naming])
