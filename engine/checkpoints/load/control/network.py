"""A control network in memory, in the precision and the place of the denoiser that it works beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter

from engine.checkpoints.control.layouts import map_adapter, map_controlnet
from engine.checkpoints.control.recognition import KIND
from engine.checkpoints.control.shape import CONTROL_LORA, CONTROLNET, T2I_ADAPTER, UNION, ControlShape
from engine.checkpoints.families.key_mapping import KeyMapping, map_folder
from engine.checkpoints.files.headers import create_refusal
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify import folders
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.components import IsCancelled, make_component, never_cancelled
from engine.checkpoints.load.control.configuration import (
    find_adapter_config,
    find_controlnet_config,
    find_lora_config,
    find_union_config,
)
from engine.checkpoints.load.control.control_lora import ControlLoraStore
from engine.checkpoints.loaded import LoadedCheckpoint, bytes_of
from engine.errors import CheckpointError
from engine.json_values import JsonObject
from engine.requests import ExecutionPlan

ControlNetwork = ControlNetModel | ControlNetUnionModel | T2IAdapter
"""diffusers' classes of control networks."""


@dataclass(frozen=True)
class LoadedControl:
    """A control network that is ready to run."""

    network: ControlNetwork

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """The components that have weights, by name."""
        return {KIND: self.network}

    @property
    def bytes(self) -> int:
        """What the weights take where they lie."""
        return bytes_of(self.modules.values())


@dataclass(frozen=True)
class _NetworkSource:
    """A control network's class, configuration and tensors."""

    kind: str
    config: JsonObject
    store: TensorStore
    naming: KeyMapping = map_controlnet


def plan_for_control(plan: ExecutionPlan) -> ExecutionPlan:
    """How a control network runs beside a denoiser under ``plan``: like it, but it never waits for its turn in RAM."""
    measures = tuple(measure for measure in plan.measures if measure != "experts_in_turn")
    return dataclasses.replace(
        plan, measures=measures, dtypes={**plan.dtypes, KIND: plan.dtype(plan.denoiser)}, compiler=""
    )  # fmt: skip


def load_control(
    entry: CheckpointEntry, loaded: LoadedCheckpoint, plan: ExecutionPlan, cancelled: IsCancelled = never_cancelled
) -> LoadedControl:
    """The control network ``entry`` beside the UNet of ``loaded``, for :func:`plan_for_control`'s plan.

    Raises CheckpointError, a sentence, for a file that is damaged or incomplete, and CancelledError soon after ``cancelled``
    says so.
    """
    shape = entry.identity.control
    if shape is None:
        raise create_refusal(entry.path, "its weights are not those of a control network")
    source = _SOURCES[shape.method](entry, shape, loaded)
    module = make_component(
        source.kind, plan.denoiser, source.config, source.store, source.naming, entry, plan, cancelled
    )  # fmt: skip
    if not isinstance(module, ControlNetwork):
        raise create_refusal(entry.path, "its weights are not those of a control network")
    return LoadedControl(module)


def explain_base(entry: CheckpointEntry, loaded: LoadedCheckpoint) -> str:
    """What of the checkpoint the network's weights depend on: a text that differs for each."""
    shape = entry.identity.control
    is_lora = shape is not None and shape.method == CONTROL_LORA
    return repr((sorted(loaded.unet.config.items()), sorted(loaded.originals["unet"].versions.items()) if is_lora else ()))


def _open(entry: CheckpointEntry) -> TensorStore:
    return TensorStore(folders.weight_files(entry.path) if entry.is_folder else [entry.path])


def _find_controlnet(entry: CheckpointEntry, _shape: ControlShape, loaded: LoadedCheckpoint) -> _NetworkSource:
    store = _open(entry)
    config = _read_config(entry) or find_controlnet_config(entry.path, dict(loaded.unet.config), store)
    return _NetworkSource("ControlNetModel", config, store)


def _find_union(entry: CheckpointEntry, _shape: ControlShape, loaded: LoadedCheckpoint) -> _NetworkSource:
    store = _open(entry)
    config = _read_config(entry) or find_union_config(entry.path, dict(loaded.unet.config), store)
    return _NetworkSource("ControlNetUnionModel", config, store)


def _find_lora(entry: CheckpointEntry, _shape: ControlShape, loaded: LoadedCheckpoint) -> _NetworkSource:
    if loaded.unet.config["in_channels"] != loaded.latent_channels:
        raise CheckpointError(
            f"“{entry.name}” is a Control-LoRA: it changes a copy of the checkpoint's own network, and that of “{loaded.name}” "
            "reads more than the picture. Choose a checkpoint that is not for inpainting or depth, or a ControlNet."
        )
    config = find_lora_config(entry.path, dict(loaded.unet.config), _open(entry))
    return _NetworkSource("ControlNetModel", config, ControlLoraStore(entry.path, loaded.originals["unet"], config), map_folder)


def _find_adapter(entry: CheckpointEntry, shape: ControlShape, loaded: LoadedCheckpoint) -> _NetworkSource:
    store = _open(entry)
    config = _read_config(entry) or find_adapter_config(shape, loaded.vae_scale_factor, store)
    return _NetworkSource("T2IAdapter", config, store, map_adapter)


def _read_config(entry: CheckpointEntry) -> JsonObject:
    """The configuration of a network in a folder; empty for a single file."""
    return folders.read_json(entry.path / "config.json") if entry.is_folder else {}


_SOURCES: Mapping[str, Callable[[CheckpointEntry, ControlShape, LoadedCheckpoint], _NetworkSource]] = {
    CONTROLNET: _find_controlnet, UNION: _find_union, CONTROL_LORA: _find_lora, T2I_ADAPTER: _find_adapter,
}  # fmt: skip
"""By method."""
