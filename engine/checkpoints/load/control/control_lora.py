"""Control-LoRA: a ControlNet that is stored as its differences from the UNet of the checkpoint that it runs beside.

Layers of low rank, ``up`` and ``down`` (Stability AI's control-lora), are added to the UNet's own weights as the checkpoint's
file has them, whatever LoRAs are merged into it meanwhile. What the file has whole takes the place of the UNet's, and what it
lacks is the UNet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from engine.checkpoints.control.layouts import map_controlnet
from engine.checkpoints.families.key_mapping import Config
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.load.originals import Originals


class ControlLoraStore(TensorStore):
    """The tensors of the ControlNet that a Control-LoRA and a UNet make, under diffusers' names."""

    def __init__(self, path: Path, unet: Originals, config: Config) -> None:
        super().__init__([path])
        self._unet, self._config = unet, config

    def __contains__(self, name: str) -> bool:
        return self._find_whole(name) is not None or name in self._unet

    def shape(self, name: str) -> tuple[int, ...]:
        """As :meth:`TensorStore.shape`."""
        whole = self._find_whole(name)
        return super().shape(whole) if whole is not None else tuple(self._unet.shapes[name])

    def read(self, name: str) -> torch.Tensor:
        """As :meth:`TensorStore.read`."""
        whole = self._find_whole(name)
        if whole is not None:
            return super().read(whole)
        own, stem = self._unet.read(name), name.removesuffix(".weight")
        up, down = (self._find(f"{stem}.{end}") for end in ("up", "down"))
        if not name.endswith(".weight") or up is None or down is None:
            return own
        change = super().read(up).float().flatten(1) @ super().read(down).float().flatten(1)
        return own.float() + change.reshape(own.shape)

    def is_quantized(self, name: str) -> bool:
        """As :meth:`TensorStore.is_quantized`: what is added to packed weights is not packed."""
        return False

    def is_matrix_of_blocks(self, name: str) -> bool:
        """As :meth:`TensorStore.is_matrix_of_blocks`."""
        return False

    @property
    def paths(self) -> Sequence[Path]:
        """The files, the checkpoint's among them."""
        return [*super().paths, *self._unet.store.paths]

    def _find_whole(self, name: str) -> str | None:
        """The name in the file of a tensor that takes the place of the UNet's."""
        return self._find(name)

    def _find(self, name: str) -> str | None:
        names = map_controlnet(name, self._config).names
        return next((each for each in names if super(ControlLoraStore, self).__contains__(each)), None)
