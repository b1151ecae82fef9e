from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engine.local import Local
from engine.plan.hardware import kernel_trial
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
def start_engine(starter_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartEngine]:
    """Starts the engine on the CPU in a precision, which is then the device under test; each on the same folders. Torch alone
    computes, whatever is installed."""
    made: list[Local] = []
    monkeypatch.setattr(kernel_trial, "SECONDS", 0.0)

    def start(precision: str = "bfloat16", models: Path = starter_models) -> Local:
        settings = Settings(
            models=models, data=tmp_path / "data", outputs=tmp_path / "outputs", precision=precision, device="cpu"
        )
        local = Local(settings)
        hardware = dataclasses.replace(local._state.hardware, extras=frozenset())
        local._state = dataclasses.replace(local._state, hardware=hardware)
        made.append(local)
        torch.set_num_threads(1)
        return made[-1]

    yield start
    for each in made:
        each.close()
