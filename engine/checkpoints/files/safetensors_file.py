"""Reads the header of a safetensors file."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from engine.checkpoints.files.tensor_info import MOST_HEADER, MOST_TENSORS, DamagedFile, Header, Tensor, UnusableFile, read_sizes
from engine.json_values import JsonValue, as_object, parse_object

_SAFETENSORS: Mapping[str, str] = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def read_safetensors(path: Path, file: BinaryIO, size: int) -> Header:
    """The header of a file of ``size`` bytes. Raises DamagedFile, or another exception if it is malformed."""
    file.seek(0)
    length = struct.unpack("<Q", file.read(8))[0]
    if length > MOST_HEADER or 8 + length > size:
        raise DamagedFile("it says that its header is longer than the file: it is truncated, or not a safetensors file")
    raw = file.read(length)
    try:
        entries = parse_object(raw)
        if len(entries) > MOST_TENSORS:
            raise UnusableFile("it has more parts than any checkpoint")
        metadata = {key: str(value) for key, value in as_object(entries.pop("__metadata__", {})).items()}
        tensors = {name: _safetensor(name, entry, 8 + length) for name, entry in entries.items()}
    except (ValueError, KeyError) as error:
        raise DamagedFile("its header is damaged") from error
    _check_places(tensors, size)
    return Header("safetensors", tensors, metadata, digest=hashlib.sha256(raw).hexdigest())


def _safetensor(name: str, value: JsonValue, base: int) -> Tensor:
    entry = as_object(value)
    dtype = str(entry["dtype"])
    if dtype not in _SAFETENSORS:
        raise UnusableFile(f"its part “{name[:80]}” is in a number format that Easel does not know ({dtype[:20]})")
    try:
        shape = read_sizes(entry["shape"])
        begin, end = read_sizes(entry["data_offsets"])
    except ValueError as error:
        raise DamagedFile(f"its part “{name[:80]}” has an impossible size") from error
    tensor = Tensor(_SAFETENSORS[dtype], shape, base + begin)
    if tensor.bytes != end - begin:
        raise DamagedFile(f"its part “{name[:80]}” has another size than its shape says")
    return tensor


def _check_places(tensors: Mapping[str, Tensor], size: int) -> None:
    """Check that all tensors are inside the file and do not overlap."""
    end = 0
    for tensor in sorted(tensors.values(), key=lambda t: (t.offset, t.bytes)):
        if tensor.offset < end:
            raise DamagedFile("two of its parts overlap, which no program writes")
        end = tensor.offset + tensor.bytes
    if end > size:
        raise DamagedFile(f"it is truncated: {size:,} of {end:,} bytes are there")
