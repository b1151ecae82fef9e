"""With ``--tls``, other computers have an encrypted port, and this computer goes on as before."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from engine.jobs import Jobs
from engine.settings import Settings
from tests.ui.run_async import run
from ui.server.serve import ServingError, Studio, serve

LOGIN = ("ann", "secret")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, issued = tmp_path_factory.mktemp("tls"), authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def studio(settings: Settings, jobs: Jobs, files: tuple[Path, Path]) -> Iterator[Studio]:
    with serve(settings, jobs, port=0, listen=":".join(LOGIN), tls=files) as served:
        yield served


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_both_ports_serve_the_page_and_ask_for_the_login(studio: Studio, trusting: ssl.SSLContext) -> None:
    secure = f"https://127.0.0.1:{studio.reach.secure_port}"
    for url in (secure, studio.url):
        with httpx.Client(verify=trusting, base_url=url, timeout=60) as client:
            assert client.get("/").status_code == 401
            page = client.get("/", auth=LOGIN)
            assert page.status_code == 200 and "Easel" in page.text
            own = client.post("/sketches", auth=LOGIN, content=b"", headers={"Origin": url})
            other = client.post("/sketches", auth=LOGIN, content=b"", headers={"Origin": "https://example.com"})
            assert own.status_code != 403 and other.status_code == 403


def test_only_the_encrypted_port_is_open_to_others(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    assert studio.url == f"http://127.0.0.1:{studio.port}" and studio._listener.getsockname()[0] == "127.0.0.1"
    monkeypatch.setattr("api.reach.find_network_address", lambda: "192.168.1.20")
    assert studio.reach.find_network_url() == f"https://192.168.1.20:{studio.reach.secure_port}"


def test_who_speaks_without_encryption_gets_nothing_and_disturbs_nobody(studio: Studio, trusting: ssl.SSLContext) -> None:
    async def speak() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", studio.reach.secure_port)
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    assert b"Easel" not in run(speak())
    assert httpx.get(f"https://127.0.0.1:{studio.reach.secure_port}/", verify=trusting, auth=LOGIN, timeout=60).status_code == 200


@pytest.mark.parametrize("wrong", ["nothing there", "another key", "no certificate"])
def test_files_that_cannot_be_used_are_a_sentence(
    wrong: str, settings: Settings, jobs: Jobs, files: tuple[Path, Path], authority: trustme.CA, tmp_path: Path
) -> None:
    certificate, key = files
    if wrong == "nothing there":
        certificate = tmp_path / "nothing.pem"
    elif wrong == "no certificate":
        certificate = tmp_path / "words.pem"
        certificate.write_text("words")
    else:
        key = tmp_path / "other.pem"
        authority.issue_cert("localhost").private_key_pem.write_to_path(str(key))
    with (
        pytest.raises(ServingError, match="cannot be used as a certificate"),
        serve(settings, jobs, port=0, listen="ann:secret", tls=(certificate, key)),
    ):
        pass


def test_nobody_to_encrypt_for_is_said(settings: Settings, jobs: Jobs, files: tuple[Path, Path]) -> None:
    with pytest.raises(ServingError, match="add --listen"), serve(settings, jobs, port=0, tls=files):
        pass
