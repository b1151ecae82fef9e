"""Identifies a file or folder by the names and shapes of its tensors; its own name and extension are ignored.

Does not import torch, since the page uses it. A file of several gigabytes takes milliseconds: only its header is read.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.checkpoints.captioners.identify_captioner import identify_captioner_folder, identify_tagger, is_captioner_folder
from engine.checkpoints.control.recognition import identify_control, identify_control_folder
from engine.checkpoints.families import BASE_MODELS
from engine.checkpoints.families.stable_diffusion_3 import SD3
from engine.checkpoints.files.headers import Header, Tensor, read_header
from engine.checkpoints.identify.adapters import find_other_family, identify_adapter, read_description
from engine.checkpoints.identify.evidence import read_few_steps
from engine.checkpoints.identify.folders import FOLDER_INDEX, identify_folder, is_control_folder, weight_files
from engine.checkpoints.identify.identity import Identity, Part
from engine.checkpoints.identify.image_networks import identify_network
from engine.checkpoints.identify.mmdit_file import identify_mmdit, identify_text_encoder
from engine.checkpoints.identify.single_file import identify_checkpoint, identify_unet_in_diffusers_layout
from engine.checkpoints.identify.tiny_vae import identify_tiny_vae
from engine.errors import CheckpointError
from engine.storage.items import translate_any_error

__all__ = ["Identity", "Part", "identify", "identify_header"]


def identify(path: Path) -> Identity:
    """The identity of ``path``. Raises CheckpointError, a sentence that names the file, for damaged or unsafe files.

    A valid file of a kind that Easel does not know has kind ``"unknown"``.
    """
    with translate_any_error(CheckpointError, path.name):
        if path.is_dir():
            files = os.listdir(path)
            is_captioner = FOLDER_INDEX not in files and is_captioner_folder(path, files)
            if is_captioner:
                return identify_captioner_folder(path)
            return _identify_control_folder(path) if is_control_folder(path, files) else identify_folder(path)
        return identify_tagger(path) or identify_header(read_header(path), path)


def _identify_control_folder(folder: Path) -> Identity:
    found = identify_control_folder(folder, weight_files(folder)[0])
    reason = "its weights are not those of a control network, although its config.json says so"
    return found or Identity(kind="unknown", container="folder", reason=reason)


def identify_header(header: Header, path: Path) -> Identity:
    """Like :func:`identify`, from a header that has been read; at most one small tensor is read from ``path``."""
    names = header.tensors
    for recognise in _RECOGNISERS:
        found = recognise(names, header, path)
        if found is not None:
            return found
    reason = "its parts have names that Easel does not know" if names else "it is empty: there are no weights in it"
    return Identity(kind="unknown", digest=header.digest, reason=reason)


def _alone(kind: str, clues: tuple[str, ...], reason: str, component: str = "") -> Callable[..., Identity | None]:
    """A recogniser of files with tensors whose names end in each of ``clues``."""

    def recognise(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
        if not all(any(name.endswith(clue) for name in names) for clue in clues):
            return None
        parts = {component or kind: Part.sum(list(names.values()))}
        return Identity(
            kind=kind,
            parts=parts,
            container=header.container,
            digest=header.digest,
            weights_sha256=header.metadata.get("sshs_model_hash", "").lower(),
            reason=reason,
        )

    return recognise


def _embedding(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """Textual inversion: A1111's ``string_to_param``, ``emb_params``, XL's ``clip_l`` and ``clip_g``, or a single matrix; a
    single vector in diffusers' ``learned_embeds.bin``."""
    vectors = {n: t for n, t in names.items() if len(t.shape) == 1 and len(names) == 1 and header.container != "safetensors"}
    wide = vectors or {n: t for n, t in names.items() if len(t.shape) == 2 and 0 < t.shape[0] <= 1024}
    known = any(n.startswith("string_to_param.") or n in ("emb_params", "clip_l", "clip_g") for n in wide)
    if not wide or not (known or len(names) == 1):
        return None
    width = max(t.shape[-1] for t in wide.values())
    told = (base.name for base in BASE_MODELS.values() if any(n.startswith(base.key_prefixes) for n in wide))
    family = next(told, None) or next((base.name for base in BASE_MODELS.values() if base.embedding_width == width), "")
    tokens = max(t.shape[0] if len(t.shape) == 2 else 1 for t in wide.values())
    return Identity(
        kind="embedding", family=family, parts={"embedding": Part.sum(list(wide.values()))}, container=header.container,
        digest=header.digest, reason=f"{tokens} learned token{'s' if tokens > 1 else ''}, {width} wide",
        description=read_description(header.metadata),
    )  # fmt: skip


def _adapter(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """A LoRA or a related method. Only titles tell those for few steps, of which the file's name is often the only one."""
    found = identify_adapter(names, header)
    titles = (path.stem, *(header.metadata.get(key, "") for key in ("modelspec.title", "ss_output_name")))
    return found and dataclasses.replace(found, few_steps=read_few_steps(" ".join(titles)))


def _network(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """An upscaler, or another network that works on images."""
    return identify_network(names, header)


_NAMES_FLUX = re.compile(r"flux|^ae$", re.IGNORECASE)
"""In the name of a VAE's file: Flux' has the shapes of Stable Diffusion 3's, and is published as ``ae.safetensors``."""

_VAE_NAMES = re.compile(r"(first_stage_model\.|vae\.)?(encoder|decoder|quant_conv|post_quant_conv|loss|model_ema)\b.*")


def _vae(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """A VAE in the original layout or diffusers'; some lack ``quant_conv``. One with other latents is of an unknown kind."""
    decoder = next((t for n, t in names.items() if n.endswith("decoder.conv_in.weight")), None)
    if decoder is None or not all(_VAE_NAMES.fullmatch(name) for name in names):
        return None
    if len(decoder.shape) == 4 and decoder.shape[1] == 4:
        return _alone("vae", ("encoder.conv_in.weight", "decoder.conv_in.weight"), "an autoencoder (VAE)")(names, header, path)
    channels = decoder.shape[1] if len(decoder.shape) > 1 else 0
    if channels == SD3.latent_channels and not _NAMES_FLUX.search(path.stem):
        return Identity(
            kind="vae", family=SD3.name, parts={"vae": Part.sum(names.values())}, container=header.container,
            digest=header.digest, reason="an autoencoder (VAE) of Stable Diffusion 3, whose latents have 16 channels",
        )  # fmt: skip
    reason = f"it is a VAE with latents of {channels} channels, for a family that Easel does not draw with, such as Flux"
    return Identity(kind="unknown", container=header.container, digest=header.digest, reason=reason)


def _other(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """A valid file that Easel cannot use, or not by itself, by its contents."""
    for pattern, reason in _OTHERS:
        if any(re.match(pattern, name) for name in names):
            return Identity(kind="unknown", container=header.container, digest=header.digest, reason=reason)
    family = find_other_family(name.removeprefix("model.diffusion_model.") for name in names)
    if not family and not any(_DENOISER.match(name) for name in names):
        return None
    reason = f"it is a checkpoint of {family or 'another family'}, which Easel does not draw with. {_INSTEAD}"
    return Identity(kind="unknown", container=header.container, digest=header.digest, reason=reason)


_INSTEAD = "Use a checkpoint of Stable Diffusion 1, 2, XL or 3.5 instead"
_DENOISER = re.compile(
    r"(model\.diffusion_model\.)?(time_embed|double_layers|mlp_t5|txt_in|adaln_single|cap_embedder|x_embedder)"
)
_OTHERS: tuple[tuple[str, str], ...] = (
    (r"model_ema\.diffusion_model", "it holds the averaged weights (EMA) alone, without those that draw. Use the complete file"),
    (r"(cond_stage_model|conditioner)\.|text_model\.encoder\.|transformer\.resblocks\.|text_encoders\.",
     "it holds a text encoder alone. Easel uses the one in the checkpoint"),
    (r"encoder\.block\.\d+\.layer\.", "it holds the T5 text encoder alone, which Stable Diffusion 1, 2 and XL do not have"),
    (r"image_encoder\.(patch_embed|blocks|trunk)\.", "it is Segment Anything, which Easel does not use yet"),
    (r"(image_encoder\.|vision_model\.)", "it holds an image encoder (CLIP vision), which Easel does not use yet"),
    (r"(image_proj|ip_adapter)\.", "it is an IP-Adapter, which Easel does not use yet"),
    (r"(body\.\d+\.block\d|adapter\.body)",
     "it is a T2I-Adapter of a kind that Easel does not use. Get one for Stable Diffusion 1 or XL"),
    (r".*\.(lambda_layer|hra_u|vera_lambda_[bd]|fourierft_spectrum|oft_diag)(\.\w+)?$",
     "it is an adapter by a method that Easel cannot merge, such as T-LoRA, HRA or VeRA. Get it as LoRA, LoHa or LoKr"),
    (r"lllite_unet", "it is a ControlNet of the kind LLLite, which Easel does not use yet"),
    (r"lora_controlnet", "it is a Control-LoRA of a kind that Easel does not use. Get the ControlNet itself"),
    (r"(control_model\.|controlnet_|control_add_embedding)",
     "it is a ControlNet of a kind that Easel does not use yet. Get one for Stable Diffusion 1, 2 or XL"),
    (r".*motion_modules\.", "it is a motion module of AnimateDiff. Easel draws pictures, not films: choose another file"),
    (r"(clip_txt_mapper|effnet_mapper|clip_txt_pooled_mapper|previewer\.)",
     f"it is a part of Stable Cascade, which Easel does not draw with. {_INSTEAD}"),
    (r"(enc|dec)\.blk\.\d|blk\.\d+\.(attn|ffn)", "it is a language model or a text encoder alone, which cannot draw. "
     "Put it beside the checkpoint that needs it"),
)  # fmt: skip
"""Regular expression for the beginning of a tensor's name -> what the file is."""


_RECOGNISERS: tuple[Callable[[Mapping[str, Tensor], Header, Path], Identity | None], ...] = (
    identify_control,
    identify_checkpoint,
    identify_mmdit,
    _adapter,
    identify_tiny_vae,
    _network,
    identify_unet_in_diffusers_layout,
    _vae,
    identify_text_encoder,
    _alone("depth", ("pretrained.model.blocks.0.attn.qkv.weight", "scratch.output_conv.0.weight"), "a MiDaS depth estimator"),
    _other,
    _embedding,
)
"""In order of precedence; the first that recognises a file wins."""
