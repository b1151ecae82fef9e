"""Tensors are mapped on local disks and read elsewhere, to the same bits; what does not fit its family is said."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoints.files import tensors
from engine.checkpoints.files.tensors import TensorStore, is_quick_to_map
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny

MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/files /mnt/network nfs4 rw 0 0
C:\\134 /mnt/c 9p rw,aname=drvfs 0 0
//nas/films /mnt/with\\040space cifs rw 0 0
/dev/sdb1 /mnt/c/inside xfs rw 0 0
sshfs /mnt/far fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "quick"),
    [
        ("/home/x.safetensors", True), ("/mnt/network/x.safetensors", False), ("/mnt/c/x.ckpt", False),
        ("/mnt/c/inside/x.ckpt", True), ("/mnt/with space/x", False), ("/mnt/far/x", False), ("/mnt/networked/x", True),
    ],
)  # fmt: skip
def test_the_kind_of_file_system_decides(path: str, quick: bool, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert is_quick_to_map(Path(path), tmp_path / "mounts") == quick


def test_where_the_system_does_not_say_files_are_read(tmp_path: Path) -> None:
    assert not is_quick_to_map(Path("/home/x"), tmp_path / "gone")


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_mapped_and_read_are_the_same(form: str, checkpoint: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    stores = []
    for quick in (True, False):
        monkeypatch.setattr(tensors, "is_quick_to_map", lambda path, quick=quick: quick)
        store = TensorStore([checkpoint("sd1", form)])
        stores.append({name: store.read(name).clone() for name in store.names()})
    assert stores[0].keys() == stores[1].keys()
    assert all(torch.equal(stores[0][name], stores[1][name]) for name in stores[0])


def test_a_file_that_shrinks_while_it_is_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "is_quick_to_map", lambda path: False)
    path = tmp_path / "shrinking.safetensors"
    save_file({"a": torch.ones(1000)}, path)
    store = TensorStore([path])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8)
    with pytest.raises(CheckpointError, match=r"shrinking\.safetensors.*became shorter"):
        store.read("a")


def test_wrong_shapes_for_its_family_are_said(checkpoint: Callable[[str, str], Path], tmp_path: Path) -> None:
    weights = tiny.in_original_layout("sd1", tiny.pipeline("sd1"))
    weights["model.diffusion_model.out.2.weight"] = torch.zeros(4, 16, 3, 3)
    save_file(weights, tmp_path / "odd.safetensors")
    entry = entry_for(tmp_path / "odd.safetensors", configs=checkpoint("sd1", "folder"))
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(entry, ExecutionPlan())
    for part in ("“odd.safetensors” seems to be Stable Diffusion 1", "out.2.weight", "4 x 16 x 3 x 3", "4 x 32 x 3 x 3"):
        assert part in str(refused.value)


def test_nothing_here_can_ask_another_computer() -> None:
    """All loading tests run behind this guard (tests/engine/conftest.py, ``offline``)."""
    with pytest.raises(AssertionError, match="something asked"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
