"""Every exception of a connection ends in a sentence that names the right cause, wherever it is raised."""

from __future__ import annotations

import builtins
import errno
import http.client
import importlib
import inspect
import os
import socket
import ssl
import threading
import urllib.error
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from engine.checkpoints.download import background, connection, hub, part_file
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.connection import open_url
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.network_errors import NetworkError, describe_network_error, describe_status
from engine.checkpoints.download.sources import DownloadSource
from engine.errors import DownloadError
from tests.engine.checkpoints.download.conftest import Server, get, until

LIBRARIES = (
    "socket", "ssl", "http.client", "urllib.error", "zlib", "select", "h11", "httpcore", "httpx", "httpcore2", "httpx2",
    "huggingface_hub.errors", "urllib3.exceptions", "requests.exceptions", "truststore", "idna",
)  # fmt: skip
"""Libraries that speak to the network, those that only other parts of Easel use as well."""

LINK = DownloadSource(link="http://models.example/a.safetensors")


def exception_classes() -> Iterator[type[Exception]]:
    """Every exception class that a library makes public, and the OSErrors of Python itself."""
    found: dict[type[Exception], None] = {}
    for name in LIBRARIES:
        for _, each in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(each, Exception):
                found[each] = None
    found.update({each: None for each in vars(builtins).values() if inspect.isclass(each) and issubclass(each, OSError)})
    yield from found


def make(kind: type[Exception]) -> Exception:
    """One of ``kind``, where its constructor asks for more than a reason without the rest."""
    if issubclass(kind, urllib.error.HTTPError):
        return kind("http://models.example", 500, "a reason", Message(), None)
    try:
        return kind("a reason")
    except (TypeError, AttributeError):
        made = kind.__new__(kind)
        made.args = ("a reason",)
        return made


CLASSES = [*exception_classes()]


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let every lookup of a host raise ``error``."""

    def getaddrinfo(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_the_libraries_are_walked() -> None:
    names = {kind.__name__ for kind in CLASSES}
    assert len(CLASSES) > 100
    assert names >= {
        "ConnectTimeout",
        "RemoteProtocolError",
        "SSLCertVerificationError",
        "gaierror",
        "LocalProtocolError",
        "HfHubHTTPError",
    }


def test_no_exception_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in CLASSES:
        fail_with(monkeypatch, make(kind))
        with pytest.raises(NetworkError, match=r"“models\.example”") as raised:
            hub.look(LINK)
        assert str(raised.value).endswith("."), kind


def test_no_exception_in_the_middle_of_a_body_escapes(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_file, "TRIES", 1)
    for kind in CLASSES:
        error = make(kind)

        def read1(answer: http.client.HTTPResponse, limit: int = -1, error: Exception = error) -> bytes:
            raise error

        monkeypatch.setattr(http.client.HTTPResponse, "read1", read1)
        with pytest.raises(NetworkError):
            get(server, tmp_path)
        assert not list(tmp_path.glob("*.safetensors"))


def test_a_download_always_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = DownloadManager(tmp_path)
    for kind in CLASSES:
        fail_with(monkeypatch, make(kind))
        known.ask([LINK, LINK], "A thing")
        assert until(known, background.FAILED).said
    assert not known.busy


def test_every_number_of_the_system_is_a_sentence() -> None:
    for code in errno.errorcode:
        said = str(describe_network_error(OSError(code, os.strerror(code)), "models.example"))
        assert said.endswith(".") and ("“models.example”" in said or "no resources" in said), code


CAUSES: tuple[tuple[Exception, str], ...] = (
    (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "offline"),
    (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"), "offline"),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "There is no host"),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), "offline"),
    (OSError(errno.ENETDOWN, "Network is down"), "offline"),
    (OSError(errno.EHOSTUNREACH, "No route to host"), "cannot be reached"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "refused the connection"),
    (TimeoutError(), "does not answer"),
    (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "does not answer"),
    (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "lost in the middle"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), "lost in the middle"),
    (http.client.RemoteDisconnected("closed"), "lost in the middle"),
    (http.client.IncompleteRead(b""), "lost in the middle"),
    (ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred"), "lost in the middle"),
    (ssl.SSLCertVerificationError(1, "certificate verify failed"), "certificate"),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "No secure connection"),
    (http.client.BadStatusLine("SSH-2.0"), "does not answer like a web server"),
    (http.client.LineTooLong("header"), "does not answer like a web server"),
    (http.client.InvalidURL("a b"), "not a valid address"),
    (UnicodeError("label too long"), "not a valid address"),
    (PermissionError(errno.EPERM, "Operation not permitted"), "firewall"),
    (OSError(errno.EMFILE, "Too many open files"), "no resources left"),
)


@pytest.mark.parametrize(("error", "words"), CAUSES, ids=lambda value: value if isinstance(value, str) else type(value).__name__)
def test_the_cause_is_the_right_one(error: Exception, words: str) -> None:
    assert words in str(describe_network_error(error, "models.example"))


@pytest.mark.parametrize("wrap", ["cause", "context"])
def test_the_cause_is_found_behind_a_librarys_own_exception(wrap: str) -> None:
    outer = RuntimeError("could not connect")
    outer.__cause__ = ConnectionRefusedError() if wrap == "cause" else None
    outer.__context__ = ConnectionRefusedError()
    outer.__context__.__context__ = outer
    assert "refused" in str(describe_network_error(outer, "models.example"))
    assert "HTTPError" in str(describe_network_error(make(urllib.error.HTTPError), "models.example"))


def test_every_status_is_said_with_its_number(server: Server) -> None:
    for status in (*range(201, 206), 207, 208, 300, 304, *range(400, 432), 451, *range(500, 512), 599, 999):
        server.status = server.head_status = status
        with pytest.raises(DownloadError, match=str(status)):
            hub.look(DownloadSource(link=server.url), control=server.agreed())
        assert describe_status(status, "a", "b").is_temporary == (status >= 500 or status in (408, 425, 429))


def test_a_host_is_reached_at_any_of_its_addresses(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where IPv6 is off, or an address is of a kind that this computer does not know."""
    dead = [
        (socket.AF_INET6, ("::1", 9, 0, 0)), (socket.AF_INET, ("127.0.0.1", 9)), (9999, ("127.0.0.1", 9)),
        (socket.AF_INET6, ("2001:db8::1", 9, 0, 0)),
    ]  # fmt: skip
    found = [(family, socket.SOCK_STREAM, 0, "", where) for family, where in dead]
    alive = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    control = Control([("models.example", 80)])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [*found, alive])
    assert open_url(LINK.link, control).status == 200
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:2])
    with pytest.raises(NetworkError, match="refused"):
        open_url(LINK.link, control)


def test_a_name_server_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(connection, "LOOKUP_TIMEOUT", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(20))
    with pytest.raises(NetworkError, match="does not answer"):
        open_url(LINK.link, Control())
    never.set()
