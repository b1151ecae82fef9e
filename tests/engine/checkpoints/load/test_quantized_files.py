"""GGUF files and scaled 8-bit files: the same weights as what their own library dequantises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.adapters.additions import NOTHING, Additions
from engine.checkpoints.adapters.merge import Lora
from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.files.headers import read_header
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.library.borrowing import borrow_components
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.compat.gguf_layers import QuantizedLinear
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import additions, ggufs, tiny, tiny_sd3

FULL = ExecutionPlan(channels_last=False)
KIND = gguf.GGMLQuantizationType
# What `gguf` writes in pure Python; its other kinds are only read.
WRITTEN = (KIND.Q8_0, KIND.Q4_0, KIND.Q5_1, KIND.BF16)
HALF = 5e-3
"""diffusers multiplies blocks out in half precision, ``gguf`` in float32."""

Maker = Callable[[str, str], Path]


def predict(unet: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    sample, text = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 5, tiny.WIDTH, generator=generator)
    with torch.inference_mode():
        return unet(sample, torch.tensor(500), encoder_hidden_states=text, return_dict=False)[0]


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.name)
def test_a_whole_checkpoint_in_gguf_draws_with_its_rounded_weights(kind: Any, checkpoint: Maker, tmp_path: Path) -> None:
    original = tiny.pipeline("sd1")
    rounded = ggufs.write(tmp_path / "x.gguf", tiny.in_original_layout("sd1", original), kind, "sd1")
    save_file(rounded, tmp_path / "rounded.safetensors")
    loaded = load_checkpoint(entry_for(tmp_path / "x.gguf", configs=checkpoint("sd1", "folder")), FULL)
    wanted = load_checkpoint(entry_for(tmp_path / "rounded.safetensors", configs=checkpoint("sd1", "folder")), FULL)
    assert not loaded.notices
    linear = [layer for layer in loaded.unet.modules() if isinstance(layer, QuantizedLinear)]
    assert bool(linear) == (kind not in (KIND.F16, KIND.BF16))
    assert torch.allclose(predict(loaded.unet), predict(wanted.unet), atol=HALF)
    encoder = loaded.text_encoder
    assert encoder is not None and wanted.text_encoder is not None
    tokens = torch.arange(20)[None]
    assert torch.allclose(encoder(tokens)[0], wanted.text_encoder(tokens)[0], atol=HALF)


@pytest.mark.parametrize("kind", [KIND.Q8_0, KIND.Q5_1], ids=lambda kind: kind.name)
@pytest.mark.parametrize("network", tiny_sd3.NETWORKS)
@pytest.mark.parametrize("prefix", [False, True])
def test_a_denoiser_of_stable_diffusion_3_in_gguf_keeps_its_rounded_weights(
    kind: Any, network: str, prefix: bool, sd3_folders: Path, tmp_path: Path
) -> None:
    """With and without the prefix, as stable-diffusion.cpp and ComfyUI-GGUF write them; the rest is another checkpoint's."""
    if prefix and (network, kind) != ("sd35_large", KIND.Q8_0):
        return
    tensors = tiny_sd3.in_original_layout(network, encoders=(), prefix=prefix)
    denoiser = {name: tensor for name, tensor in tensors.items() if not name.startswith("first_stage_model.")}
    rounded = ggufs.write(tmp_path / "x.gguf", denoiser, kind, "sd3")
    whole = tiny_sd3.in_original_layout(network, prefix=prefix)
    save_file({**whole, **{n: t.contiguous() for n, t in rounded.items()}}, tmp_path / "rounded.safetensors")
    configs = sd3_folders / network
    alone = entry_for(tmp_path / "x.gguf", configs=configs)
    assert (alone.identity.kind, alone.family.name) == ("unet", network)
    entry = borrow_components(alone, [entry_for(configs)])
    assert entry.identity.kind == "checkpoint" and set(entry.borrowed) == {
        "vae",
        "text_encoder",
        "text_encoder_2",
        "text_encoder_3",
    }
    loaded = load_checkpoint(entry, FULL)
    wanted = load_checkpoint(entry_for(tmp_path / "rounded.safetensors", configs=configs), FULL)
    linear = [name for name, layer in loaded.denoiser.named_modules() if isinstance(layer, torch.nn.Linear)]
    kept = [name for name, layer in loaded.denoiser.named_modules() if isinstance(layer, QuantizedLinear)]
    assert "transformer_blocks.0.attn.to_k" in kept and len(kept) > len(linear) * 0.8
    packed = entry.parts["transformer"]
    assert packed.bytes_in(4) < packed.parameters * 4 * 0.6
    given = torch.Generator().manual_seed(1)
    inputs = (torch.randn(1, 16, 8, 8, generator=given), torch.randn(1, 5, 2 * tiny.WIDTH, generator=given))
    pooled = torch.randn(1, 2 * tiny.WIDTH, generator=given)
    with torch.inference_mode():
        mine, theirs = (
            each.denoiser(inputs[0], inputs[1], pooled, torch.tensor([500]), return_dict=False)[0] for each in (loaded, wanted)
        )
    assert (mine - theirs).abs().max() < HALF * theirs.abs().max()


def test_a_lora_on_quantised_weights_is_added_and_taken_out_again(checkpoint: Maker, tmp_path: Path) -> None:
    folder = checkpoint("sd1", "folder")
    rounded = ggufs.write(tmp_path / "x.gguf", tiny.in_original_layout("sd1", tiny.pipeline("sd1")), KIND.Q8_0, "sd1")
    save_file(rounded, tmp_path / "rounded.safetensors")
    save_file(additions.kohya(1), tmp_path / "lora.safetensors")
    lora = Lora(entry=entry_for(tmp_path / "lora.safetensors"), text_strength=1.0, unet_strength=0.5)
    added, pictures = Additions(loras=(lora,)), []
    for name in ("x.gguf", "rounded.safetensors"):
        cache, entry = CheckpointCache(2**30), entry_for(tmp_path / name, configs=folder)
        for wanted in (NOTHING, added, NOTHING):
            with cache.lease(entry, FULL, additions=wanted) as loaded:
                pictures.append(predict(loaded.unet))
    before, changed, after, *reference = pictures
    assert torch.equal(before, after) and not torch.allclose(before, changed, atol=10 * HALF)
    assert all(torch.allclose(one, other, atol=HALF) for one, other in zip(pictures[:3], reference, strict=True))


def test_an_8_bit_file_with_scales_is_multiplied_out(tmp_path: Path, checkpoint: Maker) -> None:
    """Names as in github.com/comfyanonymous/ComfyUI, ``comfy/ops.py`` and ``comfy/model_detection.py``: ``scaled_fp8`` and
    ``scale_weight``, and later ``weight_scale``."""
    tensors = tiny.in_original_layout("sd1", tiny.pipeline("sd1"))
    layers = [name for name in tensors if name.startswith(ggufs.PREFIX) and name.endswith(("to_k.weight", "to_q.weight"))]
    scaled, wanted = dict(tensors), dict(tensors)
    for name in layers:
        scale = tensors[name].abs().max() / 448
        packed = (tensors[name] / scale).to(torch.float8_e4m3fn)
        end = "weight_scale" if "to_q" in name else "scale_weight"
        scaled |= {
            name: packed,
            name.removesuffix("weight") + end: scale,
            name.removesuffix("weight") + "scale_input": torch.ones(1),
        }
        wanted[name] = packed.float() * scale
    scaled[f"{ggufs.PREFIX}scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    save_file(scaled, tmp_path / "x.safetensors")
    loaded = load_checkpoint(entry_for(tmp_path / "x.safetensors", configs=checkpoint("sd1", "folder")), FULL)
    assert layers and not loaded.notices
    store = loaded.originals["unet"]
    unet = loaded.unet.state_dict()
    for name, (place, _) in store.places.items():
        if place in layers:
            assert torch.equal(unet[name], wanted[place])


def test_a_gguf_file_that_is_cut_off_or_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    ggufs.write(tmp_path / "x.gguf", {"a.weight": torch.randn(64, 64)}, KIND.Q8_0)
    whole = (tmp_path / "x.gguf").read_bytes()
    for length in range(4, len(whole), 97):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"cut\.gguf"):
            read_header(tmp_path / "cut.gguf")
    assert TensorStore([tmp_path / "x.gguf"]).read("a.weight").shape == (64, 64)
