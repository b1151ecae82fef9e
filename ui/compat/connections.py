"""Connections that uvicorn's own protocol would keep for ever, or that the process has no room for.

uvicorn waits without an end for the rest of a request, and asyncio reports every connection that it has no file left for.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 20.0
"""Seconds in which the head of a request has to be there, and each part of its body."""

LEAST_BODY = 2**14
"""Bytes of a body that have to come in so many seconds, while they are read."""

MOST = 2000
"""Connections that are kept at the same time where the system allows so many."""

RESERVED_FILES = 24
"""Files that stay free for everything but connections."""

REPORT_SECONDS = 60.0
"""How often a lack of room is reported at most."""

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"


HEAD, BODY = "head", "body"
_AWAITED = {"IDLE": HEAD, "SEND_BODY": BODY}
"""What h11 says of a connection's other end -> what is waited for. In all other states a request is being answered."""


class Room:
    """How many connections may be open, and the report that there are no more."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._reported = -REPORT_SECONDS

    def report(self) -> None:
        """One line, and then none for a while."""
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS:
            print(
                f"More than {self.most} connections are open, so Easel turns further ones away until some close. Close pages "
                "that are not needed, or allow more open files (ulimit -n).",
                flush=True,
            )
            self._reported = now

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let connections that ``loop`` could not accept be one line; everything else is reported as before."""
        before = loop.get_exception_handler() or _report_by_default

        def handle_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                self.report()
            elif isinstance(error, ValueError) and "_start_serving" in repr(context.get("handle")):
                pass  # asyncio accepts again a second later, also where the server was closed meanwhile
            else:
                before(loop, context)

        loop.set_exception_handler(handle_error)


def _report_by_default(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    loop.default_exception_handler(context)


class PatientProtocol(H11Protocol):
    """uvicorn's, which ends requests that do not come on, and turns connections away for which there is no room."""

    room = Room()
    _timer: asyncio.TimerHandle | None = None
    _awaited = ""
    _arrived = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.room.most:
            self.room.report()
            transport.write(_BUSY)
            transport.close()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._arrived += len(data)
        super().data_received(data)
        if self.transport.get_protocol() is self:  # and not that of a WebSocket by now
            self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Wait from now on for the head or the body, unless that is waited for already."""
        awaited = _AWAITED.get(self.conn.their_state.__name__, "")
        if awaited != self._awaited:
            self._stop()
            if awaited:
                self._start(awaited)

    def _start(self, awaited: str) -> None:
        self._awaited, self._arrived = awaited, 0
        self._timer = self.loop.call_later(PATIENCE, self._look)

    def _stop(self) -> None:
        self._awaited = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """The time is over. A body that comes on, or that the page is slow to take, may go on."""
        if self._awaited == BODY and (self._arrived >= LEAST_BODY or self.flow.read_paused):
            self._start(BODY)
            return
        answering = self.cycle and self.cycle.response_started and not self.cycle.response_complete
        if (self._arrived or self._awaited == BODY) and not answering:
            self.transport.write(_TIMEOUT)
        self.transport.close()


@dataclass(frozen=True)
class SecureListener:
    """A bound socket on which everything is encrypted, as ``context`` says."""

    socket: socket.socket
    context: ssl.SSLContext


class PatientServer(uvicorn.Server):
    """uvicorn's, whose event loop reports a lack of room in one line, and which may listen with and without TLS at once: its own
    configuration knows one kind of listener."""

    def __init__(self, config: uvicorn.Config, secure: SecureListener | None = None) -> None:
        super().__init__(config)
        self._secure = secure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        PatientProtocol.room.most = allow_connections()
        await super().startup(sockets)
        loop, secure = asyncio.get_running_loop(), self._secure
        if secure is not None:
            backlog = self.config.backlog
            server = await loop.create_server(self._create_protocol, sock=secure.socket, ssl=secure.context, backlog=backlog)
            self.servers.append(server)
        PatientProtocol.room.watch(loop)

    def _create_protocol(self) -> PatientProtocol:
        return PatientProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def allow_connections() -> int:
    """How many connections there is room for, after this process has asked for as many open files as it may have."""
    if sys.platform == "win32":
        return MOST
    import resource

    import psutil

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST
    return max(4, min(MOST, soft - psutil.Process().num_fds() - RESERVED_FILES))
