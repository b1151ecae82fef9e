"""Downloads that do not fit, do not end, or cannot be written: a sentence, nothing lost, and the disk never full."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

from engine.checkpoints.download import background, disk, part_file
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.disk import DiskFullError, translate_disk_errors
from engine.checkpoints.download.part_file import DownloadProgress
from engine.checkpoints.download.plan import DownloadPlan, PlannedFile
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import fetch, fetch_plan
from engine.errors import CancelledError, DownloadError
from tests.engine.checkpoints.download.conftest import NAME, WHOLE, Server, get, quiet, until


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


def shrink(monkeypatch: pytest.MonkeyPatch, folder: Path, room: int) -> None:
    """A disk with ``room`` bytes beside what Easel leaves free, of which what lies in ``folder`` takes some."""

    def disk_usage(path: Path) -> Usage:
        used = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
        return Usage(room, used, disk.SPARE + room - used)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    monkeypatch.setattr(part_file, "ROOM_STEP", 50_000)


@pytest.mark.parametrize("validators", [{}, {"ETag": '"one"'}])
def test_an_endless_stream_is_removed_before_the_disk_is_full(
    validators: dict[str, str], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.validators, server.declares, server.endless = validators, False, True
    shrink(monkeypatch, tmp_path, 5_000_000)
    seen: list[int] = []
    with pytest.raises(DiskFullError, match="Free some space"):
        fetch(DownloadSource(link=server.url), tmp_path / NAME, server.agreed(), lambda progress: seen.append(progress.done))
    assert not list(tmp_path.iterdir())
    assert 4_000_000 < max(seen) <= 5_100_000 and seen[-1] == 0


def test_an_endless_stream_has_a_bound_on_any_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.declares, server.endless = False, True
    monkeypatch.setattr(part_file, "UNDECLARED_LIMIT", 3_000_000)
    with pytest.raises(DownloadError, match="sends more than"):
        get(server, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("declares", [True, False])
def test_a_known_size_is_a_bound(declares: bool, server: Server, tmp_path: Path) -> None:
    server.declares, server.endless = declares, True
    if declares:
        assert get(server, tmp_path).read_bytes() == WHOLE, "what comes after the declared length is not read"
    else:
        with pytest.raises(DownloadError, match="sends more than"):
            get(server, tmp_path, size=len(WHOLE))
        assert not list(tmp_path.iterdir())


def test_other_programs_may_fill_the_disk_meanwhile(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come of a file that can be resumed is kept, and the next attempt needs room only for the rest."""
    shrink(monkeypatch, tmp_path, len(WHOLE) + 500)

    def fill(progress: DownloadProgress) -> None:
        if progress.done > 100_000 and not (tmp_path / "other").exists():
            (tmp_path / "other").write_bytes(bytes(len(WHOLE)))

    plan = DownloadPlan(name=NAME, files={PurePosixPath(): PlannedFile(DownloadSource(link=server.url), len(WHOLE), "")})
    with pytest.raises(DiskFullError, match="Free some space"):
        fetch_plan(plan, tmp_path, server.agreed(), fill)
    assert 100_000 < (tmp_path / f"{NAME}.part").stat().st_size < len(WHOLE)
    (tmp_path / "other").unlink()
    shrink(monkeypatch, tmp_path, len(WHOLE) + 500)
    assert fetch_plan(plan, tmp_path, server.agreed(), quiet).read_bytes() == WHOLE
    assert server.asked[-1].startswith("bytes=1")


@pytest.mark.parametrize("declared", ["9" * 17, "9" * 30, "-1", "abc", "1e9", "²", "0x10", ""])
def test_an_odd_length_is_no_traceback(declared: str, server: Server, tmp_path: Path) -> None:
    server.declares = False
    server.headers = {"Content-Length": declared.encode().decode("latin-1")}
    with_room = declared != "9" * 17
    if with_room:
        assert get(server, tmp_path).read_bytes() == WHOLE
    else:
        with pytest.raises(DiskFullError, match="GB left"):
            get(server, tmp_path)
        assert not list(tmp_path.iterdir())


VALIDATORS = {
    "strong tag": {"ETag": '"one"'},
    "date": {"Last-Modified": "Sat, 28 Nov 2026 10:00:00 GMT"},
    "weak tag and date": {"ETag": 'W/"one"', "Last-Modified": "Sat, 28 Nov 2026 10:00:00 GMT"},
    "weak tag": {"ETag": 'W/"one"'},
    "none": {},
}


@pytest.mark.parametrize("kind", VALIDATORS)
def test_a_part_is_resumed_only_where_the_file_can_be_told_from_another(kind: str, server: Server, tmp_path: Path) -> None:
    server.validators = VALIDATORS[kind]
    server.break_after, server.breaks = 100_000, 2
    can_resume = "date" in kind or kind == "strong tag"
    assert get(server, tmp_path).read_bytes() == WHOLE
    assert server.asked == (["", "bytes=100000-", "bytes=200000-"] if can_resume else ["", "", ""])


@pytest.mark.parametrize("kind", VALIDATORS)
def test_a_file_that_changed_meanwhile_is_never_spliced(kind: str, server: Server, tmp_path: Path) -> None:
    server.validators = VALIDATORS[kind]
    control = server.agreed()
    with pytest.raises(CancelledError):
        fetch(DownloadSource(link=server.url), tmp_path / NAME, control, lambda progress: cancel_midway(control, progress))
    assert bool(list(tmp_path.iterdir())) == (kind not in ("none", "weak tag")), "what cannot be resumed is removed"
    server.content = WHOLE[:-10] + bytes(10)
    server.validators = {name: value.replace("one", "two").replace("10:00", "11:00") for name, value in VALIDATORS[kind].items()}
    assert get(server, tmp_path).read_bytes() == server.content


def test_a_server_that_sends_another_part_than_was_asked_for_is_not_believed(server: Server, tmp_path: Path) -> None:
    """Whatever a server makes of Range and If-Range, the file is right in the end."""
    server.shifts_ranges = True
    server.break_after, server.breaks = 100_000, 1
    assert get(server, tmp_path).read_bytes() == WHOLE
    assert server.asked == ["", "bytes=100000-", ""]


def cancel_midway(control: Control, progress: DownloadProgress) -> None:
    """Press Cancel once a part has come."""
    if progress.done > 60_000:
        control.cancel()


@pytest.mark.parametrize(
    "note", [b"", b"[]", b"7", b'{"url": 3}', b'{"url": "?", "mark": 3, "total": "x"}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_damaged_note_is_no_part(note: bytes, server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"of something")
    (tmp_path / f"{NAME}.part.json").write_bytes(note.replace(b"?", server.url.encode()))
    assert get(server, tmp_path).read_bytes() == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


SENTENCES = {
    "full": ("ENOSPC", "EDQUOT"), "as large as": ("EFBIG",), "may not write": ("EROFS", "EACCES", "EPERM"),
    "cannot be written": ("EIO", "ENOENT", "ENODEV", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ESTALE", "EEXIST"),
}  # fmt: skip
WORDS = {name: words for words, names in SENTENCES.items() for name in names}


def test_every_trouble_of_the_disk_is_a_sentence(tmp_path: Path) -> None:
    for code, name in errno.errorcode.items():
        with pytest.raises(DownloadError, match=WORDS.get(name, NAME)) as raised, translate_disk_errors(tmp_path / NAME):
            raise OSError(code, os.strerror(code))
        assert str(raised.value).endswith((".", "again.", "(--models).")) and str(tmp_path) in str(raised.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_disk_that_is_full_at_once_is_called_that(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
    (tmp_path / f"{NAME}.part.json").write_text(json.dumps({"url": server.url, "mark": "", "total": 0}))
    with pytest.raises(DiskFullError, match="is full"):
        get(server, tmp_path)


@pytest.mark.parametrize("blocker", ["", ".part", ".part.json"])
def test_a_folder_in_the_way_is_said_and_stays(blocker: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}{blocker}" / "mine").mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"already|cannot be written|may not write"):
        get(server, tmp_path)
    assert (tmp_path / f"{NAME}{blocker}" / "mine").exists()


def test_a_models_folder_that_is_a_file_ends_the_download(server: Server, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    known = DownloadManager(tmp_path / "models")
    number = known.ask([DownloadSource(link=server.url)], "A thing")
    until(known, background.CONFIRMING)
    known.start(number)
    until(known, background.OFFERED)
    known.start(number)
    assert "cannot be written" in until(known, background.FAILED).said
