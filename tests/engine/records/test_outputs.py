from __future__ import annotations

import errno
import os
import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine.errors import DiskFull, OutputError
from engine.records import metadata
from engine.records import outputs as saving
from engine.requests import Resolved
from engine.storage.atomic_files import PART, describe_disk_error, replace_file


def test_a_saved_picture_has_its_pixels_its_record_and_a_telling_name(
    image: Image.Image, resolved: Resolved, outputs: Path
) -> None:
    path = saving.save(image, resolved, outputs=outputs, job="abc-1", index=3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d/\d{6}-abc-1-3-5\.png", path.relative_to(outputs).as_posix())
    with Image.open(path) as saved:
        assert saved.tobytes() == image.tobytes()
    record = metadata.read(path)
    assert record is not None
    assert (record.resolved, record.job, record.index) == (resolved, "abc-1", 3)


@pytest.mark.parametrize("format, ending", [("jpeg", ".jpg"), ("webp", ".webp")])
def test_other_formats(image: Image.Image, resolved: Resolved, outputs: Path, format: str, ending: str) -> None:
    path = saving.save(image, resolved, outputs=outputs, job="a", index=0, style=saving.FileStyle(format=format))
    record = metadata.read(path)
    assert path.suffix == ending and record is not None and record.resolved == resolved


def test_nothing_is_told_when_metadata_is_off(image: Image.Image, resolved: Resolved, outputs: Path) -> None:
    image.info = {"comment": b"a secret", "parameters": "a secret"}
    for index, format in enumerate(("png", "jpeg", "webp")):
        path = saving.save(
            image, resolved, outputs=outputs, job="a", index=index, style=saving.FileStyle(format=format), write_metadata=False
        )
        assert metadata.read(path) is None
        assert b"secret" not in path.read_bytes() and b"cat" not in path.read_bytes()


def test_saving_again_is_saving_once(image: Image.Image, resolved: Resolved, outputs: Path) -> None:
    first = saving.save(image, resolved, outputs=outputs, job="a", index=0)
    inode = first.stat().st_ino
    again = saving.save(
        image, replace(resolved, threads=9), outputs=outputs, job="a", index=0, style=saving.FileStyle(format="jpeg")
    )
    assert again == first and again.stat().st_ino == inode
    assert [p for p in outputs.rglob("*") if p.is_file()] == [first]


def test_find_saved_finds_a_jobs_pictures_and_no_other_jobs(image: Image.Image, resolved: Resolved, outputs: Path) -> None:
    assert saving.find_saved(outputs, "a") == {}
    paths = {i: saving.save(image, resolved, outputs=outputs, job="a", index=i) for i in range(2)}
    saving.save(image, resolved, outputs=outputs, job="a-1", index=0)
    saving.save(image, resolved, outputs=outputs, job="b-a", index=0)
    (outputs / "2020-01-01").mkdir()
    moved = outputs / "2020-01-01" / "235959-a-7-123.webp"
    moved.write_bytes(b"kept from another day")
    assert saving.find_saved(outputs, "a") == {**paths, 7: moved}
    assert set(saving.find_saved(outputs, "a-1")) == {0}


def test_a_job_id_cannot_leave_the_folder(image: Image.Image, resolved: Resolved, outputs: Path) -> None:
    with pytest.raises(ValueError, match="not the id of a job"):
        saving.save(image, resolved, outputs=outputs, job="../../evil", index=0)


def test_the_order_is_written_synced_renamed_folder_synced(
    image: Image.Image, resolved: Resolved, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.replace

    def traced_fsync(descriptor: int) -> None:
        target = os.readlink(f"/proc/self/fd/{descriptor}") if os.path.exists("/proc/self/fd") else "?"
        calls.append(("sync", Path(target).name))
        fsync(descriptor)

    def traced_replace(source: Any, target: Any) -> None:
        assert Path(source).stat().st_size > 0
        calls.append(("rename", Path(target).name))
        rename(source, target)

    saving.save(image, resolved, outputs=outputs, job="a", index=0)
    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    path = saving.save(image, resolved, outputs=outputs, job="a", index=1)
    assert [name for name, _ in calls] == ["sync", "rename", "sync"]
    assert calls[1][1] == path.name
    if calls[0][1] != "?":
        assert calls[0][1].endswith(PART) and calls[2][1] == path.parent.name


class _Full:
    """A real file that takes some bytes and then has no more room."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, content: bytes) -> int:
        self._stream.write(content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(resolved: Resolved, outputs: Path) -> None:
    with (
        pytest.raises(DiskFull, match="is full"),
        saving.create_file(resolved, outputs=outputs, job="a", index=0) as (stream, _),
    ):
        _Full(stream).write(b"x" * 1000)
    assert [p for p in outputs.rglob("*") if p.is_file()] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_disk_that_is_really_full() -> None:
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")
    assert isinstance(describe_disk_error(caught.value, Path("outputs")), DiskFull)


@pytest.mark.parametrize(
    "code, kind, words",
    [
        (errno.ENOSPC, DiskFull, "full"),
        (errno.EDQUOT, DiskFull, "full"),
        (errno.EROFS, OutputError, "read-only"),
        (errno.EACCES, OutputError, "read-only"),
        (errno.ENOENT, OutputError, "gone"),
        (errno.ENOTDIR, OutputError, "not a folder"),
        (errno.ENAMETOOLONG, OutputError, "too long"),
        (errno.EIO, OutputError, "errors"),
        (errno.ELOOP, OutputError, "could not be written"),
    ],
)
def test_every_error_is_a_sentence_that_says_what_to_do(code: int, kind: type[OutputError], words: str) -> None:
    error = describe_disk_error(OSError(code, os.strerror(code)), Path("/home/me/pictures"))
    assert type(error) is kind
    assert words in str(error) and "/home/me/pictures" in str(error) and "--outputs" in str(error)


@pytest.mark.parametrize("code, kind", [(112, DiskFull), (39, DiskFull), (19, OutputError), (206, OutputError)])
def test_windows_own_codes_count_where_they_say_more(code: int, kind: type[OutputError]) -> None:
    error = OSError(errno.EINVAL, "Invalid argument")
    error.winerror = code  # type: ignore[attr-defined]
    assert type(describe_disk_error(error, Path("outputs"))) is kind
    assert "could not be written" not in str(describe_disk_error(error, Path("outputs")))


def test_a_path_that_is_too_long(image: Image.Image, resolved: Resolved, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long"):
        saving.save(image, resolved, outputs=tmp_path / ("x" * 300), job="a", index=0)


def test_a_file_where_the_folder_should_be(image: Image.Image, resolved: Resolved, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("not a folder")
    with pytest.raises(OutputError, match="not a folder"):
        saving.check_writable(tmp_path / "outputs")
    with pytest.raises(OutputError, match="not a folder"):
        saving.save(image, resolved, outputs=tmp_path / "outputs", job="a", index=0)


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such permission there")
def test_a_read_only_folder(tmp_path: Path) -> None:
    folder = Path("/sys/kernel") if os.geteuid() == 0 else tmp_path / "locked"
    if os.geteuid() != 0:
        folder.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="read-only"):
        saving.check_writable(folder / "outputs" if os.geteuid() else folder)


def test_check_writable_leaves_nothing_and_wants_room(outputs: Path) -> None:
    saving.check_writable(outputs)
    assert list(outputs.iterdir()) == []
    with pytest.raises(DiskFull, match="MB left"):
        saving.check_writable(outputs, need=2**62)


def test_what_a_killed_worker_left_is_removed_and_pictures_stay(image: Image.Image, resolved: Resolved, outputs: Path) -> None:
    path = saving.save(image, resolved, outputs=outputs, job="a", index=0)
    (path.parent / f".0123{PART}").write_bytes(b"half")
    assert saving.remove_leftovers(outputs) == 1
    assert list(path.parent.iterdir()) == [path]


def test_two_writers_of_one_name_leave_one_whole_file(tmp_path: Path) -> None:
    def write(letter: bytes) -> None:
        with replace_file(tmp_path / "file") as stream:
            stream.write(letter * 100_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["file"]
    assert len(set((tmp_path / "file").read_bytes())) == 1
