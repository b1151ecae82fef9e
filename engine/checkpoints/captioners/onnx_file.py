"""The inputs and outputs of an ONNX model, read without its weights (github.com/onnx/onnx, ``onnx.proto``).

The file is one protocol buffer, of which only the fields on the way to these descriptions are read; all others are skipped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.checkpoints.files.tensor_info import DamagedFile
from engine.storage.regular_files import open_regular_file

BEGINNING = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x3a\x42]")
"""The format's version, then the name or version of the program that wrote it, the graph, or its operators."""

FLOAT = 1
"""The number of 32-bit fractions among ONNX' types."""

_GRAPH, _INITIALIZER, _INPUT, _OUTPUT = 7, 5, 11, 12
_NAME, _TENSOR_NAME, _EXTERNAL = 1, 8, 13
_MOST_FIELDS = 1_000_000
_LONGEST_NAME = 10_000
_WIDTHS = {1: 8, 5: 4}
"""Wire type of a number of fixed width -> its bytes."""


@dataclass(frozen=True)
class Port:
    """An input or output. ``shape`` has 0 for sides that are open; ``type`` is one of ONNX' numbers."""

    name: str
    type: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class OnnxModel:
    """``inputs`` are those without a value in the file. ``has_other_files``: weights lie beside it."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    has_other_files: bool


@dataclass(frozen=True)
class _Field:
    """A field: its number, the value of a whole number, and where a field of bytes begins and ends."""

    number: int
    value: int = 0
    start: int = 0
    end: int = 0


def is_onnx(path: Path) -> bool:
    """Whether a file begins as ONNX models do. Raises OSError."""
    with open_regular_file(path) as file:
        return BEGINNING.match(file.read(4)) is not None


def read_onnx(path: Path) -> OnnxModel:
    """What goes into a model and what comes out. Raises DamagedFile or OSError."""
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        graph = next((field for field in _read_fields(file, 0, size) if field.number == _GRAPH), None)
        if graph is None:
            raise DamagedFile("it has no graph")
        ports: dict[int, list[Port]] = {_INPUT: [], _OUTPUT: []}
        values: set[str] = set()
        has_other_files = False
        for field in list(_read_fields(file, graph.start, graph.end)):
            if field.number in ports:
                ports[field.number].append(_read_port(file, field))
            elif field.number == _INITIALIZER:
                parts = list(_read_fields(file, field.start, field.end))
                values.update(_read_text(file, each) for each in parts if each.number == _TENSOR_NAME)
                has_other_files |= any(each.number == _EXTERNAL for each in parts)
    inputs = tuple(port for port in ports[_INPUT] if port.name not in values)
    return OnnxModel(inputs, tuple(ports[_OUTPUT]), has_other_files)


def _read_fields(file: BinaryIO, start: int, end: int) -> Iterator[_Field]:
    """The fields of the message between two places."""
    file.seek(start)
    for _ in range(_MOST_FIELDS):
        if file.tell() >= end:
            return
        number, wire = divmod(_read_varint(file), 8)
        if wire == 0:
            yield _Field(number, value=_read_varint(file))
            continue
        length = _read_varint(file) if wire == 2 else _WIDTHS.get(wire)
        if length is None or file.tell() + length > end:
            raise DamagedFile("it is damaged, or not complete")
        begin = file.tell()
        yield _Field(number, start=begin, end=begin + length)
        file.seek(begin + length)
    raise DamagedFile("it has more parts than any model")


def _read_varint(file: BinaryIO) -> int:
    value = 0
    for place in range(10):
        byte = file.read(1)
        if not byte:
            raise DamagedFile("it is damaged, or not complete")
        value |= (byte[0] & 127) << 7 * place
        if byte[0] < 128:
            return value
    raise DamagedFile("it is damaged, or not complete")


def _read_text(file: BinaryIO, field: _Field) -> str:
    file.seek(field.start)
    return file.read(min(field.end - field.start, _LONGEST_NAME)).decode("utf-8", "replace")


def _read_port(file: BinaryIO, field: _Field) -> Port:
    """ValueInfoProto: a name (1), and in its type (2) that of a tensor (1) with the type of its numbers (1) and a shape (2)."""
    parts = list(_read_fields(file, field.start, field.end))
    tensor = _find_inside(file, _find_inside(file, parts, 2), 1)
    kind = next((each.value for each in tensor if each.number == 1), 0)
    sides = [each for each in _find_inside(file, tensor, 2) if each.number == 1]
    name = next((_read_text(file, each) for each in parts if each.number == _NAME), "")
    return Port(name, kind, tuple(_read_side(file, side) for side in sides))


def _find_inside(file: BinaryIO, fields: list[_Field], number: int) -> list[_Field]:
    """The fields of the message that has this number among ``fields``; none where there is no such message."""
    found = next((each for each in fields if each.number == number), None)
    return list(_read_fields(file, found.start, found.end)) if found is not None else []


def _read_side(file: BinaryIO, field: _Field) -> int:
    return next((each.value for each in _read_fields(file, field.start, field.end) if each.number == 1), 0)
