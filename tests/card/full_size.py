"""Full-size checkpoints that take no room: diffusers folders whose weights are holes in the files, read as zeros."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from engine.checkpoints.families import BY_NAME, CONFIGS, Family, bundled_config
from engine.checkpoints.load.components import build

BYTES = 2
"""Of a number: the files are in float16, as most published ones are."""


def write(folder: Path, name: str) -> None:
    """Write the checkpoint of a family into ``folder``."""
    family = BY_NAME[name]
    index: dict[str, str | list[str]] = {"_class_name": next(iter(family.pipelines.values()))}
    for component in family.configs:
        library, kind = _find_class(family, component)
        index[component] = [library, kind]
        config = bundled_config(family, component)
        own = folder / component
        own.mkdir(parents=True)
        if component.endswith("scheduler"):
            (own / "scheduler_config.json").write_text(json.dumps(config), "utf-8")
        else:
            (own / "config.json").write_text(json.dumps({"_class_name": kind, **config}), "utf-8")
            prefix = "diffusion_pytorch_model" if library == "diffusers" else "model"
            _write_weights(own / f"{prefix}.safetensors", {n: list(t.shape) for n, t in build(kind, config).state_dict().items()})
    for component, (source, pad) in family.tokenizers.items():
        index[component] = ["transformers", "CLIPTokenizer"]
        shutil.copytree(CONFIGS / source, folder / component)
        (folder / component / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad}), "utf-8")
    (folder / "model_index.json").write_text(json.dumps(index), "utf-8")


def write_control(folder: Path, name: str) -> None:
    """Write a ControlNet for the UNet of a family into ``folder``."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(bundled_config(BY_NAME[name], "unet"))
        assert isinstance(unet, UNet2DConditionModel)
        network = ControlNetModel.from_unet(unet, load_weights_from_unet=False)
    network.save_config(folder)
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    _write_weights(folder / "diffusion_pytorch_model.safetensors", shapes)


def _find_class(family: Family, component: str) -> tuple[str, str]:
    if component.endswith("scheduler"):
        return "diffusers", str(bundled_config(family, component)["_class_name"])
    kind = family.classes[component]
    return ("transformers" if kind.startswith("CLIP") else "diffusers"), kind


def _write_weights(path: Path, shapes: dict[str, list[int]]) -> None:
    """A safetensors file of these tensors, all zeros."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, count = end, 1
        for side in shape:
            count *= side
        end = start + BYTES * count
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
