"""The door and the images, over real HTTP."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.records.images.thumbnails import SCREEN, Thumbnails
from ui.image_folders import ImageFolders
from ui.server import body_budget, image_routes
from ui.server.body_budget import UPLOAD_LIMIT
from ui.server.request_guard import RequestGuard

PNG = b"\x89PNG\r\n\x1a\n picture"
SECRET = b"not for other eyes"


async def inside(request: Request) -> Response:
    body = await request.body()
    kinds = {"svg": "image/svg+xml", "html": "text/html; charset=utf-8", "png": "image/png"}
    return Response(body or b"inside", media_type=kinds.get(request.url.path.rsplit(".", 1)[-1], "text/plain"))


class Served:
    """A small page behind the door on a real port."""

    def __init__(self, folder: Path, login: str | None = None, open_to_network: bool = False) -> None:
        thumbnails = Thumbnails(folder.parent / "thumbnails")
        images = ImageFolders(folder).find
        small = image_routes.create_thumbnails_route(images, thumbnails)
        reduced = image_routes.create_thumbnails_route(images, thumbnails, image_routes.REDUCED, SCREEN)
        app = Starlette(
            routes=[
                image_routes.create_route(images),
                small,
                reduced,
                Route("/{path:path}", inside, methods=["GET", "POST"]),
            ]
        )
        door = RequestGuard(app, login=login, open_to_network=open_to_network)
        self._server = uvicorn.Server(uvicorn.Config(door, log_level="error"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def ask(
        self, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers (lower-case) of one request; header names with _ for -. The path is sent as it is."""
        sent = {"Host": f"127.0.0.1:{self.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in sent:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            return reply.status, reply.read(), {name.lower(): value for name, value in reply.getheaders()}
        finally:
            connection.close()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    around = tmp_path_factory.mktemp("around")
    folder = around / "outputs"
    (folder / "day").mkdir(parents=True)
    (folder / "day" / "a b.png").write_bytes(PNG)
    (folder / "day" / "x.svg").write_bytes(b"<svg onload='alert(1)'/>")
    (folder / "day" / "x.html").write_bytes(b"<script>alert(1)</script>")
    (folder / "day" / "x.txt").write_bytes(SECRET)
    (around / "secret.png").write_bytes(SECRET)
    (folder / "out.png").symlink_to(around / "secret.png")
    (folder / "up").symlink_to(around)
    (folder / "in.png").symlink_to(folder / "day" / "a b.png")
    return folder


@pytest.fixture(scope="module")
def page(outputs: Path) -> Iterator[Served]:
    with Served(outputs) as served:
        yield served


def test_the_page_itself_comes_in(page: Served) -> None:
    own = f"http://127.0.0.1:{page.port}"
    assert page.ask()[:2] == (200, b"inside")
    assert page.ask(Origin=own, Sec_Fetch_Site="same-origin")[0] == 200
    assert page.ask(method="POST", body=b"x", Origin=own)[0] == 200
    assert page.ask(Host=f"localhost:{page.port}")[0] == 200
    assert page.ask(Host=f"[::1]:{page.port}")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:7860", "192.168.0.7:7860", "", "localhost.evil"]
)
def test_a_name_that_somebody_else_points_here_is_refused(page: Served, host: str) -> None:
    assert page.ask(Host=host)[0] in (400, 403)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil.example", "file://"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_elsewhere_is_refused(page: Served, origin: str, method: str) -> None:
    assert page.ask("/gradio_api/queue/join", method, b"{}", Origin=origin)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_plain_get_from_elsewhere_is_refused(page: Served, site: str) -> None:
    for path in ("/", "/pictures/day/a%20b.png", "/config"):
        assert page.ask(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest="image")[0] == 403


def test_a_link_elsewhere_may_open_the_front_page_but_no_frame_and_no_picture(page: Served) -> None:
    opened = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert page.ask("/", Sec_Fetch_Dest="document", **opened)[0] == 200
    assert page.ask("/", Sec_Fetch_Dest="iframe", **opened)[0] == 403
    assert page.ask("/", "POST", b"", Sec_Fetch_Dest="document", **opened)[0] == 403
    assert page.ask("/pictures/day/a%20b.png", Sec_Fetch_Dest="document", **opened)[0] == 403


def test_the_road_to_other_hosts_is_closed(page: Served) -> None:
    assert page.ask("/gradio_api/proxy=https://evil.example/x")[0] == 403


def test_every_answer_keeps_the_browser_at_home(page: Served) -> None:
    for path in ("/", "/pictures/none.png"):
        headers = page.ask(path)[2]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_files_that_a_browser_would_run_are_downloads(page: Served, kind: str) -> None:
    for road in ("/gradio_api/file=/tmp/x.", "/file=/tmp/x."):
        headers = page.ask(road + kind)[2]
        assert headers["content-type"] == "application/octet-stream" and headers["content-disposition"] == "attachment"
    assert page.ask("/gradio_api/file=/tmp/x.png")[2]["content-type"] == "image/png"


def test_what_is_too_large_is_refused_before_it_is_read(page: Served) -> None:
    status, said, _ = page.ask("/gradio_api/upload", "POST", b"", Content_Length=str(UPLOAD_LIMIT + 1))
    assert status == 413 and b"MB" in said


@pytest.mark.parametrize(("pieces", "answered"), [(1, True), (40, False)])
def test_what_does_not_say_how_large_it_is_ends_where_it_grows_too_large(
    page: Served, pieces: int, answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_budget, "UPLOAD_LIMIT", 1_000_000)
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request(
            "POST",
            "/gradio_api/upload",
            body=iter([b"x" * 65_536] * pieces),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        reply = connection.getresponse()
        assert (reply.status == 200) is answered and len(reply.read()) < 100_000
        return
    assert not answered, "cut off"


def test_a_login_is_asked_for_and_honoured(outputs: Path) -> None:
    with Served(outputs, login="ann:se:cret") as page:
        for path in ("/", "/pictures/day/a%20b.png", "/config"):
            status, _, headers = page.ask(path)
            assert status == 401 and headers["www-authenticate"].startswith("Basic")
        assert page.ask(Authorization="Basic YW5uOndyb25n")[0] == 401
        assert page.ask(Authorization="Basic é")[0] in (400, 401)
        assert page.ask(Authorization="Basic YW5uOnNlOmNyZXQ=")[0] == 200


def test_the_network_comes_in_by_address_or_by_this_machines_name_alone(outputs: Path) -> None:
    with Served(outputs, open_to_network=True) as page:
        assert page.ask(Host="192.168.0.7:7860")[0] == 200
        assert page.ask(Host="[fe80::1]:7860")[0] == 200
        assert page.ask(Host=f"{socket.gethostname()}:7860")[0] == 200
        assert page.ask(Host="evil.example:7860")[0] == 403


def test_a_picture_is_served_as_what_it_is(page: Served) -> None:
    status, body, headers = page.ask("/pictures/day/a%20b.png")
    assert (status, body, headers["content-type"]) == (200, PNG, "image/png")
    assert page.ask("/pictures/in.png")[1] == PNG


@pytest.mark.parametrize(
    "path",
    [
        "day/x.svg", "day/x.html", "day/x.txt", "day", "day/", "", "none.png",
        "../secret.png", "day/../../secret.png", "%2e%2e/secret.png", "%2e%2e%2fsecret.png", "..%2fsecret.png", "..%5csecret.png",
        "..\\secret.png", "day\\..\\..\\secret.png", "....//secret.png", "./day/a%20b.png", "day//a%20b.png",
        "%252e%252e/secret.png",
        "/etc/hostname", "%2fetc%2fhostname", "//etc/hostname", "C:/secret.png", "C:%5csecret.png", "%5c%5chost%5cshare%5cx.png",
        "day/a%20b.png::$DATA", "day/x.txt%00.png", "out.png", "up/secret.png", "day/a%20b.png/", "CON.png",
    ],
)  # fmt: skip
def test_nothing_but_pictures_inside_the_outputs_is_served(page: Served, path: str) -> None:
    for road in ("/pictures/", "/thumbnails/", "/reduced/"):
        status, body, _ = page.ask(road + path)
        assert status == 404 and SECRET not in body and PNG not in body


def test_the_address_of_a_picture_leads_to_it(outputs: Path, page: Served) -> None:
    picture = outputs / "day" / "a b.png"
    assert page.ask(image_routes.locate_path(outputs, picture))[1] == PNG
