"""Resolves host names, and requires consent for hosts inside the network: a link must not reach what only this computer can.

The connection is made to the addresses that were checked, so DNS rebinding does not help an attacker.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import psutil

from engine.checkpoints.download.control import Control
from engine.errors import DownloadError

IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Resolved: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, SocketAddress]
"""What getaddrinfo returns for each address of a host."""

LOOKUP_TIMEOUT = 20.0
"""Seconds for resolving a name."""

PROXIED_LOOKUP_TIMEOUT = 1.0
"""The same for a host that the proxy resolves itself. Behind a proxy, names often cannot be resolved here."""

INTERNAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")
"""Top-level domains and suffixes that are not used on the internet."""

_INTERNAL_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carriers' and VPNs' own; Alibaba's metadata service
        "168.63.129.16/32",  # Azure's platform service
        "192.0.0.0/24",  # Oracle's metadata service
        "198.18.0.0/15",
        "fec0::/10",  # site-local, the predecessor of fc00::/7
        "64:ff9b:1::/48",  # local NAT64 prefixes
    )
)
"""Networks that :mod:`ipaddress` does not count as private in all versions of Python."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


class InternalHostError(DownloadError):
    """A link leads to a host inside the network that the user has not allowed. ``endpoints``: its addresses with the port.

    ``control.allow(error.endpoints)`` allows them.
    """

    kind = DownloadError.kind

    def __init__(self, host: str, port: int, addresses: Sequence[str]) -> None:
        self.endpoints = tuple((address, port) for address in addresses)
        where = "this computer itself" if all(map(_is_this_computer, addresses)) else "inside your network, not on the internet"
        shown = "" if tuple(addresses) == (host,) else f"{', '.join(addresses)}, "
        super().__init__(
            f"The link leads to “{host}” ({shown}port {port}), which is {where}. Continue only if you know that host and trust "
            "the link."
        )


def resolve(host: str, port: int, control: Control, seconds: float) -> list[Resolved]:
    """The addresses of ``host``. Raises OSError, UnicodeError for an invalid name, CancelledError."""
    return control.run(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)


def check_addresses(host: str, port: int, addresses: Iterable[str], control: Control) -> None:
    """Raises InternalHostError if any of ``addresses`` is inside the network and not allowed by the user."""
    internal = [address for address in dict.fromkeys(addresses) if is_internal(address)]
    if internal and not control.is_allowed(host, port) and not all(control.is_allowed(each, port) for each in internal):
        raise InternalHostError(host, port, internal)


def check_proxied(host: str, port: int, control: Control) -> None:
    """Like :func:`check_addresses` for a host that a proxy resolves. A name that cannot be resolved here is left to the proxy.

    Raises InternalHostError, CancelledError.
    """
    try:
        addresses = [str(found[4][0]) for found in resolve(host, port, control, PROXIED_LOOKUP_TIMEOUT)]
    except (OSError, ValueError):
        addresses = [host] if _is_address(host) or _is_internal_name(host) else []
    check_addresses(host, port, addresses, control)


def is_internal(address: str) -> bool:
    """Whether an IP address is this computer's or not a public one. True for anything that is not an IP address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return True
    carried = _unwrap(found)
    return _is_internal(carried) or (carried is found and str(found) in _list_own_addresses())


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_internal_name(host: str) -> bool:
    """Whether a name can only be one inside the network."""
    name = host.rstrip(".").casefold()
    return "." not in name or any(name.endswith(f".{end}") for end in INTERNAL_NAMES)


def _is_internal(ip: IP) -> bool:
    special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or not ip.is_global
    return special or any(ip.version == network.version and ip in network for network in _INTERNAL_NETWORKS)


def _unwrap(ip: IP) -> IP:
    """The IPv4 address that is embedded in an IPv6 address, or ``ip`` itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _is_this_computer(address: str) -> bool:
    try:
        ip = _unwrap(ipaddress.ip_address(address))
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified or str(ip) in _list_own_addresses()


def _list_own_addresses() -> set[str]:
    return {found.address.partition("%")[0] for each in psutil.net_if_addrs().values() for found in each}
