"""Reads an adapter file layer by layer, and accounts for every tensor in it: used, or unused with a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from engine.checkpoints.adapters.layer_names import NamedLayers
from engine.checkpoints.adapters.peft_config import PeftConfig
from engine.checkpoints.adapters.weight_changes import ALPHA, Method, find_method
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify.adapter_names import BUNDLED, group_layers
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError

NO_TEXT_ENCODER = "for a text encoder that this checkpoint does not have"
NO_LAYER = "for layers that this checkpoint does not have"
NO_METHOD = "of a method that Easel does not know"
ALONE = "without the tensors that they belong to"
"""Reasons why tensors are not used."""

_FOR_TEXT_ENCODERS = re.compile(
    r"(lora|oft|lycoris)_te\d?[_.]|lycoris_text_encoder(_[23])?_|text_encoder(_[23])?\.|te\d?\.|(text_encoders\.)?(clip_[lg]|t5(xxl)?)\."
)


@dataclass(frozen=True)
class LayerChange:
    """What a file changes under one name: the layers, the method, and its tensors by their LyCORIS names."""

    target: NamedLayers
    method: Method
    names: Mapping[str, str]


@dataclass
class AdapterFile:
    """The changes in a file, layer by layer. ``left``: reason -> number of unused tensors."""

    entry: CheckpointEntry
    store: TensorStore
    changes: list[LayerChange] = field(default_factory=list[LayerChange])
    left: Counter[str] = field(default_factory=Counter[str])
    config: PeftConfig | None = None

    def tensors(self, change: LayerChange, device: torch.device) -> dict[str, torch.Tensor]:
        """The tensors of a change in float32 on ``device``, with what the configuration says of them."""
        found = {leaf: self.store.read(name).to(device=device, dtype=torch.float32) for leaf, name in change.names.items()}
        return found if self.config is None else {**found, **self.config.values(change.names, found)}

    @property
    def notice(self) -> str:
        """A sentence on what of the file is not used; "" if everything is."""
        if not self.left:
            return ""
        parts = " and ".join(f"{_count(count)} {reason}" for reason, count in self.left.items())
        return f"“{self.entry.name}” is used without {parts}."


def read_adapter(entry: CheckpointEntry, layers: Mapping[str, NamedLayers]) -> AdapterFile:
    """The changes in the file of ``entry`` to ``layers``, which ``name_layers`` named.

    Raises CheckpointError, a sentence, for a file that changes none of them, or contains tensors of an unknown method.
    """
    store = TensorStore([entry.path])
    found = AdapterFile(entry, store, config=PeftConfig.read(entry.path))
    grouped, unknown = group_layers(store.names())
    for layer_name, names in grouped.items():
        layer = layers.get(layer_name)
        if layer is None and set(names) == {"weight"}:
            unknown += names.values()
            continue
        if layer is None:
            found.left[NO_TEXT_ENCODER if _is_absent_encoder(layer_name, layers) else NO_LAYER] += len(names)
            continue
        method = find_method(frozenset(names))
        if method is None and set(names) == {ALPHA}:
            found.left[ALONE] += 1
        elif method is None:
            unknown += names.values()
        else:
            found.changes.append(LayerChange(layer, method, names))
    if unknown:
        raise CheckpointError(
            f"“{entry.name}” has {_count(len(unknown))} {NO_METHOD} ({unknown[0][:80]}), so the result would be wrong. "
            "Leave it out."
        )
    if not found.changes and not any(name.startswith(BUNDLED) for name in store.names()):
        raise CheckpointError(f"“{entry.name}” has no effect on this checkpoint: it was made for another family. Leave it out.")
    return found


def _is_absent_encoder(layer: str, layers: Mapping[str, NamedLayers]) -> bool:
    """Whether a missing layer belongs to a text encoder that the checkpoint does not have at all."""
    match = _FOR_TEXT_ENCODERS.match(layer)
    return match is not None and not any(name.startswith(match[0]) for name in layers)


def _count(tensors: int) -> str:
    return "1 tensor" if tensors == 1 else f"{tensors} tensors"
