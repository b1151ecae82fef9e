"""The image networks that spandrel loads: how each is recognised, its purpose, and the dtypes that it runs in.

One row per architecture of spandrel's ``MAIN_REGISTRY``, in the registry's order, which is the order of detection. Does not
import torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.checkpoints.files.headers import Header, Tensor
from engine.checkpoints.identify.identity import Identity, Part

Tensors = Mapping[str, Tensor]

UPSCALER, CLEANER, FACE_RESTORER, MASK_FILLER = "upscaler", "cleaner", "face_restorer", "mask_filler"
"""Purposes of networks. A cleaner restores an image at its own size; the last two are recognised but not used yet."""

FULL = ("float32",)
BRAIN = ("bfloat16", "float32")
HALF = ("float16", "bfloat16", "float32")


def _never(_tensors: Tensors) -> bool:
    return False


def _lacks(pattern: str) -> Callable[[Tensors], bool]:
    """Whether a network has no upsampling layers, whose names match ``pattern``, so that the output has the input's size."""
    called = re.compile(pattern)
    return lambda tensors: not any(called.match(name) for name in tensors)


def _shuffles_nothing(pattern: str) -> Callable[[Tensors], bool]:
    """Whether the last layer that matches ``pattern`` has no more outputs (channels times scale²) than at scale 1."""
    called = re.compile(pattern)

    def same_size(tensors: Tensors) -> bool:
        last = max((n for n in tensors if called.fullmatch(n)), key=_numbers_in, default="")
        return bool(last) and tensors[last].shape[0] <= 3

    return same_size


def _rrdb_same_size(tensors: Tensors) -> bool:
    """ESRGAN: each upsampling layer doubles the size; if the first layer has 16 times the channels, the image is pixel-unshuffled
    to a quarter of its size first."""
    if "model.0.weight" in tensors:  # each upsampling layer occupies three indices; without any, the last layer is the fifth
        inputs, doublings = tensors["model.0.weight"].shape[1], (max(_numbers_in(n)[0] for n in tensors) - 4) / 3
    else:
        inputs = tensors["conv_first.weight"].shape[1]
        doublings = sum(re.fullmatch(r"(conv_up|upconv)\d\.weight", n) is not None for n in tensors)
    return (doublings, inputs) in ((0, 1), (0, 3), (1, 4), (1, 12), (2, 16), (2, 48))


def _numbers_in(name: str) -> tuple[int, ...]:
    return (*(int(digits) for digits in re.findall(r"\d+", name)), 0)


@dataclass(frozen=True, kw_only=True)
class NetworkKind:
    """One architecture, called ``name`` in spandrel.

    ``keys``: tensors that must all be present, or alternatives of such sets. ``kind`` is its purpose, unless ``is_same_size``
    finds that a network keeps the size of the image. ``dtypes`` are those in which it runs without errors and close to float32;
    ``channels_last``: whether it supports that memory format.
    """

    name: str
    keys: tuple[tuple[str, ...], ...]
    kind: str = UPSCALER
    is_same_size: Callable[[Tensors], bool] = _never
    dtypes: tuple[str, ...] = BRAIN
    channels_last: bool = True

    def matches(self, tensors: Tensors) -> bool:
        """Whether a file with ``tensors`` has this architecture."""
        return any(all(key in tensors for key in keys) for keys in self.keys)


KINDS: tuple[NetworkKind, ...] = (
    NetworkKind(
        name="Compact", keys=(("body.0.weight", "body.1.weight"),), dtypes=HALF,
        is_same_size=_shuffles_nothing(r"body\.\d+\.weight"),
    ),
    NetworkKind(
        name="SwiftSRGAN", keys=(("initial.cnn.depthwise.weight", "final_conv.pointwise.weight"),), dtypes=HALF,
        is_same_size=_lacks(r"upsampler\."),
    ),
    NetworkKind(
        name="HAT", keys=(("conv_first.weight", "layers.0.residual_group.overlap_attn.relative_position_bias_table"),),
        is_same_size=_lacks(r"upsample\."),
    ),
    NetworkKind(
        name="GRL", dtypes=FULL, is_same_size=_lacks(r"(model\.|model_g\.)?(upsample\.|conv_up1)"),
        keys=tuple((f"{prefix}norm_start.weight", f"{prefix}layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale")
                   for prefix in ("", "model.", "model_g.")),
    ),
    NetworkKind(
        name="Swin2SR", dtypes=FULL, is_same_size=_lacks(r"upsample\.|conv_up1"),
        keys=(("patch_embed.proj.weight", "conv_first.weight", "layers.0.residual_group.blocks.0.attn.relative_position_index"),),
    ),
    NetworkKind(
        name="SwinIR", dtypes=FULL, is_same_size=_lacks(r"upsample\.|conv_up1"),
        keys=tuple((first, "layers.0.residual_group.blocks.0.attn.relative_position_index",
                    "layers.0.residual_group.blocks.0.mlp.fc1.bias") for first in ("conv_first.weight", "conv_first.1.weight")),
    ),
    NetworkKind(name="GFPGAN", keys=(("toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"),), kind=FACE_RESTORER),
    NetworkKind(
        name="RestoreFormer", kind=FACE_RESTORER,
        keys=(("quantize.embedding.weight", "encoder.conv_in.weight", "quant_conv.weight", "encoder.conv_out.weight",
               "decoder.mid.attn_1.norm2.weight"),),
    ),
    NetworkKind(
        name="LaMa", keys=(("model.model.1.bn_l.running_mean",), ("generator.model.1.bn_l.running_mean",)), kind=MASK_FILLER
    ),
    NetworkKind(
        name="OmniSR", keys=(("residual_layer.0.residual_layer.0.layer.0.fn.0.weight", "input.weight", "up.0.weight"),),
        dtypes=HALF, is_same_size=_shuffles_nothing(r"up\.0\.weight"),
    ),
    NetworkKind(name="SCUNet", keys=(("m_head.0.weight", "m_tail.0.weight"),), kind=CLEANER, dtypes=HALF),
    NetworkKind(
        name="FBCNN", keys=(("m_head.weight", "m_body_encoder.0.res.0.weight", "qf_pred.0.res.0.weight"),), kind=CLEANER,
        dtypes=HALF,
    ),
    NetworkKind(
        name="Uformer", keys=(("input_proj.proj.0.weight", "output_proj.proj.0.weight", "encoderlayer_0.blocks.0.norm1.weight"),),
        kind=CLEANER,
    ),
    NetworkKind(
        name="RGT", keys=(("before_RG.1.weight", "layers.0.blocks.0.gamma", "layers.0.blocks.0.attn.attns.0.rpe_biases"),),
        is_same_size=_lacks(r"upsample\."),
    ),
    NetworkKind(
        name="DAT", keys=(("before_RG.1.weight", "layers.0.blocks.0.ffn.sg.conv.weight"),), is_same_size=_lacks(r"upsample\."),
    ),
    NetworkKind(
        name="CRAFT", keys=(("conv_first.weight", "layers.0.residual_group.hf_blocks.0.attn.temperature"),), dtypes=HALF,
        is_same_size=_shuffles_nothing(r"upsample\.0\.weight"),
    ),
    NetworkKind(
        name="KBNet", kind=CLEANER,
        keys=(("intro.weight", "encoders.0.0.attgamma", "ending.weight"),
              ("patch_embed.proj.weight", "latent.0.ffn.qkv.weight", "refinement.0.attn.dwconv.0.weight")),
    ),
    NetworkKind(
        name="DITN", keys=(("sft.weight", "UFONE.0.ITLs.0.attn.temperature"),), dtypes=HALF,
        is_same_size=_shuffles_nothing(r"upsample\.0\.weight"),
    ),
    NetworkKind(
        name="MMRealSR", keys=(("body.0.rdb1.conv1.weight", "am_list.0.fc.0.weight", "de_net.conv_first.0.weight"),), dtypes=HALF,
    ),
    NetworkKind(
        name="SPAN", keys=(("conv_1.sk.weight", "block_1.c1_r.sk.weight", "upsampler.0.weight"),), dtypes=HALF,
        is_same_size=_shuffles_nothing(r"upsampler\.0\.weight"),
    ),
    NetworkKind(name="RealCUGAN", keys=(("unet1.conv1.conv.0.weight", "unet2.conv4_up.weight"),), dtypes=HALF),
    NetworkKind(
        name="SAFMN", keys=(("to_feat.weight", "feats.0.safm.aggr.weight", "to_img.0.weight"),),
        is_same_size=_shuffles_nothing(r"to_img\.0\.weight"),
    ),
    NetworkKind(name="SAFMNBCIE", keys=(("to_feat.1.weight", "feats.0.layers.0.safm.mfr.0.weight"),), kind=CLEANER),
    NetworkKind(
        name="DCTLSA", keys=(("fea_conv.weight", "B1.body.0.transformer_body.0.blocks.0.attn.qkv.weight", "upsampler.0.weight"),),
        is_same_size=_shuffles_nothing(r"upsampler\.0\.weight"),
    ),
    NetworkKind(
        name="FFTformer", keys=(("patch_embed.proj.weight", "encoder_level1.0.ffn.fft", "output.weight"),), kind=CLEANER,
        dtypes=FULL,
    ),
    NetworkKind(name="NAFNet", keys=(("intro.weight", "ending.weight", "middle_blks.0.sca.1.weight"),), kind=CLEANER),
    NetworkKind(
        name="ATD", keys=(("conv_first.weight", "layers.0.residual_group.td", "relative_position_index_SA"),), dtypes=FULL,
        is_same_size=_lacks(r"upsample\.|conv_up1"),
    ),
    NetworkKind(
        name="MixDehazeNet", keys=(("patch_embed.proj.weight", "layer1.blocks.0.conv3_19.weight"),),
        kind=CLEANER,
    ),
    NetworkKind(
        name="DRUNet", keys=(("m_head.weight", "m_body.0.res.0.weight", "m_up3.2.res.0.weight", "m_tail.weight"),), kind=CLEANER
    ),
    NetworkKind(
        name="DnCNN", kind=CLEANER,
        keys=(("model.0.weight", "model.2.weight", "model.4.weight", "model.4.bias", "model.6.bias", "model.14.bias"),
              ("model.0.weight", "model.2.weight", "model.3.running_mean", "model.6.running_mean", "model.8.bias")),
    ),
    NetworkKind(
        name="IPT", keys=(("head.0.0.weight", "body.encoder.layers.0.self_attn.in_proj_weight", "tail.0.1.weight"),),
        is_same_size=_lacks(r"tail\.0\.0\."), channels_last=False,
    ),
    NetworkKind(
        name="DRCT", keys=(("conv_first.weight", "layers.0.swin1.attn.qkv.weight", "layers.0.adjust5.weight"),), dtypes=FULL,
        is_same_size=_lacks(r"upsample\."),
    ),
    NetworkKind(
        name="ESRGAN", dtypes=HALF, is_same_size=_rrdb_same_size,
        keys=(("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"), ("conv_first.weight", "body.0.rdb1.conv1.weight"),
              ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight"), ("model.0.weight", "model.1.sub.0.RDB1.conv1x1.weight")),
    ),
    NetworkKind(
        name="PLKSR", is_same_size=_shuffles_nothing(r"feats\.\d+\.weight"),
        keys=tuple(("feats.0.weight", f"feats.1.lk.{conv}.weight", "feats.1.refine.weight")
                   for conv in ("conv", "convs.0", "mn_conv")),
    ),
    NetworkKind(
        name="RetinexFormer", keys=(("body.0.estimator.conv1.weight", "body.0.denoiser.embedding.weight"),), kind=CLEANER
    ),
    NetworkKind(name="HVICIDNet", keys=(("HVE_block0.1.weight", "HV_LCA1.norm.weight", "trans.density_k"),), kind=CLEANER),
    NetworkKind(
        name="SeemoRe", keys=(("conv_1.weight", "upsampler.0.weight", "body.0.local_block.block.conv_1.0.weight"),),
        is_same_size=_shuffles_nothing(r"upsampler\.0\.weight"),
    ),
    NetworkKind(name="MoSR", keys=(("gblocks.0.weight", "gblocks.1.fc1.weight", "gblocks.1.conv.weight"),), dtypes=HALF),
    NetworkKind(
        name="MoESR", keys=(("in_to_dim.weight", "blocks.0.blocks.0.gamma", "upscale.MetaUpsample"),), dtypes=HALF,
        is_same_size=_shuffles_nothing(r"upscale\.0\.weight"),
    ),
    NetworkKind(
        name="RCAN", is_same_size=_lacks(r"tail\.0\.\d"),
        keys=tuple((head, "tail.1.weight", "body.0.body.0.body.3.conv_du.0.weight") 
                   for head in ("head.0.weight", "head.1.weight")),
    ),
    NetworkKind(
        name="FDAT", keys=(("groups.0.blocks.0.attn.bias", "groups.0.blocks.0.n1.weight", "upsampler.MetaUpsample"),),
        dtypes=HALF, is_same_size=_shuffles_nothing(r"upsampler\.0\.weight"),
    ),
    NetworkKind(
        name="AuraSR", keys=(("mid_attn.layers.0.0.to_out.weight", "mid_block2.block1.proj.weights"),), dtypes=FULL
    ),
)  # fmt: skip

BY_NAME: Mapping[str, NetworkKind] = {kind.name: kind for kind in KINDS}

WORDS: Mapping[str, str] = {
    UPSCALER: "an upscaler", CLEANER: "a cleaner, which restores an image at its own size",
    FACE_RESTORER: "a face restorer, which Easel does not use yet", MASK_FILLER: "a mask filler, which Easel does not use yet",
}  # fmt: skip
"""Purpose of a network -> its description."""

_PREFIXES = ("module.", "netG.")
"""Prefixes that training frameworks add to all names; spandrel strips them as well."""


def identify_network(names: Tensors, header: Header) -> Identity | None:
    """The identity of an image network, or None for a file that contains none that spandrel loads."""
    tensors = _without_prefix(names)
    row = next((kind for kind in KINDS if kind.matches(tensors)), None)
    if row is None:
        return None
    kind = CLEANER if row.is_same_size(tensors) else row.kind
    return Identity(
        kind=kind,
        parts={"upscaler": Part.sum(list(names.values()))},
        container=header.container,
        digest=header.digest,
        reason=f"{WORDS[kind]} ({row.name})",
    )


def _without_prefix(tensors: Tensors) -> Tensors:
    for prefix in _PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
