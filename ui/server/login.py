"""HTTP basic authentication, and rate limiting of wrong logins."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

GUESSES = 10
WINDOW = 60.0
"""The number of wrong logins allowed within so many seconds; after that the address is locked out."""

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
"""Seconds of the first and of the longest lockout. Each lasts twice as long as the last one, reset by an hour without any."""

ADDRESSES = 4096
"""The most addresses that are remembered; beyond that the one with the oldest wrong login is dropped."""


@dataclass
class _Guesses:
    """The wrong logins of one address: when they happened, until when it is locked out, and how long the next lockout lasts."""

    times: deque[float] = field(default_factory=deque[float])
    until: float = 0.0
    pause: float = FIRST_PAUSE


class Brake:
    """Counts wrong logins per address; per /64 network for IPv6, since one computer can use all of its addresses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Guesses] = OrderedDict()

    def seconds_left(self, address: str) -> float:
        """Seconds until the address may try again; 0 if it may now."""
        known = self._known.get(_find_network(address))
        return max(0.0, known.until - self._clock()) if known else 0.0

    def count_wrong(self, address: str) -> None:
        """Record a wrong login."""
        network, now = _find_network(address), self._clock()
        known = self._known.setdefault(network, _Guesses())
        self._known.move_to_end(network)
        while len(self._known) > ADDRESSES:
            self._known.popitem(last=False)
        if now - known.until > LONGEST_PAUSE:
            known.pause = FIRST_PAUSE
        known.times.append(now)
        while now - known.times[0] > WINDOW:
            known.times.popleft()
        if len(known.times) >= GUESSES:
            known.times.clear()
            known.until, known.pause = now + known.pause, min(2 * known.pause, LONGEST_PAUSE)


def is_loopback(address: str) -> bool:
    """Whether an address is a loopback address."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_loopback


def has_login(authorization: str, login: str, is_key: Callable[[str], bool] = lambda secret: False) -> bool:
    """Whether an Authorization header carries ``login`` (``user:password``): Basic with both, or Bearer with the password.

    In the place of the password a key is as good, with any user. Compares in constant time.
    """
    user, _, password = login.partition(":")
    scheme, _, value = authorization.partition(" ")
    if scheme.casefold() == "bearer":
        return _is_same(value, password) or is_key(value)
    if scheme.casefold() != "basic":
        return False
    given_user, given = _read_basic(value)
    return (_is_same(given_user, user) & _is_same(given, password)) or is_key(given)


def _read_basic(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8", "surrogateescape").partition(":")
    except ValueError:
        return "", ""
    return user, password


def _is_same(said: str, wanted: str) -> bool:
    digests = (hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (said, wanted))
    return secrets.compare_digest(*digests)


def _find_network(address: str) -> str:
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address) and not parsed.is_loopback:
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return address


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
