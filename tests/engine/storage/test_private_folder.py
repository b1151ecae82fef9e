"""The data folder is closed to other users of the computer, whatever the umask is and whoever made it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engine.jobs import Jobs, claim
from engine.records.blobs import Blobs
from engine.requests import TextToImage
from engine.settings import Settings
from engine.storage.atomic_files import make_folder, make_private_folder, write_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The least careful one."""
    before = os.umask(0)
    yield
    os.umask(before)


def find_open(folder: Path) -> list[str]:
    """What other users may do something with."""
    return [str(path) for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def test_everything_in_a_new_data_folder_is_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    settings = Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")
    with claim(settings.data) as claimed, Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        job = jobs.submit(TextToImage(prompt="a cat"))
        Blobs(settings.data / "blobs").put(Image.new("RGB", (8, 8)))
        claimed.publish_url("http://127.0.0.1:1")
        list(jobs.watch(job))
        assert [path for path in find_open(settings.data) if "attempted-" not in path] == [], "but for the script's own"
    assert stat.S_IMODE(next(settings.outputs.rglob("*.png")).stat().st_mode) & 0o044, "the pictures are as they were"


def test_the_data_folder_of_an_old_version_is_closed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "blobs").mkdir(parents=True)
    for name in ("easel.lock", "journal.db", "journal.db-wal", "history.db", "presets.toml", "learnt.json"):
        (data / name).touch()
    (data / "notes.txt").touch(0o644)
    with claim(data):
        assert find_open(data) == [str(data / "notes.txt")]
        assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_folder_of_the_persons_own_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "home" / "bin").mkdir(parents=True)
    (tmp_path / "home" / "settings.json").touch(0o644)
    make_private_folder(tmp_path / "home")
    assert len(find_open(tmp_path / "home")) == 3


def test_what_is_made_in_a_private_folder_is_as_private(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "data")
    make_folder(tmp_path / "data" / "a" / "b")
    write_file(tmp_path / "data" / "a" / "b" / "c", "private")
    assert find_open(tmp_path / "data") == []
    tmp_path.chmod(0o755)
    write_file(tmp_path / "open" / "c", "public")
    assert len(find_open(tmp_path / "open")) == 2
