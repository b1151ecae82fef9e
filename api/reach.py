"""Where Easel is found: by programs on this computer, and by other computers on its network."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from engine.errors import RequestError

_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True)
class Reach:
    """``port`` is the one that Easel listens on, ``root_path`` where a reverse proxy serves it ("" for a host of its own).
    ``on_network``: whether other computers may ask it; ``has_login``: whether they need a password or a key. ``secure_port`` is
    the one for other computers where what they send is encrypted, 0 where it is not."""

    port: int = 7860
    root_path: str = ""
    on_network: bool = False
    has_login: bool = False
    secure_port: int = 0

    @property
    def local_url(self) -> str:
        """The address for programs on this computer, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_open_to_all(self) -> bool:
        """Whether anybody on the network gets in."""
        return self.on_network and not self.has_login

    def find_network_url(self) -> str | None:
        """The address for other computers, None if there is none."""
        address = find_network_address() if self.on_network else ""
        if not address:
            return None
        return f"https://{address}:{self.secure_port}" if self.secure_port else f"http://{address}:{self.port}"


def find_network_address() -> str:
    """This computer's address on its network, "" if it has none. Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737): only the route to it is looked up
            return probe.getsockname()[0]
    except OSError:
        return ""


def read_root_path(text: str) -> str:
    """The value of ``--root-path`` without a slash at the end: "" or ``/name``. Raises RequestError."""
    path = "/" + text.strip().strip("/")
    if path == "/":
        return ""
    if not _ROOT_PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise RequestError(f"--root-path takes a path such as /studio, without spaces or other signs. It was {text!r:.100}.")
    return path
