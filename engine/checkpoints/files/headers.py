"""The tensors of a file: names, shapes, dtypes, offsets. Does not import torch and does not read the tensors.

Three containers are known, by their first bytes: safetensors, torch's zip, and torch's older stream of pickles. All three give
the same :class:`Header`, so loaders read tensors from their offsets and never unpickle anything.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias

from engine.checkpoints.files.pickles import Call, Name, Persistent, PickleRefused, PickleValue, read_pickle
from engine.errors import CheckpointError
from engine.json_values import JsonValue, as_object, parse_object
from engine.storage.regular_files import open_regular_file

MOST_HEADER = 32 * 2**20
"""Bytes that a header or a pickle may have. Full-size checkpoints have some hundred thousand, LoRAs with the captions of all
their images some million."""

_MOST_ENTRIES = 8 * 2**20
"""Bytes that the list of a zip's entries may have; each takes ten times as much in memory."""

MOST_TENSORS = 50_000
"""Parts that a file may have. The largest checkpoints have some thousand."""

_MOST_NAME = 1000
"""Characters of a tensor's name."""

_MOST_DIMENSIONS = 16

_MOST_VISITS = 1_000_000
"""Entries of a pickle's dictionaries that are looked at."""

BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Bytes of one number, by torch's name for its dtype."""

_SAFETENSORS: Mapping[str, str] = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip

_STORAGES: Mapping[str, str] = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool",
}  # fmt: skip

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of torch's older format holds this number (torch/serialization.py, MAGIC_NUMBER)."""

_MOST_NUMBERS = 2**40

_FindStorage: TypeAlias = Callable[[str], tuple[int, int]]
"""The key of a storage -> its first byte and its length. Raises _Damaged if there is none."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies in its file. ``stride`` is in numbers, None where they lie one after the other."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    stride: tuple[int, ...] | None = None

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


def read_header(path: Path) -> Header:
    """The header of a weights file. Raises CheckpointError, a sentence that names the file, for anything else."""
    try:
        with open_regular_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            header = _choose_reader(path, file.read(16))(path, file, size)
            _check_names(header.tensors)
            return dataclasses.replace(header, digest=_digest(header, file, size))
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"“{path.name}” cannot be read: {error.strerror or error}.") from error
    except (PickleRefused, zipfile.BadZipFile, _Damaged) as error:
        raise refused(path, str(error)) from error
    except Exception as error:
        raise refused(path, f"it is damaged ({type(error).__name__})") from error


def _check_names(tensors: Mapping[str, Tensor]) -> None:
    if len(tensors) > MOST_TENSORS:
        raise _Damaged("it has more parts than any checkpoint")
    if any(len(name) > _MOST_NAME for name in tensors):
        raise _Damaged("a part of it has a longer name than any checkpoint needs")


SAMPLE = 65536


def _digest(header: Header, file: BinaryIO, size: int) -> str:
    """Fine-tunes that one program saved have equal headers, so a little of the weights counts too."""
    digest = hashlib.sha256(header.digest.encode())
    for at in (size // 4, size // 2, max(0, size - SAMPLE)):
        file.seek(at)
        digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def refused(path: Path, why: str) -> CheckpointError:
    """The error for a file that cannot be used; ``why`` continues the sentence after "was not loaded: "."""
    return CheckpointError(f"“{path.name}” was not loaded: {why}. Fetch the file again, or choose another one.")


class _Damaged(Exception):
    """Why a file cannot be what it begins like."""


def _choose_reader(path: Path, start: bytes) -> Callable[[Path, BinaryIO, int], Header]:
    if start[:2] == b"PK":
        return _read_zip
    if len(start) >= 9 and start[8:9] in (b"{", b" "):  # before pickles: a length of 640 begins as they do
        return _read_safetensors
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04"):
        return _read_legacy
    raise refused(path, _what_it_is(start))


def _what_it_is(start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if not start:
        return "it is empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "it is a web page, not a checkpoint: the download saved a page that says why"
    if start.startswith(b"version https://"):
        return "it is a pointer to a large file (Git LFS), not the file itself"
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")):
        return "it is a picture or a sound, not a checkpoint"
    if start.startswith(b"GGUF"):
        return "it is a GGUF file, which Easel does not read"
    return "it is neither safetensors nor a torch checkpoint"


# safetensors


def _read_safetensors(path: Path, file: BinaryIO, size: int) -> Header:
    file.seek(0)
    length = struct.unpack("<Q", file.read(8))[0]
    if length > MOST_HEADER or 8 + length > size:
        raise _Damaged("it says that its header is longer than the file: it is truncated, or no safetensors file")
    raw = file.read(length)
    try:
        entries = parse_object(raw)
        if len(entries) > MOST_TENSORS:
            raise _Damaged("it has more parts than any checkpoint")
        metadata = {key: str(value) for key, value in as_object(entries.pop("__metadata__", {})).items()}
        tensors = {name: _safetensor(name, entry, 8 + length) for name, entry in entries.items()}
    except (ValueError, KeyError) as error:
        raise _Damaged("its header is damaged") from error
    _check_places(tensors, size)
    return Header("safetensors", tensors, metadata, digest=hashlib.sha256(raw).hexdigest())


def _safetensor(name: str, value: JsonValue, base: int) -> Tensor:
    entry = as_object(value)
    dtype = str(entry["dtype"])
    if dtype not in _SAFETENSORS:
        raise _Damaged(f"its part “{name[:80]}” is in a number format that Easel does not know ({dtype[:20]})")
    try:
        shape = _sizes(entry["shape"])
        begin, end = _sizes(entry["data_offsets"])
    except ValueError as error:
        raise _Damaged(f"its part “{name[:80]}” has an impossible size") from error
    tensor = Tensor(_SAFETENSORS[dtype], shape, base + begin)
    if tensor.bytes != end - begin:
        raise _Damaged(f"its part “{name[:80]}” has another size than its shape says")
    return tensor


def _check_places(tensors: Mapping[str, Tensor], size: int) -> None:
    """Every tensor inside the file, none over another."""
    end = 0
    for tensor in sorted(tensors.values(), key=lambda t: (t.offset, t.bytes)):
        if tensor.offset < end:
            raise _Damaged("two of its parts overlap, which no program writes")
        end = tensor.offset + tensor.bytes
    if end > size:
        raise _Damaged(f"it is truncated: {size:,} of {end:,} bytes are there")


# torch's zip


def _read_zip(path: Path, file: BinaryIO, size: int) -> Header:
    with _BoundedReader(open_regular_file(path).detach()) as bounded, zipfile.ZipFile(bounded) as archive:
        entries = {i.filename: i for i in archive.infolist()}
        index = next((n for n in entries if n == "data.pkl" or n.endswith("/data.pkl")), None)
        if index is None:
            raise _Damaged("it is a zip archive, but not one that torch wrote")
        if any(i.compress_type != zipfile.ZIP_STORED or i.file_size != i.compress_size for i in entries.values()):
            raise _Damaged("parts of it are compressed, which torch never does: it could unpack to any size")
        raw = _piece(file, entries[index], size)
    value, _ = read_pickle(raw)
    root = index.removesuffix("data.pkl") + "data/"
    starts = {n.removeprefix(root): i for n, i in entries.items() if n.startswith(root)}
    places = _ZipPlaces(file, starts, size)
    tensors, values = _collect(value, places.of)
    return Header("zip", tensors, values=values, digest=hashlib.sha256(raw).hexdigest())


class _BoundedReader(io.BufferedReader):
    """What zipfile reads a zip's list of entries through, which it would read at any length."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As in its base, for up to :data:`_MOST_ENTRIES`. Raises _Damaged for more."""
        wanted = _MOST_ENTRIES + 1 if size is None or size < 0 else size
        found = super().read(min(wanted, _MOST_ENTRIES + 1))
        if len(found) > _MOST_ENTRIES:
            raise _Damaged("the list of its parts is longer than any checkpoint's")
        return found


def _piece(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> bytes:
    if entry.file_size > MOST_HEADER:
        raise _Damaged("its index is larger than any checkpoint's")
    file.seek(_data_start(file, entry, size))
    return file.read(entry.file_size)


def _data_start(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> int:
    """Where an entry's bytes begin: after its local header, whose extra field torch pads to align the bytes."""
    file.seek(entry.header_offset)
    local = file.read(30)
    if len(local) != 30 or local[:4] != b"PK\x03\x04":
        raise _Damaged("it is truncated or damaged: a part's header is missing")
    start = entry.header_offset + 30 + sum(struct.unpack("<HH", local[26:30]))
    if start + entry.file_size > size:
        raise _Damaged("it is truncated")
    return start


class _ZipPlaces:
    """Where storages lie in a zip, looked up once each."""

    def __init__(self, file: BinaryIO, entries: Mapping[str, zipfile.ZipInfo], size: int) -> None:
        self._file, self._entries, self._size = file, entries, size
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, key: str) -> tuple[int, int]:
        """First byte and length of storage ``key``."""
        if key not in self._known:
            entry = self._entries.get(key)
            if entry is None:
                raise _Damaged("its index names parts that are not there")
            self._known[key] = _data_start(self._file, entry, self._size), entry.file_size
        return self._known[key]


# torch's older stream of pickles


def _read_legacy(path: Path, file: BinaryIO, size: int) -> Header:
    file.seek(0)
    raw = file.read(min(size, MOST_HEADER))
    magic, at = read_pickle(raw)
    if magic != _LEGACY_MAGIC:
        raise _Damaged("it is a pickle, but not one that torch wrote")
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
        raise _Damaged("its index names parts that are not there")
    return places[key]


def _legacy_places(
    file: BinaryIO, keys: PickleValue, widths: Mapping[str, int], at: int, size: int
) -> dict[str, tuple[int, int]]:
    """Storages lie one after the other, each a count of 8 bytes and its numbers."""
    places: dict[str, tuple[int, int]] = {}
    if not isinstance(keys, list):
        raise _Damaged("its index is damaged")
    for key in keys:
        file.seek(at)
        count = file.read(8)
        if len(count) != 8 or not isinstance(key, str) or key not in widths:
            raise _Damaged("it is truncated")
        length = struct.unpack("<q", count)[0] * widths[key]
        if length < 0 or at + 8 + length > size:
            raise _Damaged("it is truncated")
        places[key] = at + 8, length
        at += 8 + length
    return places


def _widths(value: PickleValue) -> dict[str, int]:
    """Bytes of one number by storage."""
    storages = (_storage(next(iter(tensor.arguments), None)) for _, tensor in _tensors(value))
    return {key: BYTES[dtype] for key, dtype in storages}


# both


def _collect(value: PickleValue, find_storage: _FindStorage) -> tuple[dict[str, Tensor], dict[str, int | float | str]]:
    """Tensors by name, and plain values, of a pickled dictionary, which may be inside a ``state_dict``."""
    tensors = {name: _tensor(name, call, find_storage) for name, call in _tensors(value)}
    plain = value if isinstance(value, dict) else {}
    return tensors, {k: v for k, v in plain.items() if isinstance(k, str) and isinstance(v, (int, float, str))}


def _tensors(
    value: PickleValue, prefix: str = "", depth: int = 0, visits: Iterator[int] | None = None
) -> Iterator[tuple[str, Call]]:
    """Every tensor in dictionaries up to three deep. ``state_dict`` and ``params`` wrappers do not count into the name.

    ``visits`` counts down what may still be looked at: a dictionary may hold another a thousand times, and that one a third.
    """
    if not isinstance(value, dict) or depth > 3:
        return
    visits = iter(range(_MOST_VISITS)) if visits is None else visits
    wrapped = (value.get(key) for key in ("state_dict", "params_ema", "params"))
    inner = next((each for each in wrapped if isinstance(each, dict)), None)
    if inner is not None:
        yield from _tensors(inner, prefix, depth + 1, visits)
        return
    for key, item in value.items():
        if next(visits, None) is None:
            raise _Damaged("its index has more entries than any checkpoint needs")
        call = _as_tensor(item)
        if call is None and not isinstance(item, dict):
            continue
        name = f"{prefix}{key if isinstance(key, str) else ''}"
        if len(name) > _MOST_NAME:
            raise _Damaged("a part of it has a longer name than any checkpoint needs")
        if call is not None:
            yield name, call
        else:
            yield from _tensors(item, f"{name}.", depth + 1, visits)


def _as_tensor(item: PickleValue) -> Call | None:
    while isinstance(item, Call) and item.function.path == "torch._utils._rebuild_parameter" and item.arguments:
        item = item.arguments[0]
    if isinstance(item, Call) and item.function.path.startswith("torch._utils._rebuild_tensor"):
        return item
    return None


def _tensor(name: str, call: Call, find_storage: _FindStorage) -> Tensor:
    """A tensor from ``_rebuild_tensor_v2(storage, offset, size, stride, ...)``."""
    try:
        storage, first, size, step = call.arguments[:4]
        key, dtype = _storage(storage)
        begin, length = find_storage(key)
        width = BYTES[dtype]
        (start,), shape, stride = _sizes((first,)), _sizes(size), _sizes(step)
        needed = 0 if 0 in shape else 1 + start + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    except (ValueError, KeyError, IndexError) as error:
        raise _Damaged(f"its part “{name[:80]}” is described wrongly") from error
    if max(needed, math.prod(shape)) * width > length:
        raise _Damaged(f"its part “{name[:80]}” reaches outside of its storage: truncated or damaged")
    return Tensor(dtype, shape, begin + start * width, None if stride == _dense(shape) or 0 in shape else stride)


def _sizes(value: PickleValue | JsonValue) -> tuple[int, ...]:
    """A list of sizes, or of places in a file. Raises ValueError or IndexError for anything else."""
    if isinstance(value, Call):
        value = value.arguments[0]
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_DIMENSIONS:
        raise ValueError("not a short list")
    sizes = tuple(n for n in value if type(n) is int and 0 <= n <= _MOST_NUMBERS)
    if len(sizes) != len(value):
        raise ValueError("not sizes")
    return sizes


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def _storage(value: PickleValue) -> tuple[str, str]:
    """Key and dtype of a storage: the persistent id is ("storage", class, key, device, count)."""
    if not isinstance(value, Persistent) or not isinstance(value.key, tuple) or len(value.key) < 5:
        raise _Damaged("a part of it has no storage")
    kind, storage, key = value.key[:3]
    dtype = _STORAGES.get(storage.path.rpartition(".")[2]) if isinstance(storage, Name) else None
    if kind != "storage" or dtype is None or not isinstance(key, str):
        raise _Damaged("a part of it is stored in a way that Easel does not know")
    return key, dtype
