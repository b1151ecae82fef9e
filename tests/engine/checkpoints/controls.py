"""Tiny ControlNets with random weights, as diffusers folders, and in single files of both layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import ControlNetModel
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
