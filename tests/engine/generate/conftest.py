"""The engine over tiny real checkpoints."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.checkpoints.families import stable_diffusion_xl
from engine.checkpoints.identify import single_file
from engine.checkpoints.library import entry
from engine.events import Event
from engine.local import Local
from engine.records.blobs import Blobs
from engine.requests import Request
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import additions, tiny

KINDS = ("sd1", "sd1_inpainting", "sd2_base", "sd2_depth", "sd2_v", "xl", "lcm")


@dataclasses.dataclass(frozen=True)
class Engine:
    """A :class:`Local`, what it was told, and where the images that it starts from are kept."""

    local: Local
    settings: Settings

    @property
    def blobs(self) -> Blobs:
        return Blobs(self.settings.data / "blobs")

    def run(self, request: Request, job: str) -> tuple[Image.Image, list[Event]]:
        """The last image of a request, and everything that was said."""
        events = list(self.local.run(job, request, Stop()))
        path = events[-1].results[-1].path  # type: ignore[attr-defined]
        with Image.open(path) as saved:
            return saved.convert("RGB"), events


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a tiny checkpoint of each of :data:`KINDS`, under that name."""
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        tiny.pipeline(kind).save_pretrained(folder / kind)
    return folder


@pytest.fixture
def local(tiny_models: Path, tmp_path: Path) -> Iterator[Local]:
    with Local(Settings(models=tiny_models, data=tmp_path / "data", outputs=tmp_path / "outputs")) as engine:
        torch.set_num_threads(1)
        yield engine


@pytest.fixture(scope="session")
def studio(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Local, Settings]]:
    """One engine for all tests of what is added to checkpoints, over a folder that also holds LoRAs, embeddings and a VAE."""
    folder = tmp_path_factory.mktemp("studio")
    settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs", precision="float32")
    shutil.copytree(tiny_models, settings.models)
    tiny.pipeline("xl_refiner").save_pretrained(settings.models / "xl_refiner")
    additions.write(settings.models)
    with Local(settings) as easel:
        torch.set_num_threads(1)
        yield easel, settings


@pytest.fixture(scope="session")
def engine(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One for all tests that give each job a name of its own: it loads each checkpoint once."""
    folder = tmp_path_factory.mktemp("engine")
    settings = Settings(models=tiny_models, data=folder / "data", outputs=folder / "outputs", device="cpu", precision="float32")
    with Local(settings) as local:
        torch.set_num_threads(1)
        yield Engine(local, settings)


@pytest.fixture
def xl_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    """The engine, which takes the tiny XL's configurations for the published ones."""
    made = tiny.pipeline("xl")
    made.save_pretrained(tmp_path / "configs")
    configs = {file.parent.name: json.loads(file.read_text()) for file in (tmp_path / "configs").glob("*/*config.json")}
    monkeypatch.setattr(entry, "bundled_config", lambda family, component: configs[component])
    # A denoiser alone is told by the width of its text encoders, which is tiny here.
    monkeypatch.setattr(single_file, "_text_layout", lambda names: stable_diffusion_xl.BOTH)
    (tmp_path / "models").mkdir()
    settings = Settings(
        models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs", precision="float32", device="cpu"
    )
    with Local(settings) as engine:
        torch.set_num_threads(1)
        yield engine
