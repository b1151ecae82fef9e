"""Imported by Python at start if its folder is on PYTHONPATH: records and refuses connections to other computers.

Each line of the file that EASEL_OBSERVED names is a record: the event, the address, the command line of the process.
"""

from __future__ import annotations

import os
import sys

_OWN = (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")


def _record(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook, which Python calls before its ``socket`` module acts, also for C libraries that use it."""
    host = _find_host(event, arguments)
    if host in _OWN or (host or "").startswith("127."):
        return
    with open(os.environ["EASEL_OBSERVED"], "a", encoding="utf-8") as notes:
        notes.write(f"{event} {host} {' '.join(sys.orig_argv)[:200]!r}\n")
    raise ConnectionRefusedError(f"{host}: this test allows no connection to another computer")


def _find_host(event: str, arguments: tuple[object, ...]) -> str | None:
    """The other computer that an event would contact; None for this computer, and for other events."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        return _text(arguments[0])
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        return _text(address[0]) if isinstance(address, tuple) else None
    return None


def _text(host: object) -> str | None:
    return host.decode("latin-1") if isinstance(host, bytes) else None if host is None else str(host)


sys.addaudithook(_record)
