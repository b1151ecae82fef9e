"""UNets of XL with fewer blocks than XL's, told by where their transformer blocks are.

Where the blocks are is as in ComfyUI (``comfy/model_detection.py``, ``unet_config_from_diffusers_unet``): SSD-1B and
Segmind-Vega (Gupta et al. 2024, arXiv 2401.02677), KOALA (Lee et al. 2023, arXiv 2312.04005).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.checkpoints.families.key_mapping import UNET
from engine.json_values import JsonObject

_NO_ATTENTION, _NOTHING = -1, -2


@dataclass(frozen=True)
class UnetLayout:
    """Transformer blocks behind each residual block, from the input to the output: ``down``, ``middle``, ``up``. A middle of one
    residual block alone is -1, none at all -2."""

    down: tuple[int, ...]
    middle: int
    up: tuple[int, ...]


@dataclass(frozen=True)
class SmallUnet:
    """A published network of XL's kind: its name, its layout, and what diffusers' configuration says other than XL's."""

    name: str
    layout: UnetLayout
    config: JsonObject


SMALL_UNETS = (
    SmallUnet(
        "SSD-1B", UnetLayout((0, 0, 2, 2, 4, 4), _NO_ATTENTION, (4, 4, 10, 2, 1, 1, 0, 0, 0)),
        {
            "transformer_layers_per_block": [1, 2, 4], "mid_block_type": "UNetMidBlock2D",
            "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        },
    ),
    SmallUnet(
        "Segmind-Vega", UnetLayout((0, 0, 1, 1, 2, 2), _NO_ATTENTION, (2, 2, 2, 1, 1, 1, 0, 0, 0)),
        {"transformer_layers_per_block": [1, 1, 2], "mid_block_type": "UNetMidBlock2D"},
    ),
    SmallUnet(
        "KOALA-700M", UnetLayout((0, 2, 5), _NOTHING, (5, 5, 2, 2, 0, 0)),
        {"layers_per_block": 1, "transformer_layers_per_block": [1, 2, 5], "mid_block_type": None},
    ),
    SmallUnet(
        "KOALA-1B", UnetLayout((0, 2, 6), 6, (6, 6, 2, 2, 0, 0)),
        {"layers_per_block": 1, "transformer_layers_per_block": [1, 2, 6]},
    ),
)  # fmt: skip

_TRANSFORMER = re.compile(re.escape(UNET) + r"(input|output)_blocks\.(\d{1,3})\.1\.transformer_blocks\.(\d{1,3})\..*")
_RESIDUAL = re.compile(re.escape(UNET) + r"(input|output)_blocks\.(\d{1,3})\.0\.in_layers\..*")
_MIDDLE = re.compile(re.escape(UNET) + r"middle_block\.1\.transformer_blocks\.(\d{1,3})\..*")


def find_small_unet(names: Iterable[str]) -> SmallUnet | None:
    """The published network with the layout of these tensors, None if it is XL's own or none that is known."""
    layout = _read_layout(names)
    return next((each for each in SMALL_UNETS if each.layout == layout), None)


def _read_layout(names: Iterable[str]) -> UnetLayout:
    depths: Mapping[str, dict[int, int]] = {"input": {}, "output": {}}
    middle = _NOTHING
    for name in names:
        if match := _TRANSFORMER.fullmatch(name):
            side, place, index = depths[match[1]], int(match[2]), int(match[3])
            side[place] = max(side.get(place, 0), index + 1)
        elif match := _RESIDUAL.fullmatch(name):
            depths[match[1]].setdefault(int(match[2]), 0)
        elif match := _MIDDLE.fullmatch(name):
            middle = max(middle, int(match[1]) + 1)
        elif name.startswith(f"{UNET}middle_block.0."):
            middle = max(middle, _NO_ATTENTION)
    down, up = (tuple(side[place] for place in sorted(side)) for side in depths.values())
    return UnetLayout(down, middle, up)
