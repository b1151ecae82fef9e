"""Hosts inside the network are asked about before they are contacted: in links, in redirects, and after a name is looked up."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.checkpoints.download import background, connection, hub
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.connection import open_url
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.internal_hosts import InternalHostError, Resolved, is_internal
from engine.checkpoints.download.network_errors import NetworkError
from engine.checkpoints.download.sources import DownloadSource, read_link
from engine.checkpoints.download.transfer import fetch
from engine.errors import DownloadError
from tests.engine.checkpoints.download.conftest import NAME, WHOLE, Server, quiet, until

INTERNAL = (
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.0.1", "169.254.169.254",
    "168.63.129.16", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.0.1", "198.18.0.1", "224.0.0.251", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1",
    "64:ff9b:1::a00:1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "192.169.0.1", "2606:4700::1111", "2a00:1450:4001::1")
CARRIERS = ("::ffff:{}", "::{}", "64:ff9b::{}")
"""IPv6 addresses that stand for one of IPv4: mapped, compatible, and translated."""


def carried(address: str) -> Iterator[str]:
    """``address`` of IPv4 in each form of IPv6, 6to4 and Teredo among them."""
    number = int(ipaddress.IPv4Address(address))
    yield from (carrier.format(address) for carrier in CARRIERS)
    yield str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1))
    yield str(ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)))


def test_every_range_inside_a_network_is_known() -> None:
    assert [each for each in (*INTERNAL, "no address") if not is_internal(each)] == []
    assert [each for each in PUBLIC if is_internal(each)] == []
    four = [each for each in INTERNAL if "." in each and each != "0.0.0.0"]
    assert [form for each in four for form in carried(each) if not is_internal(form)] == []
    assert [form for each in PUBLIC if "." in each for form in carried(each) if is_internal(form)] == []


def test_this_computers_own_addresses_are_inside() -> None:
    own = [
        found.address
        for each in psutil.net_if_addrs().values()
        for found in each
        if found.family in (socket.AF_INET, socket.AF_INET6)
    ]
    assert own and all(map(is_internal, own))


SPELLINGS = (
    "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:1]", "0.0.0.0", "[::]", "①②⑦.⓪.⓪.①",
)  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_this_computer_is_contacted_unasked(host: str, server: Server) -> None:
    for method in ("HEAD", "GET"):
        with pytest.raises(DownloadError) as raised:
            open_url(f"http://{host}:{server.port}/{NAME}", Control(), method=method)
        assert isinstance(raised.value, InternalHostError) or "not a valid address" in str(raised.value)
    assert not server.paths


def stub(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> list[str]:
    """Let ``names`` have these addresses, one after the other if there are several lookups. What was looked up."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: int, **__: int) -> list[tuple[object, ...]]:
        asked.append(host)
        known = names.get(host, [host])
        addresses = known.pop(0) if len(known) > 1 else known[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses.split()]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("addresses", ["127.0.0.1", "93.184.216.34 127.0.0.1", "127.0.0.1 93.184.216.34"])
def test_a_name_that_leads_inside_is_asked_about(addresses: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, {"models.example": [addresses]})
    with pytest.raises(InternalHostError, match=r"“models\.example” \(127\.0\.0\.1, port") as raised:
        open_url(f"http://models.example:{server.port}/{NAME}", Control())
    assert raised.value.endpoints == (("127.0.0.1", server.port),) and not server.paths


def test_a_name_that_changes_its_address_gains_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one that is connected to; the next lookup is checked again."""
    asked = stub(monkeypatch, {"models.example": ["93.184.216.34", "127.0.0.1"]})
    reached: list[str] = []

    def connect(found: Resolved, control: Control) -> socket.socket:
        reached.append(str(found[4][0]))
        raise ConnectionRefusedError

    monkeypatch.setattr(connection, "_connect", connect)
    url = f"http://models.example:{server.port}/{NAME}"
    with pytest.raises(NetworkError, match="refused"):
        open_url(url, Control())
    assert (reached, asked) == (["93.184.216.34"], ["models.example"])
    with pytest.raises(InternalHostError):
        open_url(url, Control())
    assert reached == ["93.184.216.34"]


def test_agreeing_to_one_address_is_no_agreement_to_another(
    server: Server, other_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(monkeypatch, {"nas.example": ["127.0.0.1", "127.0.0.2"]})
    control = Control([("127.0.0.1", server.port)])
    assert open_url(f"http://nas.example:{server.port}/{NAME}", control).status == 200
    with pytest.raises(InternalHostError, match=r"127\.0\.0\.2"):
        open_url(f"http://nas.example:{server.port}/{NAME}", control)
    with pytest.raises(InternalHostError, match=f"port {other_server.port}"):
        open_url(other_server.url, server.agreed())


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("hops", [1, 2, 5])
def test_each_hop_of_a_redirect_is_asked_about(method: str, hops: int, server: Server, other_server: Server) -> None:
    server.redirects = {f"/{n}": f"/{n + 1}" for n in range(hops)} | {f"/{hops}": other_server.url}
    with pytest.raises(InternalHostError, match=f"port {other_server.port}"):
        open_url(f"{server.base}/0", server.agreed(), method=method)
    assert len(server.paths) == hops + 1 and not other_server.paths


LOCATIONS = (
    "file:///etc/passwd", "ftp://127.0.0.1/a", "gopher://127.0.0.1/", "http://[::1", "http://a:99999/",
    "http://user:secret@models.example/a", "javascript:alert(1)", "data:,a", "http://a b/",
)  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_redirect_to_anything_but_a_web_address_is_refused(location: str, server: Server) -> None:
    server.redirects = {f"/{NAME}": location}
    with pytest.raises(NetworkError, match=r"not a valid address|user name|no host|looked up"):
        open_url(server.url, server.agreed())


def test_a_circle_of_redirects_ends(server: Server) -> None:
    server.redirects = {f"/{NAME}": server.url}
    with pytest.raises(NetworkError, match="circle"):
        open_url(server.url, server.agreed())


def test_the_token_stays_with_its_host(server: Server, other_server: Server) -> None:
    server.redirects = {"/old": "/new", "/new": other_server.url}
    control = Control([("127.0.0.1", server.port), ("127.0.0.1", other_server.port)])
    open_url(f"{server.base}/old", control, token="hf_secret").close()
    assert server.tokens == ["Bearer hf_secret"] * 2 and other_server.tokens == [""]


@pytest.mark.parametrize("link", ["http://me:secret@models.example/a.ckpt", "https://me@models.example/a.ckpt"])
def test_a_link_with_a_password_is_not_sent(link: str) -> None:
    with pytest.raises(DownloadError, match="user name or a password") as raised:
        read_link(link)
    assert "secret" not in str(raised.value)


def test_the_question_stands_on_the_card_and_in_the_middle_too(server: Server, other_server: Server, tmp_path: Path) -> None:
    """The server redirects only what is downloaded, so that the second question comes after the download was offered."""
    known = DownloadManager(tmp_path)
    number = known.ask([DownloadSource(link=server.url)], "A thing")
    first = until(known, background.CONFIRMING)
    assert "this computer itself" in first.said and "Continue only if" in first.said and not known.busy
    known.start(number)
    until(known, background.OFFERED)
    server.redirects = {f"/{NAME}": other_server.url}
    known.start(number)
    assert f"port {other_server.port}" in until(known, background.CONFIRMING).said
    assert not other_server.paths
    known.start(number)
    until(known, background.FINISHED)
    assert (tmp_path / NAME).read_bytes() == WHOLE


def test_a_question_can_be_declined(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = known.ask([DownloadSource(link=server.url)], "A thing")
    until(known, background.CONFIRMING)
    known.cancel(number)
    assert known.all() == () and not server.paths


def test_the_hub_that_the_user_chose_is_not_asked_about_but_where_it_leads_is(
    server: Server, other_server: Server, tmp_path: Path
) -> None:
    server.api = {"siblings": [{"rfilename": NAME, "size": len(WHOLE)}]}
    server.redirects = {f"/owner/thing/resolve/main/{NAME}": other_server.url}
    plan = hub.look(DownloadSource(repository="owner/thing", file=NAME), server.base)
    with pytest.raises(InternalHostError, match=f"port {other_server.port}"):
        fetch(next(iter(plan.files.values())).source, tmp_path / NAME, server.agreed(), quiet)
    assert not other_server.paths and not list(tmp_path.iterdir())
