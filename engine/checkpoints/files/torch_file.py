"""Reads the headers of torch's zip and legacy formats. Neither unpickles anything nor imports torch."""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

from engine.checkpoints.files.pickles import Call, Name, Persistent, PickleValue, read_pickle
from engine.checkpoints.files.tensor_info import (
    BYTES,
    LONGEST_NAME,
    MOST_HEADER,
    DamagedFile,
    Header,
    Tensor,
    UnusableFile,
    read_sizes,
)
from engine.storage.regular_files import open_regular_file

_MOST_ENTRIES = 8 * 2**20
"""The most bytes of a zip's central directory; each takes ten times as much in memory."""

_MOST_VISITS = 1_000_000
"""The most entries of a pickle's dictionaries that are visited."""

_STORAGES: Mapping[str, str] = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool",
}  # fmt: skip

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of torch's legacy format contains this number (torch/serialization.py, MAGIC_NUMBER)."""

_FindStorage: TypeAlias = Callable[[str], tuple[int, int]]
"""Key of a storage -> its offset and length in bytes. Raises DamagedFile if there is none."""


# torch's zip


def read_zip(path: Path, file: BinaryIO, size: int) -> Header:
    """The header of torch's zip of ``size`` bytes. Raises DamagedFile, or another exception if it is malformed."""
    with _BoundedReader(open_regular_file(path).detach()) as bounded, zipfile.ZipFile(bounded) as archive:
        entries = {i.filename: i for i in archive.infolist()}
        index = next((n for n in entries if n == "data.pkl" or n.endswith("/data.pkl")), None)
        if index is None:
            raise UnusableFile("it is a zip archive, but not one that torch wrote: unpack it into the folder")
        if any(i.compress_type != zipfile.ZIP_STORED or i.file_size != i.compress_size for i in entries.values()):
            raise UnusableFile("parts of it are compressed, which torch never does: it could unpack to any size")
        raw = _piece(file, entries[index], size)
    value, _ = read_pickle(raw)
    root = index.removesuffix("data.pkl") + "data/"
    starts = {n.removeprefix(root): i for n, i in entries.items() if n.startswith(root)}
    places = _ZipPlaces(file, starts, size)
    tensors, values = _collect(value, places.of)
    return Header("zip", tensors, values=values, digest=hashlib.sha256(raw).hexdigest())


class _BoundedReader(io.BufferedReader):
    """Limits how much zipfile reads of a central directory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As in the base class, up to :data:`_MOST_ENTRIES` bytes. Raises DamagedFile for more."""
        wanted = _MOST_ENTRIES + 1 if size is None or size < 0 else size
        found = super().read(min(wanted, _MOST_ENTRIES + 1))
        if len(found) > _MOST_ENTRIES:
            raise UnusableFile("the list of its parts is longer than any checkpoint's")
        return found


def _piece(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> bytes:
    if entry.file_size > MOST_HEADER:
        raise UnusableFile("its index is larger than any checkpoint's")
    file.seek(_data_start(file, entry, size))
    return file.read(entry.file_size)


def _data_start(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> int:
    """The offset of an entry's data: after its local header, whose extra field torch pads for alignment."""
    file.seek(entry.header_offset)
    local = file.read(30)
    if len(local) != 30 or local[:4] != b"PK\x03\x04":
        raise DamagedFile("it is truncated or damaged: a part's header is missing")
    start = entry.header_offset + 30 + sum(struct.unpack("<HH", local[26:30]))
    if start + entry.file_size > size:
        raise DamagedFile("it is truncated")
    return start


class _ZipPlaces:
    """The offsets of storages in a zip, cached."""

    def __init__(self, file: BinaryIO, entries: Mapping[str, zipfile.ZipInfo], size: int) -> None:
        self._file, self._entries, self._size = file, entries, size
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, key: str) -> tuple[int, int]:
        """Offset and length in bytes of storage ``key``."""
        if key not in self._known:
            entry = self._entries.get(key)
            if entry is None:
                raise DamagedFile("its index names parts that are not there")
            self._known[key] = _data_start(self._file, entry, self._size), entry.file_size
        return self._known[key]


# torch's legacy stream of pickles


def read_legacy(path: Path, file: BinaryIO, size: int) -> Header:
    """The header of torch's legacy format. Raises DamagedFile, or another exception if it is malformed."""
    file.seek(0)
    raw = file.read(min(size, MOST_HEADER))
    magic, at = read_pickle(raw)
    if magic != _LEGACY_MAGIC:
        raise UnusableFile("it is a pickle, but not one that torch wrote")
    _, at = read_pickle(raw, at)
    _, at = read_pickle(raw, at)
    value, end = read_pickle(raw, at)
    keys, at_storages = read_pickle(raw, end)
    widths = _widths(value)
    places = _legacy_places(file, keys, widths, at_storages, size)
    tensors, values = _collect(value, lambda key: _place(places, key))
    return Header("legacy", tensors, values=values, digest=hashlib.sha256(raw[:end]).hexdigest())


def _place(places: Mapping[str, tuple[int, int]], key: str) -> tuple[int, int]:
    if key not in places:
        raise DamagedFile("its index names parts that are not there")
    return places[key]


def _legacy_places(
    file: BinaryIO, keys: PickleValue, widths: Mapping[str, int], at: int, size: int
) -> dict[str, tuple[int, int]]:
    """Storage -> offset and length: they follow each other, each a count of 8 bytes and its elements."""
    places: dict[str, tuple[int, int]] = {}
    if not isinstance(keys, list):
        raise DamagedFile("its index is damaged")
    for key in keys:
        file.seek(at)
        count = file.read(8)
        if len(count) != 8 or not isinstance(key, str) or key not in widths:
            raise DamagedFile("it is truncated")
        length = struct.unpack("<q", count)[0] * widths[key]
        if length < 0 or at + 8 + length > size:
            raise DamagedFile("it is truncated")
        places[key] = at + 8, length
        at += 8 + length
    return places


def _widths(value: PickleValue) -> dict[str, int]:
    """Storage -> bytes per element."""
    calls = (call for _, call in _tensors(value) if call.function.path != _FROM_NUMPY)
    storages = (_storage(next(iter(call.arguments), None)) for call in calls)
    return {key: BYTES[dtype] for key, dtype in storages}


# both


def _collect(value: PickleValue, find_storage: _FindStorage) -> tuple[dict[str, Tensor], dict[str, int | float | str]]:
    """Tensors by name, and plain values, of a pickled dictionary or of the ``state_dict`` in it."""
    tensors = {name: _tensor(name, call, find_storage) for name, call in _tensors(value)}
    plain = value if isinstance(value, dict) else {}
    return tensors, {k: v for k, v in plain.items() if isinstance(k, str) and isinstance(v, (int, float, str))}


def _tensors(
    value: PickleValue, prefix: str = "", depth: int = 0, visits: Iterator[int] | None = None
) -> Iterator[tuple[str, Call]]:
    """Every tensor in dictionaries nested up to three levels deep. Wrappers such as ``state_dict`` are not part of the names.

    ``visits`` counts down the entries that may be visited: nested references can describe an exponential tree.
    """
    if not isinstance(value, dict) or depth > 3:
        return
    visits = iter(range(_MOST_VISITS)) if visits is None else visits
    wrapped = (value.get(key) for key in ("state_dict", "params_ema", "params", "model", "module"))
    inner = next((each for each in wrapped if isinstance(each, dict)), None)
    if inner is not None:
        yield from _tensors(inner, prefix, depth + 1, visits)
        return
    for key, item in value.items():
        if next(visits, None) is None:
            raise UnusableFile("its index has more entries than any checkpoint needs")
        item = _as_dictionary(item)
        call = _as_tensor(item)
        if call is None and not isinstance(item, dict):
            continue
        name = f"{prefix}{key if isinstance(key, str) else ''}"
        if len(name) > LONGEST_NAME:
            raise UnusableFile("a part of it has a longer name than any checkpoint needs")
        if call is not None:
            yield name, call
        else:
            yield from _tensors(item, f"{name}.", depth + 1, visits)


def _as_dictionary(item: PickleValue) -> PickleValue:
    """The parameters of a ParameterDict, which are in its state; anything else as it is."""
    if isinstance(item, Call) and item.function.path.endswith(".ParameterDict") and isinstance(item.state, dict):
        return item.state.get("_parameters", {})
    return item


def _as_tensor(item: PickleValue) -> Call | None:
    while isinstance(item, Call) and item.function.path == "torch._utils._rebuild_parameter" and item.arguments:
        item = item.arguments[0]
    if isinstance(item, Call) and item.function.path.startswith(("torch._utils._rebuild_tensor", _FROM_NUMPY)):
        return item
    return None


_FROM_NUMPY = "torch._utils._rebuild_device_tensor_from_numpy"
"""How torch wrote tensors that lay on Apple's graphics cards: as NumPy's arrays, whose bytes lie in the pickle."""

_NUMPY_DTYPES: Mapping[str, str] = {
    "f8": "float64",
    "f4": "float32",
    "f2": "float16",
    "i8": "int64",
    "i4": "int32",
    "u1": "uint8",
}


def _array(name: str, array: PickleValue) -> Tensor:
    """A tensor from the state of a NumPy array: version, shape, dtype, whether it is in Fortran's order, bytes."""
    match array:
        case Call(state=(int(), shape, Call(arguments=(str(kind), *_), state=(int(), "<" | "|", *_)), False, raw)) if (
            kind in _NUMPY_DTYPES
        ):
            data = _bytes_of(raw)
        case _:
            raise UnusableFile(f"its part “{name[:80]}” is stored in a way that Easel does not know")
    sizes, dtype = read_sizes(shape), _NUMPY_DTYPES[kind]
    if len(data) != math.prod(sizes) * BYTES[dtype]:
        raise DamagedFile(f"its part “{name[:80]}” is truncated or damaged")
    return Tensor(dtype, sizes, 0, data=data)


def _bytes_of(raw: PickleValue) -> bytes:
    """Bytes as protocol 2 writes them for Python 3: a text of Latin-1 to be encoded."""
    match raw:
        case bytes():
            return raw
        case Call(function=Name(path="_codecs.encode"), arguments=(str(text), "latin1" | "latin-1")):
            return text.encode("latin-1")
        case _:
            return b""


def _tensor(name: str, call: Call, find_storage: _FindStorage) -> Tensor:
    """The tensor of a call ``_rebuild_tensor_v2(storage, offset, size, stride, ...)``."""
    if call.function.path == _FROM_NUMPY:
        return _array(name, next(iter(call.arguments), None))
    try:
        storage, first, size, step = call.arguments[:4]
        key, dtype = _storage(storage)
        begin, length = find_storage(key)
        width = BYTES[dtype]
        (start,), shape, stride = read_sizes((first,)), read_sizes(size), read_sizes(step)
        needed = 0 if 0 in shape else 1 + start + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    except (ValueError, KeyError, IndexError) as error:
        raise DamagedFile(f"its part “{name[:80]}” is described wrongly") from error
    if max(needed, math.prod(shape)) * width > length:
        raise DamagedFile(f"its part “{name[:80]}” reaches outside of its storage: truncated or damaged")
    return Tensor(dtype, shape, begin + start * width, None if stride == _dense(shape) or 0 in shape else stride)


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def _storage(value: PickleValue) -> tuple[str, str]:
    """Key and dtype of a storage, whose persistent id is ("storage", class, key, device, count)."""
    if not isinstance(value, Persistent) or not isinstance(value.key, tuple) or len(value.key) < 5:
        raise DamagedFile("a part of it has no storage")
    kind, storage, key = value.key[:3]
    dtype = _STORAGES.get(storage.path.rpartition(".")[2]) if isinstance(storage, Name) else None
    if kind != "storage" or dtype is None or not isinstance(key, str):
        raise UnusableFile("a part of it is stored in a way that Easel does not know")
    return key, dtype
