"""The header of a weights file in any container: its tensors, and the limits that every file must respect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.checkpoints.files.pickles import Call, PickleValue
from engine.json_values import JsonValue

MOST_HEADER = 32 * 2**20
"""The most bytes of a header or pickle. Full-size checkpoints have some hundred thousand, LoRAs that list the captions of
their training images some million."""

MOST_TENSORS = 50_000
"""The most tensors of a file. The largest checkpoints have a few thousand."""

LONGEST_NAME = 1000
"""The most characters of a tensor's name."""

_MOST_DIMENSIONS = 16

_MOST_NUMBERS = 2**40
"""The largest dimension, and the largest offset, that is accepted."""

BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""torch's name of a dtype -> bytes per element."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a file: dtype, shape and offset. ``stride`` is in elements, None for a contiguous tensor. ``data``: its bytes,
    if they are in the pickle itself. ``size``: its bytes in the file, for GGUF. There ``dtype`` may be a quantisation, which
    packs numbers in blocks (ggml's name, such as Q4_K)."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    stride: tuple[int, ...] | None = None
    data: bytes | None = None
    size: int | None = None

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """The size in the file, in bytes."""
        return self.count * BYTES[self.dtype] if self.size is None else self.size

    @property
    def is_quantized(self) -> bool:
        """Whether its numbers are packed in blocks."""
        return self.dtype not in BYTES

    @property
    def is_packed_matrix(self) -> bool:
        """Whether it is a matrix whose rows are packed one by one, so that it can stay packed in memory."""
        return self.is_quantized and len(self.shape) == 2 and self.shape[0] > 0 and self.bytes % self.shape[0] == 0


@dataclass(frozen=True)
class Header:
    """``container`` is ``"safetensors"``, ``"zip"``, ``"legacy"`` or ``"gguf"``; ``values`` are numbers and texts beside the
    tensors.

    ``digest`` is a SHA-256 in hexadecimal over the header and three samples of the weights: fast, and distinct for other weights.
    """

    container: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, int | float | str] = field(default_factory=dict)
    digest: str = ""


class DamagedFile(Exception):
    """A file is not what its first bytes say. The message is the second half of a sentence."""


class UnusableFile(Exception):
    """A file may be whole, but is none that Easel can use. The message is the second half of a sentence."""


def read_sizes(value: PickleValue | JsonValue) -> tuple[int, ...]:
    """A list of dimensions or offsets. Raises ValueError or IndexError for anything else."""
    if isinstance(value, Call):
        value = value.arguments[0]
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_DIMENSIONS:
        raise ValueError("not a short list")
    sizes = tuple(n for n in value if type(n) is int and 0 <= n <= _MOST_NUMBERS)
    if len(sizes) != len(value):
        raise ValueError("not sizes")
    return sizes
