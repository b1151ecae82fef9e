"""The whole page behind its door, over real HTTP, and how it comes to its port."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from engine.jobs import Jobs
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.interface import create_interface
from ui.server import repair_routes
from ui.server import serve as serving
from ui.server.serve import ServingError, Studio, serve

SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.fixture(scope="module")
def studio(settings: Settings, jobs: Jobs) -> Iterator[Studio]:
    with serve(settings, jobs, port=0) as served:
        yield served


@pytest.fixture
def client(studio: Studio) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.url, timeout=60) as opened:
        yield opened


def test_the_page_names_no_other_host_to_load_from(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200 and "Easel" in page.text
    for mark in ("fonts.googleapis", "cdnjs", 'src="http', "src='http", '@import url("http'):
        assert mark not in page.text


def test_no_event_waits_for_another_page(settings: Settings, jobs: Jobs) -> None:
    page = create_interface(settings, jobs, CheckpointOptions(settings))
    assert page._queue.default_concurrency_limit is None
    assert {event.concurrency_limit for event in page.fns.values()} == {"default"}


def test_a_page_that_was_let_go_hears_so_in_a_whole_answer(client: httpx.Client) -> None:
    answer = client.get("/gradio_api/queue/data", params={"session_hash": "gone"})
    assert answer.status_code == 200 and '"session_not_found":true' in answer.text


def test_uploads_that_a_browser_would_run_come_back_as_downloads(client: httpx.Client) -> None:
    for name, content in {"x.svg": SVG, "x.html": b"<script>alert(1)</script>"}.items():
        (path,) = client.post("/gradio_api/upload", files={"files": (name, content)}).json()
        back = client.get(f"/gradio_api/file={path}")
        assert back.content == content
        assert back.headers["content-type"].startswith("application/octet-stream")
        assert back.headers["content-disposition"].startswith("attachment")


def test_gradios_own_road_serves_no_file_of_this_machine(client: httpx.Client, settings: Settings) -> None:
    settings.outputs.mkdir(parents=True, exist_ok=True)
    (settings.outputs / "note.txt").write_text("private")
    own = [settings.data / "journal.db", settings.outputs / "note.txt", Path(__file__), Path("/etc/hostname")]
    asked = [str(path) for path in own] + ["../app.py", "..%2f..%2fetc/hostname", "C:\\Windows\\win.ini", "%5c%5chost%5cshare"]
    for path in asked:
        for road in ("/gradio_api/file=", "/gradio_api/file/", "/file="):
            assert client.get(road + path).status_code in (403, 404, 405)


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_page_elsewhere_starts_no_job(origin: str, client: httpx.Client, settings: Settings) -> None:
    payload = {"data": [], "fn_index": 0, "session_hash": "x"}
    for road in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/upload", "/gradio_api/call/submit"):
        assert client.post(road, content=json.dumps(payload), headers={"Origin": origin}).status_code == 403


def test_a_busy_port_gives_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = busy.getsockname()[1]
        with serving._open_listener("127.0.0.1", taken) as listener:
            assert listener.getsockname()[1] != taken


def test_answers_are_sent_at_once() -> None:
    with serving._open_listener("127.0.0.1", 0) as listener:
        listener.listen()

        async def answer_at_once() -> int:
            set_up: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connection = writer.get_extra_info("socket")
                set_up.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                writer.close()

            async with await asyncio.start_server(accept, sock=listener):
                socket.create_connection(listener.getsockname()).close()
                return await set_up

        assert asyncio.run(answer_at_once()) != 0


def test_the_port_is_asked_back_from_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Launcher(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Launcher) as launcher:
        threading.Thread(target=launcher.serve_forever, daemon=True).start()
        monkeypatch.setenv("EASEL_LAUNCHER", f"http://127.0.0.1:{launcher.server_port}/launch/t/handover")
        serving._ask_launcher_for_its_port()
        launcher.shutdown()
    assert asked == ["/launch/t/handover"]
    serving._ask_launcher_for_its_port()


@pytest.mark.parametrize("listen", ["ann", "ann:", ":secret", ""])
def test_the_network_is_not_let_in_without_a_login(listen: str) -> None:
    with pytest.raises(ServingError, match="--listen USER"):
        serving._read_login(listen)


def test_what_listen_takes() -> None:
    assert serving._read_login(None) is None and serving._read_login("anyone") is None
    assert serving._read_login("ann:se:cret") == "ann:se:cret"


def test_repair_ends_the_studio_where_a_launcher_goes_on(settings: Settings, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EASEL_LAUNCHER", raising=False)
    with serve(settings, jobs, port=0) as served:
        assert httpx.post(f"{served.url}/repair").status_code == 409
        assert httpx.post(f"{served.url}/repair", headers={"Origin": "http://evil.example"}).status_code == 403
        monkeypatch.setenv("EASEL_LAUNCHER", "http://127.0.0.1:9/launch/token/handover")
        assert not served.repair_wanted
        assert httpx.post(f"{served.url}/repair").status_code == 200
        served.wait()
        assert served.repair_wanted


def test_another_computer_cannot_repair_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_LAUNCHER", "http://127.0.0.1:9/launch/token/handover")
    ended: list[bool] = []
    route = repair_routes.create_route(lambda: ended.append(True))
    for address, status in {"192.0.2.7": 403, "127.0.0.1": 200}.items():
        client = TestClient(Starlette(routes=[route]), client=(address, 5000))
        assert client.post("/repair").status_code == status
    assert ended == [True]
