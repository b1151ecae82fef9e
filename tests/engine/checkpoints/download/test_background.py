"""Downloads in the background: what is asked, shown, paused, cancelled and tried again, and that each of them ends."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.checkpoints.download import background, disk
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.plan import DownloadPlan
from engine.checkpoints.download.sources import DownloadSource
from engine.errors import DownloadError
from tests.engine.checkpoints.download.conftest import NAME, WHOLE, Server, until


def offer(known: DownloadManager, server: Server) -> int:
    """A download from ``server`` that is offered, to which the user has agreed."""
    number = known.ask([DownloadSource(link=server.url)], "A thing")
    until(known, background.CONFIRMING)
    known.start(number)
    until(known, background.OFFERED)
    return number


def test_downloads_are_offered_then_downloaded_paused_and_resumed(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = known.ask([DownloadSource(link=server.url)], "A thing", "a licence")
    until(known, background.CONFIRMING)
    assert not server.paths, "a host inside the network is not contacted before somebody says yes"
    known.start(number)
    offered = until(known, background.OFFERED)
    assert (offered.total, offered.licence, offered.name) == (len(WHOLE), "a licence", NAME)
    assert offered.free > 0 and not known.busy
    assert not list(tmp_path.iterdir()), "nothing is downloaded before somebody says yes"
    server.hold.clear()
    known.start(number)
    until(known, background.RUNNING)
    known.pause(number)
    server.hold.set()
    until(known, background.PAUSED)
    known.start(number)
    assert until(known, background.FINISHED).done == len(WHOLE)
    assert (tmp_path / NAME).read_bytes() == WHOLE
    known.dismiss(number)
    assert known.all() == ()


def test_the_next_source_is_asked_when_one_fails(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    sources = [DownloadSource(link="http://127.0.0.1:9/gone.safetensors"), DownloadSource(link=server.url)]
    number = known.ask(sources, "A thing")
    assert "port 9)" in until(known, background.CONFIRMING).said
    known.start(number)
    while f"port {server.port})" not in until(known, background.CONFIRMING, background.OFFERED).said:
        pass
    known.start(number)
    assert until(known, background.OFFERED).source == server.url


def test_a_download_that_fails_or_is_cancelled_can_be_tried_again(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = offer(known, server)
    server.status = 404
    known.start(number)
    assert "any more" in until(known, background.FAILED).said
    server.status = 0
    server.hold.clear()
    known.start(number)
    known.cancel(number)
    until(known, background.CANCELLED)
    server.hold.set()
    known.start(number)
    until(known, background.FINISHED)
    declined = offer(known, server)
    known.cancel(declined)
    assert [each.number for each in known.all()] == [number]


def test_a_source_that_failed_can_be_asked_again(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = known.ask([DownloadSource(link=server.url)], "A thing")
    until(known, background.CONFIRMING)
    server.head_status = server.status = 500
    known.start(number)
    assert "answer 500" in until(known, background.FAILED).said
    server.head_status, server.status = 200, 0
    known.start(number)
    until(known, background.OFFERED)


def test_the_part_of_a_cancelled_download_can_be_deleted(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = offer(known, server)
    server.stalls = "body"
    server.hold.clear()
    known.start(number)
    while not known.all()[0].done:
        pass
    known.cancel(number)
    until(known, background.CANCELLED)
    assert list(tmp_path.iterdir())
    known.discard(number)
    assert known.all() == () and not list(tmp_path.iterdir())


def test_a_network_lost_in_the_middle_is_called_that_and_resumed_after_a_restart(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = offer(known, server)
    server.break_after, server.breaks, server.answers = 100_000, 1, 1
    known.start(number)
    failed = until(known, background.FAILED)
    assert "lost in the middle" in failed.said and failed.done == 100_000
    assert (tmp_path / f"{NAME}.part").stat().st_size == 100_000
    server.answers = 1
    again = DownloadManager(tmp_path)
    again.start(offer(again, server))
    assert until(again, background.FINISHED).done == len(WHOLE)
    assert (tmp_path / NAME).read_bytes() == WHOLE and server.asked[-1] == "bytes=100000-"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_two_downloads_never_write_to_one_file(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    first, second = offer(known, server), offer(known, server)
    server.hold.clear()
    known.start(first)
    known.start(second)
    newest = known.all()[0]
    assert newest.state == background.OFFERED and "being downloaded already" in newest.said
    server.hold.set()
    while known.busy:
        pass
    known.start(second)
    assert "in “" in until(known, background.FAILED).said
    assert (tmp_path / NAME).read_bytes() == WHOLE


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), MemoryError(), SystemExit(), KeyboardInterrupt(), RecursionError(), DownloadError("said")]
)
def test_whatever_a_source_raises_ends_the_download_with_a_sentence(error: BaseException, tmp_path: Path) -> None:
    def look(source: DownloadSource, *, control: Control) -> DownloadPlan:
        raise error

    known = DownloadManager(tmp_path, look)
    known.ask([DownloadSource(link="http://a.example/b.ckpt")], "A thing")
    assert until(known, background.FAILED).said.endswith(("Try again.", "said"))


def test_a_system_without_threads_ends_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    known = DownloadManager(tmp_path)
    known.ask([DownloadSource(link="http://a.example/b.ckpt")], "A thing")
    assert "too busy" in known.all()[0].said


def test_a_folder_that_cannot_be_asked_has_no_room_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    assert disk.measure_free(tmp_path / "gone") == 0
