"""Reads the tensors that a header lists, memory-mapped if that is fast."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from engine.checkpoints.files.headers import Header, Tensor, create_refusal, read_header
from engine.compat.gguf_layers import GGUFParameter, PickRows, create_parameter, dequantize, divides
from engine.storage.regular_files import open_regular_file

DTYPES: Mapping[str, torch.dtype] = {
    "float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16,
    "float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2,
    "int64": torch.int64, "int32": torch.int32, "int16": torch.int16, "int8": torch.int8, "uint8": torch.uint8,
    "bool": torch.bool,
}  # fmt: skip
"""torch's dtypes by the names in headers and plans."""

_SCALES = (".scale_weight", ".weight_scale", ".scale_input", ".input_scale")
"""Ends of the names of numbers that 8-bit weights are multiplied with, and of those for inputs, which are not needed where layers
compute in 16 bits (github.com/comfyanonymous/ComfyUI, ``comfy/ops.py``)."""

SLOW_TO_MAP = (
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "drvfs", "fuse", "afs", "ceph", "glusterfs", "lustre", "davfs", "vboxsf",
    "virtiofs", "prl_fs", "fuseblk", "ncpfs",
)  # fmt: skip
"""Network and virtual machine file systems, where a mapped file is read page by page, tens of times slower."""


def is_quick_to_map(path: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Whether ``path`` is on a local disk. False if the system does not say (Windows, macOS), so that files are read."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    resolved, best = str(path.resolve()), ("", "")
    for line in lines:
        point, kind = [*line.split(), "", "", ""][1:3]
        point = point.replace("\\040", " ")
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = point, kind
    return bool(best[1]) and best[1].split(".")[0] not in SLOW_TO_MAP


class TensorStore:
    """The tensors of one or several weights files by name. Files are opened only while they are read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._places: dict[str, tuple[Path, Tensor]] = {}
        self._headers: dict[Path, Header] = {}
        self._maps: dict[Path, mmap.mmap | None] = {}
        for path in paths:
            self._headers[path] = read_header(path)
            self._places.update({name: (path, tensor) for name, tensor in self._headers[path].tensors.items()})

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def names(self) -> Sequence[str]:
        """The names of all tensors."""
        return list(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it."""
        return self._places[name][1].shape

    def read(self, name: str) -> torch.Tensor:
        """A tensor on the CPU in the file's dtype. Copy it at once: it may be a view of the mapped file.

        Raises CheckpointError if the file was truncated meanwhile.
        """
        path, tensor = self._places[name]
        if tensor.is_quantized:
            return dequantize(self.read_quantized(name)).view(tensor.shape)
        scale = self._find_scale(name)
        if scale is not None:
            return self._read_plain(path, tensor).float() * self._read_plain(*self._places[scale]).float()
        return self._read_plain(path, tensor)

    def is_quantized(self, name: str) -> bool:
        """Whether a tensor's numbers are packed in blocks."""
        return self._places[name][1].is_quantized

    def is_matrix_of_blocks(self, name: str) -> bool:
        """Whether a tensor is a quantised matrix whose rows consist of whole blocks, so that a linear layer can keep it."""
        tensor = self._places[name][1]
        return tensor.is_quantized and divides(tensor.shape, tensor.dtype)

    def read_quantized(self, name: str, device: torch.device | None = None, pick_rows: PickRows | None = None) -> GGUFParameter:
        """A quantised tensor, or some rows of a matrix, as diffusers holds it, in memory of its own. Raises CheckpointError if
        diffusers cannot undo it."""
        path, tensor = self._places[name]
        raw = torch.frombuffer(_read(path, tensor.offset, tensor.bytes), dtype=torch.uint8)
        return create_parameter(raw.to(device or "cpu"), tensor.dtype, tensor.shape, pick_rows)

    def scales(self) -> set[str]:
        """The names of tensors that scale others: they are used when those are read."""
        return {name for name in self._places if name.endswith(_SCALES) or name.endswith("scaled_fp8")}

    def _find_scale(self, name: str) -> str | None:
        """The tensor by which an 8-bit weight is multiplied, None for others."""
        if not self._places[name][1].dtype.startswith("float8"):
            return None
        return next((scale for end in _SCALES[:2] if (scale := name.removesuffix(".weight") + end) in self._places), None)

    def _read_plain(self, path: Path, tensor: Tensor) -> torch.Tensor:
        dtype = DTYPES[tensor.dtype]
        if tensor.count == 0:
            return torch.zeros(tensor.shape, dtype=dtype)
        if tensor.data is not None:
            return torch.frombuffer(bytearray(tensor.data), dtype=dtype).view(tensor.shape)
        reach = tensor.count if tensor.stride is None else _reach(tensor)
        mapped = self._map(path)
        if mapped is not None:
            flat = torch.frombuffer(mapped, dtype=dtype, count=reach, offset=tensor.offset)
        else:
            flat = torch.frombuffer(_read(path, tensor.offset, reach * dtype.itemsize), dtype=dtype)
        return flat.view(tensor.shape) if tensor.stride is None else flat.as_strided(tensor.shape, tensor.stride)

    @property
    def paths(self) -> Sequence[Path]:
        """The files."""
        return list(self._headers)

    def release(self) -> None:
        """Close the files; the next read opens them again. A mapped file stays open as long as tensors that are views of it."""
        self._maps.clear()

    def _map(self, path: Path) -> mmap.mmap | None:
        if path not in self._maps:
            self._maps[path] = _map_file(path) if is_quick_to_map(path) else None
        return self._maps[path]


def _map_file(path: Path) -> mmap.mmap:
    """The file mapped to memory; private and writable, as torch requires, but never written."""
    with open_regular_file(path) as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _reach(tensor: Tensor) -> int:
    """Elements from the first to the last of a strided tensor."""
    return 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride or (), strict=True))


def _read(path: Path, offset: int, size: int) -> bytearray:
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    with open_regular_file(path) as file:
        file.seek(offset)
        while done < size:
            count = file.readinto(view[done:])
            if not count:
                raise create_refusal(path, "it became shorter while it was read")
            done += count
    return buffer
