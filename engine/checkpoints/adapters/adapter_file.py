"""Reads an adapter file layer by layer, and accounts for every tensor in it: used, or unused with a reason."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from engine.checkpoints.adapters.layer_names import NamedLayers
from engine.checkpoints.adapters.weight_changes import ALPHA, Method, find_method
from engine.checkpoints.files.headers import read_header
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify.adapter_names import BUNDLED, group_layers
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError
from engine.json_values import JsonObject, JsonValue, parse_object
from engine.storage.regular_files import read_regular_file

NO_TEXT_ENCODER = "for a text encoder that this checkpoint does not have"
NO_LAYER = "for layers that this checkpoint does not have"
NO_METHOD = "of a method that Easel does not know"
ALONE = "without the tensors that they belong to"
"""Reasons why tensors are not used."""

_FOR_TEXT_ENCODERS = re.compile(
    r"(lora|oft|lycoris)_te\d?_|lycoris_text_encoder(_[23])?_|text_encoder(_[23])?\.|te\d?\.|(text_encoders\.)?(clip_[lg]|t5xxl)\."
)
COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
"""The components that adapters change."""

_METADATA = "lora_adapter_metadata"
_MOST_CONFIG = 16 * 2**20
"""Bytes of a configuration beside a file."""

_QUANTIFIER = re.compile(r"[*+?{]")
_MOST_QUANTIFIERS, _LONGEST_PATTERN = 4, 300
"""Limits of a regular expression that a file brings: others may take for ever on a name that they nearly match."""


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
    ranks: _PeftRanks | None = None

    def tensors(self, change: LayerChange, device: torch.device) -> dict[str, torch.Tensor]:
        """The tensors of a change in float32 on ``device``."""
        found = {leaf: self.store.read(name).to(device=device, dtype=torch.float32) for leaf, name in change.names.items()}
        if ALPHA not in found and self.ranks is not None and (rank := _rank(found)):
            found[ALPHA] = torch.tensor(rank * self.ranks.scale(change.names, rank))
        return found

    @property
    def notice(self) -> str:
        """A sentence on what of the file is not used; "" if everything is."""
        if not self.left:
            return ""
        parts = " and ".join(f"{count} {'tensor' if count == 1 else 'tensors'} {reason}" for reason, count in self.left.items())
        return f"“{self.entry.name}” is used without {parts}."


def read_adapter(entry: CheckpointEntry, layers: Mapping[str, NamedLayers]) -> AdapterFile:
    """The changes in the file of ``entry`` to ``layers``, which ``name_layers`` named.

    Raises CheckpointError, a sentence, for a file that changes none of them, or contains tensors of an unknown method.
    """
    store = TensorStore([entry.path])
    found = AdapterFile(entry, store, ranks=_PeftRanks.of(entry.path))
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
            f"“{entry.name}” has {len(unknown)} tensors {NO_METHOD} ({unknown[0][:80]}), so the result would be wrong. "
            "Leave it out."
        )
    if not found.changes and not any(name.startswith(BUNDLED) for name in store.names()):
        raise CheckpointError(f"“{entry.name}” has no effect on this checkpoint: it was made for another family. Leave it out.")
    return found


def _is_absent_encoder(layer: str, layers: Mapping[str, NamedLayers]) -> bool:
    """Whether a missing layer belongs to a text encoder that the checkpoint does not have at all."""
    match = _FOR_TEXT_ENCODERS.match(layer)
    return match is not None and not any(name.startswith(match[0]) for name in layers)


def _rank(tensors: Mapping[str, torch.Tensor]) -> int:
    """The rank of a layer's matrices; 0 for a method without one."""
    of = next((tensors[n] for n in ("lora_down.weight", "hada_w1_b", "lokr_w2_b", "lokr_w1_b") if n in tensors), None)
    return 0 if of is None else of.shape[0]


@dataclass(frozen=True)
class _PeftRanks:
    """PEFT's scaling: ``lora_alpha`` over the rank, or over its square root (rsLoRA, arXiv 2312.03732).

    diffusers stores the configuration in the file's header, prefixed by component; PEFT in ``adapter_config.json`` beside it.
    """

    config: JsonObject

    @classmethod
    def of(cls, path: Path) -> _PeftRanks | None:
        """The configuration in or beside a file; None if there is none that can be read."""
        text = read_header(path).metadata.get(_METADATA, "")
        beside = path.parent / "adapter_config.json"
        try:
            if not text and path.stem.startswith("adapter_model") and beside.is_file():
                text = read_regular_file(beside, _MOST_CONFIG).decode("utf-8")
            return cls(parse_object(text)) if text else None
        except (OSError, ValueError):
            return None

    def scale(self, names: Mapping[str, str], rank: int) -> float:
        """The factor for the change of a layer of this rank."""
        key = next(iter(names.values()))
        component = next((name for name in COMPONENTS if key.startswith(f"{name}.")), "")
        alpha = self._alpha(component, key)
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self._value(component, "use_rslora") is True else rank)

    def _alpha(self, component: str, key: str) -> float | None:
        pattern = self._value(component, "alpha_pattern")
        chosen = _values(pattern, key) if isinstance(pattern, dict) else iter(())
        value = next(chosen, None) or self._value(component, "lora_alpha") or self._value(component, "alpha")
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _value(self, component: str, name: str) -> JsonValue:
        return self.config.get(f"{component}.{name}", self.config.get(name))


def _values(pattern: JsonObject, key: str) -> Iterator[JsonValue]:
    """The values of a pattern whose keys, names of layers or regular expressions for their ends, match the tensor ``key``."""
    for name, value in pattern.items():
        try:
            if f".{name}." in f".{key}" or (_is_simple(name) and re.search(rf"(^|\.){name}\.[^.]*lora", key)):
                yield value
        except re.error:
            continue


def _is_simple(pattern: str) -> bool:
    """Whether a regular expression takes little time whatever it is matched with."""
    few = len(pattern) <= _LONGEST_PATTERN and len(_QUANTIFIER.findall(pattern)) <= _MOST_QUANTIFIERS
    return few and re.search(r"\)[*+?{]", pattern) is None
