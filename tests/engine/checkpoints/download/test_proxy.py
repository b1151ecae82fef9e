"""Downloads go through the proxy of HTTP_PROXY and HTTPS_PROXY; nothing goes past one that cannot be used."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints.download import background, hub
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.connection import open_url
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.internal_hosts import InternalHostError
from engine.checkpoints.download.network_errors import NetworkError
from engine.checkpoints.download.proxy import check_proxy, find_proxy
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import fetch
from engine.errors import DownloadError
from tests.engine.checkpoints.download.conftest import HOST, NAME, WHOLE, Server, until

SOURCES = (DownloadSource(link="https://models.example/a.safetensors"), DownloadSource(repository="somebody/model"))


class Proxy:
    """A proxy on loopback that knows where :data:`HOST` is. ``asked`` are the request lines, ``logins`` what came with them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.logins: list[str] = []
        self.port = self.to = self.status = 0


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    state = Proxy()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._note()
            if state.status:
                self.send_error(state.status)
                return
            with socket.create_connection(("127.0.0.1", state.to)) as there:
                path = self.path.split("/", 3)[3]
                kept = {name: value for name, value in self.headers.items() if not name.startswith("Proxy-")}
                lines = [f"{self.command} /{path} HTTP/1.1", *(f"{name}: {value}" for name, value in kept.items()), "", ""]
                there.sendall("\r\n".join(lines).encode())
                while piece := there.recv(65536):
                    self.wfile.write(piece)
            self.close_connection = True

        do_HEAD = do_GET

        def do_CONNECT(self) -> None:
            self._note()
            self.close_connection = True
            if state.status:
                self.send_error(state.status)
                return
            self.send_response(200)
            self.end_headers()
            with socket.create_connection(("127.0.0.1", state.to)) as there:
                back = threading.Thread(target=pump, args=(there, self.connection), daemon=True)
                back.start()
                pump(self.connection, there)
                back.join(20)

        def _note(self) -> None:
            state.asked.append(self.requestline)
            state.logins.append(self.headers.get("Proxy-Authorization", ""))

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        state.port = listening.server_port
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://me:se%20cret@127.0.0.1:{state.port}")
        monkeypatch.setenv("no_proxy", "")
        yield state
        listening.shutdown()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Carry everything from ``source`` to ``target``."""
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network whose computers cannot look names up, as behind many proxies."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **named: Any) -> list[Any]:
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.usefixtures("nameless")
def test_everything_goes_through_the_proxy(server: Server, proxy: Proxy, tmp_path: Path) -> None:
    proxy.to = server.port
    known = DownloadManager(tmp_path)
    number = known.ask([DownloadSource(link=f"http://{HOST}/{NAME}")], "A thing")
    assert until(known, background.OFFERED).total == len(WHOLE)
    server.break_after, server.breaks = 50_000, 1
    known.start(number)
    until(known, background.FINISHED)
    assert (tmp_path / NAME).read_bytes() == WHOLE and server.asked == ["", "bytes=50000-"]
    assert proxy.asked[0] == f"HEAD http://{HOST}/{NAME} HTTP/1.1" and set(proxy.logins) == {"Basic bWU6c2UgY3JldA=="}


@pytest.mark.usefixtures("nameless")
def test_a_tunnel_is_made_for_https_and_the_certificate_is_that_of_the_host(
    secure_server: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.to = secure_server.port
    link = DownloadSource(link=f"https://{HOST}/{NAME}")
    assert fetch(link, tmp_path / NAME, Control(), lambda progress: None).read_bytes() == WHOLE
    assert proxy.asked == [f"CONNECT {HOST}:443 HTTP/1.1"] and proxy.logins == ["Basic bWU6c2UgY3JldA=="]
    with pytest.raises(NetworkError, match=r"certificate of “other\.example” is not valid"):
        open_url(f"https://other.example/{NAME}", Control())
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NetworkError, match="certificate"):
        open_url(link.link, Control())


@pytest.mark.usefixtures("nameless")
def test_hosts_inside_the_network_are_asked_about_behind_a_proxy_too(
    server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in ("10.0.0.1", "[fd00::1]", "nas.local", "printer", "metadata.google.internal"):
        with pytest.raises(InternalHostError):
            open_url(f"http://{host}/{NAME}", Control())
    proxy.to = server.port
    server.redirects = {f"/{NAME}": "http://169.254.169.254/latest/meta-data"}
    with pytest.raises(InternalHostError, match=r"169\.254\.169\.254"):
        open_url(f"http://{HOST}/{NAME}", Control())
    assert len(proxy.asked) == 1
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(InternalHostError, match=r"10\.0\.0\.1"):
        open_url(f"http://{HOST}/{NAME}", Control())


@pytest.mark.usefixtures("nameless")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("status", "words"), [(407, "name and a password"), (403, "answer 403"), (502, "answer 502")])
def test_a_proxy_that_refuses_is_said(scheme: str, status: int, words: str, proxy: Proxy) -> None:
    proxy.status = status
    with pytest.raises(DownloadError, match=words):
        hub.look(DownloadSource(link=f"{scheme}://{HOST}/{NAME}"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_said(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr("engine.checkpoints.download.connection.check_proxied", lambda *_: None)
    with pytest.raises(NetworkError, match=r"The proxy cannot be used. “127\.0\.0\.1:9” refused") as raised:
        open_url(f"{scheme}://{HOST}/{NAME}", Control())
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1080", "https://127.0.0.1:3128", "http://", "http://a:99999", "http://[::1"])
def test_an_address_that_is_no_http_proxy_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", url)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(NetworkError, match=r"proxy “.*HTTPS_PROXY"):
        find_proxy("https", HOST, 443)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("models.example", HOST, 443, True), (".example", HOST, 443, True), ("models.example:8080", HOST, 443, False),
        ("other.example", HOST, 443, False), ("*", HOST, 443, True), ("::1", "::1", 443, True), ("", "::1", 443, False),
    ],
)  # fmt: skip
def test_no_proxy_is_heeded(no_proxy: str, host: str, port: int, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    found = find_proxy("https", host, port)
    assert (found is None) == direct and (found is None or (found.host, found.port) == ("proxy.example", 3128))


@pytest.fixture
def socks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the launcher's table of variables makes of ALL_PROXY=socks5://..."""
    monkeypatch.setenv("EASEL_UNUSABLE_PROXY", "socks5://proxy.example:1080")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1,::1,mirror.example")


@pytest.mark.usefixtures("socks")
@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_asked_past_a_socks_proxy(source: DownloadSource, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"socks5://proxy.example:1080.*HTTPS_PROXY.*HTTP proxy"):
        hub.look(source)
    with pytest.raises(DownloadError, match="proxy"):
        fetch(source, tmp_path / "a.safetensors", Control(), lambda progress: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("socks")
@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "mirror.example"])
def test_exceptions_of_no_proxy_hold(host: str) -> None:
    check_proxy(f"http://{host}/a.safetensors", "a.safetensors")
