from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engine.local import Local
from engine.settings import Settings
from tests.engine.checkpoints import tiny

StartEngine = Callable[..., Local]


@pytest.fixture(scope="session")
def starter_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder whose starter is a tiny random checkpoint."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    tiny.pipeline("sd1").save_pretrained(folder / "starter")
    (folder / "starter" / "starter.json").write_text("{}")
    return folder


@pytest.fixture
def start_engine(starter_models: Path, tmp_path: Path) -> Iterator[StartEngine]:
    """Starts the engine on the CPU in a precision, which is then the device under test; each on the same folders."""
    made: list[Local] = []

    def start(precision: str = "bfloat16", models: Path = starter_models) -> Local:
        settings = Settings(
            models=models, data=tmp_path / "data", outputs=tmp_path / "outputs", precision=precision, device="cpu"
        )
        made.append(Local(settings))
        torch.set_num_threads(1)
        return made[-1]

    yield start
    for each in made:
        each.close()
