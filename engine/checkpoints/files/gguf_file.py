"""Reads the header of a GGUF file (github.com/ggml-org/ggml, ``docs/gguf.md``): quantised denoisers, and whole checkpoints.

Written by city96's ComfyUI-GGUF (``tools/convert.py``), which reshapes tensors whose rows do not divide into blocks and notes
their shape under ``comfy.gguf.orig_shape``, and by leejet's stable-diffusion.cpp, which keeps the original names.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from engine.checkpoints.files.tensor_info import (
    BYTES,
    LONGEST_NAME,
    MOST_HEADER,
    MOST_TENSORS,
    DamagedFile,
    Header,
    Tensor,
    UnusableFile,
)

_PLAIN: Mapping[str, str] = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "I8": "int8", "I16": "int16", "I32": "int32",
    "I64": "int64",
}  # fmt: skip
_NUMBERS: Mapping[int, str] = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Type of a value -> its code in :mod:`struct`."""

_STRING, _ARRAY, _VERSIONS = 8, 9, (2, 3)
_SHAPE = "comfy.gguf.orig_shape."
_MOST_DIMENSIONS = 8

Value = int | float | bool | str | tuple[int | float | bool, ...]


class _HeaderReader:
    """Reads a header front to back, up to :data:`MOST_HEADER` bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.place = file, hashlib.sha256(), 0
        file.seek(0)

    def take(self, count: int) -> bytes:
        if count > MOST_HEADER - self.place:
            raise UnusableFile("its header is longer than that of any checkpoint")
        raw = self._file.read(count)
        if len(raw) < count:
            raise DamagedFile("it is truncated")
        self.place += count
        self.digest.update(raw)
        return raw

    def number(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0])

    def text(self) -> str:
        return self.take(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Value:
        """A value of a type; lists of texts, which only language models have, are skipped."""
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            kind, count = self.number("I"), self.number("Q")
            if kind == _STRING:
                for _ in range(count):
                    self.text()
                return ()
            code = _find_code(kind)
            return struct.unpack(f"<{count}{code}", self.take(count * struct.calcsize(f"<{code}")))
        code = _find_code(kind)
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]


def _find_code(kind: int) -> str:
    if kind not in _NUMBERS:
        raise UnusableFile("its header holds a value of a type that GGUF does not have")
    return _NUMBERS[kind]


def read_gguf(path: Path, file: BinaryIO, size: int) -> Header:
    """The header of a file of ``size`` bytes. Raises DamagedFile, or another exception if it is malformed."""
    reader = _HeaderReader(file)
    reader.take(4)
    if reader.number("I") not in _VERSIONS:
        raise UnusableFile("it is of a version of GGUF that Easel does not know")
    tensors, values = reader.number("Q"), reader.number("Q")
    if tensors > MOST_TENSORS or values > MOST_TENSORS:
        raise UnusableFile("it has more parts than any checkpoint")
    metadata = {reader.text(): reader.value(reader.number("I")) for _ in range(values)}
    places = dict(_read_place(reader) for _ in range(tensors))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise DamagedFile("its header is damaged")
    start = -(-reader.place // alignment) * alignment
    found = {name: _create_tensor(name, *place, start, metadata.get(_SHAPE + name)) for name, place in places.items()}
    end = max((tensor.offset + tensor.bytes for tensor in found.values()), default=0)
    if end > size:
        raise DamagedFile(f"it is truncated: {size:,} of {end:,} bytes are there")
    texts = {key: value for key, value in metadata.items() if isinstance(value, str)}
    return Header("gguf", found, texts, digest=reader.digest.hexdigest())


def _read_place(reader: _HeaderReader) -> tuple[str, tuple[tuple[int, ...], int, int]]:
    """Name, shape, type and offset of a tensor; GGUF counts dimensions from the innermost."""
    name, dimensions = reader.text(), reader.number("I")
    if len(name) > LONGEST_NAME or dimensions > _MOST_DIMENSIONS:
        raise DamagedFile("its header is damaged")
    shape = tuple(reader.number("Q") for _ in range(dimensions))[::-1]
    return name, (shape, reader.number("I"), reader.number("Q"))


def _create_tensor(name: str, shape: tuple[int, ...], kind: int, offset: int, start: int, original: Value | None) -> Tensor:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        quantization = GGMLQuantizationType(kind)
    except ValueError as error:
        raise UnusableFile(f"its part “{name[:80]}” is in a number format that Easel does not know ({kind})") from error
    block, width = GGML_QUANT_SIZES[quantization]
    count = math.prod(shape)
    if isinstance(original, tuple) and math.prod(original) == count:
        shape = tuple(int(side) for side in original)
    if quantization.name in _PLAIN:
        dtype = _PLAIN[quantization.name]
        return Tensor(dtype, shape, start + offset, size=count * BYTES[dtype])
    if count % block:
        raise DamagedFile(f"its part “{name[:80]}” has an impossible size")
    return Tensor(quantization.name, shape, start + offset, size=count // block * width)
