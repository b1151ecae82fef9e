"""What the header of a weights file says, whatever its container: the tensors, and the limits that every file must keep to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.checkpoints.files.pickles import Call, PickleValue
from engine.json_values import JsonValue

MOST_HEADER = 32 * 2**20
"""Bytes that a header or a pickle may have. Full-size checkpoints have some hundred thousand, LoRAs with the captions of all
their images some million."""

MOST_TENSORS = 50_000
"""Parts that a file may have. The largest checkpoints have some thousand."""

LONGEST_NAME = 1000
"""Characters of a tensor's name."""

_MOST_DIMENSIONS = 16

_MOST_NUMBERS = 2**40
"""The largest size, and the last place in a file, that is taken."""

BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Bytes of one number, by torch's name for its dtype."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies in its file. ``stride`` is in numbers, None where they lie one after the other. ``data``: its bytes,
    for the few that lie in a pickle itself."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    stride: tuple[int, ...] | None = None
    data: bytes | None = None

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """What it takes in the file."""
        return self.count * BYTES[self.dtype]


@dataclass(frozen=True)
class Header:
    """``container`` is ``"safetensors"``, ``"zip"`` or ``"legacy"``; ``values`` are plain numbers and texts beside the tensors.

    ``digest`` is a SHA-256 in hexadecimal over the header and three samples of the weights: quick, and another for other weights.
    """

    container: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, int | float | str] = field(default_factory=dict)
    digest: str = ""


class DamagedFile(Exception):
    """Why a file cannot be what it begins like."""


def read_sizes(value: PickleValue | JsonValue) -> tuple[int, ...]:
    """A list of sizes, or of places in a file. Raises ValueError or IndexError for anything else."""
    if isinstance(value, Call):
        value = value.arguments[0]
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_DIMENSIONS:
        raise ValueError("not a short list")
    sizes = tuple(n for n in value if type(n) is int and 0 <= n <= _MOST_NUMBERS)
    if len(sizes) != len(value):
        raise ValueError("not sizes")
    return sizes
