"""A small random network of every architecture that spandrel loads, and of each kind of it that is detected in its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from spandrel.architectures import (
    ATD,
    CRAFT,
    DAT,
    DCTLSA,
    DITN,
    DRCT,
    ESRGAN,
    FBCNN,
    FDAT,
    GFPGAN,
    GRL,
    HAT,
    IPT,
    PLKSR,
    RCAN,
    RGT,
    SAFMN,
    SAFMNBCIE,
    SPAN,
    AuraSR,
    Compact,
    DnCNN,
    DRUNet,
    FFTformer,
    HVICIDNet,
    KBNet,
    LaMa,
    MixDehazeNet,
    MMRealSR,
    MoESR,
    MoSR,
    NAFNet,
    OmniSR,
    RealCUGAN,
    RestoreFormer,
    RetinexFormer,
    SCUNet,
    SeemoRe,
    SwiftSRGAN,
    Swin2SR,
    SwinIR,
    Uformer,
)  # fmt: skip
from torch import nn

_SCALED: Mapping[str, Callable[[int], nn.Module]] = {
    "ATD": lambda scale: ATD.ATD(
        img_size=16, embed_dim=12, mlp_ratio=2.0, depths=[2], num_heads=[2], window_size=8, category_size=16, num_tokens=4,
        upscale=scale, upsampler="pixelshuffle" if scale > 1 else "",
    ),
    "CRAFT": lambda scale: CRAFT.CRAFT(embed_dim=12, depths=[1], num_heads=[2], upscale=scale),
    "Compact": lambda scale: Compact.Compact(num_feat=8, num_conv=2, upscale=scale),
    "DAT": lambda scale: DAT.DAT(
        img_size=16, embed_dim=16, split_size=[2, 4], depth=[1], num_heads=[2], expansion_factor=2.0, upscale=scale
    ),
    "DCTLSA": lambda scale: DCTLSA.DCTLSA(nf=10, upscale=scale, num_head=5),
    "DITN": lambda scale: DITN.DITN(ITL_blocks=1, SAL_blocks=1, upscale=scale),
    "DRCT": lambda scale: DRCT.DRCT(
        img_size=16, embed_dim=12, depths=[1], num_heads=[2], window_size=16, upscale=scale, gc=4,
        upsampler="pixelshuffle" if scale > 1 else "",
    ),
    "ESRGAN": lambda scale: ESRGAN.ESRGAN(num_filters=8, num_blocks=1, scale=scale),
    "FDAT": lambda scale: FDAT.FDAT(scale=scale, embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, mid_dim=8),
    "MoESR": lambda scale: MoESR.MoESR(scale=scale, dim=8, n_blocks=1, n_block=1),
    "GRL": lambda scale: GRL.GRL(
        img_size=16, embed_dim=12, upscale=scale, upsampler="pixelshuffledirect" if scale > 1 else "", depths=[1],
        num_heads_window=[2], num_heads_stripe=[2], stripe_size=[8, 8],
    ),
    "HAT": lambda scale: HAT.HAT(
        img_size=16, embed_dim=12, depths=[1], num_heads=[2], window_size=8, upscale=scale, squeeze_factor=4
    ),
    "IPT": lambda scale: IPT.IPT(patch_size=12, n_feats=4, scale=[scale], num_heads=2, num_layers=1),
    "OmniSR": lambda scale: OmniSR.OmniSR(num_feat=16, up_scale=scale),
    "PLKSR": lambda scale: PLKSR.PLKSR(dim=8, n_blocks=1, upscaling_factor=scale),
    "RCAN": lambda scale: RCAN.RCAN(scale=scale, n_resgroups=1, n_resblocks=1),
    "RGT": lambda scale: RGT.RGT(img_size=16, embed_dim=12, depth=[2], num_heads=[2], upscale=scale),
    "SAFMN": lambda scale: SAFMN.SAFMN(dim=8, n_blocks=1, upscaling_factor=scale),
    "SPAN": lambda scale: SPAN.SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=scale),
    "SeemoRe": lambda scale: SeemoRe.SeemoRe(scale=scale, num_experts=2, num_layers=1, embedding_dim=8),
    "SwiftSRGAN": lambda scale: SwiftSRGAN.SwiftSRGAN(num_channels=8, num_blocks=1, upscale_factor=scale),
    "Swin2SR": lambda scale: Swin2SR.Swin2SR(
        img_size=16, embed_dim=12, depths=[1], num_heads=[2], window_size=8, mlp_ratio=2.0, upscale=scale,
        upsampler="pixelshuffledirect" if scale > 1 else "",
    ),
    "SwinIR": lambda scale: SwinIR.SwinIR(
        img_size=16, embed_dim=12, depths=[1], num_heads=[2], window_size=8, mlp_ratio=2.0, upscale=scale,
        upsampler="pixelshuffledirect" if scale > 1 else "",
    ),
}  # fmt: skip
"""Architectures with networks of several scales, 1 among them."""

_OTHERS: Mapping[str, Callable[[], nn.Module]] = {
    "AuraSR": lambda: AuraSR.AuraSR(
        dim=8, image_size=None, input_image_size=None, style_network={"dim_in": 8, "dim_out": 32, "depth": 1},
        up_dim_mults=(1, 1, 1, 1, 2), down_dim_mults=(1, 1, 2), attn_depths=(1, 1, 1, 1, 1), mid_attn_depth=1, num_conv_kernels=2,
    ),
    "DRUNet": lambda: DRUNet.DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 4, 4], nb=2),
    "DnCNN": lambda: DnCNN.DnCNN(in_nc=3, out_nc=3, nc=8, act_mode="R"),
    "DnCNN, grey": lambda: DnCNN.DnCNN(nc=8),
    "ESRGAN+": lambda: ESRGAN.ESRGAN(num_filters=8, num_blocks=1, scale=2, plus=True),
    "ESRGAN, pixel unshuffle": lambda: ESRGAN.ESRGAN(in_nc=12, num_filters=8, num_blocks=1, scale=4, shuffle_factor=2),
    "ESRGAN, pixel unshuffle and the same size": lambda: ESRGAN.ESRGAN(
        in_nc=48, num_filters=8, num_blocks=1, scale=4, shuffle_factor=4
    ),
    "FBCNN": lambda: FBCNN.FBCNN(nc=[4, 4, 4, 512], nb=2),
    "FFTformer": lambda: FFTformer.FFTformer(dim=8, num_blocks=[1, 1, 1], num_refinement_blocks=1),
    "HVICIDNet": lambda: HVICIDNet.HVICIDNet(channels=[4, 4, 8, 16]),
    "KBNet": lambda: KBNet.KBNet_s(width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
    "KBNet, large": lambda: KBNet.KBNet_l(dim=24, num_blocks=[1, 1, 1, 1], num_refinement_blocks=1, ffn_expansion_factor=2),
    "MMRealSR": lambda: MMRealSR.MMRealSR(
        num_in_ch=3, num_out_ch=3, num_feat=8, num_block=1, num_grow_ch=4, num_feats=[8, 8, 8, 8], num_blocks=[1, 1, 1, 1]
    ),
    "MixDehazeNet": lambda: MixDehazeNet.MixDehazeNet(embed_dims=[8, 16, 32, 16, 8]),
    "MoSR": lambda: MoSR.MoSR(upscale=2, n_block=1, dim=8),
    "NAFNet": lambda: NAFNet.NAFNet(width=4, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
    "PLKSR, real": lambda: PLKSR.RealPLKSR(dim=8, n_blocks=1, upscaling_factor=2),
    "RealCUGAN": lambda: RealCUGAN.UpCunet2x(),
    "RestoreFormer": lambda: RestoreFormer.RestoreFormer(
        n_embed=8, embed_dim=32, ch=32, ch_mult=(1, 1), num_res_blocks=1, z_channels=32
    ),
    "RetinexFormer": lambda: RetinexFormer.RetinexFormer(n_feat=8, stage=1),
    "SAFMNBCIE": lambda: SAFMNBCIE.SAFMNBCIE(dim=8, n_blocks=1, num_layers=1),
    "SCUNet": lambda: SCUNet.SCUNet(config=[0, 0, 0, 1, 0, 0, 0]),
    "Uformer": lambda: Uformer.Uformer(img_size=128, embed_dim=4, depths=[1] * 9, num_heads=[1] * 9),
}  # fmt: skip

SAME_SIZE = ", same size"

NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    **_OTHERS,
    **{name: partial(make, 2) for name, make in _SCALED.items()},
    **{name + SAME_SIZE: partial(make, 1) for name, make in _SCALED.items()},
}
"""Name -> a new network. The name is spandrel's id of the architecture, and after a comma what is special."""

NAMED_ONLY: Mapping[str, Callable[[], nn.Module]] = {"GFPGAN": GFPGAN.GFPGAN, "LaMa": LaMa.LaMa}
"""Architectures of one size, far from tiny: files of them hold the right names over cut-down tensors."""


def architecture(name: str) -> str:
    """Spandrel's id of the architecture of the network ``name``."""
    return name.partition(",")[0].rstrip("+")


def save_network(name: str, folder: Path, *, pickled: bool = False) -> Path:
    """The network ``name`` with the same random weights each time, as a ``.safetensors`` or ``.pth`` file in ``folder``."""
    torch.manual_seed(0)
    path = folder / f"{name}.{'pth' if pickled else 'safetensors'}"
    weights = _cut_down(NAMED_ONLY[name]) if name in NAMED_ONLY else NETWORKS[name]().state_dict()
    weights = {key: value.contiguous() for key, value in weights.items()}
    if pickled:
        torch.save({"params": weights}, path)
    else:
        save_file(weights, path)
    return path


def _cut_down(make: Callable[[], nn.Module]) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        names = make().state_dict()
    return {key: torch.zeros(tuple(1 for _ in value.shape)) for key, value in names.items()}
