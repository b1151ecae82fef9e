"""Where the tensors of a control network are in a file.

The original layout of ControlNet is that of lllyasviel/ControlNet (``cldm/cldm.py``): the encoder half of the UNet under its own
names, with ``zero_convs``, ``middle_block_out`` and ``input_hint_block`` beside it, all under ``control_model.`` That of
T2I-Adapter is TencentARC/T2I-Adapter's (``ldm/modules/encoders/adapter.py``): a full adapter has its blocks in one row, a light
one has a row in each stage.
"""

from __future__ import annotations

import re

from engine.checkpoints.families.key_mapping import UNET, Config, TensorSource, map_unet

ORIGINAL = ("control_model.", "")
"""How the names of a ControlNet's tensors may begin in the original layout."""

DIFFUSERS = ("", "controlnet.")
"""How they may begin in diffusers' layout."""

_ZERO = re.compile(r"controlnet_down_blocks\.(\d+)\.(\w+)")
_MIDDLE = re.compile(r"controlnet_mid_block\.(\w+)")
_HINT = re.compile(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))\.(\w+)")


def map_controlnet(name: str, config: Config) -> TensorSource:
    """A tensor of a ControlNetModel, in the original layout or diffusers'."""
    original = _rename_to_original(name, config)
    names = (*(f"{prefix}{name}" for prefix in DIFFUSERS), *(f"{prefix}{original}" for prefix in ORIGINAL))
    return TensorSource(tuple(names))


_ADAPTER_BLOCK = re.compile(r"adapter\.body\.(\d+)\.(resnets\.(\d+)|in_conv|out_conv)\.(.+)")


def map_adapter(name: str, config: Config) -> TensorSource:
    """A tensor of a T2IAdapter, in diffusers' layout or the original one."""
    original = name.removeprefix("adapter.")
    if match := _ADAPTER_BLOCK.fullmatch(name):
        stage, part, resnet, rest = match.groups()
        count = config.get("num_res_blocks")
        if config.get("adapter_type") == "light_adapter":
            original = f"body.{stage}.{f'body.{resnet}' if resnet else part}.{rest}"
        else:
            block = int(stage) * (count if isinstance(count, int) else 2) + int(resnet or 0)
            original = f"body.{block}.{rest}" if resnet else f"body.{block}.{part}.{rest}"
    return TensorSource((name, original, f"adapter.{original}"))


def _rename_to_original(name: str, config: Config) -> str:
    if match := _ZERO.fullmatch(name):
        return f"zero_convs.{match[1]}.0.{match[2]}"
    if match := _MIDDLE.fullmatch(name):
        return f"middle_block_out.0.{match[1]}"
    if match := _HINT.fullmatch(name):
        return f"input_hint_block.{_place_of_hint(match, config)}.{match[3]}"
    return map_unet(name, config).names[0].removeprefix(UNET)


def _place_of_hint(match: re.Match[str], config: Config) -> int:
    """The original numbers convolutions and activations in one row: every second one is a convolution."""
    if match[2] is not None:
        return 2 * (int(match[2]) + 1)
    widths = config.get("conditioning_embedding_out_channels")
    count = len(widths) if isinstance(widths, list | tuple) else 4
    return 0 if match[1] == "conv_in" else 2 * (2 * count - 1)
