"""The controls of a form become a request's controls, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from engine.errors import EaselError, RequestError
from engine.records.blobs import Blobs
from engine.requests import Control, TextToImage
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.control.control_fields import ControlService, create_control_panel


@pytest.fixture
def service(tmp_path: Path) -> ControlService:
    """A panel over the starter, and a network that reads edges."""
    settings = Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")
    with gr.Blocks():
        known = CheckpointOptions(settings)
        panel = create_control_panel("text", known)
    return ControlService(panel, Blobs(settings.data / "blobs"), known)


def fill_in(service: ControlService, number: int, tmp_path: Path, **changes: Any) -> dict[Any, Any]:
    """The values of a panel in which only row ``number`` is filled in."""
    picture = tmp_path / "picture.png"
    Image.new("RGB", (32, 16), "white").save(picture)
    values = {field: field.value for field in service.panel.fields}
    row = service.panel.rows[number - 1]
    chosen = {"picture": [str(picture)], "model": "x", "preprocessor": "canny", "weight": 0.7, "end": 0.5, **changes}
    return values | {getattr(row, name): value for name, value in chosen.items()}


def test_a_filled_row_is_a_control_and_fills_its_row_again(service: ControlService, tmp_path: Path) -> None:
    found = service.read(fill_in(service, 2, tmp_path, mode="prompt", pixel_perfect=False))
    (control,) = found
    assert (control.model, control.preprocessor, control.weight, control.end) == ("x", "canny", 0.7, 0.5)
    assert (control.mode, control.resolution) == ("prompt", 512) and service.blobs.path(control.image).is_file()
    filled = dict(zip(service.panel.fields, service.fill(TextToImage(controls=found)), strict=True))
    assert service.read({**filled}) == found
    assert service.read(dict(zip(service.panel.fields, service.fill(TextToImage()), strict=True))) == ()


def test_a_row_that_lacks_something_is_a_sentence(service: ControlService, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Control 3 has a picture and no ControlNet"):
        service.read(fill_in(service, 3, tmp_path, model=""))
    (tmp_path / "no picture.png").write_bytes(b"nothing")
    with pytest.raises(EaselError):
        service.read(fill_in(service, 1, tmp_path, picture=[str(tmp_path / "no picture.png")]))
    said = service.show_map(service.panel.rows[0], fill_in(service, 1, tmp_path, picture=None), (64, 64))
    assert "Choose a picture" in said
    assert "no ControlNet called" in service.show_map(service.panel.rows[0], fill_in(service, 1, tmp_path), (64, 64))


def test_the_map_is_shown_in_the_size_of_the_result(service: ControlService, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    tensors = {"control_model.zero_convs.0.0.weight": (8, 8, 1, 1), "control_model.input_blocks.0.0.weight": (8, 4, 3, 3)}
    save_file({name: np.zeros(shape, np.float32) for name, shape in tensors.items()}, models / "canny.safetensors")
    known = CheckpointOptions(Settings(models=models, data=tmp_path / "data", outputs=tmp_path / "outputs"))
    other = ControlService(service.panel, service.blobs, known)
    said = other.show_map(service.panel.rows[0], fill_in(service, 1, tmp_path, model="canny", preprocessor=""), (64, 48))
    hash = said.partition("sketches/")[2][:64]
    with Image.open(service.blobs.path(hash)) as shown:
        assert shown.size == (64, 48)
    controls = other.read(fill_in(service, 1, tmp_path, model="canny", preprocessor=""))
    assert [each.preprocessor for each in controls] == ["canny"] and isinstance(controls[0], Control)
