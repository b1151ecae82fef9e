"""The engine's tests stay on this machine. Tiny checkpoints on disk, made once for all tests that only read them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FORMS = ("folder", "safetensors", "zip", "legacy")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny networks gain nothing from threads, and lose much where other tests run beside them."""
    if "torch" in sys.modules:  # where no test of this run imports it, neither does this
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True, scope="package")
def offline() -> Iterator[None]:
    """Every socket but those to this machine itself is refused: nothing here may ask another computer."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"something asked {address} for something")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """``checkpoint(kind, form)``: the path of a tiny checkpoint. Its name tells nothing."""
    import torch
    from safetensors.torch import save_file

    from tests.engine.checkpoints import tiny

    @cache
    def folder(kind: str) -> Path:
        path = tmp_path_factory.mktemp(kind) / "some folder"
        tiny.pipeline(kind).save_pretrained(path)
        return path

    @cache
    def path(kind: str, form: str) -> Path:
        if form == "folder":
            return folder(kind)
        file = folder(kind).parent / f"thing.{form}"
        weights = tiny.in_original_layout(kind, tiny.pipeline(kind))
        if form == "safetensors":
            save_file(weights, file, tiny.KINDS[kind].metadata)
        else:
            whole = {"state_dict": weights, "global_step": 1234, "epoch": 1}
            torch.save(whole, file, _use_new_zipfile_serialization=form == "zip")
        return file

    return path


@pytest.fixture(scope="session")
def sd3_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the diffusers folder of a tiny checkpoint of each kind of Stable Diffusion 3."""
    from tests.engine.checkpoints import tiny_sd3

    made = tmp_path_factory.mktemp("sd3")
    for kind in tiny_sd3.NETWORKS:
        tiny_sd3.pipeline(kind).save_pretrained(made / kind)
    return made
