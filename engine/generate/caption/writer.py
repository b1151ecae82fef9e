"""BLIP and Florence-2: captioners that write a sentence, by transformers (Li et al. 2022, arXiv 2201.12086; Xiao et al. 2023,
arXiv 2311.06242)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch
from accelerate import init_empty_weights
from PIL import Image
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils.hub import PushToHubMixin

from engine.checkpoints.captioners.identify_captioner import KIND
from engine.checkpoints.files.tensors import DTYPES, TensorStore
from engine.checkpoints.identify import folders
from engine.checkpoints.library.entry import CheckpointEntry
from engine.compat.stop_hooks import raise_on_stop
from engine.errors import CancelledError, CheckpointError, first_line
from engine.json_values import JsonObject
from engine.requests import ExecutionPlan
from engine.stopping import Stop
from engine.storage.items import translate_any_error
from engine.storage.regular_files import check_folder

LONGEST = 200
"""Tokens of a description."""

_BEAMS = 3

_GENERATION = "generation_config.json"

N = TypeVar("N", bound=PreTrainedModel)

_TASK = "<DETAILED_CAPTION>"
"""What Florence-2 is asked to do: a few sentences on what is seen."""


@runtime_checkable
class _Generates(Protocol):
    """A network that makes tokens, as transformers' own types do not say."""

    def generate(self, **arguments: torch.Tensor | int | bool) -> torch.Tensor: ...


@runtime_checkable
class _Processes(Protocol):
    """What turns images into a network's input, and tokens into text."""

    def __call__(self, **arguments: Image.Image | str) -> Mapping[str, torch.Tensor]: ...
    def decode(self, tokens: torch.Tensor, *, skip_special_tokens: bool) -> str: ...


@dataclass(frozen=True)
class Writer:
    """A network with its processor. ``task`` is what the network is asked, "" if it takes no words."""

    network: torch.nn.Module
    processor: PushToHubMixin
    task: str
    plan: ExecutionPlan
    stop: Stop
    notices: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def describe(self, image: Image.Image, threshold: float) -> str:
        """A sentence or a few; ``threshold`` is not used. Raises CancelledError."""
        network, processor = self.network, self.processor
        assert isinstance(network, _Generates) and isinstance(processor, _Processes)
        asked = {"text": self.task} if self.task else {}
        dtype = DTYPES[self.plan.dtype(KIND)]
        read = processor(images=image, return_tensors="pt", **asked)
        inputs = {name: _move(value, self.plan.device, dtype) for name, value in read.items()}
        with raise_on_stop(self.stop, self.network, every_layer=True), torch.inference_mode():
            tokens = network.generate(**inputs, max_new_tokens=LONGEST, num_beams=_BEAMS, do_sample=False)
        return " ".join(processor.decode(tokens[0], skip_special_tokens=True).split())


def _move(value: torch.Tensor, device: str, dtype: torch.dtype) -> torch.Tensor:
    return value.to(device, dtype) if value.is_floating_point() else value.to(device)


def open_writer(entry: CheckpointEntry, plan: ExecutionPlan, stop: Stop) -> Writer:
    """The captioner in a transformers folder, as ``plan`` says. Raises CheckpointError if it is damaged or incomplete, and
    CancelledError soon after ``stop`` is set."""
    config = entry.config("")
    load, task = _LOADERS[str(config.get("model_type"))]
    with translate_any_error(CheckpointError, entry.path.name):
        check_folder(entry.path, folders.MOST_JSON)
        weights = _read_weights(entry.path, DTYPES[plan.dtype(KIND)], stop)
        try:
            network, processor, unused = load(entry.path, _keep_settings(config), weights)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
            raise CheckpointError(f"“{entry.name}” was not loaded: {first_line(error)}. Fetch the whole folder again.") from error
    notices = (f"“{entry.name}” has {len(unused)} weights that its kind of network does not use.",) if unused else ()
    _place(network, plan.device, DTYPES[plan.dtype(KIND)])
    return Writer(network, processor, task, plan, stop, notices)


def _place(network: torch.nn.Module, device: str, dtype: torch.dtype) -> None:
    network.to(device, dtype).eval()


def _read_weights(folder: Path, dtype: torch.dtype, stop: Stop) -> dict[str, torch.Tensor]:
    """Every tensor of a folder by name; none is unpickled."""
    store, weights = TensorStore(folders.weight_files(folder)), dict[str, torch.Tensor]()
    for name in store.names():
        if stop.is_set():
            raise CancelledError
        view = store.read(name)
        weights[name] = view.to(dtype if view.is_floating_point() else view.dtype, copy=True)
    return weights


_SWITCHES = ("auto_map", "quantization_config", "attn_implementation", "_attn_implementation")
"""Keys of a configuration that make transformers use other programs."""


def _keep_settings(config: JsonObject) -> JsonObject:
    return {name: value for name, value in config.items() if name not in _SWITCHES}


def _fill(kind: type[N], config: PreTrainedConfig, weights: dict[str, torch.Tensor], folder: Path) -> tuple[N, list[str]]:
    """A network of a kind with these weights, and the names of those that it does not have. Raises ValueError if some are
    missing."""
    with init_empty_weights(include_buffers=False):
        network = kind(config)
    unused = network.load_state_dict(weights, strict=False, assign=True).unexpected_keys
    network.tie_weights()
    if missing := [name for name, weight in network.named_parameters() if weight.is_meta]:
        raise ValueError(f"{len(missing)} of its weights are missing ({missing[0][:80]})")
    if (folder / _GENERATION).is_file():
        network.generation_config = GenerationConfig.from_pretrained(str(folder), local_files_only=True)
    return network, unused


Loaded = tuple[torch.nn.Module, PushToHubMixin, list[str]]
"""A network, its processor, and the names of weights that it does not have."""


def _load_blip(folder: Path, config: JsonObject, weights: dict[str, torch.Tensor]) -> Loaded:
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipProcessor  # which take a moment to import

    network, unused = _fill(BlipForConditionalGeneration, BlipConfig.from_dict(config), weights, folder)
    return network, BlipProcessor.from_pretrained(str(folder), local_files_only=True), unused


def _load_florence(folder: Path, config: JsonObject, weights: dict[str, torch.Tensor]) -> Loaded:
    from transformers import Florence2Config, Florence2ForConditionalGeneration, Florence2Processor

    network, unused = _fill(Florence2ForConditionalGeneration, Florence2Config.from_dict(config), weights, folder)
    return network, Florence2Processor.from_pretrained(str(folder), local_files_only=True), unused


_LOADERS: Mapping[str, tuple[Callable[[Path, JsonObject, dict[str, torch.Tensor]], Loaded], str]] = {
    "blip": (_load_blip, ""),
    "florence2": (_load_florence, _TASK),
}
"""``model_type`` -> what loads such a folder, and what the network is asked."""
