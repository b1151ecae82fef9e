"""Sound files that Easel cannot use are named as what they are, and look-alikes are told apart."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.files.headers import Header, Tensor
from engine.checkpoints.identify.identify import identify as identify_file
from engine.checkpoints.identify.identify import identify_header
from engine.checkpoints.identify.identity import Identity
from engine.errors import CheckpointError
from tests.engine.checkpoints import tiny, tiny_sd3

UNET = "model.diffusion_model."
ATTENTION = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
VAE = {"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3), "quant_conv.weight": (8, 8, 1, 1)}
IN_CHECKPOINT = {f"first_stage_model.{name}": shape for name, shape in VAE.items()}
TEXT = {"cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (8, 8)}
REFINERS_TEXT = {"conditioner.embedders.0.model.ln_final.weight": (8,)}


def unet(width: int) -> dict[str, tuple[int, ...]]:
    return {f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3), ATTENTION: (320, width)}


def identify(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> Identity:
    tensors = {name: Tensor(dtype="float16", shape=shape, offset=0) for name, shape in shapes.items()}
    return identify_header(Header("safetensors", tensors, metadata or {}), Path("x.safetensors"))


# Names of tensors as in black-forest-labs/flux, Stability-AI/sd3-ref, Tongyi-MAI/Z-Image, transformers (T5, CLIP),
# tencent-ailab/IP-Adapter, LyCORIS (tlora.py) and PEFT (HRA, VeRA, FourierFT).
OTHERS = {
    "the averaged weights (EMA) alone": {"model_ema.diffusion_modelinput_blocks00weight": (320, 4, 3, 3)},
    "a text encoder alone": TEXT,
    "a text encoder alone ": {"text_model.encoder.layers.0.mlp.fc1.weight": (8, 8), "text_model.final_layer_norm.bias": (8,)},
    "the T5 text encoder alone": {"encoder.block.0.layer.0.SelfAttention.q.weight": (8, 8), "shared.weight": (8, 8)},
    "an image encoder": {"vision_model.encoder.layers.0.mlp.fc1.weight": (8, 8), "visual_projection.weight": (8, 8)},
    "an IP-Adapter": {"image_proj.proj.weight": (8, 8), "ip_adapter.1.to_k_ip.weight": (8, 8)},
    "a VAE with latents of 32 channels": {**VAE, "decoder.conv_in.weight": (512, 32, 3, 3)},
    "it is empty": {},
    "a method that Easel cannot merge": {
        "lora_unet_mid_block_attn1_to_q.q_layer.weight": (3, 8), "lora_unet_mid_block_attn1_to_q.p_layer.weight": (8, 3),
        "lora_unet_mid_block_attn1_to_q.lambda_layer": (1, 3), "lora_unet_mid_block_attn1_to_q.alpha": (),
    },
    "a method that Easel cannot merge ": {"base_model.model.mid_block.attn1.to_q.hra_u": (8, 4)},
    "a method that Easel cannot merge  ": {
        "base_model.model.to_q.vera_lambda_b": (8,), "base_model.model.to_q.vera_lambda_d": (4,), "base_model.vera_A": (4, 8),
    },
    "a method that Easel cannot merge   ": {"base_model.model.mid_block.attn1.to_q.fourierft_spectrum": (10,)},
    "a checkpoint of Flux": {"double_blocks.0.img_attn.qkv.weight": (8, 8), "vae.decoder.conv_in.weight": (8, 16, 3, 3)},
    "a checkpoint of Z-Image": {f"{UNET}noise_refiner.0.attention.qkv.weight": (8, 8)},
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_what_cannot_be_used_is_named(what: str) -> None:
    found = identify(OTHERS[what])
    assert found.kind == "unknown" and what.strip() in found.reason, found.reason


def test_a_vae_is_one_only_if_every_tensor_is_a_vaes() -> None:
    assert identify(VAE).kind == "vae" and identify(IN_CHECKPOINT).kind == "vae"
    assert identify({**VAE, "joint_blocks.0.x_block.attn.qkv.weight": (8, 8)}).kind != "vae"


def test_the_name_alone_tells_the_vae_of_flux_from_that_of_stable_diffusion_3() -> None:
    tensors = {name: Tensor(dtype="float16", shape=shape, offset=0) for name, shape in VAE.items()}
    wide = {**tensors, "decoder.conv_in.weight": Tensor(dtype="float16", shape=(512, 16, 3, 3), offset=0)}
    told = {name: identify_header(Header("safetensors", wide), Path(f"{name}.safetensors")) for name in ("ae", "flux_vae", "sd3")}
    assert {name: (found.kind, found.family) for name, found in told.items()} == {
        "ae": ("unknown", ""), "flux_vae": ("unknown", ""), "sd3": ("vae", "sd3"),
    }  # fmt: skip
    assert "Flux" in told["ae"].reason


def test_a_denoiser_alone_is_named_as_that() -> None:
    assert identify(unet(768)).kind == "unet"
    assert identify({**unet(768), **IN_CHECKPOINT}).kind == "checkpoint"


@pytest.mark.parametrize("prefix", ["", "unet."])
@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2_base"), (2048, "xl")])
def test_a_unet_that_diffusers_saved_alone_is_told_by_its_family(prefix: str, width: int, family: str, tmp_path: Path) -> None:
    made = tiny.unet(cross_attention_dim=width).state_dict()
    save_file({prefix + name: tensor.half() for name, tensor in made.items()}, tmp_path / "x.safetensors")
    found = identify_file(tmp_path / "x.safetensors")
    assert (found.kind, found.family, list(found.parts)) == ("unet", family, ["unet"])


@pytest.mark.parametrize("kind", tiny_sd3.NETWORKS)
def test_a_transformer_that_diffusers_saved_alone_is_told_by_its_family(kind: str) -> None:
    made = tiny_sd3.transformer(kind).state_dict()
    found = identify({name: tuple(tensor.shape) for name, tensor in made.items()})
    assert (found.kind, found.family, list(found.parts)) == ("unet", kind, ["transformer"])


def test_a_detector_that_is_a_program_is_named_with_how_to_export_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As github.com/ultralytics/ultralytics saves it: the whole model object (``engine/trainer.py``), in version 5 too
    (github.com/ultralytics/yolov5, ``train.py``)."""
    for name in ("ultralytics.nn.tasks", "models.yolo"):
        module = types.ModuleType(name)
        kind = type("DetectionModel", (), {"__module__": name})
        monkeypatch.setattr(module, "DetectionModel", kind, raising=False)
        parents = {name.rsplit(".", count)[0]: types.ModuleType("") for count in range(1, name.count(".") + 1)}
        for path, each in {**parents, name: module}.items():
            monkeypatch.setitem(sys.modules, path, each)
        torch.save({"epoch": -1, "model": kind()}, tmp_path / "face_yolov8n.pt")
        with pytest.raises(CheckpointError, match=r"YOLO detector.*format=onnx") as refused:
            identify_file(tmp_path / "face_yolov8n.pt")
        assert "Fetch" not in str(refused.value)


def test_turbo_with_the_text_keys_of_the_refiner_is_told_by_its_width() -> None:
    """stabilityai/sd-turbo, sd_turbo.safetensors: saved by generative-models."""
    turbo = identify({**unet(1024), **IN_CHECKPOINT, **REFINERS_TEXT}, {"modelspec.title": "SD Turbo"})
    assert turbo.family == "sd_turbo" and set(turbo.parts) == {"unet", "vae", "text_encoder"}
    assert identify({**unet(1280), **IN_CHECKPOINT, **REFINERS_TEXT}).family == "xl_refiner"


XL = {**unet(2048), **IN_CHECKPOINT, "conditioner.embedders.1.model.ln_final.weight": (8,)}


@pytest.mark.parametrize(
    ("metadata", "family", "size"),
    [
        ({"modelspec.title": "SDXL-Turbo"}, "xl_turbo", 512),
        ({"modelspec.title": "Some Lightning 4 steps"}, "xl_turbo", 1024),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base-hyper"}, "xl_turbo", 1024),
        ({"modelspec.thumbnail": "data:image/jpeg;base64,turboAAlcm+lightning/"}, "xl", 1024),
        ({"modelspec.description": "better than turbo and lightning"}, "xl", 1024),
        ({"modelspec.title": "Turbocharged lcmish"}, "xl", 1024),
    ],
)
def test_only_whole_words_of_title_and_architecture_say_few_steps(metadata: dict[str, str], family: str, size: int) -> None:
    found = identify(XL, metadata)
    assert (found.family, found.native_size) == (family, size)


def test_unclip_is_refused_by_its_name(tmp_path: Path) -> None:
    """Names as in Stability-AI/stablediffusion (``v2-1-stable-unclip-h-inference.yaml``), and as diffusers' pipeline saves it."""
    beside = {"embedder.model.visual.class_embedding": (8,), "noise_augmentor.data_mean": (1, 8)}
    assert "2.1 unCLIP" in identify({**unet(1024), **IN_CHECKPOINT, **beside}).reason
    index = {"_class_name": "StableUnCLIPImg2ImgPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index), "utf-8")
    diffusers.AutoencoderKL(block_out_channels=(32,)).save_pretrained(tmp_path / "vae")
    found = identify_file(tmp_path)
    assert found.kind == "unknown" and "2.1 unCLIP" in found.reason


# Beginnings of files as their formats define them (ONNX is a protocol buffer: ir_version, producer_name, an empty graph).
FOREIGN = {
    "ONNX": b"\x08\x07\x12\x07pytorch\x3a\x00", "picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 20,
    "archive": b"Rar!\x1a\x07" + b"\0" * 20,
}  # fmt: skip


@pytest.mark.parametrize("what", FOREIGN)
def test_a_whole_file_of_another_format_is_named_and_not_to_be_fetched_again(what: str, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(FOREIGN[what])
    with pytest.raises(CheckpointError, match=what) as refused:
        identify_file(tmp_path / "x.onnx")
    assert "again" not in str(refused.value)


# Names as in github.com/guoyww/AnimateDiff, Stability-AI/StableCascade, facebookresearch/segment-anything,
# kohya-ss/ControlNet-LLLite-ComfyUI, Stability-AI/control-lora, ggml-org/llama.cpp (T5) and city96/ComfyUI-GGUF (Flux, SD 3).
MORE = {
    "AnimateDiff": "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight",
    "Stable Cascade": "clip_txt_mapper.weight",
    "Segment Anything": "image_encoder.patch_embed.proj.weight",
    "LLLite": "lllite_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.conditioning1.0.weight",
    "text encoder": "enc.blk.0.attn_q.weight",
    "Flux": "double_blocks.0.img_mod.lin.weight",
    "Z-Image": "context_refiner.0.attention.qkv.weight",
    "Qwen-Image": "transformer_blocks.0.img_mlp.net.0.proj.weight",
}


@pytest.mark.parametrize("container", ["safetensors", "gguf"])
@pytest.mark.parametrize("what", MORE)
def test_other_models_are_named_in_every_container(what: str, container: str) -> None:
    tensors = {MORE[what]: Tensor(dtype="float16", shape=(8, 8), offset=0)}
    found = identify_header(Header(container, tensors), Path("x"))
    assert found.kind == "unknown" and what in found.reason, found.reason
