"""Bodies of requests: the ones of files go to the disk as they come, and all of them have one bound."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engine.jobs import Jobs
from engine.settings import Settings
from tests.engine.records.images import bombs
from ui.compat import uploads
from ui.server import body_budget
from ui.server.body_budget import NO_ROOM, TOO_MUCH
from ui.server.serve import Studio, serve

ROADS = ("/sketches", "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/run/predict")
BOUNDARY = "boundary"
PIECE = bytes(2**20)


@pytest.fixture(scope="module")
def studio(settings: Settings, jobs: Jobs) -> Iterator[Studio]:
    with serve(settings, jobs, port=0) as served:
        yield served


def list_pieces(road: str, megabytes: int) -> Iterator[bytes]:
    """The body of an upload: a PNG that is large because of a chunk that says nothing."""
    if road == "/gradio_api/upload":
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    yield bombs.png(8, 2, 8)
    for _ in range(megabytes):
        yield PIECE
    if road == "/gradio_api/upload":
        yield f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(studio: Studio, road: str, megabytes: int) -> int:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    with httpx.Client(base_url=studio.url, timeout=300) as client:
        return client.post(road, content=list_pieces(road, megabytes), headers=headers).status_code


def declare(studio: Studio, road: str, length: int) -> tuple[int, str]:
    """The answer to a request that says how long its body is and brings none of it."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)) as connection:
        connection.putrequest("POST", road)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("road", ROADS)
def test_a_body_over_its_bound_is_refused_in_a_sentence(studio: Studio, road: str) -> None:
    status, said = declare(studio, road, body_budget.find_limit(road) + 1)
    assert status == 413 and said == body_budget.describe_limit(road)


@pytest.mark.parametrize("road", ROADS)
def test_a_body_that_grows_over_its_bound_hears_so(studio: Studio, road: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_budget, "UPLOAD_LIMIT", 2**20)
    monkeypatch.setattr(body_budget, "VALUES_LIMIT", 2**20)
    with contextlib.suppress(httpx.TransportError):  # it is also right to cut off one who does not listen
        assert upload(studio, road, 3) == 413


def test_all_that_are_under_way_have_one_bound(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_budget, "UPLOADS_AT_ONCE", 3000)
    first = socket.create_connection(("127.0.0.1", studio.port))
    first.sendall(f"POST /sketches HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nContent-Length: 2000\r\n\r\n".encode())
    with first:
        status, said = declare(studio, "/sketches", 2000)
        while status != 413:  # until the first one has been looked at
            status, said = declare(studio, "/sketches", 2000)
        assert said == TOO_MUCH
        first.sendall(bytes(2000))
        assert first.recv(12) == b"HTTP/1.1 422", "it was no picture"
    assert upload(studio, "/sketches", 0) == 200, "what is done counts no more"


def test_uploads_leave_room_on_the_disk(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_budget, "DISK_SPARE", 2**60)
    assert declare(studio, "/sketches", 1000) == (413, NO_ROOM)
    assert declare(studio, "/gradio_api/upload", 1000) == (413, NO_ROOM)


def read_peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
@pytest.mark.parametrize("megabytes", [24, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("road", ["/sketches", "/gradio_api/upload"])
def test_six_uploads_at_once_take_no_memory(studio: Studio, settings: Settings, road: str, megabytes: int) -> None:
    assert upload(studio, road, 17) == 200, "all that is used is loaded"
    Path("/proc/self/clear_refs").write_text("5")
    before, statuses = read_peak(), list[int]()
    threads = [threading.Thread(target=lambda: statuses.append(upload(studio, road, megabytes))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    assert read_peak() - before < 96 * 2**20
    assert not list((settings.data / "blobs" / "incoming").glob("*"))


def send_parts(studio: Studio, *parts: tuple[str, bytes], query: str = "") -> httpx.Response:
    """An upload of parts: what follows ``form-data`` in their heads, and their content."""
    with httpx.Client(base_url=studio.url, timeout=300) as client:
        return post_parts(client, *parts, query=query)


def post_parts(client: httpx.Client, *parts: tuple[str, bytes], query: str = "") -> httpx.Response:
    heads = [f"--{BOUNDARY}\r\nContent-Disposition: form-data{head}\r\n\r\n".encode() + body + b"\r\n" for head, body in parts]
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    content = b"".join([*heads, f"--{BOUNDARY}--\r\n".encode()])
    return client.post(f"/gradio_api/upload{query}", content=content, headers=headers)


FILE = ('; name="files"; filename="a.png"', bombs.png(8, 2, 8))
HALF = bytes(uploads.TEXT_LIMIT // 2 + 1)


@pytest.mark.parametrize("query", ["", "?upload_id=a"])
@pytest.mark.parametrize(
    "parts",
    [
        [('; name="text"', 2 * HALF)],
        [('; name="text"', HALF), ('; name="text"', HALF)],
        [FILE, *((f'; name="{number}"', HALF[:100_000]) for number in range(11))],
        [('; name="files"', 2 * HALF)],
    ],
)
def test_text_beside_files_has_a_bound_of_its_own(studio: Studio, parts: list[tuple[str, bytes]], query: str) -> None:
    answer = send_parts(studio, *parts, query=query)
    assert (answer.status_code, answer.text) == (413, uploads.TOO_MUCH_TEXT)
    assert "1 MB" in answer.text


def test_a_text_in_the_place_of_a_file_is_refused_in_a_sentence(studio: Studio) -> None:
    answer = send_parts(studio, ('; name="files"', b"x"))
    assert (answer.status_code, answer.text) == (400, uploads.NO_FILE)


@pytest.mark.parametrize("query", ["", "?upload_id=b"])
def test_a_short_text_beside_a_file_is_no_error(studio: Studio, query: str) -> None:
    assert len(send_parts(studio, ('; name="text"', b"x"), FILE, query=query).json()) == 1


def list_loose(settings: Settings) -> list[Path]:
    """Files of uploads that never became one."""
    return [path for path in (settings.data / "uploads").iterdir() if path.is_file()]


def test_an_upload_that_breaks_off_leaves_nothing_behind(studio: Studio, settings: Settings) -> None:
    with socket.create_connection(("127.0.0.1", studio.port)) as connection:
        head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nContent-Length: 9000000\r\n"
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode())
        connection.sendall(b"".join(list_pieces("/gradio_api/upload", 1))[:-100])
        while not list_loose(settings):
            time.sleep(0.01)
    while list_loose(settings):
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's limit of open files")
def test_more_files_than_may_be_open_are_a_sentence(studio: Studio, settings: Settings) -> None:
    """The client is connected before, so that nothing but the upload meets the limit."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with httpx.Client(base_url=studio.url, timeout=300) as client:
        assert post_parts(client, FILE).status_code == 200
        opened = {int(name) for name in os.listdir("/dev/fd")}
        resource.setrlimit(resource.RLIMIT_NOFILE, ([n for n in range(10_000) if n not in opened][50], before[1]))
        try:
            answer = post_parts(client, *[FILE] * 200)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert answer.status_code == 400 and answer.text.startswith("The files could not be stored (Too many open files)")
    assert not list_loose(settings) and send_parts(studio, FILE).status_code == 200
