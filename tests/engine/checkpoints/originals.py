"""Writes tiny diffusers components in the layouts of the programs that trained the real ones.

The layouts are written down here as those programs build them, block by block, and not with the loader's rules:
CompVis/latent-diffusion ``UNetModel.__init__`` (openaimodel.py), ``Encoder`` and ``Decoder`` (model.py); mlfoundations/open_clip
``ResidualAttentionBlock``; isl-org/MiDaS ``dpt_depth.py`` and ``vit.py``; Stability-AI/generative-models for the prefixes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

Weights = dict[str, torch.Tensor]


def _copy(target: Weights, name: str, module: torch.nn.Module) -> None:
    target.update({f"{name}.{k}": v.detach() for k, v in module.state_dict().items()})


def _res_block(target: Weights, name: str, block: Any) -> None:
    """``ResBlock``: in_layers (norm, SiLU, conv), emb_layers (SiLU, linear), out_layers (norm, SiLU, dropout, conv)."""
    _copy(target, f"{name}.in_layers.0", block.norm1)
    _copy(target, f"{name}.in_layers.2", block.conv1)
    _copy(target, f"{name}.emb_layers.1", block.time_emb_proj)
    _copy(target, f"{name}.out_layers.0", block.norm2)
    _copy(target, f"{name}.out_layers.3", block.conv2)
    if block.conv_shortcut is not None:
        _copy(target, f"{name}.skip_connection", block.conv_shortcut)


def unet(part: Any) -> Weights:
    """``UNetModel``: a list of input blocks, a middle block, a list of output blocks; each entry a sequence of layers."""
    out: Weights = {}
    _copy(out, "time_embed.0", part.time_embedding.linear_1)
    _copy(out, "time_embed.2", part.time_embedding.linear_2)
    if part.time_embedding.cond_proj is not None:
        _copy(out, "time_embed.cond_proj", part.time_embedding.cond_proj)
    if part.class_embedding is not None:
        _copy(out, "label_emb", part.class_embedding)
    _copy_input_half(out, part)
    for number, layers in enumerate(_output_blocks(part)):
        _layers(out, f"output_blocks.{number}", layers)
    _copy(out, "out.0", part.conv_norm_out)
    _copy(out, "out.2", part.conv_out)
    return {f"model.diffusion_model.{k}": v for k, v in out.items()}


def _copy_input_half(out: Weights, part: Any) -> None:
    """What a UNet and its ControlNet have in common: XL's size embedding, the blocks of the input, and the middle."""
    if getattr(part, "add_embedding", None) is not None:
        _copy(out, "label_emb.0.0", part.add_embedding.linear_1)
        _copy(out, "label_emb.0.2", part.add_embedding.linear_2)
    for number, layers in enumerate(_input_blocks(part)):
        _layers(out, f"input_blocks.{number}", layers)
    _layers(out, "middle_block", _middle_block(part))


def controlnet(part: Any) -> Weights:
    """``ControlNet`` of lllyasviel/ControlNet (``cldm/cldm.py``): the input half of the UNet, a layer of zeros after each of its
    blocks and after the middle, and a row of convolutions and activations for the picture."""
    out: Weights = {}
    _copy(out, "time_embed.0", part.time_embedding.linear_1)
    _copy(out, "time_embed.2", part.time_embedding.linear_2)
    _copy_input_half(out, part)
    for number, zero in enumerate(part.controlnet_down_blocks):
        _copy(out, f"zero_convs.{number}.0", zero)
    _copy(out, "middle_block_out.0", part.controlnet_mid_block)
    hint = part.controlnet_cond_embedding
    for number, layer in enumerate([hint.conv_in, *hint.blocks, hint.conv_out]):
        _copy(out, f"input_hint_block.{2 * number}", layer)
    return {f"control_model.{k}": v for k, v in out.items()}


def adapter(part: Any) -> Weights:
    """``Adapter`` and ``Adapter_light`` of TencentARC/T2I-Adapter (``ldm/modules/encoders/adapter.py``): the first has the
    residual blocks of all stages in one row, and a convolution in the first of a stage that is wider; the second has stages
    with a row each."""
    out: Weights = {}
    if part.config.adapter_type == "light_adapter":
        for number, stage in enumerate(part.adapter.body):
            _copy(out, f"body.{number}.in_conv", stage.in_conv)
            for index, resnet in enumerate(stage.resnets):
                _copy(out, f"body.{number}.body.{index}", resnet)
            _copy(out, f"body.{number}.out_conv", stage.out_conv)
        return out
    _copy(out, "conv_in", part.adapter.conv_in)
    row = 0
    for stage in part.adapter.body:
        if stage.in_conv is not None:
            _copy(out, f"body.{row}.in_conv", stage.in_conv)
        for resnet in stage.resnets:
            _copy(out, f"body.{row}", resnet)
            row += 1
    return out


def control_lora(part: Any, changes: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> Weights:
    """A Control-LoRA (Stability AI's control-lora): a ControlNet's tensors, but for weights that are the UNet's with ``changes``
    (up, down) by diffusers' names; and a mark."""
    originals_of = {tensor.data_ptr(): name.removeprefix("control_model.") for name, tensor in controlnet(part).items()}
    out: Weights = {"lora_controlnet": torch.zeros(1)}
    for name, tensor in part.state_dict().items():
        own = originals_of[tensor.data_ptr()]
        if name in changes:
            stem = own.removesuffix(".weight")
            out[f"{stem}.up"], out[f"{stem}.down"] = changes[name]
        elif name.endswith(".bias") or name.startswith("controlnet_"):
            out[own] = tensor.clone()
    return out


def _input_blocks(part: Any) -> Iterator[list[Any]]:
    yield [part.conv_in]
    for level in part.down_blocks:
        attentions = getattr(level, "attentions", [None] * len(level.resnets))
        for resnet, attention in zip(level.resnets, attentions, strict=True):
            yield [resnet] + ([attention] if attention is not None else [])
        if level.downsamplers is not None:
            yield [level.downsamplers[0]]


def _middle_block(part: Any) -> list[Any]:
    """Residual block, attention, residual block; the small networks of XL's kind have the first alone, or none of it."""
    if part.mid_block is None:
        return []
    first, *last = part.mid_block.resnets
    return [first, *(attention for attention in part.mid_block.attentions if attention is not None), *last]


def _output_blocks(part: Any) -> Iterator[list[Any]]:
    for level in part.up_blocks:
        attentions = getattr(level, "attentions", [None] * len(level.resnets))
        for index, (resnet, attention) in enumerate(zip(level.resnets, attentions, strict=True)):
            layers = [resnet] + ([attention] if attention is not None else [])
            if index == len(level.resnets) - 1 and level.upsamplers is not None:
                layers.append(level.upsamplers[0])
            yield layers


def _layers(out: Weights, name: str, layers: list[Any]) -> None:
    for place, layer in enumerate(layers):
        kind = type(layer).__name__
        if kind == "ResnetBlock2D":
            _res_block(out, f"{name}.{place}", layer)
        elif kind == "Downsample2D":
            _copy(out, f"{name}.{place}.op", layer.conv)
        elif kind == "Upsample2D":
            _copy(out, f"{name}.{place}.conv", layer.conv)
        else:
            _copy(out, f"{name}.{place}", layer)


def vae(part: Any) -> Weights:
    """``Encoder`` and ``Decoder``: levels with blocks; the decoder puts each new level in front: the other way round."""
    out: Weights = {}
    for side, levels in (("encoder", part.encoder.down_blocks), ("decoder", list(part.decoder.up_blocks)[::-1])):
        half = getattr(part, side)
        _copy(out, f"{side}.conv_in", half.conv_in)
        for number, level in enumerate(levels):
            name = f"{side}.{'down' if side == 'encoder' else 'up'}.{number}"
            for place, resnet in enumerate(level.resnets):
                _vae_block(out, f"{name}.block.{place}", resnet)
            if getattr(level, "downsamplers", None):
                _copy(out, f"{name}.downsample.conv", level.downsamplers[0].conv)
            if getattr(level, "upsamplers", None):
                _copy(out, f"{name}.upsample.conv", level.upsamplers[0].conv)
        _vae_block(out, f"{side}.mid.block_1", half.mid_block.resnets[0])
        _vae_attention(out, f"{side}.mid.attn_1", half.mid_block.attentions[0])
        _vae_block(out, f"{side}.mid.block_2", half.mid_block.resnets[1])
        _copy(out, f"{side}.norm_out", half.conv_norm_out)
        _copy(out, f"{side}.conv_out", half.conv_out)
    if part.quant_conv is not None:
        _copy(out, "quant_conv", part.quant_conv)
    if part.post_quant_conv is not None:
        _copy(out, "post_quant_conv", part.post_quant_conv)
    return {f"first_stage_model.{k}": v for k, v in out.items()}


def _vae_block(out: Weights, name: str, block: Any) -> None:
    for ours, theirs in (("norm1", "norm1"), ("conv1", "conv1"), ("norm2", "norm2"), ("conv2", "conv2")):
        _copy(out, f"{name}.{theirs}", getattr(block, ours))
    if block.conv_shortcut is not None:
        _copy(out, f"{name}.nin_shortcut", block.conv_shortcut)


def _vae_attention(out: Weights, name: str, block: Any) -> None:
    """``AttnBlock``: query, key, value and projection are 1 x 1 convolutions."""
    _copy(out, f"{name}.norm", block.group_norm)
    for theirs, layer in (("q", block.to_q), ("k", block.to_k), ("v", block.to_v), ("proj_out", block.to_out[0])):
        out[f"{name}.{theirs}.weight"] = layer.weight.detach()[:, :, None, None]
        out[f"{name}.{theirs}.bias"] = layer.bias.detach()


def clip(part: Any, prefix: str) -> Weights:
    """``FrozenCLIPEmbedder``: transformers' CLIP as it was then, with its position numbers among the weights."""
    bare = {k.removeprefix("text_model."): v.detach() for k, v in part.state_dict().items()}
    out = {f"{prefix}transformer.text_model.{k}": v for k, v in bare.items()}
    out[f"{prefix}transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    return out


def openclip(part: Any, prefix: str, *, extra_layer: bool) -> Weights:
    """``FrozenOpenCLIPEmbedder``: one matrix for query, key and value. Version 2 skips the last layer, which is there."""
    inner = getattr(part, "text_model", part)
    out: Weights = {
        "positional_embedding": inner.embeddings.position_embedding.weight.detach(),
        "token_embedding.weight": inner.embeddings.token_embedding.weight.detach(),
    }
    _copy(out, "ln_final", inner.final_layer_norm)
    layers = list(inner.encoder.layers)
    for number, layer in enumerate([*layers, *layers[-1:]] if extra_layer else layers):
        name = f"transformer.resblocks.{number}"
        attention = layer.self_attn
        thirds = (attention.q_proj, attention.k_proj, attention.v_proj)
        out[f"{name}.attn.in_proj_weight"] = torch.cat([t.weight.detach() for t in thirds])
        out[f"{name}.attn.in_proj_bias"] = torch.cat([t.bias.detach() for t in thirds])
        _copy(out, f"{name}.attn.out_proj", attention.out_proj)
        _copy(out, f"{name}.ln_1", layer.layer_norm1)
        _copy(out, f"{name}.ln_2", layer.layer_norm2)
        _copy(out, f"{name}.mlp.c_fc", layer.mlp.fc1)
        _copy(out, f"{name}.mlp.c_proj", layer.mlp.fc2)
    width = inner.embeddings.token_embedding.weight.shape[1]
    projection = getattr(part, "text_projection", None)
    out["text_projection"] = projection.weight.detach().t().contiguous() if projection is not None else torch.randn(width, width)
    out["logit_scale"] = torch.tensor(4.6)
    return {prefix + k: v for k, v in out.items()}


def midas(part: Any) -> Weights:
    """``DPTDepthModel`` with ``vitb_rn50_384``, under the name that 2-depth's ``MiDaSInference`` gives it."""
    out: Weights = {}
    embeddings = part.dpt.embeddings
    out["pretrained.model.cls_token"] = embeddings.cls_token.detach()
    out["pretrained.model.pos_embed"] = embeddings.position_embeddings.detach()
    _copy(out, "pretrained.model.patch_embed.proj", embeddings.projection)
    backbone = embeddings.backbone.bit
    _copy(out, "pretrained.model.patch_embed.backbone.stem.conv", backbone.embedder.convolution)
    _copy(out, "pretrained.model.patch_embed.backbone.stem.norm", backbone.embedder.norm)
    for stage_number, stage in enumerate(backbone.encoder.stages):
        for number, block in enumerate(stage.layers):
            _copy(out, f"pretrained.model.patch_embed.backbone.stages.{stage_number}.blocks.{number}", block)
    for number, block in enumerate(part.dpt.encoder.layer):
        _vit_block(out, f"pretrained.model.blocks.{number}", block)
    _copy(out, "pretrained.model.norm", part.dpt.layernorm)
    _copy(out, "pretrained.model.head", torch.nn.Linear(4, 3))
    _midas_neck(out, part)
    return {f"depth_model.model.{k}": v for k, v in out.items()}


def _vit_block(out: Weights, name: str, block: Any) -> None:
    attention = block.attention.attention
    thirds = (attention.query, attention.key, attention.value)
    out[f"{name}.attn.qkv.weight"] = torch.cat([t.weight.detach() for t in thirds])
    out[f"{name}.attn.qkv.bias"] = torch.cat([t.bias.detach() for t in thirds])
    _copy(out, f"{name}.attn.proj", block.attention.output.dense)
    _copy(out, f"{name}.norm1", block.layernorm_before)
    _copy(out, f"{name}.norm2", block.layernorm_after)
    _copy(out, f"{name}.mlp.fc1", block.intermediate.dense)
    _copy(out, f"{name}.mlp.fc2", block.output.dense)


def _midas_neck(out: Weights, part: Any) -> None:
    stage = part.neck.reassemble_stage
    _copy(out, "pretrained.act_postprocess3.0.project.0", stage.readout_projects[2][0])
    _copy(out, "pretrained.act_postprocess3.3", stage.layers[2].projection)
    _copy(out, "pretrained.act_postprocess4.0.project.0", stage.readout_projects[3][0])
    _copy(out, "pretrained.act_postprocess4.3", stage.layers[3].projection)
    _copy(out, "pretrained.act_postprocess4.4", stage.layers[3].resize)
    for number, conv in enumerate(part.neck.convs, start=1):
        _copy(out, f"scratch.layer{number}_rn", conv)
    for number, fusion in zip((4, 3, 2, 1), part.neck.fusion_stage.layers, strict=True):
        _copy(out, f"scratch.refinenet{number}.out_conv", fusion.projection)
        for unit, layer in ((1, fusion.residual_layer1), (2, fusion.residual_layer2)):
            _copy(out, f"scratch.refinenet{number}.resConfUnit{unit}.conv1", layer.convolution1)
            _copy(out, f"scratch.refinenet{number}.resConfUnit{unit}.conv2", layer.convolution2)
    for place in (0, 2, 4):
        _copy(out, f"scratch.output_conv.{place}", part.head.head[place])
