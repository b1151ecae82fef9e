"""PEFT's configuration of an adapter: what the tensors of its file do not say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.checkpoints.adapters.peft_methods import LARGEST_NORM, NEUMANN_TERMS, ON_INPUT
from engine.checkpoints.adapters.weight_changes import ALPHA, SCALE
from engine.checkpoints.files.headers import read_header
from engine.json_values import JsonObject, JsonValue, parse_object
from engine.storage.regular_files import read_regular_file

COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
"""The components that adapters change."""

_METADATA = "lora_adapter_metadata"
_MOST_CONFIG = 16 * 2**20
"""Bytes of a configuration beside a file."""

_MOST_TERMS = 1000
_QUANTIFIER = re.compile(r"[*+?{]")
_MOST_QUANTIFIERS, _LONGEST_PATTERN = 4, 300
"""Limits of a regular expression that a file brings: others may take for ever on a name that they nearly match."""


@dataclass(frozen=True)
class PeftConfig:
    """The values that PEFT reads beside the tensors. diffusers stores them in the file's header, prefixed by component; PEFT in
    ``adapter_config.json`` beside it."""

    config: JsonObject

    @classmethod
    def read(cls, path: Path) -> PeftConfig | None:
        """The configuration in or beside a file; None if there is none that can be read."""
        text = read_header(path).metadata.get(_METADATA, "")
        beside = path.parent / "adapter_config.json"
        try:
            if not text and path.stem.startswith("adapter_model") and beside.is_file():
                text = read_regular_file(beside, _MOST_CONFIG).decode("utf-8")
            return cls(parse_object(text)) if text else None
        except (OSError, ValueError):
            return None

    def values(self, names: Mapping[str, str], tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What belongs beside the tensors of a layer; ``names`` are theirs in the file by those in LyCORIS."""
        key = next(iter(names.values()))
        component = next((name for name in COMPONENTS if key.startswith(f"{name}.")), "")
        found: dict[str, float] = {}
        if ALPHA not in tensors:
            found[SCALE] = self._scale(component, key, tensors)
        if "ia3_l" in tensors and (inputs := self._value(component, "feedforward_modules")) is not None:
            found[ON_INPUT] = _is_one_of(key.removesuffix(".ia3_l"), inputs)
        if "oft_R.weight" in tensors:
            found.update(self._rotation(component))
        return {name: torch.tensor(float(value)) for name, value in found.items()}

    def _scale(self, component: str, key: str, tensors: Mapping[str, torch.Tensor]) -> float:
        """``lora_alpha`` over the rank, or over its square root (rsLoRA, arXiv 2312.03732). Whole matrices have the rank that was
        asked for."""
        alpha = self._number(component, key, "alpha_pattern", "lora_alpha", "alpha")
        rank = _rank(tensors) or self._number(component, key, "rank_pattern", "r")
        if alpha is None or not rank:
            return 1.0
        return alpha / (math.sqrt(rank) if self._value(component, "use_rslora") is True else rank)

    def _rotation(self, component: str) -> dict[str, float]:
        found: dict[str, float] = {}
        terms = self._value(component, "num_cayley_neumann_terms")
        if self._value(component, "use_cayley_neumann") is False:
            found[NEUMANN_TERMS] = 0
        elif isinstance(terms, int) and 0 < terms <= _MOST_TERMS:
            found[NEUMANN_TERMS] = terms
        largest = self._value(component, "eps")
        if self._value(component, "coft") is True and isinstance(largest, int | float):
            found[LARGEST_NORM] = largest
        return found

    def _number(self, component: str, key: str, pattern: str, *names: str) -> float | None:
        """A number for the layer of the tensor ``key``: that of ``pattern``, else the one under the first of ``names``."""
        values = [*_matching(self._value(component, pattern), key), *(self._value(component, name) for name in names)]
        return next((float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)), None)

    def _value(self, component: str, name: str) -> JsonValue:
        return self.config.get(f"{component}.{name}", self.config.get(name))


def _rank(tensors: Mapping[str, torch.Tensor]) -> int:
    """The rank of a layer's matrices; 0 for a method without one."""
    of = next((tensors[n] for n in ("lora_down.weight", "hada_w1_b", "lokr_w2_b", "lokr_w1_b") if n in tensors), None)
    return 0 if of is None else of.shape[0]


def _matching(pattern: JsonValue, key: str) -> list[JsonValue]:
    """The values of a pattern whose keys, names of layers or regular expressions for their ends, match the tensor ``key``."""
    return [
        value
        for name, value in (pattern.items() if isinstance(pattern, dict) else ())
        if f".{name}." in f".{key}" or _search(name, rf"(^|\.){name}\.[^.]*(lora|hada|lokr)", key)
    ]


def _is_one_of(layer: str, modules: JsonValue) -> bool:
    """Whether a layer is among modules: a regular expression for their whole names, or a list of their ends."""
    if isinstance(modules, str):
        return _search(modules, rf"^({modules})$", layer.removeprefix("base_model.model."))
    return isinstance(modules, list) and any(isinstance(end, str) and layer.endswith(end) for end in modules)


def _search(pattern: str, expression: str, name: str) -> bool:
    """Whether ``expression``, made of a pattern of the file's, is found in ``name``; not if the pattern is none, or could take
    long whatever it is matched with."""
    few = len(pattern) <= _LONGEST_PATTERN and len(_QUANTIFIER.findall(pattern)) <= _MOST_QUANTIFIERS
    try:
        return few and re.search(r"\)[*+?{]", pattern) is None and re.search(expression, name) is not None
    except re.error:
        return False
