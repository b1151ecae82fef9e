"""The SHA-256 of whole files: taken while other things go on, kept for later starts, and taken again when a file changed."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from engine.checkpoints.library import sha256 as hashing
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.entry import stamp_of
from engine.checkpoints.library.sha256 import Hasher
from engine.local import Local
from engine.records import metadata
from engine.requests import TextToImage
from engine.settings import Settings
from tests.engine.checkpoints.library.test_catalogue import SD1, write

PATIENCE = 60.0


def eventually(known: Callable[[], str]) -> str:
    """What ``known`` says as soon as it says something."""
    end = time.monotonic() + PATIENCE
    while not (found := known()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_hash_is_the_whole_files_and_outlives_a_restart(tmp_path: Path) -> None:
    path, folder = write(tmp_path / "x.safetensors", SD1), tmp_path / "data"
    hasher = Hasher(folder)
    hasher.want(path, stamp_of(path))
    assert eventually(lambda: hasher.find(path, stamp_of(path))) == sha256(path)
    hasher.close()
    assert Hasher(folder).find(path, stamp_of(path)) == sha256(path)
    before = stamp_of(path)
    path.write_bytes(path.read_bytes() + b"more")
    assert Hasher(folder).find(path, stamp_of(path)) == ""
    assert Hasher(folder).find(path, before) != sha256(path)


def test_folders_and_files_that_are_gone_are_left_alone(tmp_path: Path) -> None:
    hasher = Hasher(tmp_path / "data")
    gone = write(tmp_path / "gone.safetensors", SD1)
    stamp = stamp_of(gone)
    hasher.want(tmp_path, stamp_of(tmp_path))
    gone.unlink()
    hasher.want(gone, stamp)
    there = write(tmp_path / "there.safetensors", SD1)
    hasher.want(there, stamp_of(there))
    eventually(lambda: hasher.find(there, stamp_of(there)))
    hasher.close()
    assert list(hashing.read(tmp_path / "data")) == [str(there)]


def test_a_file_that_changes_while_it_is_read_keeps_no_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", SD1)
    size, changed = stamp_of(path)
    hasher = Hasher(tmp_path / "data")
    hasher.want(path, (size, changed - 1))
    other = write(tmp_path / "y.safetensors", SD1)
    hasher.want(other, stamp_of(other))
    eventually(lambda: hasher.find(other, stamp_of(other)))
    assert hasher.find(path, (size, changed - 1)) == ""
    hasher.close()


def test_whoever_asked_can_end_it(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert hashing.sha256_of(write(tmp_path / "x.safetensors", SD1), stop) == ""


@pytest.mark.parametrize("damaged", ["", "[]", "{broken", '{"x": 3}', '{"x": [1, 2]}'])
def test_a_damaged_list_of_hashes_counts_as_none(damaged: str, tmp_path: Path) -> None:
    (tmp_path / hashing.FILE).write_text(damaged)
    assert hashing.read(tmp_path) == {}


def test_a_picture_names_the_checkpoint_as_other_programs_do(
    checkpoint: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs", device="cpu")
    settings.models.mkdir()
    file = Path(shutil.copy(checkpoint("sd1", "safetensors"), settings.models / "tiny.safetensors"))
    asked = TextToImage(prompt="a cat", checkpoint="tiny", width=16, height=16, steps=1)
    with Local(settings) as local:
        catalogue, hashes = local._state.catalogue, local._state.hashes
        inventory = catalogue.scan()
        found = dataclasses.replace(inventory.find("tiny"), configs=checkpoint("sd1", "folder"))
        monkeypatch.setattr(catalogue, "scan", lambda: dataclasses.replace(inventory, entries=(found,)))
        local.make(asked)
        eventually(lambda: hashes.find(file, stamp_of(file)))
        (made,) = local.make(asked)
    record = metadata.read(made.path)
    assert record is not None and record.resolved.checkpoint_sha256 == sha256(file)
    with Image.open(made.path) as picture:
        assert f"Model hash: {sha256(file)[:10]}, Model: tiny" in picture.info["parameters"]
    assert Catalogue(settings).find("tiny").sha256 == sha256(file)
    assert Catalogue(settings).find(sha256(file)[:10]).path == file
