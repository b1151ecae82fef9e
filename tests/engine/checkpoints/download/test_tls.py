"""Links with https: the certificate must be one of the host that the link names, issued by somebody whom this computer trusts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme

from engine.checkpoints.download.connection import open_url
from engine.checkpoints.download.network_errors import NetworkError
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import fetch
from tests.engine.checkpoints.download.conftest import HOST, NAME, WHOLE, Server, quiet


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to this computer."""

    def getaddrinfo(host: str, port: int, *_: int, **__: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_file_comes_over_tls(secure_server: Server, tmp_path: Path) -> None:
    link = DownloadSource(link=f"https://{HOST}:{secure_server.port}/{NAME}")
    secure_server.break_after, secure_server.breaks = 50_000, 1
    assert fetch(link, tmp_path / NAME, secure_server.agreed(), quiet).read_bytes() == WHOLE


def test_the_certificate_of_another_host_is_refused(secure_server: Server) -> None:
    with pytest.raises(NetworkError, match=r"certificate of “other\.example” is not valid"):
        open_url(f"https://other.example:{secure_server.port}/{NAME}", secure_server.agreed())


@pytest.mark.parametrize("stranger", [True, False])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    stranger: bool, secure_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where the user names other authorities, nor with those of the system."""
    if stranger:
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "stranger.pem"))
    else:
        monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NetworkError, match="certificate"):
        open_url(f"https://{HOST}:{secure_server.port}/{NAME}", secure_server.agreed())
    assert not secure_server.paths


def test_a_server_without_tls_is_said(server: Server) -> None:
    with pytest.raises(NetworkError, match="No secure connection"):
        open_url(f"https://{HOST}:{server.port}/{NAME}", server.agreed())


def test_a_file_of_certificates_that_is_none_is_said(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(NetworkError):
        open_url(f"https://{HOST}:{server.port}/{NAME}", server.agreed())
