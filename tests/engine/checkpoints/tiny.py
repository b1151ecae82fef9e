"""Tiny checkpoints with random weights, of every kind that Easel loads: as diffusers pipelines and in the original layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from PIL import Image

from engine.checkpoints.families import CONFIGS
from engine.checkpoints.identify.identity import Identity
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.loaded import LoadedCheckpoint, create_checkpoint
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import originals
from tests.engine.checkpoints.pipelines import create_pipeline

WIDTH = 32


def tokenizer(pad: str) -> Any:
    return transformers.CLIPTokenizer.from_pretrained(str(CONFIGS / "clip_tokenizer"), pad_token=pad, local_files_only=True)


def text_encoder(*, openclip: bool = False, projected: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        hidden_size=WIDTH, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2, projection_dim=WIDTH,
        hidden_act="gelu" if openclip else "quick_gelu", bos_token_id=49406, eos_token_id=49407, pad_token_id=1,
    )  # fmt: skip
    return (transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel)(config).eval()


def unet(channels: int = 4, *, linear: bool = False, **extra: Any) -> Any:
    settings: dict[str, Any] = {
        "sample_size": 8, "in_channels": channels, "out_channels": 4, "layers_per_block": 1, "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": WIDTH, "attention_head_dim": (4, 8) if linear else 8, "use_linear_projection": linear, **extra,
    }  # fmt: skip
    return diffusers.UNet2DConditionModel(**settings).eval()


def vae() -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(32, 32), latent_channels=4, sample_size=16, norm_num_groups=32,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()  # fmt: skip


def depth_estimator() -> Any:
    backbone = transformers.BitConfig(
        global_padding="same", layer_type="bottleneck", depths=[1, 2, 1], hidden_sizes=[128, 128, 128], embedding_size=32,
        out_features=["stage1", "stage2", "stage3"], embedding_dynamic_padding=True,
    )  # fmt: skip
    config = transformers.DPTConfig(
        is_hybrid=True, backbone_config=backbone, hidden_size=32, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=37, image_size=32, patch_size=16, backbone_featmap_shape=[1, 128, 2, 2],
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[128, 128, 32, 32], neck_ignore_stages=[0, 1],
        reassemble_factors=[1, 1, 1, 0.5], readout_type="project", fusion_hidden_size=32,
    )  # fmt: skip
    return transformers.DPTForDepthEstimation(config).eval()


def _scheduler(prediction: str = "epsilon", **extra: Any) -> Any:
    return diffusers.DDIMScheduler(
        prediction_type=prediction, steps_offset=1, clip_sample=False, beta_start=0.00085, beta_end=0.012,
        beta_schedule="scaled_linear", set_alpha_to_one=False, **extra,
    )  # fmt: skip


_NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def _plain(name: str, *, openclip: bool, channels: int = 4, prediction: str = "epsilon", **extra: Any) -> Any:
    return getattr(diffusers, name)(
        unet=unet(channels, linear=openclip, **extra), vae=vae(), text_encoder=text_encoder(openclip=openclip),
        tokenizer=tokenizer("!" if openclip else "<|endoftext|>"), scheduler=_scheduler(prediction), **_NO_CHECKER,
    )  # fmt: skip


def _depth() -> Any:
    side = {"height": 32, "width": 32}
    return diffusers.StableDiffusionDepth2ImgPipeline(
        unet=unet(5, linear=True), vae=vae(), text_encoder=text_encoder(openclip=True), tokenizer=tokenizer("!"),
        scheduler=_scheduler(), depth_estimator=depth_estimator(),
        feature_extractor=transformers.DPTImageProcessor(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=3),
    )  # fmt: skip


def _x4() -> Any:
    return diffusers.StableDiffusionUpscalePipeline(
        unet=unet(7, linear=True, num_class_embeds=1000, only_cross_attention=(True, False)), vae=vae(),
        text_encoder=text_encoder(openclip=True), tokenizer=tokenizer("!"), scheduler=_scheduler("v_prediction"),
        low_res_scheduler=diffusers.DDPMScheduler(), safety_checker=None, feature_extractor=None, watermarker=None,
        max_noise_level=350,
    )  # fmt: skip


def _xl_unet(channels: int = 4, *, width: int = 2 * WIDTH, numbers: int = 6) -> Any:
    return unet(
        channels, linear=True, cross_attention_dim=width, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 * numbers + WIDTH, transformer_layers_per_block=(1, 2),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def _xl(name: str = "StableDiffusionXLPipeline", channels: int = 4) -> Any:
    return getattr(diffusers, name)(
        unet=_xl_unet(channels), vae=vae(), text_encoder=text_encoder(), tokenizer=tokenizer("<|endoftext|>"),
        text_encoder_2=text_encoder(openclip=True, projected=True), tokenizer_2=tokenizer("!"), scheduler=_scheduler(),
        add_watermarker=False,
    )  # fmt: skip


def _refiner() -> Any:
    return diffusers.StableDiffusionXLImg2ImgPipeline(
        unet=_xl_unet(width=WIDTH, numbers=5), vae=vae(), text_encoder=None, tokenizer=None,
        text_encoder_2=text_encoder(openclip=True, projected=True), tokenizer_2=tokenizer("!"), scheduler=_scheduler(),
        requires_aesthetics_score=True, force_zeros_for_empty_prompt=False, add_watermarker=False,
    )  # fmt: skip


def _few_steps(made: Any) -> Any:
    """``made`` as the turbo kinds of its family are published: their schedulers place the steps from the end."""
    made.register_modules(scheduler=_scheduler(timestep_spacing="trailing"))
    return made


@dataclass(frozen=True)
class Kind:
    """One row of the table of kinds. ``use`` is what its pipeline is leased for, ``text`` how its text encoders are stored.

    ``metadata`` is what its safetensors file says of itself (Stability AI's "modelspec"); where there is some, other containers
    look like ``base``.
    """

    make: Callable[[], Any]
    text: str
    use: str = "text_to_image"
    metadata: Mapping[str, str] | None = None
    base: str = ""


_BASE = "StableDiffusionPipeline"
_PAINT = "StableDiffusionInpaintPipeline"

KINDS: Mapping[str, Kind] = {
    "sd1": Kind(lambda: _plain(_BASE, openclip=False), "clip"),
    "sd1_inpainting": Kind(lambda: _plain(_PAINT, openclip=False, channels=9), "clip", "inpaint"),
    "sd2_base": Kind(lambda: _plain(_BASE, openclip=True), "openclip"),
    "sd2_v": Kind(lambda: _plain(_BASE, openclip=True, prediction="v_prediction"), "openclip"),
    "sd2_inpainting": Kind(lambda: _plain(_PAINT, openclip=True, channels=9), "openclip", "inpaint"),
    "sd2_depth": Kind(_depth, "openclip", "depth"),
    "x4_upscaler": Kind(_x4, "openclip", "upscale"),
    "xl": Kind(_xl, "xl"),
    "xl_inpainting": Kind(lambda: _xl("StableDiffusionXLInpaintPipeline", 9), "xl", "inpaint"),
    "xl_refiner": Kind(_refiner, "refiner", "image_to_image"),
    "lcm": Kind(lambda: _plain(_BASE, openclip=False, time_cond_proj_dim=16), "clip"),
    "sd_turbo": Kind(
        lambda: _few_steps(_plain(_BASE, openclip=True)), "openclip", metadata={"modelspec.title": "SD-Turbo"}, base="sd2_base"
    ),
    "xl_turbo": Kind(lambda: _few_steps(_xl()), "xl", metadata={"modelspec.title": "SDXL-Turbo"}, base="xl"),
}


def pipeline(kind: str) -> Any:
    """A fresh tiny pipeline. Norms are moved away from 1 and 0, so that a mix-up of two shows."""
    torch.manual_seed(len(kind))
    made = KINDS[kind].make()
    for part in made.components.values():
        for layer in part.modules() if isinstance(part, torch.nn.Module) else ():
            if isinstance(layer, (torch.nn.LayerNorm, torch.nn.GroupNorm)) and layer.weight is not None:
                torch.nn.init.normal_(layer.weight, 1.0, 0.05)
                torch.nn.init.normal_(layer.bias, 0.0, 0.3 if kind == "sd2_v" else 0.02)
    made.set_progress_bar_config(disable=True)
    return made


def loaded(kind: str) -> LoadedCheckpoint:
    """The components of a fresh tiny pipeline, as Easel holds them."""
    entry = CheckpointEntry(name=kind, path=Path(kind), identity=Identity(kind="checkpoint", family=kind))
    return create_checkpoint(entry, ExecutionPlan(), pipeline(kind).components)


def in_original_layout(kind: str, made: Any) -> dict[str, torch.Tensor]:
    """Everything that the original single file of this kind holds."""
    weights = {**originals.unet(made.unet), **originals.vae(made.vae)}
    text = KINDS[kind].text
    if text == "clip":
        weights |= originals.clip(made.text_encoder, "cond_stage_model.")
    if text == "openclip":
        weights |= originals.openclip(made.text_encoder, "cond_stage_model.model.", extra_layer=True)
    if text == "xl":
        weights |= originals.clip(made.text_encoder, "conditioner.embedders.0.")
        weights |= originals.openclip(made.text_encoder_2, "conditioner.embedders.1.model.", extra_layer=False)
    if text == "refiner":
        weights |= originals.openclip(made.text_encoder_2, "conditioner.embedders.0.model.", extra_layer=False)
    if kind == "sd2_depth":
        weights |= originals.midas(made.depth_estimator)
    schedule = {"betas": torch.linspace(0, 1, 10), "alphas_cumprod": torch.linspace(1, 0, 10), "logvar": torch.zeros(10)}
    ema = {f"model_ema.{k.removeprefix('model.').replace('.', '')}": v * 0 for k, v in list(weights.items())[:120]}
    return {k: v.clone().contiguous() for k, v in {**weights, **schedule, **ema}.items()}


def picture(made: Any, use: str) -> torch.Tensor:
    """Two steps of what a pipeline, or one around a loaded checkpoint, does: 3 x H x W from 0 to 1."""
    pipe: Any = create_pipeline(made, use) if isinstance(made, LoadedCheckpoint) else made
    square = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
    mask = Image.new("L", (16, 16), 255)
    extra: dict[str, Any] = {
        "text_to_image": {"height": 16, "width": 16},
        "image_to_image": {"image": square, "strength": 0.99},
        "inpaint": {"image": square, "mask_image": mask, "height": 16, "width": 16, "strength": 0.99},
        "depth": {"image": square, "strength": 0.99},
        "upscale": {"image": square.resize((8, 8)), "noise_level": 20},
    }[use]
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(3)
    with torch.inference_mode():
        answer = pipe(prompt="a cat", num_inference_steps=2, generator=generator, output_type="pt", **extra)
    return answer.images[0].float()
