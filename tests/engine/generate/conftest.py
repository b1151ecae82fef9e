"""The engine over tiny real checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.local import Local
from engine.settings import Settings
from tests.engine.checkpoints import additions, tiny

KINDS = ("sd1", "sd2_base", "xl", "lcm")


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
