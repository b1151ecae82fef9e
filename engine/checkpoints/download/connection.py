"""HTTP for downloads: hosts inside the network need the user's consent, and Cancel takes effect while a connection hangs.

Each request has its own connection, to an address that was checked or through the proxy.
"""

from __future__ import annotations

import errno
import http.client
import os
import re
import selectors
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

import truststore

from engine.checkpoints.download.control import POLL, Control, shut_down
from engine.checkpoints.download.internal_hosts import LOOKUP_TIMEOUT, Resolved, check_addresses, check_proxied, resolve
from engine.checkpoints.download.network_errors import (
    BAD_ADDRESS,
    LOST,
    NO_ANSWER,
    NO_HOST,
    NetworkError,
    describe_network_error,
    describe_status,
)
from engine.checkpoints.download.proxy import Proxy, find_proxy
from engine.errors import CancelledError, DownloadError

CONNECT_TIMEOUT = 10.0
"""Seconds for connecting to one address."""

READ_TIMEOUT = 30.0
"""Seconds without data after which a connection counts as lost."""

ANSWER_TIMEOUT = 60.0
"""Seconds for the whole header of a response, however slowly it arrives."""

MAX_REDIRECTS = 10

MAX_LENGTH = 8192
"""The most characters of a link; servers refuse longer ones."""

HEADERS: Mapping[str, str] = {"User-Agent": "easel", "Accept-Encoding": "identity"}

_NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors of a computer without IPv6 for an IPv6 address: the error of another address says more."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE = "%/:=&?~#+!$,;'@()*[]|"
"""Characters of a path that are not percent-encoded; what is encoded already stays so."""


@dataclass(frozen=True, kw_only=True)
class WebAddress:
    """The parts of an http or https link. ``target`` is path and query, percent-encoded for the request line."""

    url: str
    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port; a token is only sent to the same origin."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """Host, and the port unless it is the scheme's default, as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host.encode("idna").decode()
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str, base: str = "") -> WebAddress:
    """The parts of ``url``, which may be relative to ``base``. Raises NetworkError unless it is an http or https link without a
    user name."""
    try:
        url = urllib.parse.urljoin(base, url)
        if len(url) > MAX_LENGTH:
            raise ValueError(url)
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme not in _DEFAULT_PORTS or not host or port == 0:
            raise ValueError(url)
        target = urllib.parse.quote(urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")), safe=_SAFE)
        found = WebAddress(url=url, scheme=parts.scheme, host=host, port=port or _DEFAULT_PORTS[parts.scheme], target=target)
        found.netloc.encode("ascii")
    except ValueError as error:
        raise BAD_ADDRESS.describe(url[:200]) from error
    if "@" in parts.netloc:
        raise NetworkError("The link holds a user name or a password, which Easel does not send. Remove the part before the “@”.")
    return found


class Response:
    """A response whose body is read in pieces. Close it, or use it in a ``with`` block.

    ``url`` and ``host`` are those after redirects.
    """

    def __init__(self, answer: http.client.HTTPResponse, address: WebAddress, connection: _Connection) -> None:
        self._answer, self._connection = answer, connection
        self.url, self.host, self.status, self.headers = address.url, address.host, answer.status, answer.headers

    @property
    def length(self) -> int | None:
        """Content-Length in bytes; None if the server does not send it."""
        declared = self.headers.get("Content-Length", "").strip()
        is_certain = re.fullmatch(r"[0-9]{1,18}", declared) and not self._answer.chunked
        return int(declared) if is_certain else None

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes as soon as some have arrived, b"" at the end. Raises NetworkError."""
        with _translate_errors(self.host):
            try:
                return self._answer.read1(limit)
            except TimeoutError as error:
                raise LOST.describe(self.host) from error

    def read_all(self, limit: int) -> bytes:
        """The whole body. Raises NetworkError, also if it has more than ``limit`` bytes."""
        body = bytearray()
        while piece := self.read(limit):
            body += piece
            if len(body) > limit:
                raise NetworkError(f"“{self.host}” sends an endless answer. Try another source.")
        if self.length is not None and len(body) < self.length:
            raise LOST.describe(self.host)
        return bytes(body)

    def raise_for_status(self, name: str) -> None:
        """Raises NetworkError unless the status is a success; ``name`` is what was requested."""
        if self.status not in (200, 206):
            raise describe_status(self.status, self.host, name)

    def close(self) -> None:
        """End the connection."""
        self._answer.close()
        self._connection.release()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_url(
    url: str, control: Control, *, method: str = "GET", headers: Mapping[str, str] | None = None, token: str = ""
) -> Response:
    """The response of ``url``, whatever its status, after redirects. ``token`` is only sent to the first host.

    Raises NetworkError, InternalHostError for a host inside the network that the user was not asked about, CancelledError.
    """
    address = first = parse_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        bearer = {"Authorization": f"Bearer {token}"} if token and address.origin == first.origin else {}
        response = _request(address, control, method, {**HEADERS, **(headers or {}), **bearer})
        location = response.headers.get("Location", "") if response.status in _REDIRECTS else ""
        if not location:
            return response
        response.close()
        address = parse_url(location, address.url)
    raise NetworkError(f"“{first.host}” redirects the link in a circle. Copy the link again from its page.")


def _request(address: WebAddress, control: Control, method: str, headers: Mapping[str, str]) -> Response:
    with _translate_errors(address.host):
        connection = _Connection(address, control)
    try:
        with _translate_errors(address.host), connection.limit_time():
            proxy = connection.proxy if address.scheme == "http" else None
            target = f"http://{address.netloc}{address.target}" if proxy else address.target
            sent = {"Host": address.netloc, "Connection": "close", **headers, **(proxy.headers if proxy else {})}
            connection.request(method, target, headers=sent)
            return Response(connection.getresponse(), address, connection)
    except BaseException:
        connection.release()
        control.raise_if_cancelled()
        raise


class _Connection(http.client.HTTPConnection):
    """The connection of one request, which ``control`` can shut down."""

    def __init__(self, address: WebAddress, control: Control) -> None:
        super().__init__(address.host, address.port, timeout=READ_TIMEOUT)
        self._address, self._control = address, control
        self._handle: socket.socket | None = None
        self._is_late = False
        self.proxy = find_proxy(*address.origin)

    def connect(self) -> None:
        """Connect, through the proxy if there is one, and start TLS. Raises OSError, DownloadError, CancelledError."""
        address = self._address
        if self.proxy is None:
            found = resolve(address.host, address.port, self._control, LOOKUP_TIMEOUT)
            check_addresses(address.host, address.port, (str(each[4][0]) for each in found), self._control)
            self.sock = self._dial(found)
        else:
            check_proxied(address.host, address.port, self._control)
            self._connect_proxy(self.proxy)
        if address.scheme == "https":
            self.sock = _create_tls_context().wrap_socket(self.sock, server_hostname=address.host)

    def release(self) -> None:
        """Close the connection. (http.client itself calls ``close`` while the body is still to be read.)"""
        if self._handle is not None:
            self._control.detach(self._handle)
            self._handle.close()
            self._handle = None
        self.close()

    @contextmanager
    def limit_time(self) -> Generator[None]:
        """Shuts the connection down if the block takes longer than :data:`ANSWER_TIMEOUT`, and raises NetworkError."""
        timer = threading.Timer(ANSWER_TIMEOUT, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            if self._is_late:
                raise NO_ANSWER.describe(self._address.host) from error
            raise
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self._is_late = True
        if (handle := self._handle) is not None:
            shut_down(handle)

    def _dial(self, found: list[Resolved]) -> socket.socket:
        """A connection to the first address that answers. Raises OSError, NetworkError, CancelledError."""
        failure: OSError | None = None
        for each in found:
            try:
                connected = _connect(each, self._control)
            except OSError as error:
                failure = error if failure is None or failure.errno in _NO_ROUTE else failure
                if self._is_late:
                    break
                continue
            self._handle = connected.dup()  # remains valid when TLS detaches the socket
            self._control.attach(self._handle)
            if self._is_late:
                self._give_up()
            return connected
        raise failure or NO_HOST.describe(self._address.host)

    def _connect_proxy(self, proxy: Proxy) -> None:
        try:
            self.sock = self._dial(resolve(proxy.host, proxy.port, self._control, LOOKUP_TIMEOUT))
            if self._address.scheme == "https":
                self._open_tunnel(self.sock, proxy)
        except (OSError, http.client.HTTPException) as error:
            why = describe_network_error(error, f"{proxy.host}:{proxy.port}")
            raise NetworkError(f"The proxy cannot be used. {why}", is_temporary=why.is_temporary) from error

    def _open_tunnel(self, connected: socket.socket, proxy: Proxy) -> None:
        """Open a tunnel through ``proxy`` with CONNECT. Raises OSError, HTTPException, NetworkError."""
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host.encode("idna").decode()
        lines = [f"CONNECT {host}:{self._address.port} HTTP/1.1", f"Host: {host}:{self._address.port}"]
        lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
        connected.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        answer = http.client.HTTPResponse(connected, method="CONNECT")
        try:
            answer.begin()
        finally:
            answer.close()
        if answer.status == 407:
            raise describe_status(407, proxy.host, "")
        if answer.status != 200:
            raise NetworkError(
                f"The proxy “{proxy.host}” does not connect to “{self._address.host}” (answer {answer.status}). Check the link, "
                "or ask whoever runs the proxy.",
                is_temporary=answer.status >= 500,
            )


def _connect(found: Resolved, control: Control) -> socket.socket:
    """A connection to one address. Raises OSError, CancelledError."""
    family, kind, protocol, _, where = found
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)
        code = connecting.connect_ex(where)
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            _wait_for(connecting, control)
            code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        connecting.settimeout(READ_TIMEOUT)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _wait_for(connecting: socket.socket, control: Control) -> None:
    """Wait until a connection is established or has failed. Raises TimeoutError, CancelledError."""
    with selectors.DefaultSelector() as selector:
        selector.register(connecting, selectors.EVENT_WRITE)
        for _ in range(round(CONNECT_TIMEOUT / POLL)):
            if selector.select(POLL):
                return
            control.raise_if_cancelled()
    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _create_tls_context() -> ssl.SSLContext:
    """Trusts the system's certificates, or those in SSL_CERT_FILE or SSL_CERT_DIR."""
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context()
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def _translate_errors(host: str) -> Generator[None]:
    """Raises exceptions of the block as NetworkError about ``host``, except those that are sentences already."""
    try:
        yield
    except (DownloadError, CancelledError):
        raise
    except Exception as error:
        raise describe_network_error(error, host) from error
