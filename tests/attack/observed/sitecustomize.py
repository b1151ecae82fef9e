"""Python imports this first where its folder is on PYTHONPATH: who asks for another computer is noted and refused.

The notes go into the file that EASEL_OBSERVED names, a line each: the event, the address, what the process runs.
"""

from __future__ import annotations

import os
import sys

_OWN = (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """Python calls this before what its ``socket`` module does, also for libraries that use it from C."""
    host = _asked(event, arguments)
    if host in _OWN or (host or "").startswith("127."):
        return
    with open(os.environ["EASEL_OBSERVED"], "a", encoding="utf-8") as notes:
        notes.write(f"{event} {host} {' '.join(sys.orig_argv)[:200]!r}\n")
    raise ConnectionRefusedError(f"{host}: nothing here may ask another computer")


def _asked(event: str, arguments: tuple[object, ...]) -> str | None:
    """The computer that an event asks for; None for a file of this one, and for other events."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        return _text(arguments[0])
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        return _text(address[0]) if isinstance(address, tuple) else None
    return None


def _text(host: object) -> str | None:
    return host.decode("latin-1") if isinstance(host, bytes) else None if host is None else str(host)


sys.addaudithook(_note)
