"""Reads weights of a loaded component again from where they came: what a LoRA is merged into, and what is put back after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from engine.checkpoints.families.key_mapping import TensorSource
from engine.checkpoints.files.tensors import TensorStore
from engine.errors import CheckpointError


@dataclass(frozen=True)
class Originals:
    """The files of one component and where each of its tensors lies in them.

    ``places``: the component's name of a tensor -> its name in the files, and how it is read from there.
    """

    store: TensorStore
    places: Mapping[str, tuple[str, TensorSource]]
    shapes: Mapping[str, torch.Size]
    stamps: Mapping[Path, tuple[int, int]] = field(default_factory=dict)

    def read(self, name: str) -> torch.Tensor:
        """A tensor in the file's dtype, on the CPU, in the component's shape; to be copied from at once."""
        place, source = self.places[name]
        return reshape(self.store.read(place), source, self.shapes[name])

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def check(self) -> None:
        """Raises CheckpointError if a file is gone or is another one now."""
        for path, stamp in self.stamps.items():
            try:
                same = stamp_of(path) == stamp
            except OSError:
                same = False
            if not same:
                raise CheckpointError(
                    f"“{path.name}” was moved or changed while it was in use, so its LoRAs cannot be changed. Try again: it is "
                    "loaded anew, if it is still there."
                )


def stamps_of(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Size and time of change of each file."""
    return {path: stamp_of(path) for path in paths}


def stamp_of(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds. Raises OSError for a file that is not there."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def reshape(tensor: torch.Tensor, source: TensorSource, shape: torch.Size) -> torch.Tensor:
    """A stored tensor as the component has it."""
    if source.third is not None:
        tensor = tensor.chunk(3)[source.third]
    if source.transposed:
        tensor = tensor.t()
    return tensor.reshape(shape)
