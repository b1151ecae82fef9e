"""Loads an image network of the catalogue with spandrel: tensors only, nothing is unpickled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError, canonicalize_state_dict

from engine.checkpoints.files.headers import create_refusal
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify.image_networks import BY_NAME
from engine.checkpoints.library.entry import CheckpointEntry

_DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

ImageNetwork = ImageModelDescriptor[torch.nn.Module]


def load_image_network(entry: CheckpointEntry, other: CheckpointEntry | None = None, share: float = 0.0) -> ImageNetwork:
    """The network of ``entry`` on the CPU in float32, ready to run.

    ``share`` (0..1) mixes in the weights of ``other``, a network of the same shape: between two trainings of one network the
    weights can be mixed (Wang et al. 2019, arXiv 1811.10515). Raises CheckpointError for a file that holds no such network, or
    tensors besides.
    """
    weights = read_weights(entry.path)
    if other is not None and share:
        weights = _mix(weights, read_weights(other.path), share)
    try:
        network = MAIN_REGISTRY.load(canonicalize_state_dict(weights))
    except UnsupportedModelError as error:
        raise create_refusal(entry.path, "it holds a network of a kind that Easel does not know", is_whole=True) from error
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError, AssertionError) as error:
        raise create_refusal(entry.path, _explain(error), is_whole=True) from error
    if not isinstance(network, ImageModelDescriptor) or network.input_channels not in (1, 3):
        raise create_refusal(entry.path, "its input is not an image", is_whole=True)
    return network.eval()


_NAME = re.compile(r'"([^"]+)"')


def _explain(error: Exception) -> str:
    """Why a network was not loaded. torch refuses tensors that a network lacks, and names those that it does not have."""
    wrong, _, unexpected = str(error).partition("Unexpected key(s)")
    unknown = _NAME.findall(unexpected.partition("\n")[0])
    if not unknown or "Missing key(s)" in wrong or "size mismatch" in unexpected:
        return "its parts do not fit together: it was saved incompletely, or is of another kind"
    count = f"{len(unknown)} part{'s' if len(unknown) > 1 else ''}"
    return f"it has {count} that its kind of network does not have ({unknown[0][:80]}), so the result would be wrong"


def place_image_network(network: ImageNetwork, device: str, dtype: str, *, channels_last: bool = True) -> None:
    """Move a network to a torch device and into one of :data:`engine.requests.DTYPES`; ``channels_last``: in that memory format
    if its kind supports it."""
    network.model.to(device, _DTYPES[dtype])
    if channels_last and BY_NAME[network.architecture.id].channels_last:
        for weight in network.model.parameters():
            if weight.dim() == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of an image network in float32, copied from the file."""
    store = TensorStore([path])
    views = {name: store.read(name) for name in store.names()}
    return {name: view.to(torch.float32 if view.is_floating_point() else view.dtype, copy=True) for name, view in views.items()}


def _mix(ones: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    return {name: torch.lerp(weight, others[name], share) for name, weight in ones.items()}
