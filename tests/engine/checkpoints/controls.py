"""Tiny control networks with random weights, as diffusers folders, and in single files of the original layouts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter
from safetensors.torch import save_file

from tests.engine.checkpoints import originals, tiny


def create_controlnet(family: str, seed: int = 0) -> ControlNetModel:
    """A ControlNet of the tiny checkpoint ``family``; unlike an untrained one it adds something."""
    torch.manual_seed(seed)
    made = ControlNetModel.from_unet(tiny.pipeline(family).unet, conditioning_embedding_out_channels=(16, 32))
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
                weight.copy_(torch.randn_like(weight) * 0.3)
    return made.eval()


def write_controls(folder: Path, family: str) -> Mapping[str, ControlNetModel]:
    """One network as a folder, ``{family} folder``, and in single files: ``{family} plain``, ``{family} original`` and
    ``{family} pth``; and another one as ``{family} second``."""
    network, second = create_controlnet(family), create_controlnet(family, seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder / f"{family} folder")
    save_file(network.state_dict(), folder / f"{family} plain.safetensors")
    save_file(originals.controlnet(network), folder / f"{family} original.safetensors")
    torch.save(originals.controlnet(network), folder / f"{family} pth.pth")
    second.save_pretrained(folder / f"{family} second")
    return {"first": network, "second": second}


ADAPTERS: Mapping[str, Mapping[str, object]] = {
    "sd1": {"channels": [32, 64], "downscale_factor": 2, "adapter_type": "full_adapter"},
    "xl": {"channels": [32, 64, 64], "downscale_factor": 4, "adapter_type": "full_adapter_xl"},
}
"""The configurations of T2I-Adapters that fit the tiny checkpoints."""


def create_adapter(family: str, colours: int = 3) -> T2IAdapter:
    """A T2I-Adapter of the tiny checkpoint ``family`` that reads maps with so many channels."""
    torch.manual_seed(2)
    return T2IAdapter(in_channels=colours, **ADAPTERS[family]).eval()  # type: ignore[arg-type]


def write_adapters(folder: Path, family: str) -> Mapping[str, T2IAdapter]:
    """The network ``{family} t2i`` as a folder and in single files (`` plain``, `` original``, `` pth``), and
    ``{family} t2i grey`` that reads maps with one channel."""
    network, grey = create_adapter(family), create_adapter(family, colours=1)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder / f"{family} t2i folder")
    save_file(network.state_dict(), folder / f"{family} t2i plain.safetensors")
    save_file(originals.adapter(network), folder / f"{family} t2i original.safetensors")
    torch.save(originals.adapter(network), folder / f"{family} t2i pth.pth")
    save_file(originals.adapter(grey), folder / f"{family} t2i grey.safetensors")
    return {"first": network, "grey": grey}


def write_control_lora(folder: Path, family: str) -> ControlNetModel:
    """``{family} control lora``, and the ControlNet that it makes of the tiny checkpoint ``family``."""
    network = create_controlnet(family)
    folder.mkdir(parents=True, exist_ok=True)
    changes: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() < 2 or name.startswith("controlnet_"):
                continue
            up, down = torch.randn(weight.shape[0], 2), torch.randn(2, *weight.shape[1:]) * 0.02
            weight += (up @ down.flatten(1)).reshape(weight.shape)
            changes[name] = up.reshape(weight.shape[0], 2, *[1] * (weight.dim() - 2)), down
    save_file(originals.control_lora(network, changes), folder / f"{family} control lora.safetensors")
    return network


def _list_settings(kind: type[ControlNetUnionModel], network: ControlNetModel) -> Mapping[str, Any]:
    """What of the configuration of ``network`` a class takes."""
    taken = inspect.signature(kind.__init__).parameters
    return {name: value for name, value in network.config.items() if name in taken}


def write_union(folder: Path, family: str, kinds: int = 6) -> ControlNetUnionModel:
    """A union for ``kinds`` kinds of maps: ``{family} union folder``, and ``{family} union plain`` in a single file."""
    torch.manual_seed(3)
    own = {"num_control_type": kinds, "num_trans_channel": 32, "num_proj_channel": 32, "num_trans_head": 1}
    network = ControlNetUnionModel(**{**_list_settings(ControlNetUnionModel, create_controlnet(family)), **own}).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
                weight.copy_(torch.randn_like(weight) * 0.3)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder / f"{family} union folder")
    save_file(network.state_dict(), folder / f"{family} union plain.safetensors")
    return network
