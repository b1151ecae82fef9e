"""Explains network errors in one sentence: every exception of a connection becomes a :class:`NetworkError`."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import DownloadError

LATER = "Try again later."


class NetworkError(DownloadError):
    """A host could not be reached, or did not send what was requested. ``is_temporary``: an immediate retry may help."""

    kind = DownloadError.kind

    def __init__(self, message: str, *, is_temporary: bool = False) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary


@dataclass(frozen=True)
class Cause:
    """A cause and its sentence, with placeholders ``host`` and ``reason``, the system's message."""

    sentence: str
    is_temporary: bool = False

    def describe(self, host: str, reason: str = "") -> NetworkError:
        """The exception to raise."""
        return NetworkError(self.sentence.format(host=host, reason=reason), is_temporary=self.is_temporary)


OFFLINE = Cause(
    "This computer seems to be offline: there is no route to “{host}”. Connect to the internet, then try again.",
    is_temporary=True,
)
NO_LOOKUP = Cause(
    "The name “{host}” could not be looked up: this computer seems to be offline, or its name server (DNS) does not answer. "
    "Check the connection, then try again."
)
NO_HOST = Cause("There is no host “{host}”, or this computer is offline. Check the connection and the link, then try again.")
BAD_ADDRESS = Cause("“{host}” is not a valid address. Copy the link again from its page.")
REFUSED = Cause("“{host}” refused the connection: no server runs there at the moment. Try again later.", is_temporary=True)
UNREACHABLE = Cause("“{host}” cannot be reached from this network. Check the connection, or try again later.", is_temporary=True)
NO_ANSWER = Cause("“{host}” does not answer. Check the connection, or try again later.", is_temporary=True)
CERTIFICATE = Cause(
    "The certificate of “{host}” is not valid ({reason}), so nothing was downloaded. Check the date of this computer. If your "
    "network inspects connections, set SSL_CERT_FILE to the file of its certificate and start Easel again."
)
NOT_SECURE = Cause("No secure connection to “{host}” could be made ({reason}). Check the link, or try again later.")
LOST = Cause("The connection to “{host}” was lost in the middle. Check the network, then try again.", is_temporary=True)
NOT_HTTP = Cause("“{host}” does not answer like a web server ({reason}). Check the link, or try again later.", is_temporary=True)
NOT_PERMITTED = Cause("This computer does not let Easel connect to “{host}” ({reason}). Check its firewall, then try again.")
EXHAUSTED = Cause("This computer has no resources left for a connection ({reason}). Close other programs, then try again.")
UNEXPECTED = Cause("The connection to “{host}” failed ({reason}). Check the network, then try again.", is_temporary=True)

_CAUSES_BY_ERRNO = {
    OFFLINE: ("ENETUNREACH", "ENETDOWN", "ENONET", "EADDRNOTAVAIL", "WSAENETUNREACH", "WSAENETDOWN", "WSAEADDRNOTAVAIL"),
    UNREACHABLE: ("EHOSTUNREACH", "EHOSTDOWN", "WSAEHOSTUNREACH", "WSAEHOSTDOWN"),
    REFUSED: ("ECONNREFUSED", "WSAECONNREFUSED"),
    NO_ANSWER: ("ETIMEDOUT", "WSAETIMEDOUT"),
    NOT_PERMITTED: ("EACCES", "EPERM", "WSAEACCES"),
    EXHAUSTED: ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "WSAEMFILE", "WSAENOBUFS"),
    LOST: (
        "ECONNRESET", "ECONNABORTED", "EPIPE", "ENETRESET", "ENOTCONN", "ESHUTDOWN", "WSAECONNRESET", "WSAECONNABORTED",
        "WSAENETRESET", "WSAENOTCONN", "WSAESHUTDOWN",
    ),
}  # fmt: skip
_NUMBERS = {name: number for number, name in errno.errorcode.items()}
_BY_ERRNO = {_NUMBERS[name]: cause for cause, names in _CAUSES_BY_ERRNO.items() for name in names if name in _NUMBERS}

_NO_SUCH_NAME = {socket.EAI_NONAME, vars(socket).get("EAI_NODATA", socket.EAI_NONAME)}
"""Codes of getaddrinfo for a name that does not exist; all others mean that no name server answered."""

_BY_TYPE: tuple[tuple[type[BaseException], Cause], ...] = (
    (ssl.SSLCertVerificationError, CERTIFICATE),
    (ssl.SSLEOFError, LOST),
    (ssl.SSLZeroReturnError, LOST),
    (ssl.SSLError, NOT_SECURE),
    (socket.herror, NO_HOST),
    (TimeoutError, NO_ANSWER),
    (ConnectionRefusedError, REFUSED),
    (http.client.RemoteDisconnected, LOST),
    (ConnectionError, LOST),
    (http.client.IncompleteRead, LOST),
    (http.client.InvalidURL, BAD_ADDRESS),
    (http.client.HTTPException, NOT_HTTP),
    (UnicodeError, BAD_ADDRESS),
    (ValueError, BAD_ADDRESS),
)
"""Type of exception -> cause; the first match wins. Subclasses come before their base classes."""


def describe_network_error(error: BaseException, host: str) -> NetworkError:
    """``error``, or the first of its causes that says more, as a sentence about ``host``."""
    for each in _walk_chain(error):
        if (cause := _find_cause(each)) is not None:
            return cause.describe(host, _find_reason(each))
    return UNEXPECTED.describe(host, name_error(error))


def name_error(error: BaseException) -> str:
    """The type of ``error`` and its message, if it has a printable one."""
    try:
        said = str(error)
    except Exception:  # some classes raise in __str__
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def describe_status(status: int, host: str, name: str) -> NetworkError:
    """The error for an unsuccessful HTTP ``status`` of ``host`` for ``name``."""
    if status in (401, 403):
        return NetworkError(
            f"“{host}” gives “{name}” only to people who log in there (answer {status}). Download it with a browser and put it "
            "into “models”."
        )
    if status in (404, 410):
        return NetworkError(f"“{host}” does not have “{name}” any more (answer {status}). Check the link, or try another source.")
    if status == 407:
        return NetworkError("The proxy wants a name and a password (answer 407). Set them in HTTPS_PROXY and start Easel again.")
    if status in (408, 425, 429):
        return NetworkError(f"“{host}” is too busy for “{name}” (answer {status}). {LATER}", is_temporary=True)
    if status >= 500:
        return NetworkError(f"“{host}” reports an error of its own for “{name}” (answer {status}). {LATER}", is_temporary=True)
    return NetworkError(f"“{host}” refuses to send “{name}” (answer {status}). Check the link, or try another source.")


def describe_gated(page: str) -> NetworkError:
    """The error for a hub that requires a login; ``page`` is where the user can accept the licence."""
    return NetworkError(
        f"This checkpoint is gated: accept its licence on {page} with your hub account, then log in with “hf auth login” "
        "or set the variable HF_TOKEN, and download again."
    )


def _walk_chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _find_cause(error: BaseException) -> Cause | None:
    if isinstance(error, socket.gaierror):
        return NO_HOST if error.errno in _NO_SUCH_NAME else NO_LOOKUP
    by_type = next((cause for kind, cause in _BY_TYPE if isinstance(error, kind)), None)
    if by_type is None and isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    return by_type


def _find_reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.__dict__.get("verify_message") or "unknown issuer")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return name_error(error)
