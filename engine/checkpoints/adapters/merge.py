"""Merges LoRAs and related adapters into the weights of a loaded checkpoint, and unmerges them.

A weight becomes W + the sum of s (W1 - W) over the files, with W as in the checkpoint's file, computed in float32 and rounded
once to the component's dtype: exactly what a checkpoint file with the merged weights would load as. Unmerging reads the
weight from the checkpoint's file again, so that no second copy is kept in memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch

from engine.checkpoints.adapters.adapter_file import AdapterFile, LayerChange, read_adapter
from engine.checkpoints.adapters.layer_names import Layer, NamedLayers, block_of, name_layers
from engine.checkpoints.adapters.peft_config import COMPONENTS
from engine.checkpoints.adapters.weight_changes import change_of_bias, change_weight
from engine.checkpoints.files.tensors import DTYPES
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.components import IsCancelled
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.gguf_layers import is_quantized, put_weight
from engine.compat.hooks import refresh_offload
from engine.errors import CancelledError, CheckpointError

DENOISERS = ("unet", "transformer")

NO_BIAS = "for biases that its layers do not have"
_BASE = "BASE"


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A LoRA file with its strengths in text encoders and in the UNet or transformer. ``block_weights`` multiply them per block,
    by its name in the original UNet (``IN04``, ``M00``, ``OUT11``; BASE for the text encoders), with 0 for missing blocks; empty
    means 1 for all.
    """

    entry: CheckpointEntry
    text_strength: float
    unet_strength: float
    block_weights: tuple[tuple[str, float], ...] = ()

    def strength(self, layer: Layer) -> float:
        """The strength in ``layer``."""
        whole = self.unet_strength if layer.component in DENOISERS else self.text_strength
        if not self.block_weights:
            return whole
        block = block_of(layer.original) if layer.component == "unet" else _BASE
        return whole * dict(self.block_weights).get(block, 1.0 if block == _BASE else 0.0)

    @property
    def key(self) -> tuple[str, str, float, float, tuple[tuple[str, float], ...]]:
        """Equal keys mean equal merged weights."""
        return str(self.entry.path), self.entry.hash, self.text_strength, self.unet_strength, self.block_weights


@dataclass
class MergedLoras:
    """The LoRAs merged into one loaded checkpoint. Not thread-safe."""

    loaded: LoadedCheckpoint
    loras: tuple[Lora, ...] = ()
    notices: tuple[str, ...] = ()
    _changed: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Component and name of each parameter that differs from the checkpoint's file."""
    _is_known: bool = True
    """Whether ``loras`` describes the weights; False after an interrupted merge."""

    @property
    def digest(self) -> str:
        """An identifier of the merged LoRAs; "" for none."""
        return hashlib.sha256(repr([lora.key for lora in self.loras]).encode()).hexdigest() if self.loras else ""

    def set(self, loras: tuple[Lora, ...], cancelled: IsCancelled) -> None:
        """Merge exactly ``loras``; does nothing if they are merged already.

        Raises CheckpointError, a sentence, for a file that does not fit or no longer exists, and CancelledError; the next call
        completes or undoes an interrupted merge.
        """
        if self._is_known and [lora.key for lora in loras] == [lora.key for lora in self.loras]:
            return
        layers = self._layers() if loras else {}
        files = [read_adapter(lora.entry, layers) for lora in loras]
        originals = [self.loaded.originals[component] for component in {name for name, _ in self._changed}]
        self._is_known = False
        try:
            for original in originals or self.loaded.originals.values():
                original.check()
            self._merge(loras, files, cancelled)
        finally:
            for original in self.loaded.originals.values():
                original.store.release()
        self.loras, self._is_known = loras, True
        self.notices = tuple(file.notice for file in files if file.notice)

    def _layers(self) -> dict[str, NamedLayers]:
        """Every name that a file may use for layers -> the layers."""
        modules = {name: module for name, module in self.loaded.modules.items() if name in COMPONENTS}
        return {
            alias: layer
            for component, module in reversed(modules.items())
            for alias, layer in name_layers(component, [name for name, _ in module.named_parameters()], module.config).items()  # type: ignore[union-attr]
        }

    def _merge(self, loras: tuple[Lora, ...], files: list[AdapterFile], cancelled: IsCancelled) -> None:
        wanted: dict[Layer, list[tuple[Lora, AdapterFile, LayerChange]]] = {}
        for lora, file in zip(loras, files, strict=True):
            for change in file.changes:
                for layer in change.target.layers:
                    if lora.strength(layer) != 0:
                        wanted.setdefault(layer, []).append((lora, file, change))
        now = {(layer.component, f"{layer.name}.{leaf}") for layer in wanted for leaf in ("weight", "bias")}
        for component, name in sorted(self._changed - now):
            _raise_if(cancelled)
            self._restore(component, name)
        for layer, changes in wanted.items():
            _raise_if(cancelled)
            self._change(layer, changes)
        for component in {name for name, _ in self._changed} | {layer.component for layer in wanted}:
            refresh_offload(self.loaded.modules[component])  # quantised weights are replaced, and not changed in place

    def _restore(self, component: str, name: str) -> None:
        module, originals = self.loaded.modules[component], self.loaded.originals[component]
        if is_quantized(module, name):
            put_weight(module, name, originals.read_quantized(name, self._parameter(component, name).device))
        else:
            _fill(self._parameter(component, name), originals.read(name))
        self._changed.discard((component, name))

    def _change(self, layer: Layer, changes: list[tuple[Lora, AdapterFile, LayerChange]]) -> None:
        originals = self.loaded.originals[layer.component]
        name, bias_name = f"{layer.name}.weight", f"{layer.name}.bias"
        parameter = self._parameter(layer.component, name)
        device = parameter.device if parameter.device.type == "cuda" else torch.device("cpu")
        weight = originals.read(name).to(device=device, dtype=torch.float32)
        bias = originals.read(bias_name).to(device=device, dtype=torch.float32) if bias_name in originals else None
        own_bias, total, added = bias, weight.clone(), False
        for lora, file, change in changes:
            tensors, strength = file.tensors(change, device), lora.strength(layer)
            try:
                whole = self._read_joined(change.target, weight, device)
                changed = change_weight(change.method, whole, tensors)
                total += strength * (change.target.take(changed, layer) - weight)
            except ValueError as error:
                raise CheckpointError(
                    f"“{lora.entry.name}” does not fit this checkpoint: its shapes for {layer.name[:60]} differ. It was made "
                    "for another family: leave it out, or choose another checkpoint."
                ) from error
            if whole.isfinite().all() and not changed.isfinite().all():
                raise CheckpointError(
                    f"“{lora.entry.name}” has numbers that are no finite ones (NaN, infinity, in {layer.name[:60]}), with which "
                    "nothing can be drawn. Leave it out."
                )
            if (more := change_of_bias(tensors, whole, own_bias)) is not None and bias is None:
                file.left[NO_BIAS] += 1
            elif more is not None and bias is not None:
                bias, added = bias + strength * change.target.take(more.flatten(), layer).reshape(bias.shape), True
        self._changed.add((layer.component, name))
        if is_quantized(self.loaded.modules[layer.component], name):
            widened = total.to(device=parameter.device, dtype=DTYPES[self.loaded.plan.dtype(layer.component)])
            put_weight(self.loaded.modules[layer.component], name, torch.nn.Parameter(widened, requires_grad=False))
        else:
            _fill(parameter, total)
        if bias is not None and (added or (layer.component, bias_name) in self._changed):
            self._changed.add((layer.component, bias_name))
            _fill(self._parameter(layer.component, bias_name), bias)

    def _read_joined(self, target: NamedLayers, weight: torch.Tensor, device: torch.device) -> torch.Tensor:
        """The weight that a file's change is for; ``weight`` is that of its only layer."""
        if len(target.layers) == 1:
            return target.join([weight])
        weights = (self.loaded.originals[layer.component].read(f"{layer.name}.weight") for layer in target.layers)
        return target.join([each.to(device=device, dtype=torch.float32) for each in weights])

    def _parameter(self, component: str, name: str) -> torch.Tensor:
        return self.loaded.modules[component].get_parameter(name).data


def _fill(parameter: torch.Tensor, values: torch.Tensor) -> None:
    """In place: the parameter keeps its storage, memory format, dtype and device."""
    with torch.no_grad():
        parameter.copy_(values)


def _raise_if(cancelled: IsCancelled) -> None:
    if cancelled():
        raise CancelledError
