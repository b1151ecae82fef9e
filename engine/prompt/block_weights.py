"""Strengths of a LoRA for each block of the UNet: ``<lora:name:1:lbw=OUTALL>``, or a list of numbers. No torch.

Names and lists are those of hako-mikan/sd-webui-lora-block-weight: 17 values for Stable Diffusion 1 and 2, 12 for XL; 26 and 20
values name every block. The first value, BASE, is for the text encoders. A block that a list does not name has 0, as there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.errors import RequestError

BASE = "BASE"
"""What lies in no block: the text encoders."""

_SD = (BASE, *(f"IN{n:02}" for n in (1, 2, 4, 5, 7, 8)), "M00", *(f"OUT{n:02}" for n in range(3, 12)))
_XL = (BASE, *(f"IN{n:02}" for n in (4, 5, 7, 8)), "M00", *(f"OUT{n:02}" for n in range(6)))
_EVERY_SD = (BASE, *(f"IN{n:02}" for n in range(12)), "M00", *(f"OUT{n:02}" for n in range(12)))
_EVERY_XL = (BASE, *(f"IN{n:02}" for n in range(9)), "M00", *(f"OUT{n:02}" for n in range(9)))

NAMED: Mapping[str, tuple[str, str]] = {
    "NONE": ("00000000000000000", "000000000000"), "ALL": ("11111111111111111", "111111111111"),
    "INS": ("11110000000000000", "111000000000"), "IND": ("10001110000000000", "100110000000"),
    "INALL": ("11111110000000000", "111110000000"), "MIDD": ("10001111111100000", "100111111000"),
    "OUTD": ("10000000111100000", "100000111000"), "OUTS": ("10000000000011111", "100000000111"),
    "OUTALL": ("10000000111111111", "100000111111"),
}  # fmt: skip
"""Name -> a digit for each value of the short lists of Stable Diffusion 1 and 2, and of XL (D: the deep half of a side, S: the
shallow one)."""

_NUMBER = re.compile(r"\s*[+-]?(?:\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})\s*")


def is_block_weights(text: str) -> bool:
    """Whether ``text`` is one of the names, or a list of two numbers or more."""
    numbers = text.split(",")
    return text.strip().upper() in NAMED or (len(numbers) > 1 and all(_NUMBER.fullmatch(number) for number in numbers))


def read_block_weights(text: str, *, levels: int) -> dict[str, float]:
    """Block -> what a strength is multiplied by there, 0 for those that are not in it; empty for no text.

    ``text`` is as in :func:`is_block_weights`; ``levels`` are the UNet's, 4 for Stable Diffusion 1 and 2, 3 for XL, 0 for a
    transformer. Raises RequestError for a transformer, and for a list of a length that its family does not have.
    """
    if not text:
        return {}
    if not levels:
        raise RequestError(
            f"“{text[:60]}” gives a LoRA block weights, which name the blocks of a UNet. This checkpoint is a transformer: "
            "take them out of the tag."
        )
    xl = levels == 3
    short, every = (_XL, _EVERY_XL) if xl else (_SD, _EVERY_SD)
    if text.strip().upper() in NAMED:
        return {block: float(digit) for block, digit in zip(short, NAMED[text.strip().upper()][int(xl)], strict=True)}
    numbers = [float(number) for number in text.split(",")]
    blocks = next((blocks for blocks in (short, every) if len(blocks) == len(numbers)), None)
    if blocks is None:
        raise RequestError(
            f"The LoRA's block weights are {len(numbers)} numbers; this checkpoint takes {len(short)} or {len(every)}, "
            f"or a name: {', '.join(NAMED)}."
        )
    return dict(zip(blocks, numbers, strict=True))
