"""One component in memory, in the precision and place that the plan names.

A component is built without memory (on torch's "meta" device) from its configuration; then each of its tensors is looked up in
the file, read from its place, brought to its dtype and device, and put in. So nothing is unpickled, a second full copy never
exists, Stop is heard between tensors, and what is missing or has a wrong shape is found before the first byte of weights is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from accelerate import init_empty_weights
from diffusers import ModelMixin
from diffusers.hooks.layerwise_casting import DEFAULT_SKIP_MODULES_PATTERN, apply_layerwise_casting_hook
from transformers import PreTrainedModel
from transformers.models.t5.modeling_t5 import T5DenseGatedActDense

from engine.checkpoints.families.key_mapping import KeyMapping, TensorSource
from engine.checkpoints.files.tensors import DTYPES, TensorStore
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.attention_backends import slice_attention
from engine.checkpoints.load.originals import Originals, read_packed, reshape
from engine.checkpoints.loaded import (
    COMPONENT_NAMES,
    missing_component,
)
from engine.compat.attention import bound_attention, call_output_layers
from engine.compat.component_classes import create_module
from engine.compat.gguf_layers import put_weight
from engine.compat.hooks import copy_for_waiting, offload_layers
from engine.errors import CancelledError, CheckpointError, first_line
from engine.json_values import JsonObject
from engine.requests import ExecutionPlan
from engine.storage.file_version import read_version
from engine.storage.items import translate_any_error

IsCancelled = Callable[[], bool]
"""Whether Stop was pressed."""


def never_cancelled() -> bool:
    """For loading that cannot be cancelled."""
    return False


def build(kind: str, config: JsonObject) -> torch.nn.Module:
    """A component of class ``kind`` without memory for its weights. CheckpointError if the configuration fits no such class."""
    try:
        with init_empty_weights(include_buffers=False):
            return create_module(kind, config)
    except Exception as error:
        raise CheckpointError(
            f"The configuration of a part ({kind}) is damaged: {first_line(error)}. Fetch the checkpoint again."
        ) from error


def make_component(
    kind: str,
    component: str,
    config: JsonObject,
    store: TensorStore,
    naming: KeyMapping,
    entry: CheckpointEntry,
    plan: ExecutionPlan,
    cancelled: IsCancelled = never_cancelled,
) -> torch.nn.Module:
    """One component of class ``kind`` alone, from ``store``; ``entry`` names the file in error messages. Raises as loading
    does."""
    return ComponentLoader(entry, plan, cancelled)(kind, component, config, store, naming)


@dataclass(frozen=True)
class ComponentLoader:
    """Makes components of one checkpoint for one plan; ``originals`` says where the weights of each came from."""

    entry: CheckpointEntry
    plan: ExecutionPlan
    cancelled: IsCancelled
    originals: dict[str, Originals] = field(default_factory=dict[str, Originals])

    def __call__(self, kind: str, component: str, config: JsonObject, store: TensorStore, naming: KeyMapping) -> torch.nn.Module:
        """A component of class ``kind``, every tensor read from ``store``, in the plan's dtype, on its device, ready to run."""
        module, versions = build(kind, config), {path: read_version(path) for path in store.paths}
        with translate_any_error(CheckpointError, f"{self.entry.path.name} ({COMPONENT_NAMES.get(component, component)})"):
            shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
            wanted = {name: naming(name, config) for name in shapes}
            places = _find_tensors(shapes, wanted, store, component, self.entry)
        target = _Placement.for_component(component, self.plan, module)
        quantized = _find_quantized(module, places, store)
        for name, (place, source) in places.items():
            if self.cancelled():
                raise CancelledError
            if name in quantized:
                put_weight(module, name, read_packed(store, place, source, target.device))
                continue
            set_tensor(module, name, target.copy(reshape(store.read(place), source, shapes[name]), name))
        _finish(module, component, target, self.plan)
        self.originals[component] = Originals(store, places, shapes, versions)
        store.release()
        return module


@dataclass(frozen=True)
class _Placement:
    """The device, dtype and memory format of a tensor."""

    dtype: torch.dtype
    device: torch.device
    channels_last: bool
    storage: torch.dtype | None = None
    locked: bool = False
    """Whether it waits in page-locked memory."""
    narrow: frozenset[str] = frozenset()
    """Names of the weights that are kept in ``storage``: those of large layers, which are widened one by one."""

    @classmethod
    def for_component(cls, component: str, plan: ExecutionPlan, module: torch.nn.Module) -> _Placement:
        """As ``plan`` says for ``component``."""
        convolutional = component in ("unet", "vae")
        storage = DTYPES[plan.storage[component]] if component in plan.storage else None
        return cls(
            dtype=DTYPES[plan.dtype(component)],
            device=torch.device("cpu" if plan.waits_in_ram(component) else plan.device),
            channels_last=plan.channels_last and convolutional,
            storage=storage,
            locked=plan.device.startswith("cuda") and component == plan.denoiser and "unet_offload" in plan.measures,
            narrow=frozenset(_large_weights(module)) if storage else frozenset(),
        )

    def copy(self, view: torch.Tensor, name: str) -> torch.Tensor:
        """A copy of ``view`` in memory of its own. Integer tensors keep their dtype."""
        layout = torch.channels_last if self.channels_last and view.dim() == 4 else torch.contiguous_format
        wanted = self.storage if self.storage and name in self.narrow else self.dtype
        dtype = wanted if view.is_floating_point() else view.dtype
        return copy_for_waiting(view.to(device=self.device, dtype=dtype, copy=True, memory_format=layout), self.locked)


def _large_weights(module: torch.nn.Module) -> Iterator[str]:
    """The weights that diffusers keeps in a storage dtype: of linear layers and convolutions, but for norms and embeddings."""
    for name, layer in module.named_modules():
        known = isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))
        if known and not any(re.search(pattern, name) for pattern in DEFAULT_SKIP_MODULES_PATTERN):
            yield from (f"{name}.{leaf}" for leaf, _ in layer.named_parameters())


def _find_tensors(
    shapes: Mapping[str, torch.Size],
    wanted: Mapping[str, TensorSource],
    store: TensorStore,
    component: str,
    entry: CheckpointEntry,
) -> dict[str, tuple[str, TensorSource]]:
    """Where each tensor is. Raises CheckpointError for the first that is missing or has another shape."""
    places: dict[str, tuple[str, TensorSource]] = {}
    for name, source in wanted.items():
        found = source.find(store)
        if found is None:
            if name.endswith("num_batches_tracked"):
                continue
            raise _create_missing_error(entry, component, name, store, wanted)
        place, source = found
        if not _gives_shape(store.shape(place), source, shapes[name]):
            raise CheckpointError(
                f"“{entry.path.name}” seems to be {entry.family.label}, but its part “{place[:80]}” has the shape "
                f"{_format_shape(store.shape(place))} instead of {_format_shape(shapes[name])}. "
                "If it is of another kind, say so in its settings."
            )
        places[name] = place, source
    return places


def _find_quantized(
    module: torch.nn.Module, places: Mapping[str, tuple[str, TensorSource]], store: TensorStore
) -> frozenset[str]:
    """The weights of linear layers that stay quantised as the file has them."""
    layers = {f"{path}.weight" for path, layer in module.named_modules() if isinstance(layer, torch.nn.Linear)}
    return frozenset(
        name
        for name, (place, source) in places.items()
        if name in layers and not source.transposed and store.is_matrix_of_blocks(place)
    )


def _create_missing_error(
    entry: CheckpointEntry, component: str, name: str, store: TensorStore, wanted: Mapping[str, TensorSource]
) -> CheckpointError:
    there = any(source.find(store) for source in wanted.values())
    if not there:
        return missing_component(entry, component)
    return CheckpointError(
        f"“{entry.path.name}” seems to be {entry.family.label}, but a part of its "
        f"{COMPONENT_NAMES.get(component, component)} is missing ({name[:80]}). It is of another kind, or was saved "
        "incompletely: choose another one."
    )


def _gives_shape(shape: tuple[int, ...], source: TensorSource, wanted: Sequence[int]) -> bool:
    """Whether a stored tensor gives one of shape ``wanted``. A 1 x 1 convolution and a linear layer are the same numbers."""
    if source.third is not None:
        shape = (shape[0] // 3, *shape[1:]) if shape and shape[0] % 3 == 0 else ()
    if source.transposed:
        shape = tuple(reversed(shape))
    return _trim(shape) == _trim(wanted)


def _trim(shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(shape)
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _format_shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def set_tensor(module: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    """Set a parameter or buffer, by its dotted name, to ``tensor`` itself (no copy)."""
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    if leaf in dict(owner.named_parameters(recurse=False)):
        setattr(owner, leaf, torch.nn.Parameter(tensor, requires_grad=False))
    else:
        setattr(owner, leaf, tensor)


def _finish(module: torch.nn.Module, component: str, target: _Placement, plan: ExecutionPlan) -> None:
    """What is not in a file: small buffers to the device, how weights wait, and how attention is computed."""
    for owner in module.modules():
        for leaf, buffer in list(owner.named_buffers(recurse=False)):
            placed = buffer.to(device=target.device, dtype=target.dtype if buffer.is_floating_point() else None)
            setattr(owner, leaf, copy_for_waiting(placed, target.locked))
    module.eval()
    if isinstance(module, PreTrainedModel):
        module.tie_weights()
    is_offloaded = component == plan.denoiser and "unet_offload" in plan.measures
    if target.storage is not None or is_offloaded:
        call_output_layers(module)
    if target.storage is not None:
        _widen_when_used(module, target.storage, target.dtype)
    if is_offloaded:
        offload_layers(module, torch.device(plan.device))
    slice_attention(module, plan.attention_backend, upcast=plan.attention_upcast)
    bound_attention(module, plan.attention_scores, upcast=plan.attention_upcast)


def _widen_when_used(module: torch.nn.Module, storage: torch.dtype, dtype: torch.dtype) -> None:
    """Have each layer's weights, kept in ``storage``, widened to ``dtype`` while it runs."""
    if isinstance(module, ModelMixin):
        module.enable_layerwise_casting(storage_dtype=storage, compute_dtype=dtype)
        return
    # T5 compares its input with the dtype of a layer inside before it calls that one, so both are widened together.
    together = [part for part in module.modules() if isinstance(part, T5DenseGatedActDense)]
    inside = {id(layer) for part in together for layer in part.modules()}
    alone = [part for part in module.modules() if isinstance(part, torch.nn.Linear) and id(part) not in inside]
    for part in (*together, *alone):
        apply_layerwise_casting_hook(part, storage, dtype, non_blocking=False)
