"""The depth estimator of Stable Diffusion 2 depth: MiDaS's weights from the original file, as transformers' DPT hybrid.

The original names are those of isl-org/MiDaS (``midas/dpt_depth.py``, ``midas/backbones/vit.py``) around timm's
``vit_base_resnet50_384``; the single file of 2-depth holds them under ``depth_model.``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import torch
from transformers import DPTImageProcessor

from engine.checkpoints.families import CONFIGS
from engine.checkpoints.families.key_mapping import Config, KeyMapping, TensorSource
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify import folders
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError
from engine.json_values import JsonObject

PREFIXES = ("depth_model.model.", "depth_model.", "")
"""Stability's wrapper adds its own ``model.``; files of MiDaS alone have no prefix."""

_EXACT: Mapping[str, str] = {
    "dpt.embeddings.cls_token": "pretrained.model.cls_token",
    "dpt.embeddings.position_embeddings": "pretrained.model.pos_embed",
}

_RULES: tuple[tuple[str, str], ...] = (
    (r"dpt\.embeddings\.projection\.(\w+)", r"pretrained.model.patch_embed.proj.\1"),
    (r"dpt\.embeddings\.backbone\.bit\.embedder\.convolution\.(\w+)", r"pretrained.model.patch_embed.backbone.stem.conv.\1"),
    (r"dpt\.embeddings\.backbone\.bit\.embedder\.norm\.(\w+)", r"pretrained.model.patch_embed.backbone.stem.norm.\1"),
    (
        r"dpt\.embeddings\.backbone\.bit\.encoder\.stages\.(\d+)\.layers\.(\d+)\.(.+)",
        r"pretrained.model.patch_embed.backbone.stages.\1.blocks.\2.\3",
    ),
    (r"dpt\.encoder\.layer\.(\d+)\.layernorm_before\.(\w+)", r"pretrained.model.blocks.\1.norm1.\2"),
    (r"dpt\.encoder\.layer\.(\d+)\.layernorm_after\.(\w+)", r"pretrained.model.blocks.\1.norm2.\2"),
    (r"dpt\.encoder\.layer\.(\d+)\.attention\.output\.dense\.(\w+)", r"pretrained.model.blocks.\1.attn.proj.\2"),
    (r"dpt\.encoder\.layer\.(\d+)\.intermediate\.dense\.(\w+)", r"pretrained.model.blocks.\1.mlp.fc1.\2"),
    (r"dpt\.encoder\.layer\.(\d+)\.output\.dense\.(\w+)", r"pretrained.model.blocks.\1.mlp.fc2.\2"),
    (r"dpt\.layernorm\.(\w+)", r"pretrained.model.norm.\1"),
    (r"head\.head\.(\d)\.(\w+)", r"scratch.output_conv.\1.\2"),
)
"""Names that follow a pattern: transformers' name -> the original one."""

_THIRDS = ("query", "key", "value")
_ATTENTION = re.compile(r"dpt\.encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(\w+)")
_READOUT = re.compile(r"neck\.reassemble_stage\.readout_projects\.(\d)\.0\.(\w+)")
_REASSEMBLE = re.compile(r"neck\.reassemble_stage\.layers\.(\d)\.(projection|resize)\.(\w+)")
_NECK = re.compile(r"neck\.convs\.(\d)\.(\w+)")
_FUSION = re.compile(r"neck\.fusion_stage\.layers\.(\d)\.(.+)")
_FUSED = (("residual_layer", "resConfUnit"), ("convolution", "conv"), ("projection", "out_conv"))


def map_midas(name: str, config: Config) -> TensorSource:
    """Where a tensor of transformers' DPTForDepthEstimation lies in MiDaS's weights."""
    if match := _ATTENTION.fullmatch(name):
        layer, which, kind = match.groups()
        return _under_any_prefix(f"pretrained.model.blocks.{layer}.attn.qkv.{kind}", _THIRDS.index(which))
    return _under_any_prefix(_EXACT.get(name) or _by_rule(name) or _map_neck(name) or name)


def _under_any_prefix(name: str, third: int | None = None) -> TensorSource:
    return TensorSource(tuple(prefix + name for prefix in PREFIXES), third)


def _by_rule(name: str) -> str:
    return next((re.sub(ours, theirs, name) for ours, theirs in _RULES if re.fullmatch(ours, name)), "")


def _map_neck(name: str) -> str:
    """Names in the neck: the original counts from 1, and numbers its fusion blocks from the last."""
    if match := _READOUT.fullmatch(name):
        return f"pretrained.act_postprocess{int(match[1]) + 1}.0.project.0.{match[2]}"
    if match := _REASSEMBLE.fullmatch(name):
        place = {"projection": 3, "resize": 4}[match[2]]
        return f"pretrained.act_postprocess{int(match[1]) + 1}.{place}.{match[3]}"
    if match := _NECK.fullmatch(name):
        return f"scratch.layer{int(match[1]) + 1}_rn.{match[2]}"
    if match := _FUSION.fullmatch(name):
        rest = match[2]
        for ours, theirs in _FUSED:
            rest = rest.replace(ours, theirs)
        return f"scratch.refinenet{4 - int(match[1])}.{rest}"
    return ""


class MakeComponent(Protocol):
    """Builds a component of class ``kind`` and fills it from ``store``."""

    def __call__(
        self, kind: str, component: str, config: JsonObject, store: TensorStore, naming: KeyMapping
    ) -> torch.nn.Module: ...


def from_file(entry: CheckpointEntry, store: TensorStore, make: MakeComponent) -> dict[str, torch.nn.Module | DPTImageProcessor]:
    """Estimator and feature extractor for a single file: from its own MiDaS weights, else from a folder beside it.

    Raises CheckpointError if there is neither.
    """
    if any(n.startswith("depth_model.") for n in store.names()):
        config = entry.config("depth_estimator")
        parts = make("DPTForDepthEstimation", "depth_estimator", config, store, map_midas)
    else:
        folder = _beside(entry)
        config = folders.read_json(folder / "config.json")
        parts = make("DPTForDepthEstimation", "depth_estimator", config, TensorStore(folders.weight_files(folder)), keep_name)
    return {"depth_estimator": parts, "feature_extractor": _feature_extractor(config)}


def keep_name(name: str, config: Config) -> TensorSource:
    """Folders have transformers' own names."""
    return TensorSource((name,))


def _beside(entry: CheckpointEntry) -> Path:
    """A transformers folder of a DPT next to the checkpoint."""
    for path in sorted(entry.path.parent.glob("*/config.json")):
        with suppress(CheckpointError):  # it belongs to another checkpoint, which has a sentence of its own
            classes = folders.read_json(path).get("architectures")
            if isinstance(classes, list) and "DPTForDepthEstimation" in classes:
                return path.parent
    raise CheckpointError(
        f"“{entry.path.name}” is a depth checkpoint that was saved without its depth estimator. Put the folder of a DPT depth "
        "estimator (config.json and model.safetensors) beside it, or choose a file that has it."
    )


def _feature_extractor(config: JsonObject) -> DPTImageProcessor:
    """Images as the estimator was trained to see them: a square, values from -1 to 1 (MiDaS's transform, bicubic)."""
    side = config.get("image_size", 384)
    settings = {**folders.read_json(CONFIGS / "feature_extractor_depth.json"), "size": {"height": side, "width": side}}
    extractor = DPTImageProcessor.from_dict(settings)
    return extractor[0] if isinstance(extractor, tuple) else extractor
