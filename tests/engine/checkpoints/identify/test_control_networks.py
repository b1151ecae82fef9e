"""ControlNets are recognised by their content in every layout, and told by the family that they are for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.control.purposes import LINES, PURPOSES, find_purpose
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.control_networks import fits
from engine.checkpoints.library.entry import entry_for
from engine.errors import CheckpointError
from engine.settings import Settings
from tests.engine.checkpoints import originals, tiny
from tests.engine.checkpoints.controls import create_controlnet


def write_layouts(folder: Path, family: str) -> dict[str, Path]:
    """The same network as a folder, in both single files, and with the checkpoint that it was trained beside."""
    network = create_controlnet(family)
    network.save_pretrained(folder / "folder")
    own = originals.controlnet(network)
    save_file(network.state_dict(), folder / "diffusers.safetensors")
    save_file(own, folder / "original.safetensors")
    torch.save(own, folder / "original.pth")
    save_file({**own, **originals.unet(tiny.pipeline(family).unet)}, folder / "whole.safetensors")
    names = ("folder", "diffusers.safetensors", "original.safetensors", "original.pth", "whole.safetensors")
    return {name: folder / name for name in names}


@pytest.mark.parametrize("family", ["sd1", "xl"])
def test_every_layout_is_recognised_and_fits_its_family_alone(family: str, tmp_path: Path) -> None:
    tiny.pipeline("sd1").save_pretrained(tmp_path / "models" / "sd1")
    tiny.pipeline("xl").save_pretrained(tmp_path / "models" / "xl")
    checkpoints = {name: entry_for(tmp_path / "models" / name) for name in ("sd1", "xl")}
    paths = write_layouts(tmp_path, family)
    parameters = sum(weight.numel() for weight in create_controlnet(family).parameters())
    for path in paths.values():
        entry = entry_for(path)
        assert entry.identity.kind == "controlnet" and entry.parameters == {"controlnet": parameters}, path
        assert {name: fits(entry, each) for name, each in checkpoints.items()} == {name: name == family for name in checkpoints}


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "xl"), (999, "")])
def test_the_family_is_told_by_the_width_of_its_cross_attention(width: int, family: str, tmp_path: Path) -> None:
    tensors = {
        "control_model.zero_convs.0.0.weight": torch.zeros(8, 8, 1, 1),
        "control_model.input_blocks.0.0.weight": torch.zeros(8, 4, 3, 3),
        "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(8, width),
    }  # fmt: skip
    save_file(tensors, tmp_path / "control_v11p_sd15_canny.safetensors")
    found = identify(tmp_path / "control_v11p_sd15_canny.safetensors")
    assert (found.kind, found.family) == ("controlnet", family) and "canny" in found.reason


def test_a_folder_is_one_entry_by_its_own_name_and_a_damaged_one_is_a_sentence(tmp_path: Path) -> None:
    models = tmp_path / "models"
    create_controlnet("sd1").save_pretrained(models / "ControlNet" / "my-canny")
    for name, content in {"empty": {"_class_name": "ControlNetModel"}, "other": {"_class_name": "ControlNetModel"}}.items():
        (models / name).mkdir()
        (models / name / "config.json").write_text(json.dumps(content))
    save_file({"x": torch.zeros(2)}, models / "other" / "diffusion_pytorch_model.safetensors")
    inventory = Catalogue(Settings(models=models, data=tmp_path / "data", outputs=tmp_path / "outputs")).scan()
    assert [entry.name for entry in inventory.of_kind("controlnet")] == ["my-canny"]
    assert ["config.json says so" in reason for reason in inventory.refused.values()] == [True]
    with pytest.raises(CheckpointError):
        identify(models / "empty")


PUBLISHED = {
    "control_v11p_sd15_canny": "canny", "control_v11f1p_sd15_depth": "depth", "control_v11p_sd15_scribble": "scribble",
    "control_v11p_sd15_softedge": "soft_edge", "control_v11p_sd15_lineart": "line_art",
    "control_v11p_sd15s2_lineart_anime": "line_art",
    "control_v11p_sd15_openpose": "pose", "control_v11p_sd15_mlsd": "mlsd", "control_v11p_sd15_normalbae": "normal",
    "control_v11p_sd15_seg": "segmentation", "control_v11p_sd15_inpaint": "inpaint", "control_v11f1e_sd15_tile": "tile",
    "control_v11e_sd15_shuffle": "shuffle", "control_v11e_sd15_ip2p": "instructions", "controlnet-canny-sdxl-1.0": "canny",
    "controlnet-scribble-sdxl-1.0": "scribble", "control_v1p_sd15_qrcode_monster": "pixels", "control_sd15_hed": "soft_edge",
    "thing": "",
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_a_control_reads_is_told_by_the_names_that_are_published(name: str) -> None:
    assert find_purpose(Path(f"{name}.safetensors")) == PUBLISHED[name]
    assert find_purpose(Path(name, "diffusion_pytorch_model.safetensors")) == PUBLISHED[name]
    assert LINES.keys() <= PURPOSES.keys()
