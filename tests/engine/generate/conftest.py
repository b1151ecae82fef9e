"""The engine over tiny real checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.local import Local
from engine.settings import Settings
from tests.engine.checkpoints import tiny

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
