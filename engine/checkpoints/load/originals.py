"""Reads weights of a loaded component again from where they came: what a LoRA is merged into, and what is put back after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from engine.checkpoints.families.key_mapping import TensorSource
from engine.checkpoints.files.tensors import TensorStore
from engine.errors import CheckpointError
from engine.storage.file_version import Version, read_version


@dataclass(frozen=True)
class Originals:
    """The files of one component and where each of its tensors lies in them.

    ``places``: the component's name of a tensor -> its name in the files, and how it is read from there.
    """

    store: TensorStore
    places: Mapping[str, tuple[str, TensorSource]]
    shapes: Mapping[str, torch.Size]
    versions: Mapping[Path, Version] = field(default_factory=dict)

    def read(self, name: str) -> torch.Tensor:
        """A tensor in the file's dtype, on the CPU, in the component's shape; to be copied from at once."""
        place, source = self.places[name]
        return reshape(self.store.read(place), source, self.shapes[name])

    def read_quantized(self, name: str, device: torch.device) -> torch.nn.Parameter:
        """A matrix of a GGUF file as it is packed there, on ``device``."""
        return read_packed(self.store, *self.places[name], device)

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def check(self) -> None:
        """Raises CheckpointError if a file is gone or is another one now."""
        for path, version in self.versions.items():
            try:
                same = read_version(path) == version
            except OSError:
                same = False
            if not same:
                raise CheckpointError(
                    f"“{path.name}” was moved or changed while it was in use, so its LoRAs cannot be changed. Try again: it is "
                    "loaded anew, if it is still there."
                )


def read_packed(store: TensorStore, place: str, source: TensorSource, device: torch.device) -> torch.nn.Parameter:
    """A matrix of a GGUF file as it is packed there, on ``device``. Its rows can be taken apart, since they are whole blocks."""
    whole = source.third is None and not source.swapped
    return store.read_quantized(place, device, None if whole else lambda rows: _pick_rows(rows, source).clone())


def reshape(tensor: torch.Tensor, source: TensorSource, shape: torch.Size) -> torch.Tensor:
    """A stored tensor as the component has it."""
    tensor = _pick_rows(tensor, source)
    return (tensor.t() if source.transposed else tensor).reshape(shape)


def _pick_rows(tensor: torch.Tensor, source: TensorSource) -> torch.Tensor:
    """The rows of a stored tensor that belong to the component's, in its order."""
    if source.third is not None:
        tensor = tensor.chunk(3)[source.third]
    return torch.cat(tensor.chunk(2)[::-1]) if source.swapped else tensor
